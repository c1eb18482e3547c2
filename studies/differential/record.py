"""What is written down of a part of the run, and of all parts together."""

import collections
import logging
import time
import warnings

import keras

from studies.differential.trial import ABOUT, Trial, run

FAILURES = ("violation", "raw error")


def part_record(
    seeds: range, commit: str, progress=lambda index, failures: None, about: str = ABOUT[0]
) -> dict:
    """Tries the models of some seeds and counts what became of them."""
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    trials, started = [], time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for index, seed in enumerate(seeds):
            trials.append(run(seed, about))
            if index % 25 == 24:
                keras.backend.clear_session()
            progress(index + 1, sum(trial.outcome in FAILURES for trial in trials))
    return {
        "seeds": [seeds.start, seeds.stop],
        "commit": commit,
        "keras": keras.__version__,
        "backend": keras.backend.backend(),
        "cpu_seconds": round(time.process_time() - started, 1),
        "predicted": sum(trial.traced for trial in trials),
        "changed": sum(bool(trial.changed) for trial in trials),
        "certified_points": sum(trial.found.get("certified", 0) for trial in trials),
        "outcomes": _counts(trial.outcome for trial in trials),
        "refusals": _counts(trial.reason for trial in trials if trial.outcome == "refused"),
        "features": _features(trials),
        "largest_share": _largest(trial.found for trial in trials if trial.outcome == "accepted"),
        "failures": [_failure(trial) for trial in trials if trial.outcome in FAILURES],
    }


def summary(records: list[dict], commit: str) -> dict:
    """All parts together; says which of them were run with other code than the last."""
    totals = {
        key: sum(record[key] for record in records)
        for key in ("cpu_seconds", "predicted", "changed", "certified_points")
    }
    models = sum(record["seeds"][1] - record["seeds"][0] for record in records)
    outcomes = _added(record["outcomes"] for record in records)
    tried = models - outcomes.get("unbuildable", 0)
    return {
        "models": models,
        "commit": commit,
        "commits": _added({record["commit"]: 1} for record in records),
        **totals,
        "cpu_seconds_per_model": round(totals["cpu_seconds"] / models, 3),
        "accepted_share": round(outcomes.get("accepted", 0) / max(tried, 1), 4),
        "outcomes": outcomes,
        "refusals": _added(record["refusals"] for record in records),
        "features": _added(record["features"] for record in records),
        "largest_share": _largest(record["largest_share"] for record in records),
        "failures": [failure for record in records for failure in record["failures"]],
    }


def _features(trials):
    """In how many models each feature stands, and in how many of those that were accepted."""
    every = _counts(feature for trial in trials for feature in trial.features)
    accepted = [trial for trial in trials if trial.outcome == "accepted"]
    passed = _counts(f"accepted with {name}" for trial in accepted for name in trial.features)
    return every | passed


def _failure(trial: Trial):
    features = [name for name in trial.features if not name.startswith(("layer ", "activation "))]
    return {
        "seed": trial.seed,
        "outcome": trial.outcome,
        "reason": trial.reason,
        "changed": trial.changed,
        "features": sorted(features),
    }


def _counts(names) -> dict:
    return dict(collections.Counter(names).most_common())


def _added(counts) -> dict:
    total = collections.Counter()
    for part in counts:
        total.update(part)
    return dict(total.most_common())


def _largest(shares) -> dict:
    largest = {"bound": 0.0, "radius": 0.0, "ball": 0.0}
    for share in shares:
        for name in largest:
            largest[name] = max(largest[name], share.get(name, 0.0))
    return largest
