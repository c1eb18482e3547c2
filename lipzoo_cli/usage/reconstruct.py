"""How `lipzoo reconstruct` is called."""

import argparse

from lipzoo_cli.usage.options import MODEL, add_dtype
from lipzoo_cli.usage.usage import Usage


def _reconstruct(command: argparse.ArgumentParser) -> None:
    command.add_argument("model", help=f"{MODEL}; one for reconstruction or denoising")
    command.add_argument(
        "data",
        help="measurements: an .npy file with one of them or with many along the first axis; for a "
        "model whose measurements are images also an image file, whose grey values go from 0 to 1",
    )
    size = command.add_mutually_exclusive_group(required=True)
    size.add_argument(
        "--noise-norm",
        metavar="D",
        help="Euclidean norm of what a measurement may be off by, in its units",
    )
    size.add_argument(
        "--noise",
        metavar="SIGMA",
        help="standard deviation of normal noise in each value, such as 25/255, instead: the norm "
        "is the one that such noise stays below with a probability of 95 %%",
    )
    command.add_argument(
        "--out",
        metavar="FILE",
        help="write the reconstructions: .npy, .npz with the radii beside them, or .png for one "
        "grey image",
    )
    command.add_argument(
        "--figure",
        metavar="FILE",
        help="draw the first six of them with their radii (.png; needs Matplotlib)",
    )
    add_dtype(command)


RECONSTRUCT = Usage(
    name="reconstruct",
    summary="Reconstruct images from measurements, each with the radius of the ball that it stays "
    "in (in Python: lipzoo.certify_reconstruction).",
    example="lipzoo reconstruct denoiser-bsd-25 photo.png --noise 25/255 --out denoised.png",
    add_arguments=_reconstruct,
    run="reconstruct:reconstruct",
    hub=True,
)
