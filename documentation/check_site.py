"""What a reader's browser and screen reader need of the built site, checked without a browser.

Every page: a language and a title, one heading of the first rank and no rank left out below,
pictures with words for who does not see them, names for fields and links, targets that exist, and
less than a megabyte to load. Colours: at least 4.5 to 1 between text and what it stands on (WCAG
2.2, 1.4.3), in the palettes that `mkdocs.yml` names, see `documentation.contrast`.
"""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

LARGEST = 1_000_000
# What all pages load is counted for each, though a browser keeps it.
_LOADED = {"img": "src", "script": "src", "link": "href"}
_NAMED = ("aria-label", "title", "placeholder", "id")
_EXTERNAL = re.compile(r"[a-z][a-z0-9+.-]*:|//|#")


class Page(HTMLParser):
    """One page: its headings, what it loads and leads to, and what it lacks."""

    def __init__(self, text: str):
        super().__init__()
        self.faults: list[str] = []
        self.ranks: list[int] = []
        self.loads: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.language = self.title = False
        self._link: list[str] | None = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        """Notes what an element is."""
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[key] for key in ("id", "name") if key in given}
        self.language |= tag == "html" and bool(given.get("lang"))
        self.title |= tag == "title"
        if re.fullmatch("h[1-6]", tag):
            self.ranks.append(int(tag[1]))
        if tag == "img":
            if not given.get("alt", "").strip():
                self.faults.append(f"a picture without words: {given.get('src')}")
            elif self._link is not None:
                self._link.append(given["alt"])
        typed = tag == "input" and given.get("type") not in ("checkbox", "radio", "hidden")
        if typed and not any(given.get(name) for name in _NAMED):
            self.faults.append(f"a field without a name: {given}")
        relation = given.get("rel", "stylesheet" if tag != "link" else "")
        if tag in _LOADED and ("stylesheet" in relation or "icon" in relation):
            self.loads.append(given.get(_LOADED[tag], ""))
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
            self._link = [given.get("aria-label") or given.get("title") or ""]

    def handle_data(self, data):
        """Notes what a link says."""
        if self._link is not None:
            self._link.append(data)

    def handle_endtag(self, tag):
        """Ends a link."""
        if tag == "a" and self._link is not None:
            if not "".join(self._link).strip():
                self.faults.append(f"a link without words: {self.links[-1]}")
            self._link = None


def faults(site: Path) -> list[str]:
    """What is wrong with a built site, as `page: what`."""
    pages = {path: Page(path.read_text("utf-8")) for path in sorted(site.rglob("*.html"))}
    # The page of a missing address stands at every depth, with addresses from the root.
    pages.pop(site / "404.html", None)
    found = []
    for path, page in pages.items():
        name = path.relative_to(site).as_posix()
        found += [f"{name}: {fault}" for fault in (*page.faults, *_of_page(path, page, pages))]
    return found


def _of_page(path: Path, page: Page, pages: dict[Path, Page]) -> Iterator[str]:
    if not page.language or not page.title:
        yield "expected a language and a title"
    if page.ranks.count(1) != 1:
        yield f"expected one first heading. Received: {page.ranks.count(1)}"
    for before, after in zip(page.ranks, page.ranks[1:], strict=False):
        if after > before + 1:
            yield f"a heading of rank {after} behind one of rank {before}"
    size = path.stat().st_size
    for address in {address for address in page.loads if address and not _external(address)}:
        target = _target(path, address)
        if target.is_file():
            size += target.stat().st_size
        else:
            yield f"loads {address}, which is not there"
    if size > LARGEST:
        yield f"expected at most {LARGEST:,} bytes to load. Received: {size:,}"
    for address in set(page.links):
        if _EXTERNAL.match(address) and not address.startswith("#"):
            continue
        file, _, anchor = address.partition("#")
        target = _target(path, file) if file else path
        if not target.is_file():
            yield f"leads to {address}, which is not there"
        elif anchor and target in pages and unquote(anchor) not in pages[target].anchors:
            yield f"leads to {address}, a place that is not there"


def _external(address: str) -> bool:
    return bool(_EXTERNAL.match(address)) or address.startswith("data:")


def _target(path: Path, address: str) -> Path:
    target = (path.parent / unquote(address.partition("?")[0])).resolve()
    return target / "index.html" if target.is_dir() else target
