"""What the site does in a browser."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

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
