#!/usr/bin/env bash
# pyarrow 26.0.1: `pyarrow.array` of a NumPy array of numbers, and `to_numpy` of a column, import
# pandas where it is installed, though no object of pandas is there: some tenths of a second and
# some 40 MB of the first conversion. `Array.from_buffers` and `buffers` do the same without it.
# Exits non-zero if pandas is not imported, or is by buffers too.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    pyarrow==26.0.1 pandas==3.1.1 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import sys
import time

import numpy as np
import pyarrow as pa

print("pyarrow", pa.__version__)
numbers = np.arange(10.0)
buffer = pa.py_buffer(numbers)
made = pa.Array.from_buffers(pa.float64(), len(numbers), [None, buffer])
read = np.frombuffer(made.buffers()[1], "float64")
by_buffers = "pandas" in sys.modules
start = time.perf_counter()
converted = pa.array(numbers)
seconds = time.perf_counter() - start
by_array = "pandas" in sys.modules
print(f"from buffers: pandas imported: {by_buffers}")
print(f"pyarrow.array: pandas imported: {by_array}, {seconds:.2f} s for ten numbers")
as_described = converted.equals(made) and by_array and not by_buffers and list(read) == list(numbers)
print("as described" if as_described else "the behaviour has changed")
sys.exit(0 if as_described else 1)
PYTHON
