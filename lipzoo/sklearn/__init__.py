"""Estimators of scikit-learn whose predictions have certified radii.

They are fitted, searched over and put into pipelines as all of scikit-learn's; besides, they say
how far an input may move. `import lipzoo` does not import scikit-learn, `lipzoo.sklearn` does.
"""

try:
    import sklearn as _sklearn
except ImportError as error:
    raise ImportError(
        f"lipzoo.sklearn needs scikit-learn: pip install scikit-learn ({error})"
    ) from None

from lipzoo.sklearn.classifier import CertifiedClassifier
from lipzoo.sklearn.pipeline import CertifiedPipeline, make_certified_pipeline
from lipzoo.sklearn.regressor import CertifiedRegressor
from lipzoo.sklearn.scorer import certified_scorer

assert _sklearn

__all__ = [
    "CertifiedClassifier",
    "CertifiedPipeline",
    "CertifiedRegressor",
    "certified_scorer",
    "make_certified_pipeline",
]
