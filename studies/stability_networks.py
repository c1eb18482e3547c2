"""The networks of `studies.stability`: equal widths, equal depth, with and without structure."""

import keras

import lipzoo
from lipzoo.constraints import SpectralBound

CLASSES = 10
NETWORKS = ("gradient flow", "unconstrained flow", "HamNet", "ResNet", "bare operators")
KINDS = ("conv", "dense")
# Of the comparison over depths: channels, or length of the vectors.
WIDTHS = {"conv": 32, "dense": 512}
# What a layer maps: feature maps of 14 x 14 pixels, or vectors.
SIDE = 14
KERNEL = 3


def network(name: str, kind: str, depth: int, width: int, method: str = "orthogonal"):
    """Builds and compiles one network of `depth` layers between the same two ends.

    Every layer has two products with `width * width` numbers (per position and tap of a
    convolution): an operator and its adjoint, a Hamiltonian layer two half steps of half the
    width, a residual block two operators. `bare operators` are these products and nothing else.

    Args:
        name: one of `NETWORKS`.
        kind: `"conv"` or `"dense"`.
        depth: number of layers.
        width: channels of the feature maps, or length of the vectors; even.
        method: of the constraint, see `lipzoo.constraints.SpectralBound`.
    """
    keras.utils.set_random_seed(0)
    inputs = keras.Input((2 * SIDE, 2 * SIDE, 1))
    if kind == "conv":
        x = lipzoo.layers.Lift(width)(lipzoo.layers.SpaceToDepth(2)(inputs))
    else:
        x = keras.layers.Dense(width)(keras.layers.Flatten()(inputs))
    layer = _LAYERS[name]
    for _ in range(depth):
        x = layer(x, kind, width, method)
    x = keras.layers.GlobalAveragePooling2D()(x) if kind == "conv" else x
    model = keras.Model(inputs, keras.layers.Dense(CLASSES)(x))
    if name == "unconstrained flow":
        for weight in model.weights:
            weight.constraint = None
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    # Steps of length 0.001 in every entry leave the constraint's ball each time.
    model.compile(keras.optimizers.Adam(1e-3), loss, jit_compile=False)
    # Made in the first training step, its variables would have TensorFlow trace the step twice.
    model.optimizer.build(model.trainable_variables)
    return model


def layer_flops(kind: str, width: int) -> int:
    """Multiplications and additions of one layer's two products, for one example, forwards."""
    positions, taps = _positions_and_taps(kind)
    return 2 * 2 * positions * taps * width * width


def layer_bytes(kind: str, width: int, batch_size: int) -> int:
    """Least memory traffic of one layer's two products in a training step, in float32.

    Every product reads or writes six tensors of states: its input and output forwards, and
    backwards its input again, the output's gradient twice and the input's once. The kernel is read
    in both directions and its gradient written; Adam reads this, and reads and writes the kernel
    and two moments. What a cache keeps between two operators is not subtracted.
    """
    positions, taps = _positions_and_taps(kind)
    states, kernel = batch_size * positions * width, taps * width * width
    return 2 * 4 * (6 * states + 10 * kernel)


def _positions_and_taps(kind):
    return (SIDE * SIDE, KERNEL * KERNEL) if kind == "conv" else (1, 1)


def _flow(x, kind, _width, method):
    constraint = SpectralBound(method=method)
    if kind == "conv":
        return lipzoo.layers.GradientFlowConv2D(kernel_constraint=constraint)(x)
    return lipzoo.layers.GradientFlowDense(kernel_constraint=constraint)(x)


def _hamiltonian(x, kind, width, method):
    # Half the inputs and `width` neurons: B, its adjoint, C and its adjoint are half products each.
    options = {
        "time": 0.5,
        "activation": "relu",
        "kernel_constraint": SpectralBound(method=method),
    }
    if kind == "conv":
        return lipzoo.layers.HamiltonianConv2D(width, **options)(x)
    return lipzoo.layers.HamiltonianDense(width, **options)(x)


def _residual(x, kind, width, _method):
    return keras.layers.Add()([x, _operator(_operator(x, kind, width, "relu"), kind, width)])


def _bare(x, kind, width, _method):
    return _operator(_operator(x, kind, width, bias=False), kind, width, bias=False)


def _operator(x, kind, width, activation=None, *, bias=True):
    options = {"activation": activation, "use_bias": bias}
    if kind == "conv":
        return keras.layers.Conv2D(width, KERNEL, padding="same", **options)(x)
    return keras.layers.Dense(width, **options)(x)


_LAYERS = {
    "gradient flow": _flow,
    "unconstrained flow": _flow,
    "HamNet": _hamiltonian,
    "ResNet": _residual,
    "bare operators": _bare,
}
