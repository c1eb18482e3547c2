"""How `lipzoo evaluate` is called."""

import argparse

from lipzoo_cli.usage.options import MODEL, add_dtype
from lipzoo_cli.usage.usage import Usage


def _add_attack_options(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group(
        "attacks",
        "Accuracy under attack beside clean and certified accuracy; what is certified, "
        "misclassified or already broken is not attacked.",
    )
    group.add_argument(
        "--attack",
        metavar="NAME",
        action="append",
        help="pgd; foolbox-pgd, deepfool, carlini-wagner, boundary (extra `attacks`); auto-pgd, "
        "square (extra `art`); may be repeated, cheap ones first. pgd and boundary, which needs "
        "no gradients, make a strong pair",
    )
    group.add_argument(
        "--attack-certified",
        action="store_true",
        help="attack also what is certified: no attack may succeed there",
    )
    group.add_argument("--samples", metavar="N", type=int, help="N of the examples, stratified")
    group.add_argument("--seed", metavar="S", type=int, default=0, help="of sample and attacks")
    group.add_argument("--figure", metavar="FILE", help="draw the accuracies over epsilon (.png)")
    group.add_argument("--out", metavar="FILE", help="write a row per example: .csv or .npz")
    group.add_argument(
        "--record",
        action="store_true",
        help="write the accuracies into the model's metrics.json, for its card",
    )


def _evaluate(command: argparse.ArgumentParser) -> None:
    command.add_argument("model", help=MODEL)
    add_dtype(command)
    command.add_argument(
        "--data", metavar="SOURCE", help="another data source; its test split is used"
    )
    command.add_argument(
        "--epsilon",
        metavar="E",
        action="append",
        help="radius, such as 0.25 or 36/255; may be repeated (default: those of the recipe)",
    )
    _add_attack_options(command)


EVALUATE = Usage(
    name="evaluate",
    summary="Recompute bound, clean and certified accuracy of a model on its test split (in "
    "Python: lipzoo.certify), or attack it (lipzoo.evaluate_robustness).",
    example="lipzoo evaluate gradflow-fmnist --attack pgd --attack boundary --samples 1000",
    add_arguments=_evaluate,
    run="evaluate:evaluate",
    hub=True,
)
