"""`python -m studies.denoiser --images DIR --models RUNS` measures denoisers on BSD68 and Set12.

The models are those that `studies.denoiser_training` made. Mean PSNR over the images of `DIR/BSD68`
and `DIR/Set12`, beside total variation and the noisy images; the proven bound at the size of
BSD68's images, and on patches of 64 × 64 how far an image moves at most, rounding in float32
included, and the worst movement that a search found, while the input moves by the expected norm of
the noise. Noise of 5, 15 and 25 of 255, image i with NumPy's `default_rng(i)`, in float32; noisy
images are not clipped, denoised ones lie in [0, 1]. Writes studies/denoiser.json; with `--record`
also the `metrics.json` of every model, with which `lipzoo promote` takes it into the zoo.
"""

import argparse
from pathlib import Path

import numpy as np
from skimage.restoration import denoise_tv_chambolle

from lipzoo import certify_reconstruction, lipschitz_bound, worst_movement, zoo
from lipzoo.inverse.image_metrics import relative_error, ssim
from lipzoo.training.environment import describe_environment
from lipzoo.training.run_folder import write_json
from lipzoo_catalogue.files import METRICS, WEIGHTS, record_of
from lipzoo_catalogue.weights_header import count_parameters
from studies.denoiser_training import VALIDATION, name_of
from studies.grey_images import noisy, psnr, read_images

RESULTS = Path(__file__).with_name("denoiser.json")
SIGMAS = (5, 15, 25)
VARIATION_WEIGHTS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.95)
PATCH, PATCHES = 64, 8


def main(arguments=None):
    """Writes and prints what was measured."""
    parser = argparse.ArgumentParser(prog="python -m studies.denoiser", description=__doc__)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--models", type=Path, required=True, help="folder of trained models")
    parser.add_argument("--sigma", type=int, nargs="+", default=SIGMAS, choices=SIGMAS)
    parser.add_argument("--record", action="store_true", help="also write the models' metrics.json")
    options = parser.parse_args(arguments)
    folders = ("Train400", "BSD68", "Set12")
    train, *tests = (read_images(options.images / folder) for folder in folders)
    results = {}
    for sigma in options.sigma:
        name = name_of(sigma)
        path = (options.models / name).absolute()
        weight = chosen_weight(train[-VALIDATION:], sigma)
        results[name] = found = {"sigma": sigma, "weight": weight}
        for folder, images in zip(folders[1:], tests, strict=True):
            found[folder] = at_noise(path, images, sigma, weight)
        found["stability"] = stability(path, tests[0], sigma)
        shown = ", ".join(f"{key} {row['psnr']:.2f}" for key, row in found["BSD68"].items())
        print(f"{name}: {shown} dB, {found['stability']}", flush=True)
        if options.record:
            write_json(path / METRICS, metrics(path, found, tests[0]))
    write_json(RESULTS, results)


def variation(image: np.ndarray, sigma: float, weight: float) -> np.ndarray:
    """Total variation, of Chambolle's algorithm in scikit-image."""
    found = denoise_tv_chambolle(image[..., 0], weight=weight * sigma / 255, max_num_iter=100)
    return np.clip(found, 0, 1)[..., None].astype("float32")


def chosen_weight(images: list, sigma: float) -> float:
    """The weight of total variation, in units of the noise, that is best on these images."""
    pairs = [(noisy(image, sigma, i), image) for i, image in enumerate(images)]
    return max(
        VARIATION_WEIGHTS,
        key=lambda weight: sum(psnr(variation(x, sigma, weight), image) for x, image in pairs),
    )


def at_noise(path, images: list, sigma: float, weight: float) -> dict:
    """Mean errors of every method."""
    models: dict = {}
    errors: dict = {"denoiser": [], "total variation": [], "noisy": []}
    for i, image in enumerate(images):
        if image.shape not in models:
            models[image.shape] = zoo.load(path, input_shape=image.shape)
        x = noisy(image, sigma, i)
        found = {
            "denoiser": models[image.shape].predict_on_batch(x[None])[0],
            "total variation": variation(x, sigma, weight),
            "noisy": x,
        }
        for method, denoised in found.items():
            pair = denoised[None], image[None]
            row = psnr(denoised, image), float(ssim(*pair)[0]), float(relative_error(*pair)[0])
            errors[method].append(row)
    keys = ("psnr", "ssim", "relative_error")
    return {
        method: dict(zip(keys, np.mean(rows, axis=0).tolist(), strict=True))
        for method, rows in errors.items()
    }


def stability(path, images: list, sigma: float) -> dict:
    """The proven bound, and movements of patches from the middle of the first images."""
    model = zoo.load(path, input_shape=(PATCH, PATCH, 1))
    patches = np.stack(
        [_middle(noisy(image, sigma, i)) for i, image in enumerate(images[:PATCHES])]
    )
    distance = sigma / 255 * PATCH
    certificate = certify_reconstruction(model, patches, distance, verbose=0)
    found = worst_movement(model, patches, distance, verbose=0)
    large = zoo.load(path, input_shape=images[0].shape)
    return {
        "lipschitz_bound": lipschitz_bound(large).value,
        "perturbation": distance,
        "certified_movement": float(certificate.radius.max()),
        "worst_movement": float(found.movement.max()),
    }


def metrics(path: Path, found: dict, images: list) -> dict:
    """The content of a model's `metrics.json`: what was found on BSD68.

    Args:
        path: the model's folder.
        found: what was measured of it.
        images: the images of BSD68.
    """
    pixels = np.concatenate([image.ravel() for image in images]).astype("float64")
    deviation, results = found["sigma"] / 255, found["BSD68"]
    moved = {key: value for key, value in found["stability"].items() if key != "perturbation"}
    parameters = count_parameters((path / WEIGHTS).read_bytes())
    return {
        "format_version": 1,
        "name": path.name,
        "task": "reconstruction",
        "test": {
            "examples": len(images),
            "noise": deviation / float(np.sqrt(np.mean(np.square(pixels)))),
            "standard_deviation": deviation,
            "perturbation": found["stability"]["perturbation"],
            "attacked_examples": PATCHES,
            "methods": {
                "Denoiser": {**results["denoiser"], **moved, "parameters": parameters},
                "total variation": {**results["total variation"], "weight": found["weight"]},
                "noisy": results["noisy"],
            },
        },
        "lipschitz_bound": moved["lipschitz_bound"],
        "parameters": parameters,
        "weights_sha256": record_of((path / WEIGHTS).read_bytes()).sha256,
        **describe_environment(),
    }


def _middle(image):
    rows, columns = ((size - PATCH) // 2 for size in image.shape[:2])
    return image[rows : rows + PATCH, columns : columns + PATCH]


if __name__ == "__main__":
    main()
