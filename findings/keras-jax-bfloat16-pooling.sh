#!/usr/bin/env bash
# Keras 3.15.1 on JAX 0.10.2 on a CPU: AveragePooling2D of bfloat16 numbers adds them up in bfloat16,
# so that the average of ones over a window of 24 by 24 is 0.445, over 32 by 32 it is 0.25: the sum
# stays at 256, where adding 1 no longer changes it. jax.lax.reduce_window returns this sum of 256.
# GlobalAveragePooling2D of the same image is 1, and so are both in float16 (sums in float32).
# Exits non-zero if that is no longer so.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    keras==3.15.1 jax==0.10.2 numpy==2.4.6
KERAS_BACKEND=jax "$folder/venv/bin/python" - <<'PYTHON'
import sys

import jax
import jax.numpy as jnp
import keras
from keras import layers

print("keras", keras.__version__, "jax", jax.__version__)
averages = {}
for dtype in ("bfloat16", "float16"):
    for side in (16, 24, 32):
        ones = jnp.ones((1, side, side, 1), dtype)
        average = float(layers.AveragePooling2D(side, dtype=dtype)(ones).ravel()[0])
        of_all = float(layers.GlobalAveragePooling2D(dtype=dtype)(ones).ravel()[0])
        window = (1, side, side, 1)
        total = jax.lax.reduce_window(ones, jnp.zeros((), dtype), jax.lax.add, window, window, "VALID")
        averages[dtype, side] = average
        print(
            f"{dtype:8} {side} x {side} ones: average {average}, global average {of_all}, "
            f"sum by reduce_window {float(total.ravel()[0])}"
        )
as_described = averages["bfloat16", 32] == 0.25 and averages["float16", 32] == 1.0
print("as described" if as_described else "the behaviour has changed")
sys.exit(0 if as_described else 1)
PYTHON
