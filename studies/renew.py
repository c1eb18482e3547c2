"""`python -m studies.renew --data DIR`: what is stated of every bundled model, made anew.

Nothing is trained. From the weights as they are shipped, for each model: the certificate is derived
again (its bound, the table of its layers and the outputs that `lipzoo verify` compares), the tables
of `metrics.json` are measured again on the data of its recipe, and its entry in the registry is
renewed. `python -m studies.beyond --record` and `python -m studies.attacks` do the same for
comparisons and attacks, and `python -m studies.render` then writes tables and cards. A model that
no recipe made (`python -m studies.denoiser --record`) keeps its tables.
"""

import argparse
import sys

import lipzoo
from lipzoo import training, zoo
from lipzoo.training.results import refresh_metrics
from lipzoo.zoo.saving import renew_certificate
from lipzoo_catalogue.files import RECIPE
from lipzoo_catalogue.registry import model_folder
from studies.recipe_data import add_data_option, working_where_the_data_lie


def renew(name: str, data, measure: bool = True) -> str:
    """Renews the statements about one model.

    Args:
        name: the model.
        data: folders in which the recipe's files may lie.
        measure: whether to measure, too, which needs the data.

    Returns:
        What was found, in one line.
    """
    folder = model_folder(name).absolute()
    claim = renew_certificate(folder)
    line = f"{name}: bound {claim.lipschitz_bound!r}"
    if measure and (folder / RECIPE).is_file():
        with working_where_the_data_lie(training.read_recipe(folder / RECIPE), data):
            metrics = refresh_metrics(folder)
        line += f", {metrics['test']['examples']:,} test examples"
        if "unseen" in metrics["test"]:
            line += f", {metrics['test']['unseen']['examples']:,} of them unseen"
    zoo.promote(folder, name)
    return line


def main(arguments=None) -> int:
    """Renews all bundled models, or some; the exit status says whether all could be."""
    parser = argparse.ArgumentParser(prog="python -m studies.renew", description=__doc__)
    add_data_option(parser)
    parser.add_argument("--only", action="append", metavar="NAME", help="a model; may be repeated")
    parser.add_argument(
        "--certificates", action="store_true", help="the certificates alone, which need no data"
    )
    options = parser.parse_args(arguments)
    failed = []
    for name in options.only or lipzoo.list_models():
        try:
            print(renew(name, options.data, not options.certificates), flush=True)
        except (OSError, ValueError) as error:
            failed.append(name)
            print(f"{name}: not renewed: {error}", file=sys.stderr, flush=True)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
