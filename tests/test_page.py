"""The page of certified examples: what is in it, that it loads nothing, and that it works."""

import base64
import html
import io
import itertools
import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from lipzoo_catalogue.certified.certified import Certified
from lipzoo_catalogue.certified.terms import Terms
from lipzoo_catalogue.page import ROWS, certified_page, thumbnails
from lipzoo_catalogue.page.thumbnails import SIDE, png

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
RADII = np.array([0.5, 0.25, np.inf, 1.0, 0.125])
PREDICTION, LABELS = np.array([0, 1, 2, 0, 1]), np.array([0, 1, 2, 1, 1])
NAMES = ("cat", "<b>dog</b>", "</script><script>x")


def _certified(names=NAMES, **columns):
    terms = Terms("net", 0.75, False, True, "l2", "pixels", names, (), "float32")
    arrays = {"radius": RADII, "prediction": PREDICTION, "rival": np.array([1, 0, -1, 2, 2])}
    return Certified(terms, {**arrays, "labels": LABELS, **columns})


def _page(certified=None, **settings):
    certified = certified or _certified()
    return certified_page(certified, 'net on "data"', {"dtype": "float32"}, {}, **settings)


def test_a_page_says_where_radii_hold_and_what_they_rest_on():
    certified = _certified()
    everywhere = _page(certified)
    assert "intersected" not in everywhere
    assert "within each ball" not in everywhere
    boxed = replace(certified, terms=replace(certified.terms, domain="[0, 1]"))
    assert "in [0, 1]: each ball is intersected with that box" in _page(boxed)
    local = replace(certified, terms=replace(certified.terms, local=True))
    assert "slopes of the network within each ball" in _page(local)


