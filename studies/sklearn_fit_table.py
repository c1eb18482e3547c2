"""The table of `studies.sklearn_fit` for the page on scikit-learn."""

import json
from pathlib import Path

from lipzoo_catalogue.formatting import format_percent
from lipzoo_catalogue.markdown import table

RESULTS = Path(__file__).with_name("sklearn_fit.json")


def sklearn_fit_table() -> str:
    """Seconds to fit beside `MLPClassifier`, by the number of rows."""
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    rows = []
    for one in results["tables"]:
        seconds, accuracy = one["seconds"], one["accuracy"]
        rows.append(
            [
                f"{one['rows']:,}",
                f"{seconds['certified']:.1f} s",
                f"{seconds['mlp']:.1f} s ({one['mlp_epochs']} epochs)",
                f"{one['ratio']:.1f} ×",
                f"{one['ratio_same_epochs']:.1f} ×",
                f"{format_percent(accuracy['certified'])}, {format_percent(accuracy['mlp'])}",
                format_percent(one["certified_accuracy"]),
            ]
        )
    header = ["rows", "`CertifiedClassifier`", "`MLPClassifier`", "ratio"]
    header += [f"ratio, both {results['epochs']} epochs", "accuracies", "certified, radius 0.1"]
    return table(header, rows)
