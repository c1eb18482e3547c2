"""`python -m studies.conformal`: sizes and coverage of prediction sets, clean and under attack.

Writes studies/conformal.json. Validation and test images of a network are pooled; a part of them,
drawn anew in each of 20 splits, calibrates, and the rest is tested. So calibration and test images
are exchangeable whatever was chosen when the network was made. Every image is attacked once, by
projected gradient steps that make the margin of its true class as small as they can within ε.
Compared are

* `lipzoo.conformal` at ε, and the same at ε = 0, split conformal prediction without a guarantee
  under attack;
* the score of one logit, `-f_y / (L ||w_y||)`, as in arXiv 2506.05434, on the same network with the
  same bound, at ε;
* the least ambiguous sets of MAPIE, whose score is a softmax: no guarantee under attack.

With n calibration and m test images the covered share of one split has a beta-binomial distribution
at ε = 0 (Vovk, arXiv 1209.2673); its 0.5 % quantile, `floor`, is what no coverage under attack may
fall below. Run where the recipes' data lie and MAPIE 1 is installed.
"""

import argparse
import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
from scipy.special import softmax
from scipy.stats import betabinom

import lipzoo
from lipzoo.certificates.forward_pass import evaluate
from lipzoo.conformal.quantile import conformal_quantile, exact_level
from lipzoo.conformal.scores import pair_slopes, score_bounds
from lipzoo.evaluation.pgd import pgd_attack
from lipzoo.training import load_data, read_recipe
from lipzoo.training.run_folder import write_json

RESULTS = Path(__file__).with_name("conformal.json")
RECIPES = Path(__file__).parents[1] / "recipes"
MODELS = {"gradflow-fmnist": (0.25, 0.5), "gradflow-fmnist-robust": (0.5, 1.0)}
ALPHA, CALIBRATION, SPLITS, STEPS = 0.1, 1000, 20, 20
LEVEL = 0.99


def measure(name: str, epsilon: float, examples: int | None) -> tuple[dict, dict]:
    """What holds of one model's images, and sizes and coverages at a radius."""
    recipe = read_recipe(RECIPES / f"{name}.toml")
    dataset = load_data(recipe.data)
    parts = (dataset.validation, dataset.test)
    x = np.concatenate([dataset.inputs(part) for part in parts])
    y = np.concatenate([part.y for part in parts])
    if examples is not None:
        chosen = np.random.default_rng(0).permutation(len(x))[:examples]
        x, y = x[chosen], y[chosen]
    model = lipzoo.load(name)
    temperature = recipe.training.loss.temperature
    attack = pgd_attack(model, x, y, epsilon, steps=STEPS)
    clean, attacked = (scores(model, images, temperature) for images in (x, attack.inputs))
    tested = len(x) - CALIBRATION
    about = {"images": len(x), "calibration": CALIBRATION, "test": tested}
    about["floor"] = floor(CALIBRATION, tested)
    return about, compared(clean, attacked, y, epsilon)


def scores(model, x, temperature: float) -> dict:
    """What the methods look at: for every image and class, and bounds of it where it is proven."""
    found = evaluate(model, [x], False, 256, True, 0)
    logits = found.logits.astype("float64")
    low, high = score_bounds(found, pair_slopes(found.bound, logits.shape[1]), True)
    single = -logits / found.bound.head.movement(found.bound.head.kernel)
    return {
        "logits": logits,
        "pairs": (low, high),
        "one logit": (single, single),
        "softmax": softmax(logits / temperature, axis=1),
    }


def compared(clean, attacked, y, epsilon: float) -> dict:
    """Means over the splits of each method's sizes and coverages."""
    kept = {}
    for seed in range(SPLITS):
        order = np.random.default_rng(seed).permutation(len(y))
        first, rest = order[:CALIBRATION], order[CALIBRATION:]
        for method, sets in by_method(clean, attacked, y, epsilon, first).items():
            row = [
                value
                for members in sets
                for value in (members[rest].sum(1).mean(), members[rest, y[rest]].mean())
            ]
            kept.setdefault(method, []).append(row)
    names = ("clean_size", "clean_coverage", "attacked_size", "attacked_coverage")
    result = {}
    for method, rows in kept.items():
        means = map(float, np.mean(rows, axis=0))
        result[method] = dict(zip(names, means, strict=True))
        result[method]["least_attacked_coverage"] = float(np.min(rows, axis=0)[-1])
    return result


def by_method(clean, attacked, y, epsilon: float, first) -> dict:
    """Sets of all images, clean and attacked, that each method makes from some that calibrate."""
    sets = {}
    for method, radius, kind in (
        ("lipzoo", epsilon, "pairs"),
        ("one logit", epsilon, "one logit"),
        ("lipzoo, ε = 0", 0.0, "pairs"),
    ):
        threshold = conformal_quantile(clean[kind][1][first, y[first]], exact_level(ALPHA))
        sets[method] = [each[kind][0] - radius <= threshold for each in (clean, attacked)]
    return {**sets, "MAPIE, LAC": mapie_sets(clean["softmax"], attacked["softmax"], y, first)}


def mapie_sets(clean, attacked, y, first) -> list:
    """Least ambiguous sets by MAPIE, from probabilities that are known."""
    from mapie.classification import SplitConformalClassifier
    from sklearn.base import BaseEstimator, ClassifierMixin

    class Known(ClassifierMixin, BaseEstimator):
        """Probabilities by the number of a row."""

        def __init__(self):
            self.table_ = np.concatenate([clean, attacked])
            self.classes_ = np.arange(clean.shape[1])

        def fit(self, X, y):
            return self

        def predict_proba(self, X):
            return self.table_[np.asarray(X)[:, 0].astype(int)]

        def predict(self, X):
            return self.predict_proba(X).argmax(axis=1)

    known = SplitConformalClassifier(
        Known(), confidence_level=1 - ALPHA, conformity_score="lac", prefit=True
    )
    known.conformalize(first[:, None], y[first])
    _, sets = known.predict_set(np.arange(2 * len(y))[:, None])
    return np.split(sets[:, :, 0], 2)


def floor(calibration: int, tested: int) -> float:
    """The lower end of the interval that one split's coverage lies in with probability `LEVEL`."""
    rank = int(np.ceil((calibration + 1) * (1 - exact_level(ALPHA))))
    found = betabinom(tested, rank, calibration + 1 - rank).ppf((1 - LEVEL) / 2)
    return float(found) / tested


def main(arguments=None):
    """Writes the results, radius by radius."""
    parser = argparse.ArgumentParser(prog="python -m studies.conformal", description=__doc__)
    parser.add_argument("--only", action="append", help="a model to measure anew, the rest kept")
    parser.add_argument("--examples", type=int, help="so many of the pooled images")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    known = json.loads(options.output.read_text())["models"] if options.output.exists() else {}
    for name in options.only or MODELS:
        for epsilon in MODELS[name]:
            about, found = measure(name, epsilon, options.examples)
            before = known.get(name, {}).get("epsilons", {})
            known[name] = {**about, "epsilons": {**before, str(epsilon): found}}
            print(name, epsilon, json.dumps(found), flush=True)
            kept = {name: known[name] for name in MODELS if name in known}
            settings = {"alpha": ALPHA, "splits": SPLITS, "steps": STEPS}
            write_json(options.output, {**settings, "mapie": version("mapie"), "models": kept})


if __name__ == "__main__":
    main()
