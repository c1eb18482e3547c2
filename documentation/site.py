"""MkDocs' hooks: pages that are generated, links out of docs, formulae.

README, changelog and the like are pages although they lie outside of `docs/`; each model has its
card, each public name its docstring, each command what the parser knows of it. Nothing of these is
committed twice. A link to another file of the repository, as it works there, leads to a copy.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

from documentation import check_site, contrast, formulae, notebook_pages, reference
from documentation.commands import command_page
from lipzoo_catalogue.cards import plain_card
from lipzoo_catalogue.model_info import info
from lipzoo_catalogue.registry import list_models

ROOT = Path(__file__).parents[1]
# Files outside of docs that are pages, or stand for one, by their path in the repository.
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "findings/README.md": "findings.md",
    "MODEL_CARDS.md": "models/index.md",
}
# The page whose first table can be filtered.
FILTERED = "zoo.md"
_FILTER = (
    '<label for="filter">Show rows with </label>'
    '<input id="filter" type="search" placeholder="fmnist float32">'
)
# What else is linked to is copied there.
COPIES = "files/"
_LINK = re.compile(r"(\]\()([^)\s]+)(\))")
_CODE = re.compile(r"(^```.*?^```$|`[^`\n]*`)", re.DOTALL | re.MULTILINE)


def on_files(files, config):
    """Adds the generated pages, and copies of the files that pages link to."""
    texts = {PAGES[name]: (ROOT / name).read_text("utf-8") for name in PAGES if "CARDS" not in name}
    texts |= _cards()
    texts |= reference.pages()
    texts["reference/commands.md"] = command_page()
    notebooks, pictures = notebook_pages.pages(config.repo_url)
    texts |= notebooks
    # A page that the repository has is never hidden by a generated one.
    assert not texts.keys() & {file.src_uri for file in files}
    for name in ("style.css", "filter.js"):
        texts[name] = (ROOT / "documentation" / name).read_text("utf-8")
    for name, text in {**texts, **pictures}.items():
        files.append(File.generated(config, name, content=text))
    for file in list(files.documentation_pages()):
        _copy_linked(file, files, config)
    config.nav = _expanded(config.nav, files, set(_leaves(config.nav)))
    return files


def _cards() -> dict[str, str]:
    """A page for each model, from its files, and one that lists them."""
    models = [info(name) for name in list_models()]
    pages = {f"models/{model.name}.md": _card(model) for model in models}
    rows = [
        f"* [`{model.name}`]({model.name}.md): {model.description or model.architecture}"
        for model in models
    ]
    return {"models/index.md": "\n".join(["# Models", "", *rows, ""]), **pages}


def _card(model) -> str:
    return plain_card(model, pictures=f"../weights/{model.name}/")


def _origin(src_uri: str) -> str:
    """The path in the repository of a page's source, which its links are relative to."""
    # Cards are written as if they lay in a folder of the repository.
    if src_uri.startswith("models/"):
        return src_uri
    outside = {page: name for name, page in PAGES.items()}
    return outside.get(src_uri, f"docs/{src_uri}")


def _target(link: str, src_uri: str) -> tuple[str, str] | None:
    """Where a link into the repository leads: the file there, and the page or copy in the site."""
    name, _, _ = link.partition("#")
    if not name or re.match(r"[a-z]+:", link):
        return None
    path = posixpath.normpath(posixpath.join(posixpath.dirname(_origin(src_uri)), name))
    if path.startswith(("docs/", "models/")):
        page = path.removeprefix("docs/")
        # A notebook has a page, but on that page it is the file.
        if page.endswith(".ipynb") and not src_uri.startswith("notebooks/"):
            page = page.removesuffix("ipynb") + "md"
        return path, page
    return path, PAGES.get(path, COPIES + path)


def _copy_linked(page, files, config) -> None:
    for link in _LINK.findall(_CODE.sub("", page.content_string)):
        found = _target(link[1], page.src_uri)
        if found and found[1].startswith(COPIES) and found[1] not in files.src_uris:
            path = ROOT / found[0]
            if path.is_file():
                files.append(File.generated(config, found[1], abs_src_path=str(path)))


def on_page_markdown(markdown, page, **_):
    """Points links to where the site has what they lead to."""

    def replaced(match):
        found = _target(match[2], page.file.src_uri)
        if found is None:
            return match[0]
        here = posixpath.dirname(page.file.src_uri)
        anchor = match[2].partition("#")[2]
        link = posixpath.relpath(found[1], here or ".") + (f"#{anchor}" if anchor else "")
        return match[1] + link + match[3]

    parts = _CODE.split(markdown)
    # Every other part is code.
    parts[::2] = [_LINK.sub(replaced, part) for part in parts[::2]]
    return "".join(parts)


def on_page_content(html, page, **_):
    """Writes formulae as MathML, which browsers show without a script, and marks long cells."""
    if page.file.src_uri == FILTERED:
        html = html.replace("<table>", f'{_FILTER}<table id="filtered">', 1)
    return re.sub(r"<td>(?=[^<]{50})", '<td class="long">', formulae.written_out(html))


def on_post_build(config, **_):
    """Refuses a site that not everybody can read, see `documentation.check_site`."""
    site = Path(config.site_dir)
    sheets = [*sorted((site / "assets" / "stylesheets").glob("*.css")), site / "style.css"]
    css = "".join(sheet.read_text("utf-8") for sheet in sheets)
    found = [*contrast.faults(css, config.theme["palette"]), *check_site.faults(site)]
    if found:
        raise PluginError("\n".join(found))


def _expanded(items, files, named):
    """The navigation with `folder/*`, or `*`, replaced by what lies there and is not named."""
    result = []
    for item in items:
        if isinstance(item, dict):
            ((title, value),) = item.items()
            inner = _expanded(value, files, named) if isinstance(value, list) else value
            result.append({title: inner})
        elif item.endswith("*"):
            folder = item[:-1].rstrip("/")
            found = (page.src_uri for page in files.documentation_pages())
            result += [
                name for name in found if posixpath.dirname(name) == folder and name not in named
            ]
        else:
            result.append(item)
    return result


def _leaves(items):
    for item in items:
        for value in item.values() if isinstance(item, dict) else (item,):
            if isinstance(value, list):
                yield from _leaves(value)
            else:
                yield value
