"""`python -m studies.estimator_checks`: scikit-learn's own checks of lipzoo's estimators.

`sklearn.utils.estimator_checks.check_estimator` on small networks of few epochs, whose steps are
therefore longer than by default; minutes, since every check trains. What fails is printed, and is
the exit status.
"""

import sys

from sklearn.utils.estimator_checks import check_estimator

from lipzoo.sklearn import CertifiedClassifier, CertifiedRegressor


def failures(estimator) -> list[str]:
    """The checks that an estimator fails, each with its error."""
    results = check_estimator(estimator, on_fail=None, on_skip=None)
    counts = {
        status: sum(result["status"] == status for result in results)
        for status in ("passed", "skipped", "failed")
    }
    print(type(estimator).__name__, counts, flush=True)
    return [
        f"{result['check_name']}: {result['exception']}"
        for result in results
        if result["status"] == "failed"
    ]


def main() -> int:
    """Prints what fails; returns how much."""
    found = []
    for estimator in (
        CertifiedClassifier(width=16, depth=1, epochs=20, learning_rate=0.02),
        CertifiedRegressor(width=16, depth=1, epochs=20, learning_rate=0.02),
    ):
        found += failures(estimator)
    print(*found, sep="\n")
    return len(found)


if __name__ == "__main__":
    sys.exit(main())
