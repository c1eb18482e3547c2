"""`python -m studies.render` writes the tables of README and docs, and MODEL_CARDS.md.

A table stands between `<!-- table: NAME -->` and `<!-- end of table -->`. With `--check` nothing
is written, and the exit status says whether the documents agree with the files of results.
"""

import argparse
import json
import re
import sys
from pathlib import Path

from lipzoo.zoo import info, list_models
from lipzoo_catalogue.cards import model_cards
from lipzoo_catalogue.formatting import format_percent, format_up
from lipzoo_catalogue.markdown import table
from lipzoo_catalogue.tasks.classification import by_arithmetic, columns
from studies import (
    arithmetic_table,
    attack_tables,
    backbones_table,
    beyond_table,
    board_table,
    conformal_table,
    constrain_table,
    denoiser_table,
    differential_table,
    engines_table,
    export_table,
    local_table,
    onnx_tables,
    optimizers_table,
    peers_table,
    reading_table,
    regression_table,
    semidefinite_table,
    shards_table,
    sklearn_fit_table,
    stability_tables,
    study_tables,
    training_speed_table,
    truth_tables,
)

HERE = Path(__file__).parent
README = HERE.parent / "README.md"
DOCUMENTS = (README, *sorted((HERE.parent / "docs").rglob("*.md")))
CARDS = HERE.parent / "MODEL_CARDS.md"
_KNOWN = ["name", "data", "parameters", "proven bound"]
_RADII = ("0.1", "0.25", "0.5", "1.0", "2.0")
_SHORT = ("gradflow-fmnist", "gradflow-fmnist-robust", "gradflow-mnist", "gradflow-pneumonia")
_SHORT += ("gradflow-syntheticcontrol",)
_TABLE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end of table -->)", re.DOTALL)


def render(text: str) -> str:
    """Returns a document's text with its tables made anew."""
    tables = {
        "zoo": zoo_table,
        "zoo_short": zoo_short_table,
        "inverse": inverse_table,
        "inverse_noise": inverse_noise_table,
        "saturation": saturation_table,
        "arithmetic": arithmetic_table.arithmetic_table,
        "attacks": attack_tables.attacks_table,
        "backbones": backbones_table.backbones_table,
        "backbones_box": backbones_table.bounds_for_bytes,
        "beyond": beyond_table.beyond_table,
        "board_cifar10": lambda: board_table.board_table("CIFAR-10"),
        "board_fmnist": lambda: board_table.board_table("Fashion-MNIST"),
        "board_mnist": lambda: board_table.board_table("MNIST"),
        "conformal": conformal_table.conformal_table,
        "conformal_setting": conformal_table.conformal_setting,
        "constrain": constrain_table.constrain_table,
        "denoiser": denoiser_table.denoiser_table,
        "denoiser_stability": denoiser_table.denoiser_stability_table,
        "differential": differential_table.differential_table,
        "differential_later": differential_table.later_sentence,
        "differential_rules": differential_table.rules_table,
        "published": published_table,
        "costs": costs_table,
        "export": export_table.export_table,
        "int8": export_table.int8_table,
        "int8_search": export_table.int8_search,
        "onnx_networks": onnx_tables.networks_table,
        "onnx_operators": onnx_tables.operators_table,
        "optimizers": optimizers_table.optimizers_table,
        "peers": peers_table.peers_table,
        "reading": reading_table.reading_sentence,
        "regression": regression_table.regression_table,
        "local": local_table.local_table,
        "semidefinite": semidefinite_table.semidefinite_table,
        "engines": engines_table.engines_table,
        "shards": shards_table.shards_table,
        "sklearn_fit": sklearn_fit_table.sklearn_fit_table,
        "overhead": stability_tables.overhead_table,
        "growth": stability_tables.growth_table,
        "floor": stability_tables.floor_table,
        "memory": stability_tables.memory_table,
        "swissroll": swissroll_table,
        "depth": depth_table,
        "frontier": study_tables.frontier_table,
        "rounding": truth_tables.rounding_table,
        "training_speed": training_speed_table.training_speed_table,
        "tightness": truth_tables.tightness_table,
        "other_norms": truth_tables.other_norms_table,
        "activations": study_tables.activations_table,
        "transfer": study_tables.transfer_table,
        "transfer_errors": study_tables.transfer_errors_table,
    }

    def replace(match):
        return match[1] + tables[match[2]]() + match[3]

    return _TABLE.sub(replace, text)


