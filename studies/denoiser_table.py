"""The tables of `studies.denoiser`."""

import json
from pathlib import Path

from lipzoo_catalogue.markdown import table

RESULTS = Path(__file__).with_name("denoiser.json")
# Mean PSNR on BSD68 as published, by noise.
PUBLISHED = {
    "CRR-NN, convex ([arXiv:2211.12461](https://arxiv.org/abs/2211.12461))": (36.96, 30.54, 28.10),
    "WCRR-NN, not 1-Lipschitz ([arXiv:2308.10542](https://arxiv.org/abs/2308.10542))": (
        37.65,
        31.21,
        28.68,
    ),
}


def denoiser_table(path: Path = RESULTS) -> str:
    """Mean PSNR by method and noise, on both collections."""
    models = _by_noise(path)
    rows = []
    for method in ("noisy", "total variation", "denoiser"):
        name = "`Denoiser`, 1-Lipschitz" if method == "denoiser" else method
        found = [
            f"{model[folder][method]['psnr']:.2f}"
            for folder in ("BSD68", "Set12")
            for model in models
        ]
        rows.append([name, *found])
    rows += [
        [name, *(f"{number:.2f}" for number in numbers), *[""] * len(models)]
        for name, numbers in PUBLISHED.items()
    ]
    header = [f"{folder}, σ = {m['sigma']}" for folder in ("BSD68", "Set12") for m in models]
    return table(["mean PSNR, dB", *header], rows)


def denoiser_stability_table(path: Path = RESULTS) -> str:
    """Proven bound, certified and worst found movement by noise."""
    rows = [
        [
            str(model["sigma"]),
            f"{model['stability']['lipschitz_bound']:.4f}",
            *(
                f"{model['stability'][key]:.3f}"
                for key in ("perturbation", "certified_movement", "worst_movement")
            ),
        ]
        for model in _by_noise(path)
    ]
    header = ["σ", "proven bound", "the input moves by", "certified movement", "worst found"]
    return table(header, rows)


def _by_noise(path: Path) -> list[dict]:
    models = json.loads(path.read_text(encoding="utf-8")).values()
    return sorted(models, key=lambda model: model["sigma"])
