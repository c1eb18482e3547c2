#!/usr/bin/env bash
# TensorFlow 2.21.0 on a CPU: a float32 tf.linalg.matmul of equal rows with equal columns returns
# products that are not all equal. With 25 rows, 64 summands and 17 columns every entry of the
# result is the same sum of the same 64 products, yet up to three different numbers come back, along
# rows and along columns: kernels for the columns and rows that a block leaves over add up in
# another order. How many depends on the processor; a single row gives one number.
# Exits non-zero if all of them are equal.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check tensorflow==2.21.0 numpy==2.4.6
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
import tensorflow as tf

print("tensorflow", tf.__version__)
random = np.random.default_rng(0)
most = 0
for rows, summands, columns in [(25, 64, 17), (1, 64, 17), (49, 128, 33)]:
    x = np.repeat(random.standard_normal((1, summands)).astype("float32"), rows, axis=0)
    kernel = np.repeat(random.standard_normal((summands, 1)).astype("float32"), columns, axis=1)
    product = tf.linalg.matmul(x, kernel).numpy()
    found = np.unique(product)
    in_a_row = max(len(np.unique(row)) for row in product)
    in_a_column = max(len(np.unique(column)) for column in product.T)
    print(f"({rows}, {summands}) times ({summands}, {columns}): {len(found)} numbers {found},")
    print(f"    up to {in_a_row} in a row, up to {in_a_column} in a column")
    most = max(most, len(found))
print("equal sums differ" if most > 1 else "the behaviour has changed: equal sums are equal")
sys.exit(0 if most > 1 else 1)
PYTHON
