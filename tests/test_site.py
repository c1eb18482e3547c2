"""What the site does in a browser, and what is refused of it without one."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from documentation import check_site, contrast

ROOT = Path(__file__).parents[1]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
ROWS = [
    ("flow", "digits", "1", "0.9", "float32"),
    ("", "", "", "", "float64"),
    ("plain", "digits", "2", "7", "float32"),
    ("", "", "", "", "float64"),
]
_TYPED = """<script>
const found = {};
for (const typed of ["", "float64", "plain", "PLAIN float64", "none of it"]) {
  box.value = typed;
  box.dispatchEvent(new Event("input"));
  found[typed] = [...document.querySelectorAll("#filtered tbody tr")].filter(row => !row.hidden)
    .map(row => [row.cells[0].textContent, row.cells[4].textContent]);
}
const shown = document.createElement("pre");
shown.id = "found";
shown.textContent = JSON.stringify(found);
document.body.append(shown);
</script>"""


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_rows_of_the_zoo_s_table_are_found_by_words(tmp_path):
    rows = "".join(
        f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in ROWS
    )
    script = (ROOT / "documentation" / "filter.js").read_text(encoding="utf-8")
    page = tmp_path / "page.html"
    page.write_text(
        f'<meta charset="utf-8"><input id="filter"><table id="filtered"><tbody>{rows}</tbody>'
        f"</table><script>{script}</script>{_TYPED}",
        encoding="utf-8",
    )
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'u'}"]
    command = [CHROMIUM, *options, "--dump-dom", page.as_uri()]
    dom = subprocess.run(command, check=True, capture_output=True, timeout=120).stdout.decode()
    found = json.loads(html.unescape(re.search(r'<pre id="found">(.*?)</pre>', dom)[1]))
    assert found == {
        "": [["flow", "float32"], ["", "float64"], ["plain", "float32"], ["", "float64"]],
        # A row whose first one is not shown says whose it is.
        "float64": [["flow", "float64"], ["plain", "float64"]],
        "plain": [["plain", "float32"], ["", "float64"]],
        "PLAIN float64": [["plain", "float64"]],
        "none of it": [],
    }


def test_what_not_everybody_can_read_is_refused(tmp_path):
    good = '<html lang="en"><title>t</title><h1>a</h1><h2 id="b">b</h2><img src="p.png" alt="p">'
    good += '<a href="bad.html">the other</a><a href="#b">b</a></html>'
    bad = '<html><h2>b</h2><h4>c</h4><img src="p.png"><input type="text"><a href="none.html"></a>'
    bad += '<a href="good.html#c">c</a><script src="large.js"></script></html>'
    (tmp_path / "p.png").write_bytes(b"")
    (tmp_path / "large.js").write_bytes(bytes(check_site.LARGEST))
    (tmp_path / "good.html").write_text(good)
    (tmp_path / "bad.html").write_text(bad)
    found = check_site.faults(tmp_path)
    assert all(fault.startswith("bad.html: ") for fault in found)
    for fault in (
        "picture without words",
        "field without a name",
        "link without words",
        "language and a title",
        "one first heading",
        "rank 4 behind one of rank 2",
        "bytes to load",
        "leads to none.html",
        "leads to good.html#c",
    ):
        assert sum(fault in line for line in found) == 1, fault
    assert len(found) == 9


def test_pale_text_is_refused():
    names = dict.fromkeys(contrast._ON, "#000") | {"--md-default-bg-color": "hsl(225deg,0%,100%)"}
    names |= {
        "--md-code-bg-color": "#ffffff80",
        "--md-primary-fg-color": "#fff",
        "--md-hue": "225deg",
    }
    css = f":root{{{';'.join(map(':'.join, names.items()))}}}"
    palettes = [{"scheme": "default", "primary": "blue grey"}, {"scheme": "slate"}]
    assert contrast.faults(css, palettes) == []
    # Of two rules the more particular one, wherever it stands; grey #777 has 4.48 to 1 on white.
    css = (
        "[data-md-color-scheme=slate]{--md-typeset-color:hsla(var(--md-hue),0%,0%,.5)}"
        f"[data-md-color-primary=blue-grey]{{--md-typeset-a-color:#777}}{css}"
    )
    found = contrast.faults(css, palettes)
    assert found == [
        "default: --md-typeset-a-color has 4.48 to 1 on --md-default-bg-color",
        "slate: --md-typeset-color has 3.98 to 1 on --md-default-bg-color",
    ]
