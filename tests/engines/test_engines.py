"""The examples on the real engines, each started here with two workers: `make test-engines`."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import lipzoo

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
ROWS = 2_000


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    path = tmp_path_factory.mktemp("images") / "images.parquet"
    runpy.run_path(str(EXAMPLES / "sample_images.py"))["write_images"](str(path), ROWS)
    return path


@pytest.fixture(scope="module")
def expected(images):
    """Radii of the 64 images, each once, and what is counted of all rows."""
    x, y = lipzoo.samples("fmnist")
    certificate = lipzoo.certify(lipzoo.load("gradflow-fmnist"), x, y, verbose=0)
    numbers = np.arange(ROWS) % 64
    kept = (certificate.prediction == y)[numbers]
    shares = [
        np.mean(kept & (certificate.radius[numbers] > epsilon)) for epsilon in (0.1, 0.25, 0.5)
    ]
    return certificate, [f"{100 * share:.2f} %" for share in shares]


def _run(name, *arguments, **options):
    command = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, **options)
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


def _check_rows(folder, expected):
    """Every example once, with the answers of `certify` up to the order of sums in a batch."""
    rows = pq.read_table(folder).to_pydict()
    order = np.argsort(rows["id"])
    columns = {name: np.asarray(rows[name])[order] for name in rows if name != "x"}
    assert columns["id"].tolist() == list(range(ROWS))
    certificate, _ = expected
    numbers = columns["id"] % 64
    for name in ("prediction", "rival"):
        assert np.array_equal(columns[name], getattr(certificate, name)[numbers]), name
    np.testing.assert_allclose(columns["radius"], certificate.radius[numbers], rtol=1e-4)
    return columns


def _check_summary(printed, expected):
    shares = re.findall(r"^ +0\.\d+ +(\d+\.\d+ %)$", printed, re.MULTILINE)
    assert shares == expected[1]


@pytest.mark.parametrize("name", ["ray_data", "spark", "beam", "hf_datasets"])
def test_the_example_answers_as_certify_does(name, images, expected, tmp_path):
    radii = tmp_path / ("radii.parquet" if name == "hf_datasets" else "radii")
    _check_summary(_run(f"{name}.py", images, radii), expected)
    _check_rows(radii, expected)


@pytest.mark.parametrize("loader", ["tf.data", "torch", "grain"])
def test_loaders_are_certified_as_arrays(loader, images, expected):
    printed = _run("loaders.py", images, loader)
    assert f"Certificate of {ROWS:,} examples" in printed
    _check_summary(printed.partition(" part, model")[2], expected)
