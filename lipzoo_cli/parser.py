"""The parser of the `lipzoo` command, which imports nothing that takes time."""

import argparse
from typing import Protocol

from lipzoo_cli.exit_codes import EXIT_CODES

_MODEL = "name in the zoo, a folder, or hf://owner/repo[@revision]"


class AddCommand(Protocol):
    """Adds a command to the parser."""

    def __call__(
        self, name: str, summary: str, example: str, *, hub: bool = False, json: bool = True
    ) -> argparse.ArgumentParser:
        """Returns the parser of a new command, with `--json` and the Hub's options if wanted."""
        ...


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="lipzoo",
        description="Neural networks whose Lipschitz constant is bounded by a proof.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    def add(
        name: str, summary: str, example: str, *, hub: bool = False, json: bool = True
    ) -> argparse.ArgumentParser:
        command = commands.add_parser(
            name,
            help=summary,
            description=summary,
            epilog=f"example:\n  {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if json:
            command.add_argument("--json", action="store_true", help="print JSON")
        if hub:
            _add_hub_options(command)
        return command

    _add_reading(add)
    _add_measuring(add)
    _add_making(add)
    return parser


def _add_hub_options(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group(
        "models on the Hub",
        "A token for private repositories is taken from HF_TOKEN or `hf auth login`; HF_ENDPOINT, "
        "HF_HOME and HF_HUB_OFFLINE are honoured.",
    )
    group.add_argument("--revision", metavar="R", help="full commit id, tag or branch")
    group.add_argument("--cache-dir", metavar="DIR", help="the Hub's cache")
    group.add_argument("--offline", action="store_true", help="make no request")


def _add_reading(add: AddCommand) -> None:
    """Commands that answer from files, without Keras."""
    command = add("list", "List the models of the zoo.", "lipzoo list 'gradflow-*' --long")
    command.add_argument("pattern", nargs="?", default="*", help="shell pattern (default: all)")
    command.add_argument("--long", action="store_true", help="with data, bound and results")

    command = add(
        "info", "Show what is known about one model.", "lipzoo info gradflow-fmnist", hub=True
    )
    command.add_argument("model", help=_MODEL)

    command = add(
        "card",
        "Print the card of a model, rendered from its files.",
        "lipzoo card gradflow-fmnist",
        hub=True,
    )
    command.add_argument("model", help=_MODEL)
    command.add_argument(
        "--repo",
        metavar="OWNER/NAME",
        help="print the README for this repository on the Hub, with its YAML front matter",
    )

    command = add(
        "download",
        "Download all files of a model into the Hub's cache.",
        "lipzoo download hf://owner/repo@v1",
        hub=True,
    )
    command.add_argument("model", help="name in the zoo, or hf://owner/repo[@revision]")
    command.add_argument(
        "--force", action="store_true", help="download again what is in the cache already"
    )


def _add_measuring(add: AddCommand) -> None:
    """Commands that load a model and compute with it."""
    command = add(
        "verify",
        "Check every file of a model and derive its bound again; or whether an exported file is as "
        "it was when its certificate was written.",
        "lipzoo verify gradflow-fmnist",
        hub=True,
    )
    command.add_argument(
        "model", help=f"{_MODEL}; or an exported .onnx or LiteRT file, or a SavedModel's folder"
    )
    command.add_argument(
        "--model",
        dest="against",
        metavar="MODEL",
        help="for an exported file: compare its weights, operators and bound with this model's",
    )
    command.add_argument(
        "--certificate",
        action="store_true",
        help="derive the bound with NumPy alone, by code that shares nothing with the one that "
        "made the certificate, and compare layer by layer",
    )

    command = add(
        "certify",
        "Certify the predictions of a model on data: an l2 radius for every example.",
        "lipzoo certify gradflow-fmnist images.npz --out radii.csv",
        hub=True,
    )
    command.add_argument("model", help=_MODEL)
    command.add_argument(
        "data",
        help="an .npy file of examples, which may be larger than memory; an .npz or .csv file, an "
        "image, a folder of images, or hf:OWNER/NAME, with or without labels; or tfds:NAME, "
        "sklearn:NAME; where there are splits, the test split is used",
    )
    command.add_argument(
        "--out",
        metavar="FILE",
        help="write prediction, radius and nearest rival of every example, with norm and units, to "
        "a .csv, .json or .npz file",
    )
    command.add_argument("--examples", metavar="N", type=int, help="use the first N examples")
    command.add_argument(
        "--labels", metavar="FILE", help="an .npy file with the labels of an .npy file of examples"
    )
    command.add_argument(
        "--read",
        metavar="KEY=VALUE",
        action="append",
        help="how a table is read, as in [data] of a recipe: header, delimiter, decimal, comment, "
        "label (first, last, none, or a column), columns, ignore, missing (drop), missing_values; "
        "may be repeated",
    )
    command.add_argument(
        "--shard",
        metavar="k/K",
        help="certify part k of K only, for lipzoo join; needs --out with an .npz file",
    )
    _add_printing(command)
    command.add_argument(
        "--norm",
        choices=("l1", "l2", "linf"),
        default="l2",
        help="norm of the radii; those in l1 and linf follow from l2 (default: l2)",
    )
    command.add_argument(
        "--standardized",
        action="store_true",
        help="radii in standard deviations, for a model that begins by standardising its input; "
        "for a table also a radius of each feature alone in its own units, in --json and --out",
    )
    _add_dtype(command)

    command = add(
        "join",
        "Join the parts of a certified data set, made by lipzoo certify --shard, to one file.",
        "lipzoo join radii.csv part-1.npz part-2.npz",
    )
    command.add_argument(
        "out", metavar="OUT", help="what --out of lipzoo certify is: a .csv, .json or .npz file"
    )
    command.add_argument(
        "parts", metavar="PART", nargs="+", help="the .npz files of all parts, in any order"
    )
    _add_printing(command)

    command = add(
        "evaluate",
        "Recompute bound, clean and certified accuracy of a model on its test split (in Python: "
        "lipzoo.certify), or attack it (lipzoo.evaluate_robustness).",
        "lipzoo evaluate gradflow-fmnist --attack pgd --attack boundary --samples 1000",
        hub=True,
    )
    command.add_argument("model", help=_MODEL)
    _add_dtype(command)
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

    command = add(
        "demo",
        "Load, bound, certify, attack and fine-tune a model, and draw the result.",
        "lipzoo demo --output certificates.png",
        json=False,
    )
    command.add_argument("--output", metavar="FILE", help="the figure (default: lipzoo-demo.png)")
    command.add_argument("--examples", metavar="N", help="number of test images (default: all)")
    command.add_argument(
        "--digits", action="store_true", help="use scikit-learn's digits, which need no download"
    )


def _add_printing(command: argparse.ArgumentParser) -> None:
    """Options about what is counted of certified examples."""
    command.add_argument(
        "--epsilon",
        metavar="E",
        action="append",
        help="radius, such as 0.25 or 36/255, at which to count; may be repeated",
    )
    command.add_argument(
        "--abstain-below",
        metavar="R",
        help="abstain where the radius is at most R: print coverage, accuracy of the covered, and "
        "the report of the first examples",
    )


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


def _add_making(add: AddCommand) -> None:
    """Commands that make a model and hand it on."""
    command = add(
        "init",
        "Write a recipe that fits your data, to be trained as it is or changed; nothing is "
        "overwritten.",
        "lipzoo init --data my_images/ --out mine.toml",
    )
    command.add_argument(
        "--data",
        metavar="SOURCE",
        required=True,
        help="a file or a folder, or what a recipe's source can be otherwise",
    )
    command.add_argument(
        "--task",
        choices=("classification", "reconstruction"),
        default="classification",
        help="what to learn (default: classification)",
    )
    command.add_argument(
        "--kind",
        choices=("image", "signal", "table"),
        help="what an example is, where its shape leaves that open",
    )
    command.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="a further line of the recipe's [data] table, such as missing=drop; may be repeated",
    )
    command.add_argument("--out", metavar="FILE", help="the recipe (default: named as the data)")

    command = add(
        "train",
        "Train the model of a recipe and write a run folder.",
        "lipzoo train recipes/gradflow-fmnist.toml --data my_images/ --out runs/mine",
    )
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

    command = add(
        "promote",
        "Check a finished run and put it into the zoo's weights folder.",
        "lipzoo promote runs/gradflow-fmnist",
    )
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

    command = add(
        "export",
        "Write a model, with its certificate, in a format that runs without Keras.",
        "lipzoo export gradflow-fmnist --format onnx --out fmnist.onnx",
        hub=True,
    )
    command.add_argument("model", help=_MODEL)
    command.add_argument(
        "--format",
        metavar="F",
        required=True,
        help="onnx, litert (formerly TensorFlow Lite), or saved_model (TensorFlow)",
    )
    command.add_argument(
        "--out",
        metavar="PATH",
        required=True,
        help="the file, or the folder of a saved_model; one that is there is replaced",
    )
    command.add_argument(
        "--quantize",
        metavar="Q",
        help="int8: weights as int8 numbers with float32 scales, certified as they are stored, "
        "activations in float32 (onnx)",
    )

    command = add(
        "publish",
        "Check a model and publish it on the Hugging Face Hub: one commit, with a card and a tag.",
        "lipzoo publish runs/mine --repo owner/name --dry-run",
    )
    command.add_argument("model", help="run folder, or name in the zoo")
    command.add_argument(
        "--repo",
        metavar="OWNER/NAME",
        required=True,
        help="created if it does not exist; the token is that of HF_TOKEN or `hf auth login`",
    )
    command.add_argument(
        "--dry-run", action="store_true", help="show the exact content and make no request"
    )
    command.add_argument("--private", action="store_true", help="create it as a private one")
    command.add_argument("--tag", help="tag of the commit (default: the next of v1, v2, ...)")
    command.add_argument(
        "--replace-card",
        action="store_true",
        help="replace a README that a person edited, which is otherwise left as it is",
    )


def _add_dtype(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--dtype",
        choices=("float32", "float64"),
        default="float32",
        help="arithmetic of the network, whose rounding the radii account for (default: float32); "
        "float64 certifies more and takes longer",
    )