class _Reader(HTMLParser):
    """Elements with their attributes, and the cells of the table."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.rows, self.open = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data

    def named(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def _data(page):
    return json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])


def test_a_page_has_every_example_and_takes_nothing_from_elsewhere():
    certified = _certified(file=np.array(["a.png", "b.png", "c.png", "d.png", "<e>.png"]))
    page = _page(certified, pictures=thumbnails(np.zeros((5, 4, 4), "float32"), (0, 1)))
    reader = _Reader(page)
    head, *rows = reader.rows
    assert head == [
        *("Input", "Example", "File", "Prediction", "Label", "Radius", "Nearest rival", "At ε")
    ]
    assert [row[2] for row in rows] == ["a.png", "b.png", "c.png", "d.png", "<e>.png"]
    assert [row[3] for row in rows] == [NAMES[i] for i in PREDICTION]
    assert [row[5] for row in rows] == ["0.5", "0.25", "∞", "1", "0.125"]
    assert [row[6] for row in rows] == [NAMES[1], NAMES[0], "none", NAMES[2], NAMES[2]]
    addresses = [
        value
        for _, attributes in reader.elements
        for key, value in attributes.items()
        if key in ("src", "href", "srcset", "data", "action")
    ]
    assert len(addresses) == 5
    assert all(address.startswith("data:image/png;base64,") for address in addresses)
    assert "url(" not in page
    assert "@import" not in page
    policies = [meta["content"] for meta in reader.named("meta") if "http-equiv" in meta]
    assert policies == [
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
    ]
    assert len(reader.named("script")) == 2


def test_a_page_can_be_read_without_seeing_it():
    reader = _Reader(_page(pictures=thumbnails(np.zeros((5, 4, 4), "float32"), None)))
    assert [attributes["lang"] for attributes in reader.named("html")] == ["en"]
    assert len(reader.named("h1")) == len(reader.named("title")) == 1
    assert all("alt" in attributes for attributes in reader.named("img"))
    slider = next(a for a in reader.named("input") if a["type"] == "range")
    assert slider["id"] in [label["for"] for label in reader.named("label")]
    assert all(a.get("aria-label") for a in reader.named("svg") if a.get("role") == "img")


@pytest.mark.parametrize("scale", [1.0, 3e-4, 7e3])
def test_the_curve_counts_what_is_certified(scale):
    certified = _certified(radius=scale * RADII)
    data = _data(_page(certified))
    epsilons = [*map(float, data["epsilons"])]
    assert epsilons[0] == 0
    # Up to the largest finite radius of a correct prediction: 1.0 belongs to a wrong one.
    assert epsilons[-2] <= 0.5 * scale < epsilons[-1]
    assert 150 < len(epsilons) < 450
    for epsilon, count in zip(epsilons, data["counts"], strict=True):
        exact = (PREDICTION == LABELS) & (scale * RADII > epsilon)
        assert count == exact.sum()


def test_without_labels_predictions_count():
    columns = {k: v for k, v in _certified().columns.items() if k != "labels"}
    page = _page(Certified(_certified().terms, columns))
    assert _data(page)["counts"][0] == 5
    assert "classified correctly" not in page
    assert "Label" not in _Reader(page).rows[0]


def test_examples_of_radius_zero_and_many_of_them():
    many = {key: np.resize(values, ROWS + 5) for key, values in _certified().columns.items()} | {
        "radius": np.zeros(ROWS + 5)
    }
    page = _page(Certified(_certified().terms, many))
    assert len(_Reader(page).rows) == 1 + ROWS
    assert f"The table has the first {ROWS:,} of {ROWS + 5:,}" in page
    assert set(_data(page)["counts"]) == {0}


@pytest.mark.parametrize("shape", [(5, 7), (3, 6, 3)])
def test_pictures_are_what_another_reader_of_png_reads(shape):
    image = pytest.importorskip("matplotlib.image")
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    read = image.imread(io.BytesIO(png(pixels)), format="png")
    np.testing.assert_array_equal(np.rint(255 * read).astype("uint8"), pixels)


def test_pictures_are_small_and_keep_the_mean_of_what_they_show():
    image = pytest.importorskip("matplotlib.image")
    x = np.random.default_rng(0).uniform(size=(1, 4 * SIDE, 2 * SIDE, 3))
    (picture,) = thumbnails(x, (0, 1))
    data = re.search(r"base64,([^\"]+)", picture)[1]
    read = image.imread(io.BytesIO(base64.b64decode(data)), format="png")
    assert read.shape == (SIDE, SIDE // 2, 3)
    blocks = x[0].reshape(SIDE, 4, SIDE // 2, 4, 3).mean((1, 3))
    np.testing.assert_allclose(read, blocks, atol=1.5 / 255)


def test_sequences_are_lines_and_tables_have_no_picture():
    (line,) = thumbnails(np.linspace(0, 1, 200)[None, :, None], None)
    points = [*map(float, re.search(r'points="([^"]+)"', line)[1].replace(",", " ").split())]
    assert points[:2] == [2.0, 22.0]
    assert points[-2:] == [98.0, 2.0]
    assert len(points) == 2 * 60
    assert thumbnails(np.zeros((3, 9)), None) == thumbnails(np.zeros((0, 2, 2)), None) == []


_CLICKS = """<script>
const found = {said: [said.textContent]};
const column = i => rows().map(row => row.cells[i].textContent);
const buttons = [...document.querySelectorAll("#examples th button")];
slider.value = data.epsilons.indexOf("0.200");
slider.dispatchEvent(new Event("input"));
found.said.push(said.textContent);
found.states = column(5);
found.marker = Number(marker.getAttribute("x1"));
buttons[3].click();
found.ascending = column(3);
buttons[3].click();
found.descending = column(3);
buttons[1].click();
found.names = column(1);
found.sorted = [...document.querySelectorAll("th")].map(head => head.getAttribute("aria-sort"));
found.scripts = document.scripts.length;
const shown = document.createElement("pre");
shown.id = "found";
shown.textContent = JSON.stringify(found);
document.body.append(shown);
</script></body>"""


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_browser_moves_the_slider_and_sorts(tmp_path):
    page = _page(epsilon=0.0)
    file = tmp_path / "page.html"
    file.write_text(page.replace("</body>", _CLICKS), encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'u'}"]
    done = subprocess.run(
        [CHROMIUM, *options, "--dump-dom", file.as_uri()],
        check=True,
        capture_output=True,
        timeout=120,
    )
    dom = done.stdout.decode()
    found = json.loads(html.unescape(re.search(r'<pre id="found">(.*?)</pre>', dom, re.DOTALL)[1]))
    assert found["said"][0].startswith("ε = 0.000: 4 of 5 examples (80.00 %) are classified")
    # What the script says is what the page said without it.
    assert html.unescape(re.search(r'for="epsilon">([^<]*)</output>', page)[1]) == found["said"][0]
    assert found["said"][1].startswith("ε = 0.200: 3 of 5 examples (60.00 %)")
    assert found["states"] == ["proven", "proven", "proven", "wrong", "open"]
    last = float(_data(page)["epsilons"][-1])
    assert found["marker"] == pytest.approx(48 + 660 * 0.2 / last)
    assert found["ascending"] == ["0.125", "0.25", "0.5", "1", "∞"]
    assert found["descending"] == found["ascending"][::-1]
    # How signs are ordered is the language's; the letters come last, and equal names together.
    assert [name for name, _ in itertools.groupby(found["names"])][-1] == NAMES[0]
    assert len([*itertools.groupby(found["names"])]) == 3
    assert found["sorted"] == ["none", "ascending", "none", "none", "none", "none"]
    assert found["scripts"] == 3
