"""Settings that hold for every test."""

import atexit
import os
import shutil
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "Agg")
# Without it JAX computes in float32 what the tests ask for in float64.
os.environ.setdefault("JAX_ENABLE_X64", "1")
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    # Compiling is most of what JAX does here. What one test, worker or process that it starts has
    # compiled is there for the others, for as long as the tests run.
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="lipzoo-jax-")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    atexit.register(shutil.rmtree, os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)
# The Hub of the tests has no Xet storage, without which uploads would wait for it.
os.environ["HF_HUB_DISABLE_XET"] = "1"
# Servers of the tests are on this machine, whatever proxy the others are behind.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"

import keras
import pytest
from keras.src.backend.common import dtypes

import lipzoo
from lipzoo.bounds import rule_registry
from lipzoo.bounds.bound_cache import BoundCache

# They start Ray, Spark and Beam, and have an environment of their own: `make test-engines`.
collect_ignore = ["engines"]
# Results that do not depend on the backend are checked under the default one: files, recipes,
# cards and studies, what is plain NumPy, the Hub's protocol and the command line around it. The
# names of test modules, without `test_`; lipzoo_catalogue does not import Keras.
BACKEND_FREE = {
    "architecture",
    "documents",
    "attacks_study",
    "backend_choice",
    "studies_figures",
    "studies_beyond",
    "studies_other_norms",
    "cards",
    "catalogue",
    "certified_parquet",
    "checker",
    "checker_norms",
    "cli_hub",
    "completion",
    "examples",
    "hub_download",
    "hub_olah",
    "hub_processes",
    "hub_publish",
    "inverse_quality",
    "inverse_stability",
    "inverse_total_variation",
    "notebooks",
    "page",
    "progress",
    "rounding",
    "site",
    "spectral_convolution",
    "spectral_dense",
    "studies",
    "study_activations",
    "study_transfer",
    "training_batches",
    "training_data",
    "training_hub",
    "training_images",
    "training_pixels",
    "training_recipe",
    "zoo_config",
    "zoo_files",
    "zoo_registry",
    "zoo_verify",
}


def pytest_collection_modifyitems(config, items):
    """Leaves out, under another backend, what cannot depend on it."""
    if keras.backend.backend() == "tensorflow":
        return
    free = [item for item in items if _is_backend_free(item)]
    config.hook.pytest_deselected(items=free)
    items[:] = [item for item in items if item not in free]


def _is_backend_free(item):
    path = item.path.relative_to(item.config.rootpath)
    return path.parts[0] == "lipzoo_catalogue" or path.stem.removeprefix("test_") in BACKEND_FREE


@pytest.fixture(autouse=True)
def _fresh_settings():
    """Start every test from the same random state and the same float type."""
    keras.utils.set_random_seed(0)
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")


@pytest.fixture
def float64(monkeypatch):
    """Has Keras keep float64, which it narrows on JAX and PyTorch.

    For tests that compare with float64, not for what they test: that lipzoo refuses float64 where
    it is narrowed is tested in test_backends.
    """
    monkeypatch.setitem(dtypes.BIT64_TO_BIT32_DTYPE, "float64", "float64")


@pytest.fixture
def own_rules(monkeypatch):
    """Rules that a test registers are there for it alone, and bounds derived by them."""
    monkeypatch.setattr(rule_registry, "_registered", {})
    monkeypatch.setattr(rule_registry, "_cache", BoundCache())


@pytest.fixture
def read_onnx(tmp_path):
    """Reads the content of a file."""

    def read(file, **arguments):
        path = tmp_path / "net.onnx"
        path.write_bytes(file)
        return lipzoo.from_onnx(path, **arguments)

    return read