def zoo_table() -> str:
    """One row per classifier and arithmetic, from its metrics file, at radii to compare at."""
    rows = []
    for name in list_models():
        model = info(name)
        if model.task != "classification":
            continue
        known = _known(name, model)
        for dtype, unseen, accuracies in columns(model.metrics):
            examples = f"{accuracies.examples:,}" + (" unseen" if unseen else "")
            if model.metrics.unseen and not unseen:
                examples = f"all {examples}"
            rows.append([*known, examples, dtype, *_at(accuracies, _RADII)])
            known = [""] * len(known)
    header = [*_KNOWN, "test examples", "in", "clean"]
    return table([*header, *(f"ε = {radius}" for radius in _RADII)], rows)


def zoo_short_table() -> str:
    """The README's five classifiers in float32, at two radii that all of them have."""
    rows = []
    for name in _SHORT:
        model = info(name)
        accuracies = by_arithmetic(model.metrics)["float32"]
        rows.append([*_known(name, model), *_at(accuracies, ("0.5", "1.0"))])
    return table([*_KNOWN, "clean %", "certified % at ε = 0.5", "at ε = 1.0"], rows)


def _known(name, model) -> list[str]:
    """A classifier's cells that do not depend on an arithmetic."""
    data = model.dataset.split(" (")[0].split(":")[0].split(",")[0]
    return [f"`{name}`", data, f"{model.parameters:,}", format_up(model.lipschitz_bound, 6)]


def _at(accuracies, radii) -> list[str]:
    """Clean and certified accuracy in %, empty at radii that were not measured."""
    certified = {radius: share for radius, _, share in accuracies.certified}
    return _accuracies(accuracies.clean, certified, radii)


def inverse_table() -> str:
    """Every method on every inverse problem, from `studies.inverse`."""
    rows = []
    for name, study in _inverse().items():
        for place, (method, row) in enumerate(study["methods"].items()):
            found = row["worst_movement"]
            rows.append(
                [
                    "" if place else f"`{name}`",
                    method,
                    f"{row['psnr']:.2f}",
                    f"{row['ssim']:.3f}",
                    f"{row['relative_error']:.4f}",
                    _bound(row["lipschitz_bound"]),
                    _bound(row["certified_movement"]),
                    "" if found is None else f"{found:.3g}",
                    f"{1000 * row['seconds']:.2g}",
                ]
            )
    header = ["model", "method", "PSNR, dB", "SSIM", "relative error", "proven bound"]
    header += ["certified movement", "worst found", "ms each"]
    return table(header, rows)


def inverse_noise_table() -> str:
    """PSNR at other noise than the trained one, from `studies.inverse`."""
    rows, factors = [], []
    for name, study in _inverse().items():
        at_noise = study["psnr_at_noise"]
        factors = list(at_noise)
        for place, method in enumerate(at_noise[factors[0]]):
            shown = [f"{at_noise[factor][method]:.2f}" for factor in factors]
            label = "InvNet" if method == name else method
            rows.append(["" if place else f"`{name}`", label, *shown])
    return table(["model", "method", *(f"noise × {factor}" for factor in factors)], rows)


def saturation_table() -> str:
    """What carries over to a detector that saturates, from `studies.saturation`."""
    results = json.loads((HERE / "saturation.json").read_text())
    rows = [
        [
            name,
            f"{row['psnr']:.2f}",
            _bound(row["lipschitz_bound"]),
            f"{row['worst_movement'] / results['perturbation']:.3g}",
        ]
        for name, row in results["networks"].items()
    ]
    share = format_percent(results["clipped_share"])
    header = [f"signals, {share} % of the samples clipped", "PSNR, dB", "proven bound"]
    return table([*header, "largest amplification found"], rows)


def _inverse():
    return json.loads((HERE / "inverse.json").read_text())


def _bound(value):
    return "none" if value is None else format_up(value, 4)


def published_table(name: str = "gradflow-fmnist") -> str:
    """The flagship's certified accuracy beside published figures."""
    metrics = info(name).metrics
    radii = [radius for radius, _, _ in metrics.certified]
    rows = []
    for dtype, accuracies in by_arithmetic(metrics).items():
        own = {radius: share for radius, _, share in accuracies.certified}
        label = f"**lipzoo, `{name}`**, {dtype}, rounding included"
        rows.append([label, *_accuracies(accuracies.clean, own, radii)])
    for entry in json.loads((HERE / "published.json").read_text())[name]:
        source = f"{entry['method']} ({entry['source']}, arXiv {entry['arxiv']})"
        rows.append([source, *_accuracies(entry["clean"], entry["certified"], radii)])
    return table(["", "clean", *(f"ε = {radius}" for radius in radii)], rows)


