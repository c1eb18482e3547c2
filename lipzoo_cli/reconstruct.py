"""`lipzoo reconstruct`: images from a user's measurements, with the balls that hold them."""

import argparse
import io
import math
from pathlib import Path

import numpy as np
from PIL import Image

from lipzoo.data.sources.pixels import SUFFIXES, read_pixels
from lipzoo.inverse import ReconstructionCertificate, certify_reconstruction, noise_norm
from lipzoo.inverse.output_box import output_box
from lipzoo.plotting import INK, PALE, new_figure
from lipzoo.zoo.loading import load_from
from lipzoo_catalogue.files import CONFIG, write_file
from lipzoo_catalogue.formatting import format_up
from lipzoo_catalogue.model_config import ModelConfig
from lipzoo_catalogue.model_source import find
from lipzoo_catalogue.task_names import RECONSTRUCTION
from lipzoo_cli.arguments import model_of, print_json, settings_of
from lipzoo_cli.checked_options import check_reconstruct_options

_SHOWN = 6


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
    # A denoiser is the same at every size.
    anywhere = config.architecture == "Denoiser" and read.ndim >= 3
    sizes = {"input_shape": read.shape[-3:]} if anywhere else {}
    with source.named_in_errors():
        model = load_from(source, dtype=arguments.dtype, **sizes)
    y = _measurements(read, tuple(model.input_shape[1:]), arguments.data)
    if arguments.out is not None and Path(arguments.out).suffix.lower() == ".png":
        _check_picture(model.output_shape, len(y))
    if delta is None:
        delta = noise_norm(sigma, math.prod(y.shape[1:]))
    _check_size(model, y, delta)
    certificate = certify_reconstruction(model, y, delta, verbose=0)
    if arguments.out is not None:
        write_file(arguments.out, _content(certificate, Path(arguments.out).suffix.lower()))
    if arguments.figure is not None:
        write_file(arguments.figure, _drawn(y, certificate))
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


def _read(data: str) -> np.ndarray:
    path = Path(data).expanduser()
    if path.suffix.lower() in SUFFIXES:
        pixels = np.asarray(read_pixels(path, data).values)
        scale = 255.0 if pixels.dtype == np.uint8 else 1.0
        pixels = (pixels / scale).astype("float32")
        return pixels if pixels.ndim == 3 else pixels[..., None]
    return np.load(path, allow_pickle=False)


def _measurements(read: np.ndarray, shape: tuple, data: str) -> np.ndarray:
    """The measurements with their batch axis, which one alone may lack."""
    for y in (read, read[None]):
        if y.shape[1:] == shape:
            return y
    raise ValueError(
        f"{data}: expected measurements of shape {shape}, one or many. "
        f"Received: an array of shape {read.shape}"
    )


def _check_size(model, y: np.ndarray, delta: float) -> None:
    """Refuses what no image in the model's box gives, in other units perhaps.

    `‖y‖ <= ‖A‖ ‖x‖ + δ`, and an image x is no larger than the box lets it be.
    """
    box = output_box(model)
    if box is None or not np.isfinite(y).all():
        return
    operators = (getattr(layer, "operator", None) for layer in model.layers)
    norm = next((each.norm_bound for each in operators if each is not None), 1.0)
    largest = norm * max(map(abs, box)) * math.sqrt(math.prod(model.output_shape[1:])) + delta
    norms = np.linalg.norm(y.reshape(len(y), -1).astype("float64"), axis=1)
    if (norms > largest * (1 + 1e-6)).any():
        raise ValueError(
            f"Expected measurements of images in [{box[0]:g}, {box[1]:g}], whose norm is at most "
            f"{largest:.4g} with noise. Received: one of norm {norms.max():.4g}; other units?"
        )


def _check_picture(shape: tuple, count: int) -> None:
    if count != 1 or len(shape) != 4 or shape[-1] != 1:
        raise ValueError(
            "--out: expected .npy or .npz, since a .png is of one grey image. "
            f"Received: {count} of shape {tuple(shape[1:])}"
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
        bytes_ = np.rint(255 * np.clip(images[0, ..., 0], 0, 1)).astype("uint8")
        Image.fromarray(bytes_).save(file, format="PNG")
    return file.getvalue()


def _drawn(y: np.ndarray, certificate: ReconstructionCertificate) -> bytes:
    """The bytes of `--figure`: measurements above their reconstructions."""
    count = min(len(y), _SHOWN)
    figure = new_figure(2.2 * max(count, 2), 4.8, "--figure", dpi=150)
    grid = figure.subplots(2, count, squeeze=False)
    for i, (above, below) in enumerate(grid.T):
        _draw(above, y[i])
        _draw(below, certificate.reconstruction[i])
        below.set_xlabel(
            f"moves by at most {certificate.radius[i]:.3g}\n"
            f"while the measurement moves by {certificate.noise_norm[i]:.3g}",
            fontsize=7,
            color=INK,
        )
    for row, name in zip(grid, ("measurement", "reconstruction"), strict=True):
        row[0].set_ylabel(name, fontsize=9, color=INK)
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def _draw(axes, values: np.ndarray) -> None:
    """An image as such, with more light for larger values; anything else of one axis as a curve."""
    values = np.squeeze(values)
    if values.ndim == 1:
        axes.plot(values, color=INK, linewidth=1)
    else:
        image = values if values.ndim == 2 or values.shape[-1] == 3 else values[..., 0]
        axes.imshow(image, cmap="gray")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_color(PALE)
