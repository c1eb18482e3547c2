"""A page of certified examples: the curve over ε, each example, what is proven, and hashes.

Everything is in the page: it loads nothing, and its policy forbids browsers to. Without scripts it
shows the same, at one ε and in one order.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from lipzoo_catalogue.certified.certified import Certified
from lipzoo_catalogue.certified.origin import counted, described
from lipzoo_catalogue.certified.report import CertificateReport
from lipzoo_catalogue.formatting import format_down, format_up
from lipzoo_catalogue.markup import escaped
from lipzoo_catalogue.page.curve import Curve

# Examples that the table has at most.
ROWS = 500
_FOLDER = Path(__file__).parent
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def certified_page(
    certified: Certified,
    title: str,
    facts: Mapping[str, object],
    hashes: Mapping[str, str],
    pictures: Sequence[str] = (),
    epsilon: float | None = None,
    notes: Sequence[str] = (),
) -> str:
    """Returns a page of HTML.

    Args:
        certified: the examples.
        title: of the page.
        facts: what was certified how, by name.
        hashes: SHA-256 by what each is of.
        pictures: pieces of HTML for the first examples, from `thumbnails`.
        epsilon: the radius that the page begins with; `None` for half of the median.
        notes: what a reader of the numbers should know.
    """
    curve = Curve.of(certified)
    if epsilon is None:
        epsilon = float(np.nan_to_num(np.median(certified.columns["radius"]), posinf=0.0)) / 2
    place = curve.nearest(epsilon)
    data = {
        "epsilons": curve.epsilons,
        "counts": curve.counts,
        "examples": curve.examples,
        "said": _said(certified),
    }
    # In a script element only this could end it.
    embedded = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")
    css, script = ((_FOLDER / name).read_text("utf-8") for name in ("page.css", "page.js"))
    body = [
        f"<h1>{escaped(title)}</h1>",
        _numbers(certified),
        _curve_section(curve, place, certified),
        _examples_section(certified, curve.epsilons[place], pictures),
        _proven_section(certified, notes),
        f"<h2>What was certified</h2>{_list(facts)}",
        f"<h2>SHA-256</h2>{_list(hashes, hashed=True)}",
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escaped(title)}</title><style>\n{css}</style></head>\n<body><main>\n"
        + "\n".join(body)
        + f'\n</main><script type="application/json" id="data">{embedded}</script>'
        f"<script>\n{script}</script></body></html>\n"
    )


def _numbers(certified: Certified) -> str:
    radius = certified.columns["radius"]
    shown = {
        "examples": f"{len(certified):,}",
        "median radius": format_down(float(np.quantile(radius, 0.5, method="lower")), 3),
        _bound_name(certified): format_up(certified.terms.bound, 5),
    }
    if certified.accuracy is not None:
        shown = {"classified correctly": f"{100 * certified.accuracy:.2f} %", **shown}
    items = "".join(f"<li><b>{escaped(v)}</b>{escaped(k)}</li>" for k, v in shown.items())
    return f'<ul class="numbers">{items}</ul>'


def _bound_name(certified: Certified) -> str:
    after = " after the standardisation" if certified.terms.standardized else ""
    return f"proven Lipschitz bound{after}"


def _norm(certified: Certified) -> str:
    terms = certified.terms
    norm = "l-infinity" if terms.norm == "linf" else terms.norm
    if terms.standardized:
        return f"{norm} norm in standard deviations"
    return f"{norm} norm" + (f" ({terms.units})" if terms.units else "")


def _said(certified: Certified) -> str:
    """What is said of the examples that are counted at an ε."""
    what = f"no perturbation of up to ε in {_norm(certified)} changes"
    if certified.labelled:
        return f"are classified correctly, and {what} that."
    return f"have a prediction that {what}."


def _curve_section(curve: Curve, place: int, certified: Certified) -> str:
    what = "Accuracy" if certified.labelled else "Predictions"
    share = 10_000 * curve.counts[place] // curve.examples / 100
    said = (
        f"ε = {curve.epsilons[place]}: {curve.counts[place]:,} of {curve.examples:,} examples "
        f"({share:.2f} %) {_said(certified)}"
    )
    label = escaped(f"Certified share of the examples over ε, {_norm(certified)}")
    clean = "The dashed line is the accuracy without a perturbation. " * certified.labelled
    return (
        f"<h2>{what} over ε</h2>{curve.svg(label)}"
        '<label for="epsilon">ε, the size of the perturbation</label>'
        f'<input type="range" id="epsilon" min="0" max="{len(curve.epsilons) - 1}" step="1" '
        f'value="{place}"><output id="said" for="epsilon">{escaped(said)}</output>'
        f"<p>Everything below the curve is proven. {clean}What lies above is open: nothing here "
        "says that a perturbation exists.</p>"
    )


def _examples_section(certified: Certified, epsilon: str, pictures: Sequence[str]) -> str:
    report = certified.report(float(epsilon), 0, ROWS)
    columns = _columns(report)
    states = [
        "wrong" if wrong else "proven" if radius > float(epsilon) else "open"
        for wrong, radius in zip(_wrong(report), report.radius, strict=True)
    ]
    head = "<th>Input</th>" if pictures else ""
    for name, (kind, _) in columns.items():
        head += _heading(kind, name)
    head += _heading("text", "At ε")
    lines: list[str] = []
    for number, state in enumerate(states):
        cells = f"<td>{pictures[number] if number < len(pictures) else ''}</td>" * bool(pictures)
        for kind, values in columns.values():
            value, text = values[number]
            cells += f'<td class="{kind}" data-value="{escaped(value)}">{escaped(text)}</td>'
        wrong = ' data-wrong="1"' if state == "wrong" else ""
        lines.append(
            f'<tr data-radius="{_number(report.radius[number])}" data-state="{state}"{wrong}>'
            f"{cells}<td>{state}</td></tr>"
        )
    some = f" The table has the first {ROWS:,} of {len(certified):,}." * (len(certified) > ROWS)
    return (
        "<h2>Examples</h2><p>A heading sorts by its column. <i>Proven</i>: no perturbation of up "
        "to ε changes the prediction; <i>open</i>: the radius is no larger than ε"
        f"{'; <i>wrong</i>: misclassified as it is' * certified.labelled}.{some}</p>"
        '<div class="scroll" tabindex="0" role="region" aria-label="Examples">'
        f'<table id="examples"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _heading(kind: str, name: str) -> str:
    button = f'<button type="button">{escaped(name)}</button>'
    return f'<th class="{kind}" aria-sort="none">{button}</th>'


def _columns(report: CertificateReport) -> dict[str, tuple[str, list[tuple[str, str]]]]:
    """Columns by heading: whether of numbers, and of every cell what it is sorted by and says."""
    names = report.class_names

    def classes(numbers: np.ndarray) -> list[tuple[str, str]]:
        found: list[int] = numbers.tolist()
        return [twice("none" if n < 0 else names[n] if names else str(n)) for n in found]

    def twice(value: object) -> tuple[str, str]:
        return str(value), str(value)

    numbers = [twice(i + report.first) for i in range(len(report))]
    columns: dict[str, tuple[str, list[tuple[str, str]]]] = {"Example": ("number", numbers)}
    if report.origin is not None:
        kind = "number" if report.origin.dtype.kind in "iu" else "text"
        name = "Row" if kind == "number" else "File"
        columns[name] = (kind, [*map(twice, report.origin.tolist())])
    columns["Prediction"] = ("text", classes(report.prediction))
    if report.labels is not None:
        columns["Label"] = ("text", classes(report.labels))
    radii = [
        (_number(r), "∞" if np.isposinf(r) else format_down(float(r), 4)) for r in report.radius
    ]
    columns["Radius"] = ("number", radii)
    columns["Nearest rival"] = ("text", classes(report.rival))
    return columns


def _wrong(report: CertificateReport) -> list[bool]:
    if report.labels is None:
        return [False] * len(report)
    return (report.prediction != report.labels).tolist()


def _number(radius: float) -> str:
    """As JavaScript reads it."""
    return "Infinity" if np.isposinf(radius) else repr(float(radius))


def _proven_section(certified: Certified, notes: Sequence[str]) -> str:
    terms = certified.terms
    computed = (
        f"the network as it is computed ({terms.arithmetic}), rounding errors included"
        if terms.rounding
        else "the network in exact arithmetic"
    )
    sentences = [
        f"An example x with radius r above ε keeps its class at every input x' with ‖x' − x‖ ≤ ε, "
        f"in {_norm(certified)}. This is a theorem about {computed}.",
        f"It rests on the bound {format_up(terms.bound)} of the Lipschitz constant of "
        f"'{terms.model}'{' after its standardisation' if terms.standardized else ''}, derived "
        "from the weights when the examples were certified, on the margins between the outputs, "
        "and on the assumptions about the arithmetic that lipzoo's documentation states under "
        "“What is proven”." + " Radii in this norm follow from those in l2." * (terms.norm != "l2"),
        *(
            [
                "The radii rest on slopes of the network within each ball, which are at most the "
                "bound: what stays off or on in it counts as such."
            ]
            if terms.local
            else []
        ),
        *(
            [
                f"Inputs, x and x' alike, are those with all entries in {terms.domain}: each ball "
                "is intersected with that box."
            ]
            if terms.domain
            else []
        ),
        "It does not say that a prediction is right, nor anything of other changes, such as "
        "rotations, or of data unlike the training data. An open example may withstand all "
        "perturbations too.",
        *notes,
    ]
    if certified.left_out:
        number, what = counted(certified.left_out), described(certified.left_out)
        sentences.append(f"Left out of the data, without a radius: {number}: {what}.")
    return "<h2>What is proven</h2>" + "".join(f"<p>{escaped(text)}</p>" for text in sentences)


def _list(values: Mapping[str, object], hashed: bool = False) -> str:
    kind = ' class="hash"' if hashed else ""
    items = "".join(f"<dt>{escaped(k)}</dt><dd{kind}>{escaped(v)}</dd>" for k, v in values.items())
    return f"<dl>{items}</dl>"
