"""How `lipzoo certify` is called."""

import argparse

from lipzoo_cli.usage.options import MODEL, add_dtype, add_printing
from lipzoo_cli.usage.usage import Usage


def _certify(command: argparse.ArgumentParser) -> None:
    command.add_argument("model", help=f"{MODEL}; or an .onnx file that others made")
    command.add_argument(
        "data",
        help="an .npy file of examples, a .zarr folder, or a .parquet file with a column of lists, "
        "which may be larger than memory; an .npz, .csv or .parquet table, an image, a folder of "
        "images, or hf:OWNER/NAME, with or without labels; or tfds:NAME, "
        "sklearn:NAME; where there are splits, the test split is used",
    )
    command.add_argument(
        "--out",
        metavar="FILE",
        help="write prediction, radius and nearest rival of every example, with norm and units, to "
        "a .csv, .json, .npz or .parquet file",
    )
    command.add_argument(
        "--html",
        metavar="FILE",
        help="write one .html page that needs no network: accuracy over epsilon with a slider, a "
        "table of the examples with pictures and radii to sort, what is proven, hashes",
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
        help="certify part k of K only, for lipzoo join; needs --out with an .npz or .parquet file",
    )
    add_printing(command)
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
    command.add_argument(
        "--decision",
        choices=("max", "min"),
        default="max",
        help="whether the largest output is the decision or, as in control networks whose outputs "
        "are costs, the least (default: max)",
    )
    command.add_argument(
        "--method",
        choices=("product", "semidefinite"),
        default="product",
        help="of the bound: products of the layers' norms or, sharper for ordinary networks and "
        "slower, ellipsoids through the layers (default: product)",
    )
    command.add_argument(
        "--domain",
        metavar=("LOW", "HIGH"),
        nargs=2,
        help="the box that every entry of an input lies in, such as 0 1: radii hold inside it, and "
        "networks with products of tensors (squeeze-and-excitation) have one there",
    )
    command.add_argument(
        "--local",
        action="store_true",
        help="larger radii for chains of dense and convolution layers with ReLUs, from slopes "
        "within each ball; takes milliseconds to seconds an example",
    )
    command.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="where to compute: in this process, or in an actor of Ray for every processor of this "
        "machine or of the cluster that RAY_ADDRESS names (default: local)",
    )
    add_dtype(command)


CERTIFY = Usage(
    name="certify",
    summary="Certify the predictions of a model on data: an l2 radius for every example.",
    example="lipzoo certify gradflow-fmnist images.npz --out radii.csv",
    add_arguments=_certify,
    run="certify:certify",
    hub=True,
)
