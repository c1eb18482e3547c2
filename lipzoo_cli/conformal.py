"""`lipzoo conformal`: sets of classes with a guaranteed coverage for a user's examples."""

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lipzoo.conformal import calibrate
from lipzoo.data.examples import read_examples
from lipzoo_cli.arguments import print_json
from lipzoo_cli.certified_model import CertifiedModel, model_to_certify
from lipzoo_cli.checked_options import check_conformal_options
from lipzoo_cli.conformal_output import SetsReport, write_sets


def conformal(arguments: argparse.Namespace) -> None:
    """`lipzoo conformal MODEL CALIBRATION DATA [--alpha A] [--epsilon E] [--out FILE] ...`."""
    alpha, epsilon = check_conformal_options(arguments)
    subject = model_to_certify(arguments)
    x, y, _ = _examples(arguments.calibration, subject)
    if y is None:
        raise ValueError(
            "Expected labelled examples to calibrate with. "
            f"Received: {arguments.calibration}, which has no labels"
        )
    inputs, labels, origin = _examples(arguments.data, subject)
    calibrated = calibrate(
        subject.load(),
        x,
        y,
        alpha,
        class_conditional=arguments.class_conditional,
        standardized=arguments.standardized,
        method=arguments.method,
        verbose=0,
    )
    sets = calibrated.predict_set(inputs, epsilon, verbose=0)
    covered = None if labels is None else sets.empirical_coverage(labels)
    about: dict[str, npt.ArrayLike] = {
        "model": arguments.model,
        "calibration": arguments.calibration,
        "data": arguments.data,
        "alpha": alpha,
        "epsilon": epsilon,
        "guaranteed_coverage": sets.guaranteed_coverage,
        "class_conditional": sets.class_conditional,
        "standardized": arguments.standardized,
        "units": sets.units,
        "calibration_examples": int(calibrated.examples.sum()),
        "thresholds": calibrated.thresholds,
        "mean_size": float(sets.size.mean()),
    }
    if covered is not None:
        about["empirical_coverage"] = covered
    names = sets.class_names or [str(number) for number in range(sets.members.shape[1])]
    report = SetsReport(about, sets.members, sets.prediction, names, origin)
    if arguments.out is not None:
        write_sets(Path(arguments.out), report)
    if arguments.json:
        print_json(report.values())
        return
    print(calibrated)
    print(sets)
    if covered is not None:
        print(f"measured coverage: {100 * covered:.2f} % of {len(sets):,}")
    if shown := report.text():
        print(shown)
    if arguments.out is not None:
        print(f"sets: {arguments.out}")


def _examples(
    data: str, subject: CertifiedModel
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Examples, their labels and where they stand in their source, the latter where known."""
    x, y = read_examples(data, subject.config, subject.recipe)
    whole = slice(None)
    return x[whole], None if y is None else y[whole], x.origin
