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
# # Certified classification
#
# A network of the zoo classifies pieces of clothing. Every prediction comes with a *radius*: no
# perturbation of the image of that size, whoever chose it, changes the class. We look at the radii,
# attack them, compare with an ordinary network, decide when to abstain, fine-tune and export.
#
# It needs `pip install '.[notebooks]'`, no data set and no GPU.

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np

import lipzoo
from lipzoo.evaluation import pgd_attack

images, labels = lipzoo.samples("fmnist")  # 64 test images of Fashion-MNIST
model = lipzoo.load("gradflow-fmnist")
lipzoo.info("gradflow-fmnist")

# %% [markdown]
# ## A bound, and what follows from it
#
# The model is a `keras.Model`. Its Lipschitz constant has an upper bound that is derived from the
# weights, layer by layer, in float64 with its own rounding counted.

# %%
lipzoo.lipschitz_bound(model)

# %% [markdown]
# If the output moves by at most L times as much as the input, then a margin between the two largest
# outputs cannot close before the input has moved by a certain distance: the certified radius.

# %%
certificate = lipzoo.certify(model, images, labels, verbose=0)
certificate

# %% [markdown]
# Above each image its prediction and radius, below it the class that is nearest. An image that is
# misclassified has a radius as well: a certificate is about stability and not about truth.

# %%
certificate.show(images, n=16)

# %% [markdown]
# ## Attacks
#
# Projected gradient ascent searches the ball around each image for another class. Just below the
# certified radius it must fail, every time. Beyond it may succeed, and the distance at which it
# does says how much the proof gives away.

# %%
usable = np.flatnonzero(certificate.prediction == labels)[:24]
x, y, radius = images[usable], labels[usable], certificate.radius[usable]
attacks = {
    factor: pgd_attack(model, x, y, factor * radius, steps=20) for factor in (0.999, 1.5, 2.0)
}
for factor, attack in attacks.items():
    print(f"{factor:>5} times the radius: {attack.success.sum():>2} of {len(x)} labels changed")
assert not attacks[0.999].success.any()

# %%
attack = attacks[1.5] if attacks[1.5].success.any() else attacks[2.0]
broken = np.flatnonzero(attack.success)[:6]
taken_for = model.predict(attack.inputs[broken], verbose=0).argmax(axis=1)
names = certificate.class_names
figure, axes = plt.subplots(3, len(broken), figsize=(1.5 * len(broken), 5), squeeze=False)
for column, place, wrong in zip(axes.T, broken, taken_for, strict=True):
    change = attack.inputs[place] - x[place]
    column[0].imshow(x[place], cmap="gray_r", vmin=0, vmax=1)
    column[0].set_title(f"{names[y[place]]}\nr = {radius[place]:.2f}", fontsize=8)
    column[1].imshow(change, cmap="RdBu", vmin=-0.5, vmax=0.5)
    column[1].set_title(f"moved by {attack.distance[place]:.2f}", fontsize=8)
    column[2].imshow(attack.inputs[place], cmap="gray_r", vmin=0, vmax=1)
    column[2].set_title(names[wrong], fontsize=8)
for ax in axes.flat:
    ax.set(xticks=[], yticks=[])
figure.tight_layout()

# %% [markdown]
# ## Beside an ordinary network
#
# `resnet-fmnist` is a residual network without constraints, and more accurate on clean images. Its
# bound is so large that nothing is certified, and the attack shows that this is not only the
# bound's fault. On 24 images the curves are rough; the studies have them on many more.

# %%
epsilons = [0.1, 0.25, 0.5]
resnet = lipzoo.load("resnet-fmnist")
figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), sharey=True)
for ax, (name, network) in zip(
    axes, {"gradflow-fmnist": model, "resnet-fmnist": resnet}.items(), strict=True
):
    robustness = lipzoo.evaluate_robustness(
        network, images, labels, epsilons, ["pgd"], samples=24, verbose=False
    )
    robustness.plot(ax)
    ax.set_title(name)
figure.tight_layout()

# %% [markdown]
# ## When to abstain
#
# Whoever keeps only predictions with a radius above r can say of each of them that no perturbation
# of that size changes it. The price is coverage.

# %%
certificate.report(abstain_below=0.5)

# %%
radii = np.linspace(0, 1.5, 200)
figure, ax = plt.subplots(figsize=(5.5, 3.2))
ax.plot(radii, 100 * certificate.coverage(radii), label="coverage")
ax.plot(radii, 100 * certificate.selective_accuracy(radii), "--", label="accuracy of the kept")
ax.set(xlabel="abstain up to this radius", ylabel="%", ylim=(0, 104))
ax.legend()
figure.tight_layout()

# %% [markdown]
# ## Fine-tune
#
# Three classes of one's own: the body stays as it is and a fresh head is trained, on the few images
# that there are. The loss asks each example for a radius; the bound holds after every step.

# %%
keras.utils.set_random_seed(0)
few = labels < 3
tuned = lipzoo.load("gradflow-fmnist", num_classes=3)
for layer in tuned.layers[:-1]:
    layer.trainable = False
tuned.compile(keras.optimizers.Adam(0.02), lipzoo.OffsetCrossEntropy(epsilon=0.5, temperature=0.25))
history = tuned.fit(images[few], labels[few], epochs=20, verbose=0)
print("loss", round(history.history["loss"][0], 3), "to", round(history.history["loss"][-1], 3))
print("bound", lipzoo.lipschitz_bound(tuned).value)
lipzoo.certify(tuned, images[few], labels[few], verbose=0)

# %% [markdown]
# These are the images that it was trained on, so the table shows that training went well, and
# nothing more.
#
# ## Export
#
# The network leaves Python with its certificate inside. What runs it needs no Keras.

# %%
import pathlib
import tempfile

import onnxruntime

path = pathlib.Path(tempfile.mkdtemp()) / "fmnist.onnx"
lipzoo.export(model, path, format="onnx")
session = onnxruntime.InferenceSession(path)
(logits,) = session.run(None, {"input": images})
exported = lipzoo.exported_certificate(path)
print(exported)
print("radii of the first five:", exported.radius(logits)[:5].round(3))
print("by lipzoo.certify:      ", certificate.radius[:5].round(3))