def swissroll_table() -> str:
    """Accuracy and sensitivity of small deep networks, from `studies.swissroll`."""
    results = json.loads((HERE / "swissroll.json").read_text())
    header = ["network, four numbers a layer", f"test accuracy %, mean of {results['seeds']} seeds"]
    header.append("smallest norm of ∂ last state / ∂ state, all epochs and layers")
    rows = [
        [
            name,
            format_percent(result["mean_test_accuracy"]),
            f"{result['smallest_backward_norm']:.3g}",
        ]
        for name, result in results["networks"].items()
    ]
    return table(header, rows)


def depth_table() -> str:
    """What `studies.depth` found on images."""
    results = json.loads((HERE / "depth.json").read_text())
    trip, norms, epoch = (results[key] for key in ("round_trip", "sensitivity", "first_epoch"))
    errors = trip["relative_error"]
    both = f"{trip['layers']} layers forwards and backwards, largest relative error"
    rows = [
        *([f"{both}, {dtype}", f"{errors[dtype]['max']:.1e}"] for dtype in errors),
        [
            f"norms of ∂ last state / ∂ state at {norms['images']} images, estimated from below",
            f"{norms['smallest_backward_norm']:.3g} to {norms['largest_backward_norm']:.3g}",
        ],
        [
            f"depth {epoch['depth']}: loss at the beginning and the end of the first epoch",
            f"{epoch['mean_loss_of_first_10_steps']:.2f} to "
            f"{epoch['mean_loss_of_last_10_steps']:.2f}",
        ],
        [
            f"depth {epoch['depth']}: validation accuracy after it",
            f"{format_percent(epoch['validation_accuracy'])} %",
        ],
    ]
    return table([f"`{results['model']}`", "measured"], rows)


def costs_table() -> str:
    """What the guarantees cost, from one run of the studies."""
    results = json.loads((HERE / "results.json").read_text())
    answers = json.loads((HERE / "answers.json").read_text())
    starts = list(json.loads((HERE / "startup.json").read_text())["models"].values())
    load = results["load"]
    overlapping = results["overlapping_kernels"]
    gaps = [row["bound_at_size_over_exact"] for row in overlapping["kernels"]]
    steps = [results["training_step"], results["training_step_small"]]
    rows = [
        *(
            [
                f"training step at batch size {step['batch_size']}, constrained / unconstrained",
                f"{step['ratio']:.2f} ×",
            ]
            for step in steps
        ),
        [
            "inference, lipzoo's layers / the same network in plain `keras.ops`",
            f"{results['inference']['ratio']:.2f} ×",
        ],
        [
            "`certify` with the bound known / `model.predict`",
            f"{results['certify']['ratio']:.2f} ×",
        ],
        *(
            [
                f"`certify` again, {starts[0][size]['images']:,} examples, without a reference / "
                "`model.predict`, processor time",
                _range([model[size]["ratio"] for model in starts]),
            ]
            for size in ("few", "many")
        ),
        [
            "`import lipzoo`, `load` and bound, beyond `import keras`",
            f"{load['beyond_keras_seconds']:.2f} s",
        ],
        ["`load` and bound again", f"{load['again_seconds']:.2f} s"],
        [
            "`import lipzoo`, beyond `import keras`",
            f"{answers['import_beyond_keras_seconds']:.2f} s",
        ],
        *(
            [f"`{command}`, the whole process", f"{seconds:.2f} s"]
            for command, seconds in answers["commands"].items()
        ),
        [
            "norm bound / supremum over all frequencies, the model's trained patch kernels",
            f"{results['patch_kernels']['bound_over_supremum']:.4f}",
        ],
        [
            "norm bound for every image size / supremum, trained 3x3 and 5x5 kernels",
            f"{overlapping['bound_over_supremum']:.3f}",
        ],
        [
            "norm bound at the image size / exact norm, the same kernels",
            f"{min(gaps):.3f} to {max(gaps):.3f}",
        ],
    ]
    return table(["quantity (worst case where there are several)", "measured"], rows)


def main(arguments=None) -> int:
    """Writes or checks the README, the pages of docs and the model cards."""
    parser = argparse.ArgumentParser(prog="python -m studies.render", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only compare")
    options = parser.parse_args(arguments)
    wanted = {path: render(path.read_text(encoding="utf-8")) for path in DOCUMENTS}
    wanted[CARDS] = model_cards(map(info, list_models()))
    if options.check:
        return int(any(not _holds(path, text) for path, text in wanted.items()))
    for path, text in wanted.items():
        path.write_text(text, encoding="utf-8")
    return 0


def _range(ratios) -> str:
    return f"{min(ratios):.2f} to {max(ratios):.2f} ×"


def _holds(path, text):
    return path.exists() and path.read_text(encoding="utf-8") == text


def _accuracies(clean, certified, radii):
    shown = [format_percent(certified.get(radius)) for radius in radii]
    return [format_percent(clean), *shown]


if __name__ == "__main__":
    sys.exit(main())
