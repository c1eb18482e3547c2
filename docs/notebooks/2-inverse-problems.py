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
# # Inverse problems
#
# We measure `y = Ax + noise` and want x back. How far can the reconstruction be off because the
# measurement is? We build the operator, see why it cannot simply be inverted, reconstruct by
# Tikhonov's method, train a network whose stability is proven before it is trained, and hold the
# certified ball against the worst that a search finds.
#
# The signals are generated; nothing is downloaded.

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np

import lipzoo
from lipzoo import inverse
from lipzoo.data import DataSettings, load_data

keras.utils.set_random_seed(0)
random = np.random.default_rng(0)
NOISE = 0.02
data = load_data(DataSettings("generated:piecewise", kind="signal"))
x, x_test = data.train.x[:2048], data.test.x[:64]
LENGTH = x.shape[1]

# %% [markdown]
# ## The operator
#
# A blur. It has an exact adjoint and a proven norm, which everything below rests on.

# %%
blur = inverse.Blur((LENGTH, 1), inverse.gaussian_kernel(sigma=2.0))


def measure(signals):
    """Blurred, with noise."""
    clean = keras.ops.convert_to_numpy(blur.apply(signals))
    return (clean + NOISE * random.normal(size=clean.shape)).astype("float32")


y, y_test = measure(x), measure(x_test)
print("norm at most", blur.norm_bound)

matrix = keras.ops.convert_to_numpy(blur.apply(np.eye(LENGTH, dtype="float32")[..., None]))[..., 0]
singular = np.linalg.svd(matrix, compute_uv=False)
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3))
left.plot(x_test[0, :, 0], label="x")
left.plot(y_test[0, :, 0], label="y")
left.legend()
left.set_title("a signal and its measurement")
right.semilogy(singular)
right.set_title("singular values of A: noise is divided by them")
figure.tight_layout()

# %% [markdown]
# ## Tikhonov
#
# `(AᵀA + αI)⁻¹Aᵀy` divides by no singular value that is smaller than about √α. Its Lipschitz
# constant is at most `1 / (2√α)`: α trades error for stability. The α with the least error on some
# pairs:

# %%
chosen = inverse.choose_alpha(blur, y[:256], x[:256])
tikhonov = inverse.tikhonov(blur, y_test, chosen.value)
print("alpha", chosen.value, "bound", inverse.tikhonov_norm_bound(blur, chosen.value))
print("PSNR", inverse.psnr(tikhonov, x_test).mean().round(2), "dB")

# %% [markdown]
# ## A network with a proven constant
#
# An `InvNet` starts from Tikhonov's reconstruction and takes in turn steps towards the data and
# non-expansive gradient flows. α settles its bound before training, and training cannot raise it.

# %%
ALPHA = 0.01
net = lipzoo.InvNet(blur, alpha=ALPHA, steps=4, flows=1, width=16, filters=32, kernel_size=5)
before = lipzoo.lipschitz_bound(net).value
net.compile(keras.optimizers.Adam(3e-3), "mse")
net.fit(y, x, batch_size=128, epochs=6, verbose=0)
print("bound before", before, "and after training", lipzoo.lipschitz_bound(net).value)
reconstruction = net.predict(y_test, verbose=0)
print("PSNR", inverse.psnr(reconstruction, x_test).mean().round(2), "dB")

# %% [markdown]
# The same steps with ordinary residual blocks in place of the flows, trained alike. Nothing keeps
# its constant small.

# %%
free = lipzoo.UnrolledNet(blur, alpha=ALPHA, steps=4, flows=1, width=16, filters=16, kernel_size=5)
free.compile(keras.optimizers.Adam(3e-3), "mse")
free.fit(y, x, batch_size=128, epochs=6, verbose=0)
free_reconstruction = free.predict(y_test, verbose=0)
print("bound", f"{lipzoo.lipschitz_bound(free).value:.3g}")
print("PSNR", inverse.psnr(free_reconstruction, x_test).mean().round(2), "dB")

