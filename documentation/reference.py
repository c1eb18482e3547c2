"""The reference of public names, from docstrings, which are read and not imported."""

from pathlib import Path

import griffe

ROOT = Path(__file__).parents[1]
# Public modules by the title of their page. A name stands on one page, under its shortest path.
MODULES = {
    "lipzoo.zoo": "Loading and saving",
    "lipzoo.bounds": "Bounds",
    "lipzoo.certificates": "Certificates",
    "lipzoo.conformal": "Conformal prediction",
    "lipzoo.certifying": "Large data",
    "lipzoo.models": "Networks",
    "lipzoo.layers": "Layers",
    "lipzoo.activations": "Activations",
    "lipzoo.constraining": "Ordinary models constrained",
    "lipzoo.constraints": "Constraints",
    "lipzoo.losses": "Losses",
    "lipzoo.metrics": "Metrics",
    "lipzoo.callbacks": "Callbacks",
    "lipzoo.optimizers": "Optimizers",
    "lipzoo.evaluation": "Attacks, searches, diagnosis",
    "lipzoo.inverse": "Inverse problems",
    "lipzoo.exporting": "Export",
    "lipzoo.importing": "ONNX files",
    "lipzoo.spectral": "Norms of kernels",
    "lipzoo.operators": "Linear operators",
    "lipzoo.data": "Data",
    "lipzoo.training": "Training",
    "lipzoo.sklearn": "scikit-learn",
}


def pages() -> dict[str, str]:
    """A page for every module, by its name in the site."""
    loader = griffe.GriffeLoader(search_paths=[ROOT])
    package = loader.load("lipzoo")
    loader.load("lipzoo_catalogue")
    loader.resolve_aliases(external=False)
    # What stands on which page under which path; the top of the package comes last, and wins.
    shown: dict[str, tuple[str, str]] = {}
    for module in (*MODULES, "lipzoo"):
        for name in _public(package[module.partition(".")[2]] if "." in module else package):
            path, target = f"{module}.{name}", _target(package, module, name)
            page = shown.get(target, (module,))[0] if module == "lipzoo" else module
            if target not in shown or module == "lipzoo":
                shown[target] = (page if page != "lipzoo" else _home(target), path)
    # A module that nobody gave a title is there under its name.
    titles = {page: page.rpartition(".")[2].capitalize() for page, _ in shown.values()}
    result = {}
    # In the order of MODULES, others behind.
    for module, title in {**dict.fromkeys(MODULES), **titles, **MODULES}.items():
        own = [(path, target) for target, (page, path) in shown.items() if page == module]
        parts = [f"# {title}", "", _introduction(package[module.partition(".")[2]]), ""]
        parts += [_entry(path, target) for path, target in sorted(own)]
        result[f"reference/{module.rpartition('.')[2]}.md"] = "\n".join(parts)
    return result


def _entry(path: str, target: str) -> str:
    """What mkdocstrings is told of a name."""
    before, _, name = path.rpartition(".")
    if not before.endswith(f".{name}"):
        return f"::: {path}\n"
    # It hides behind the file that it is in: shown where it is, titled as one calls it.
    return f"::: {target}\n    options:\n      heading: {before}\n      toc_label: {name}\n"


def _public(module) -> list[str]:
    """The public names of a module that are no modules themselves, below that module."""
    names = module.exports or [
        name
        for name, member in module.members.items()
        if not member.is_alias and not name.startswith("_") and not member.is_attribute
    ]
    found = [_below(module, str(name)) for name in names if not str(name).startswith("__")]
    return [name for name in found if not module[name].is_module]


def _below(module, name: str) -> str:
    """Where a name is: a function that is named as the file it is in hides behind that file."""
    member = module.members[name]
    return f"{name}.{name}" if member.is_module and name in member.members else name


def _target(package, module: str, name: str) -> str:
    own = package[f"{module}.{name}".partition(".")[2]]
    return own.final_target.path if own.is_alias else own.path


def _home(target: str) -> str:
    """The page of a name that only the top of the package has: that of the module it is from."""
    module = ".".join(target.split(".")[:2])
    if module.startswith("lipzoo."):
        return module
    return "lipzoo.exporting" if module == "lipzoo_catalogue.exported" else "lipzoo.zoo"


def _introduction(module) -> str:
    """What a module says of itself."""
    return module.docstring.value if module.docstring else ""
