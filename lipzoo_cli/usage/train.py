"""How `lipzoo recipe`, `train` and `promote` are called."""

import argparse

from lipzoo_cli.usage.usage import Usage


def _train(command: argparse.ArgumentParser) -> None:
    command.add_argument("recipe", help="a TOML file, or the name of a recipe that lipzoo brings")
    command.add_argument(
        "--data",
        metavar="SOURCE",
        help="use another data source: hf:OWNER/NAME, tfds:NAME, sklearn:NAME, an .npz or .csv "
        "file, or a folder with one subfolder of images per class",
    )
    command.add_argument("--out", metavar="DIR", help="run folder (default: runs/<recipe's name>)")
    command.add_argument(
        "--resume", action="store_true", help="continue a run that was interrupted or killed"
    )
    command.add_argument(
        "--devices",
        type=int,
        metavar="N",
        help="share each batch out over N devices (default: the recipe's number, else 1)",
    )


TRAIN = Usage(
    name="train",
    summary="Train the model of a recipe and write a run folder.",
    example="lipzoo train recipes/gradflow-fmnist.toml --data my_images/ --out runs/mine",
    add_arguments=_train,
    run="train:train",
)


def _recipe(command: argparse.ArgumentParser) -> None:
    command.add_argument("recipe", help="the name of a recipe that lipzoo brings")


RECIPE = Usage(
    name="recipe",
    summary="Print a recipe that lipzoo brings, to be changed and trained.",
    example="lipzoo recipe gradflow-fmnist > mine.toml",
    add_arguments=_recipe,
    run="recipe:recipe",
    needs_keras=False,
)


def _promote(command: argparse.ArgumentParser) -> None:
    command.add_argument("run", help="run folder")
    command.add_argument("--name", help="name in the zoo (default: the recipe's)")
    command.add_argument("--weights", metavar="DIR", help="weights folder (default: the zoo's)")
    command.add_argument(
        "--replace",
        action="store_true",
        help="replace a model of that name with other weights, as its next version",
    )
    command.add_argument(
        "--keep-previous",
        action="store_true",
        help="with --replace: keep the replaced weights as NAME@VERSION",
    )


PROMOTE = Usage(
    name="promote",
    summary="Check a finished run and put it into the zoo's weights folder.",
    example="lipzoo promote runs/gradflow-fmnist",
    add_arguments=_promote,
    run="train:promote",
)
