#!/usr/bin/env bash
# JAX 0.10.2 on a CPU: float32 jax.numpy.tanh errs by up to 4.8 units roundoff (2^-24, relative to the
# exact value), at 0.004 for instance, where tanh is nearly its argument. NumPy's float32 tanh errs by
# less than 2. Exits non-zero if JAX's largest error is below 4 or above 6 units.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check jax==0.10.2 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import jax
import jax.numpy as jnp
import numpy as np

print("jax", jax.__version__, "numpy", np.__version__)
# Every 16th float from 2^-20 to 16; float64 has 29 bits more, so its tanh counts as exact.
bits = np.arange(*np.array([2.0**-20, 16.0], "float32").view("int32"), 16, dtype="int32")
z = bits.view("float32")
exact = np.tanh(z.astype("float64"))
worst = {}
for name, tanh in {"jax": jax.jit(jnp.tanh), "numpy": np.tanh}.items():
    units = np.abs(np.asarray(tanh(z)).astype("float64") - exact) / exact * 2.0**24
    worst[name] = units.max()
    print(f"{name}: {worst[name]:.2f} units roundoff at {z[units.argmax()]!r}")
as_described = 4 < worst["jax"] < 6
print("as described" if as_described else "the behaviour has changed")
sys.exit(0 if as_described else 1)
PYTHON
