#!/usr/bin/env bash
# safetensors' NumPy side writes a column-major array in the order in which it lies in memory, under
# the shape that it has: read again, its numbers stand in other places. No error, no warning.
# Exits non-zero if that is no longer so.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check safetensors==0.8.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import safetensors
from safetensors.numpy import load, save

print("safetensors", safetensors.__version__, "numpy", np.__version__)
rows = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], "float32")
columns = np.asfortranarray(rows)
assert np.array_equal(rows, columns)
read = load(save({"a": columns}))["a"]
print("written, by columns in memory:", columns.tolist())
print("read again:                   ", read.tolist())
print("the same array by rows:       ", load(save({"a": rows}))["a"].tolist())
if np.array_equal(read, columns):
    raise SystemExit("safetensors now writes column-major arrays as they read")
PYTHON
