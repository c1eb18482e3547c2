"""The table of `studies.differential` for its page."""

import json
from pathlib import Path

from lipzoo_catalogue.formatting import format_percent
from lipzoo_catalogue.markdown import table

RESULTS = Path(__file__).with_name("differential.json")
# Of fewer models, drawn with layers and bounds that came later: ellipsoids for every second one.
LATER = Path(__file__).with_name("differential_later.json")
# Of models that are made for a rule: bounds on boxes, slopes within each ball.
RULES = {
    "products of tensors on boxes": Path(__file__).with_name("differential_boxes.json"),
    "slopes within each ball": Path(__file__).with_name("differential_local.json"),
}
_OUTCOMES = {
    "accepted": "accepted, and attacked",
    "refused": "refused by name",
    "unbuildable": "not to be built by Keras",
    "violation": "refuted: a statement found false",
    "raw error": "ended in another error",
}
_SHARES = {
    "bound": "largest share of a bound that two inputs or a Jacobian reached",
    "radius": "largest radius withstood, in units of the distance to a change that was found",
    "ball": "largest share of the radius of a ball that an output reached",
}


def differential_table() -> str:
    """What became of the random models, and how near the attacks came."""
    found = json.loads(RESULTS.read_text())
    outcomes = {**dict.fromkeys(("violation", "raw error"), 0), **found["outcomes"]}
    rows = [["random models", f"{found['models']:,}"]]
    rows += [[text, f"{outcomes[key]:,}"] for key, text in _OUTCOMES.items() if key in outcomes]
    rows += [
        ["accepted, of those that were built", f"{format_percent(found['accepted_share'])} %"],
        ["changed after they were built", f"{found['changed']:,}"],
        ["radii that were attacked", f"{found['certified_points']:,}"],
    ]
    rows += [[text, f"{found['largest_share'][key]:.4f}"] for key, text in _SHARES.items()]
    return table(["", "measured"], rows)


def later_sentence() -> str:
    """What became of models with what came after the table was measured."""
    found = json.loads(LATER.read_text())
    outcomes = found["outcomes"]
    return (
        f"Of {found['models']:,} models drawn later, {outcomes.get('accepted', 0):,} were accepted "
        "and attacked, every second one through ellipsoids, "
        f"{outcomes.get('refused', 0):,} refused by name and {outcomes.get('violation', 0):,} "
        "refuted.\n"
    )


def rules_table() -> str:
    """What became of models that are made for one rule."""
    rows = []
    for name, path in RULES.items():
        found = json.loads(path.read_text())
        outcomes = found["outcomes"]
        counts = [outcomes.get(key, 0) for key in ("accepted", "refused", "violation")]
        shares = [f"{found['largest_share'][key]:.4f}" for key in ("bound", "radius")]
        numbers = [found["models"], *counts, found["certified_points"]]
        rows.append([name, *(f"{number:,}" for number in numbers), *shares])
    header = ["models with", "drawn", "accepted", "refused by name", "refuted", "radii attacked"]
    return table([*header, "largest share of a bound", "of a radius"], rows)
