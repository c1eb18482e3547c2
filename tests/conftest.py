"""Settings that hold for every test."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "Agg")
# Without it JAX computes in float32 what the tests ask for in float64.
os.environ.setdefault("JAX_ENABLE_X64", "1")
# The Hub of the tests has no Xet storage, without which uploads would wait for it.
os.environ["HF_HUB_DISABLE_XET"] = "1"
# Servers of the tests are on this machine, whatever proxy the others are behind.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"

import keras
import pytest


@pytest.fixture(autouse=True)
def _fresh_settings():
    """Start every test from the same random state and the same float type."""
    keras.utils.set_random_seed(0)
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