# %% [markdown]
# ## The ball, and the worst that was found in it
#
# While the measurement moves by at most δ, the reconstruction stays in a ball of the certified
# radius. A search for the worst measurement says from below how tight that is.

# %%
DELTA = 0.1
certificate = lipzoo.certify_reconstruction(net, y_test[:8], DELTA, verbose=0)
print(certificate)
movement = lipzoo.worst_movement(net, y_test[:8], DELTA)
print("InvNet:       ", movement)
print("unconstrained:", lipzoo.worst_movement(free, y_test[:8], DELTA))
assert (movement.movement <= certificate.radius).all()

# %%
worst = net.predict(movement.measurements, verbose=0)
figure, axes = plt.subplots(1, 2, figsize=(9, 3.2))
axes[0].plot(x_test[0, :, 0], color="black", linewidth=1, label="truth")
axes[0].plot(reconstruction[0, :, 0], label="from y")
axes[0].plot(worst[0, :, 0], "--", label="from the worst y' found")
axes[0].legend(fontsize=8)
axes[0].set_title(f"the measurement moved by {DELTA}")
for name, values in {"Tikhonov": tikhonov, "InvNet": reconstruction}.items():
    axes[1].plot(np.abs(values - x_test)[0, :, 0], label=name)
axes[1].legend(fontsize=8)
axes[1].set_title("error: at the jumps")
figure.tight_layout()

# %% [markdown]
# ## α is the knob
#
# The bound for a range of α needs no training at all. Three of them, trained for a moment each,
# show what it costs.

# %%
alphas = np.logspace(-3, 0, 4)


def small(alpha):
    """An InvNet of few steps."""
    return lipzoo.InvNet(blur, alpha=float(alpha), steps=2, flows=1, width=8, filters=16)


bounds = [lipzoo.lipschitz_bound(small(alpha)).value for alpha in alphas]
quality = {}
for alpha in (0.001, 0.03, 1.0):
    network = small(alpha)
    network.compile(keras.optimizers.Adam(5e-3), "mse")
    network.fit(y, x, batch_size=128, epochs=3, verbose=0)
    quality[alpha] = inverse.psnr(network.predict(y_test, verbose=0), x_test).mean()
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3))
left.loglog(alphas, bounds, "o-")
left.set(xlabel="α", title="proven bound, before training")
right.semilogx(list(quality), list(quality.values()), "D")
right.set(xlabel="α", ylabel="PSNR in dB", title="after a short training")
figure.tight_layout()

# %% [markdown]
# ## Images: error maps
#
# A network of the zoo fills in missing pixels. Beside each reconstruction stands its error, and the
# radius of the ball that holds it while the measurement moves by 0.1.

# %%
images, _ = lipzoo.samples("fmnist")
images = images[:4]
painter = lipzoo.load("invnet-inpaint-fmnist")
mask = painter.get_layer("tikhonov").operator
measured = keras.ops.convert_to_numpy(mask.apply(images))
painted = painter.predict(measured, verbose=0)
balls = lipzoo.certify_reconstruction(painter, measured, 0.1, verbose=0)
figure, axes = plt.subplots(4, 4, figsize=(7, 7))
for row, truth, seen, made, radius in zip(
    axes, images, measured, painted, balls.radius, strict=True
):
    for ax, picture, title in (
        (row[0], truth, "truth"),
        (row[1], seen, "measurement"),
        (row[2], made, f"± {radius:.2f} in l2"),
        (row[3], np.abs(made - truth), "error"),
    ):
        picture = np.squeeze(picture)
        shown = {"cmap": "magma"} if title == "error" else {"cmap": "gray"}
        if picture.ndim == 2:
            ax.imshow(picture, vmin=0, vmax=1, **shown)
        ax.set_title(title, fontsize=8)
        ax.set(xticks=[], yticks=[])
figure.tight_layout()
