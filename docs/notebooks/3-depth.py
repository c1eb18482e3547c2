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
# # Depth: layers as steps of a differential equation
#
# The layers of lipzoo are steps of numerical integrators. Here they are built by hand in NumPy, so
# that one sees what makes them stable; then networks of them are trained on two spirals, and broken
# on purpose.

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display

import lipzoo
from lipzoo import spectral
from lipzoo.data import DataSettings, load_data

keras.utils.set_random_seed(0)
random = np.random.default_rng(0)

# %% [markdown]
# ## A gradient flow
#
# `x' = -A σ(Aᵀx + b)` with a non-decreasing σ runs down a convex function, so two solutions never
# move apart. An explicit Euler step `x - h A σ(Aᵀx + b)` inherits that if `h ≤ 2 / L`, where
# `L = ‖A‖²` for slopes of σ of at most 1.

# %%
A = random.normal(size=(8, 8)) / np.sqrt(8)
L = np.linalg.norm(A, 2) ** 2


def flow(x, h):
    """One Euler step, for rows x; tanh is steepest, with slope 1, at 0."""
    return x - h * np.tanh(x @ A) @ A.T


def distances(h, steps=40):
    """How far apart two points are after every step; they begin along A's largest direction."""
    direction = np.linalg.svd(A)[0][:, 0]
    pair = 1e-3 * np.stack([direction, -direction])
    found = []
    for _ in range(steps):
        found.append(np.linalg.norm(pair[0] - pair[1]))
        pair = flow(pair, h)
    return found


figure, ax = plt.subplots(figsize=(6, 3.2))
for factor in (0.3, 2.0, 2.6):
    ax.semilogy(distances(factor / L), label=f"h = {factor} / L")
ax.set(xlabel="step", ylabel="distance of two points")
ax.legend()
figure.tight_layout()
assert max(distances(2.0 / L)) <= distances(2.0 / L)[0] * (1 + 1e-9)
assert distances(2.6 / L)[-1] > 100 * distances(2.6 / L)[0]

# %% [markdown]
# At 2 / L the distance is kept; beyond, two points that were next to each other are driven apart,
# until the activation saturates. The largest step that is allowed needs ‖A‖, from above. The power
# method approaches it from below: an estimate. lipzoo's bound is above, whatever the rounding.

# %%
power, _ = spectral.power_iteration(A.astype("float32"), iterations=5)
print("power method, 5 steps", float(power))
print("singular values      ", np.linalg.norm(A, 2))
print("proven bound         ", spectral.dense_norm_bound(A))

# %% [markdown]
# As a layer, with a constraint that keeps ‖A‖ at most 1:

# %%
layer = lipzoo.layers.GradientFlowDense(8)
layer.build((None, 8))
print(layer.lipschitz_bound((None, 8)))

# %% [markdown]
# ## A Hamiltonian step
#
# A state of two halves (q, p). Each half moves by what the other one says:
#
# `q⁺ = q + h B σ(Bᵀp)`, `p⁺ = p - h C σ(Cᵀq⁺)`
#
# Its Jacobian F is symplectic, `FᵀΩF = Ω`, so `‖F‖ ≥ 1` for any weights: gradients cannot vanish.

# %%
B, C = random.normal(size=(2, 4, 4)) / 2


def hamiltonian(state, h=0.3):
    """One step of symplectic Euler."""
    q, p = state[:4], state[4:]
    q = q + h * B @ np.tanh(B.T @ p)
    return np.concatenate([q, p - h * C @ np.tanh(C.T @ q)])


def jacobian(function, state, step=1e-6):
    """By central differences."""
    return np.stack(
        [
            (function(state + step * e) - function(state - step * e)) / (2 * step)
            for e in np.eye(len(state))
        ],
        axis=1,
    )


state = random.normal(size=8)
F = jacobian(hamiltonian, state)
omega = np.block([[np.zeros((4, 4)), np.eye(4)], [-np.eye(4), np.zeros((4, 4))]])
print("‖FᵀΩF - Ω‖ =", np.linalg.norm(F.T @ omega @ F - omega))
print("singular values of F:", np.linalg.svd(F, compute_uv=False).round(3))
norms = [1.0]
total = np.eye(8)
for _ in range(100):
    total = jacobian(hamiltonian, state) @ total
    state = hamiltonian(state)
    norms.append(np.linalg.norm(total, 2))
print(
    "norm of the Jacobian over 1, 10 and 100 steps:",
    [round(float(norms[k]), 2) for k in (1, 10, 100)],
)

# %% [markdown]
# ## Two spirals
#
# A Hamiltonian network and an ordinary one of the same depth and width, trained alike.

# %%
data = load_data(DataSettings("generated:swissroll"))
points, arms = data.train.x, data.train.y
test, test_arms = data.test.x, data.test.y
nets = {
    "HamNet": lipzoo.HamNet((2,), 2, depth=12, width=4, time=6.0, bound=4.0),
    "MLP": lipzoo.MLP((2,), 2, depth=12, width=4),
}
EPOCHS, STEPS = 30, -(-len(points) // 128)
for net in nets.values():
    rate = keras.optimizers.schedules.CosineDecay(
        0.001, (EPOCHS - 1) * STEPS, alpha=0.01, warmup_target=0.02, warmup_steps=STEPS
    )
    net.compile(
        keras.optimizers.Adam(rate),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    net.fit(points, arms, batch_size=128, epochs=EPOCHS, verbose=0)

line = np.linspace(-1.1, 1.1, 100, dtype="float32")
grid = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
figure, axes = plt.subplots(1, 2, figsize=(7, 3.6))
for ax, (name, net) in zip(axes, nets.items(), strict=True):
    chosen = net.predict(grid, verbose=0, batch_size=2500).argmax(axis=1).reshape(100, 100)
    ax.imshow(chosen, extent=(-1.1, 1.1, -1.1, 1.1), origin="lower", cmap="PuOr", alpha=0.5)
    ax.scatter(*test.T, c=test_arms, cmap="PuOr", s=3)
    accuracy = net.evaluate(test, test_arms, verbose=0)[1]
    ax.set(title=f"{name}: {100 * accuracy:.1f} %", xticks=[], yticks=[])
figure.tight_layout()

# %% [markdown]
# How gradients travel through them: the norms of the Jacobians between every state and the last
# one, and between the input and every state.

# %%
for name, net in nets.items():
    found = lipzoo.jacobian_norms(net, test[:100])
    figure = found.plot()
    figure.suptitle(name)
    display(figure)

# %% [markdown]
# ## What goes wrong, and what it is called
#
# `lipzoo.diagnose` looks for three signatures. We provoke each of them.

# %%
broken = {
    "a deep MLP with small weights": lipzoo.MLP(
        (2,), 2, depth=40, width=8, kernel_initializer=keras.initializers.RandomNormal(stddev=0.1)
    ),
    "a deep MLP with large weights": lipzoo.MLP(
        (2,),
        2,
        depth=40,
        width=8,
        activation="linear",
        kernel_initializer=keras.initializers.RandomNormal(stddev=1.0),
    ),
    "a gradient flow that must take many small steps": keras.Sequential(
        [
            keras.Input((8,)),
            lipzoo.layers.GradientFlowDense(
                8, time=2.0, kernel_constraint=lipzoo.SpectralBound(6.0)
            ),
            keras.layers.Dense(2),
        ]
    ),
    "the Hamiltonian network from above": nets["HamNet"],
}
for name, net in broken.items():
    x = random.normal(size=(20, net.input_shape[-1])).astype("float32")
    print(f"--- {name}")
    print(lipzoo.diagnose(net, x))
