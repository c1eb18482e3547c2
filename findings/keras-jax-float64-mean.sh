#!/usr/bin/env bash
# Keras 3.15.1 on JAX 0.10.2 with JAX_ENABLE_X64=1: keras.ops.mean, GlobalAveragePooling1D and
# BatchNormalization (at inference) take float64 numbers, return float64, and compute in float32 on
# the way: 1 and 1 + 2^-30 have the same result. jax.numpy.mean of the same array, and keras.ops.sum,
# tell them apart. Exits non-zero if that is no longer so.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    keras==3.15.1 jax==0.10.2 numpy==2.4.6
KERAS_BACKEND=jax JAX_ENABLE_X64=1 "$folder/venv/bin/python" - <<'PYTHON'
import sys

import jax
import jax.numpy as jnp
import keras
import numpy as np
from keras import layers, ops

print("keras", keras.__version__, "jax", jax.__version__)
functions = {
    "jax.numpy.mean": lambda x: jnp.mean(x, axis=1),
    "keras.ops.sum": lambda x: ops.sum(x, axis=1),
    "keras.ops.mean": lambda x: ops.mean(x, axis=1),
    "GlobalAveragePooling1D": layers.GlobalAveragePooling1D(dtype="float64"),
    "BatchNormalization": layers.BatchNormalization(dtype="float64"),
}
differences = {}
for name, function in functions.items():
    first, second = (
        ops.convert_to_numpy(function(ops.full((1, 4, 3), value, dtype="float64")))
        for value in (1.0, 1.0 + 2.0**-30)
    )
    differences[name] = float(np.abs(second - first).max())
    print(f"{name:24} {first.dtype}: inputs 2^-30 apart, results {differences[name]:.3e} apart")
lost = [name for name, difference in differences.items() if difference == 0.0]
as_described = lost == ["keras.ops.mean", "GlobalAveragePooling1D", "BatchNormalization"]
print("float64 is lost in", lost, "" if as_described else "(the behaviour has changed)")
sys.exit(0 if as_described else 1)
PYTHON
