#!/usr/bin/env bash
# Keras 3.15.1 on TensorFlow 2.21.0, eagerly: keras.ops.add takes its second operand for a bias as soon
# as all its axes but one have length 1 and that one is as long as the first operand's last (or second)
# axis, whichever axis it is, the batch axis included. A batch of 4 examples plus one number for each of
# them is then added along 4 channels: examples mix, without an error; 5 examples are added rightly. A
# model built of such a sum is right in predict with an open batch and wrong when called on 4 examples.
# keras.ops.subtract of the negative is right. Exits non-zero if any of this changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check keras==3.15.1 tensorflow==2.21.0 numpy==2.4.6
KERAS_BACKEND=tensorflow TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - <<'PYTHON'
import sys

import keras
import numpy as np
import tensorflow as tf

print("keras", keras.__version__, "tensorflow", tf.__version__)
random = np.random.default_rng(0)


def off(found, expected):
    found = np.asarray(found)
    return np.inf if found.shape != expected.shape else float(np.abs(found - expected).max())


errors = {}
for batch in (4, 5):
    pixels = random.normal(size=(batch, 3, 4)).astype("float32")
    level = random.normal(size=(batch, 1, 1)).astype("float32")
    errors[f"{batch} examples of 3 x 4 plus a number each"] = off(
        keras.ops.add(pixels, level), pixels + level
    )
    errors[f"{batch} examples, minus the negative"] = off(
        keras.ops.subtract(pixels, -level), pixels + level
    )
square = random.normal(size=(1, 4, 4)).astype("float32")
column = random.normal(size=(1, 4, 1)).astype("float32")
errors["1 example of 4 x 4 plus a column"] = off(keras.ops.add(square, column), square + column)

x = keras.Input((3, 4))
model = keras.Model(x, x + keras.ops.mean(x, axis=(1, 2), keepdims=True))
examples = random.normal(size=(8, 3, 4)).astype("float32")
exact = examples + examples.mean(axis=(1, 2), keepdims=True)
errors["model.predict of 8 examples"] = off(model.predict(examples, verbose=0), exact)
errors["model called on 4 of them"] = off(model(examples[:4]), exact[:4])
for what, error in errors.items():
    print(f"{what}: off by {error:.2g}")
wrong = {what for what, error in errors.items() if error > 1e-3}
as_described = wrong == {
    "4 examples of 3 x 4 plus a number each",
    "1 example of 4 x 4 plus a column",
    "model called on 4 of them",
}
print("as described" if as_described else "the behaviour has changed")
sys.exit(0 if as_described else 1)
PYTHON
