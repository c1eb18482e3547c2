# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Your own model
#
# An ordinary convolutional network in Keras: what is its bound, how does one get a useful one, what
# if there is a layer of one's own in it, and how is it handed on?
#
# The data are scikit-learn's digits, 8 × 8 pixels, which come with the package.

# %%
import pathlib
import tempfile

import keras
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import lipzoo

keras.utils.set_random_seed(0)
digits = load_digits()
x = (digits.images / 16).astype("float32")[..., None]
y = digits.target
order = np.random.default_rng(0).permutation(len(x))
(x, y), (x_test, y_test) = [(x[part], y[part]) for part in (order[360:], order[:360])]

# %% [markdown]
# ## A Keras model

# %%
model = keras.Sequential(
    [
        keras.Input((8, 8, 1)),
        keras.layers.Conv2D(16, 3, padding="same", name="first"),
        keras.layers.BatchNormalization(name="normalise"),
        keras.layers.ReLU(name="relu"),
        keras.layers.Conv2D(32, 3, strides=2, padding="same", activation="relu", name="second"),
        keras.layers.Flatten(name="flatten"),
        keras.layers.Dense(10, name="head"),
    ],
    name="digits",
)
model.compile(
    "adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
)
model.fit(x, y, epochs=15, batch_size=64, verbose=0)
ordinary = lipzoo.certify(model, x_test, y_test, verbose=0)
ordinary

# %% [markdown]
# It is accurate, and hardly anything is certified: its bound is large. Which layer costs most?

# %%
bound = lipzoo.lipschitz_bound(model)
print(bound.loosest().name)
bound

# %% [markdown]
# ## Constrained
#
# `lipzoo.constrain` makes a model of the same topology whose bound is 1, folds batch normalisation
# into the kernels and gives every kernel a constraint. It begins from the trained weights, and is
# fine-tuned with a loss that asks for radii.

# %%
constrained = lipzoo.constrain(model)

# %%
constrained.compile(
    keras.optimizers.Adam(0.003),
    lipzoo.OffsetCrossEntropy(epsilon=0.5, temperature=0.25),
    metrics=["accuracy"],
)
constrained.fit(x, y, epochs=20, batch_size=64, verbose=0)
certificate = lipzoo.certify(constrained, x_test, y_test, verbose=0)
certificate

# %%
figure, ax = plt.subplots(figsize=(6, 3.4))
certificate.plot(ax)
epsilons = np.linspace(0, 0.2, 50)
ax.plot(epsilons, 100 * np.array(ordinary.certified_accuracy(epsilons)), "k:", label="as it was")
ax.legend()
figure.tight_layout()

# %%
certificate.show(x_test, n=8, examples=np.argsort(certificate.radius))

# %% [markdown]
# ## A layer of one's own
#
# What lipzoo does not know it refuses, by name. A layer that states its own bound is taken at its
# word: here one that turns the picture upside down, which keeps every norm.


# %%
class Upset(keras.layers.Layer):
    """The picture upside down."""

    def call(self, inputs):
        return keras.ops.flip(inputs, axis=1)


def with_layer(layer):
    """The constrained model behind a layer."""
    return keras.Sequential([keras.Input((8, 8, 1)), layer, constrained])


try:
    lipzoo.lipschitz_bound(with_layer(Upset()))
except lipzoo.UncertifiedLayerError as error:
    print(error)


# %%
class StatedUpset(Upset):
    """The same, with a statement."""

    def lipschitz_bound(self, input_shape):
        return lipzoo.LayerBound.exact(1.0, "a permutation of pixels")


print(lipzoo.lipschitz_bound(with_layer(StatedUpset())).value)

# %% [markdown]
# Such a statement is a proof that you vouch for. `lipzoo.register_bound_rule` gives one to a class
# that you cannot change.
#
# ## Handing it on
#
# Any Keras model is saved by Keras, constraints and all. Who loads it derives the bound anew.

# %%
folder = pathlib.Path(tempfile.mkdtemp())
constrained.save(folder / "digits.keras")
again = keras.models.load_model(folder / "digits.keras")
print(lipzoo.lipschitz_bound(again).value <= 1)

# %% [markdown]
# A model made by one of lipzoo's builders becomes a folder of a configuration, weights and a
# certificate, as it stands on the Hugging Face Hub: nothing in it is executed, and the bound that
# it claims is derived again by whoever loads it.

# %%
arguments = {"input_shape": [8, 8, 1], "num_classes": 10, "width": 8, "axial_units": 16}
arguments |= {"features": 32}
net = lipzoo.GradFlowNet(**arguments)
net.compile(keras.optimizers.Adam(0.01), lipzoo.OffsetCrossEntropy(epsilon=0.5, temperature=0.25))
net.fit(x, y, epochs=5, batch_size=128, verbose=0)
config = lipzoo.zoo.ModelConfig(
    "GradFlowNet",
    arguments,
    {"scale": "pixels in [0, 1]", "minimum": 0.0, "maximum": 1.0},
    dataset="scikit-learn digits",
    data_licence="CC BY 4.0 (UCI)",
    description="Digits of 8 × 8 pixels",
)
claim = lipzoo.zoo.save_model(folder / "digits", net, config)
print("claimed bound", claim.lipschitz_bound)
print(lipzoo.verify(folder / "digits"))

# %% [markdown]
# What `lipzoo publish` would upload, to the last byte; nothing is sent:

# %%
package = lipzoo.zoo.prepare(folder / "digits", "someone/digits")
for name, content in package.contents.items():
    print(f"{name:<20}{len(content):>8,} bytes")
print(package.card[:600])
