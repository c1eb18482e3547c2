"""`python -m studies.sklearn_fit`: what fitting a certified table takes beside an MLPClassifier.

Processor time of `fit` of `lipzoo.sklearn.CertifiedClassifier` and of scikit-learn's
`MLPClassifier` with the same hidden layers and the same size of batches, on standardised synthetic
tables; the latter by its own rule of when to stop, and for as many epochs as the former. The fewest
seconds of several turns. Accuracies are on rows that were not trained on; the tables are drawn
anew, nothing was chosen on them. Writes studies/sklearn_fit.json.
"""

import argparse
import json
import platform
import time
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
from sklearn.datasets import make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from lipzoo.sklearn import CertifiedClassifier
from lipzoo.training.run_folder import write_json

RESULTS = Path(__file__).with_name("sklearn_fit.json")
WIDTH, DEPTH, BATCH, EPOCHS = 64, 3, 128, 50
FEATURES, CLASSES = 20, 3


def estimators() -> dict:
    """The three that are compared, by name, not fitted."""
    sizes = {"hidden_layer_sizes": (WIDTH,) * DEPTH, "batch_size": BATCH, "random_state": 0}
    shared = {"width": WIDTH, "depth": DEPTH, "batch_size": BATCH, "random_state": 0}
    return {
        "certified": CertifiedClassifier(**shared, epochs=EPOCHS),
        "mlp": MLPClassifier(**sizes),
        "mlp_same_epochs": MLPClassifier(**sizes, max_iter=EPOCHS),
    }


def table(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """A standardised table of three classes, of which half of the columns say something."""
    x, y = make_classification(
        rows, FEATURES, n_informative=FEATURES // 2, n_classes=CLASSES, random_state=0
    )
    return StandardScaler().fit_transform(x), y


def measured(rows: int, rounds: int) -> dict:
    """Seconds and accuracies of one size of table."""
    x, y = table(2 * rows)
    seconds = {name: [] for name in estimators()}
    fitted = {}
    for _ in range(rounds):
        for name, estimator in estimators().items():
            start = time.process_time()
            fitted[name] = estimator.fit(x[:rows], y[:rows])
            seconds[name].append(time.process_time() - start)
    least = {name: min(each) for name, each in seconds.items()}
    return {
        "rows": rows,
        "seconds": {name: round(value, 2) for name, value in least.items()},
        "ratio": round(least["certified"] / least["mlp"], 2),
        "ratio_same_epochs": round(least["certified"] / least["mlp_same_epochs"], 2),
        "mlp_epochs": fitted["mlp"].n_iter_,
        "accuracy": {name: round(one.score(x[rows:], y[rows:]), 4) for name, one in fitted.items()},
        "certified_accuracy": round(fitted["certified"].score(x[rows:], y[rows:], epsilon=0.1), 4),
    }


def main(arguments=None):
    """Writes the results and prints them."""
    parser = argparse.ArgumentParser(prog="python -m studies.sklearn_fit", description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[2_000, 5_000, 10_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    # It stops after as many epochs as are asked for.
    warnings.simplefilter("ignore", ConvergenceWarning)
    results = {
        "width": WIDTH,
        "depth": DEPTH,
        "batch_size": BATCH,
        "epochs": EPOCHS,
        "tables": [measured(rows, options.rounds) for rows in options.rows],
        "machine": {
            "processor": platform.machine(),
            **{name: version(name) for name in ("tensorflow", "keras", "scikit-learn")},
        },
    }
    print(json.dumps(results, indent=2))
    write_json(options.output, results)


if __name__ == "__main__":
    main()
