"""`lipzoo reconstruct`: images from a user's measurements, with the balls that hold them."""

import argparse
import io
import math
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
from PIL import Image

from lipzoo.data.sources.pixels import read_pixels
from lipzoo.inverse import ReconstructionCertificate, certify_reconstruction, noise_norm
from lipzoo.inverse.output_box import refuse_other_units
from lipzoo.zoo.loading import load_from
from lipzoo_catalogue.files import CONFIG, write_file
from lipzoo_catalogue.formatting import format_up
from lipzoo_catalogue.image_files import SUFFIXES
from lipzoo_catalogue.model_config import ModelConfig
from lipzoo_catalogue.model_source import Source, find
from lipzoo_catalogue.task_names import RECONSTRUCTION
from lipzoo_cli.arguments import model_of, print_json, settings_of
from lipzoo_cli.checked_options import check_reconstruct_options

_Array = npt.NDArray[np.generic]


def reconstruct(arguments: argparse.Namespace) -> None:
    """`lipzoo reconstruct MODEL DATA (--noise-norm D | --noise SIGMA) [--out FILE] ...`."""
    delta, sigma = check_reconstruct_options(arguments)
    source = find(
        model_of(arguments.model), revision=arguments.revision, settings=settings_of(arguments)
    )
    config = ModelConfig.from_dict(source.read_json(CONFIG), source.path(CONFIG))
    if config.task != RECONSTRUCTION:
        raise ValueError(
            "Expected a model for reconstruction. "
            f"Received: {arguments.model}, one for {config.task}"
        )
    read = _read(arguments.data)
    if config.architecture == "Denoiser" and read.ndim == 2:
        read = read[..., None]
    model = _load(source, config, arguments.dtype, read.shape)
    y = _measurements(read, tuple(model.input_shape[1:]), arguments.data)
    if not np.isfinite(y).all():
        raise ValueError(f"{arguments.data}: expected finite numbers. Received: NaN or infinity")
    if Path(arguments.out or "").suffix.lower() == ".png":
        _check_picture(tuple(model.output_shape[1:]), len(y))
    if sigma is not None:
        delta = noise_norm(sigma, math.prod(y.shape[1:]))
    assert delta is not None
    refuse_other_units(model, y, delta)
    certificate = certify_reconstruction(model, y, delta, verbose=0)
    # Everything is made before anything is written.
    files: dict[str, bytes] = {}
    if arguments.out is not None:
        files[arguments.out] = _content(certificate, Path(arguments.out).suffix.lower())
    if arguments.figure is not None:
        file = io.BytesIO()
        certificate.show(y).savefig(file, format="png")
        files[arguments.figure] = file.getvalue()
    for path, content in files.items():
        write_file(path, content)
    if arguments.json:
        print_json(
            {
                "model": arguments.model,
                "dtype": arguments.dtype,
                "noise_norm": delta,
                "lipschitz_bound": certificate.bound.value,
                "radius": certificate.radius.tolist(),
                "root_mean_square": certificate.root_mean_square.tolist(),
            }
        )
        return
    print(f"proven Lipschitz bound: {format_up(certificate.bound.value)}")
    print(certificate)
    for option in ("out", "figure"):
        if getattr(arguments, option) is not None:
            print(f"{option}: {getattr(arguments, option)}")


def _load(source: Source, config: ModelConfig, dtype: str, shape: tuple[int, ...]) -> keras.Model:
    """The model; a denoiser, which is the same at every size, for images of this shape."""
    anywhere = config.architecture == "Denoiser" and len(shape) >= 3
    with source.named_in_errors():
        return load_from(source, dtype=dtype, input_shape=shape[-3:] if anywhere else None)


def _read(data: str) -> _Array:
    path = Path(data).expanduser()
    if path.suffix.lower() not in SUFFIXES:
        return np.load(path, allow_pickle=False)
    pixels = read_pixels(path, data).values
    image = pixels.astype("float32") / np.float32(255 if pixels.dtype == np.uint8 else 1)
    return image if image.ndim == 3 else image[..., None]


def _measurements(read: _Array, shape: tuple[int, ...], data: str) -> _Array:
    """The measurements with their batch axis, which one alone may lack."""
    for y in (read, read[None]):
        if y.shape[1:] == shape and y.dtype.kind in "fiu" and len(y):
            return y
    raise ValueError(
        f"{data}: expected measurements of shape {shape}, one or many, of real numbers. "
        f"Received: an array of shape {read.shape} of {read.dtype}"
    )


def _check_picture(shape: tuple[int, ...], count: int) -> None:
    if count != 1 or len(shape) != 3 or shape[-1] != 1:
        raise ValueError(
            "--out: expected .npy or .npz, since a .png is of one grey image. "
            f"Received: {count} of shape {shape}"
        )


def _content(certificate: ReconstructionCertificate, ending: str) -> bytes:
    """The bytes of `--out`."""
    file, images = io.BytesIO(), certificate.reconstruction
    if ending == ".npy":
        np.save(file, images)
    elif ending == ".npz":
        np.savez(
            file,
            reconstruction=images,
            radius=certificate.radius,
            noise_norm=certificate.noise_norm,
            lipschitz_bound=certificate.bound.value,
        )
    else:
        grey = np.rint(255 * np.clip(images[0, ..., 0], 0, 1)).astype("uint8")
        Image.fromarray(grey).save(file, format="PNG")
    return file.getvalue()
