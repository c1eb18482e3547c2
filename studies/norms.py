"""How tight the norm bounds are on trained kernels, against values computed another way."""

import itertools

import keras
import numpy as np
from keras import ops

import lipzoo
from lipzoo.data.settings import DataSettings
from lipzoo.layers import GradientFlowConv2D, Lift, SpectralConv2D, SpectralDense
from lipzoo.spectral import conv_norm_bound
from lipzoo.training import load_data

FREQUENCIES = 128


def patch_kernels(name: str) -> dict:
    """The bound of every convolution kernel of a bundled model against the grid's supremum."""
    ratios = []
    for layer in lipzoo.load(name).layers:
        kernel = getattr(layer, "kernel", None)
        if kernel is None or len(kernel.shape) != 4:
            continue
        kernel = ops.convert_to_numpy(kernel).astype("float64")
        bound = conv_norm_bound(kernel, strides=layer.strides, padding=layer.padding)
        ratios.append(bound / supremum(kernel, layer.strides))
    return {"kernels": len(ratios), "bound_over_supremum": round(max(ratios), 6)}


def overlapping_kernels(epochs: int) -> dict:
    """The same for 3x3 and 5x5 kernels trained on 8x8 digits, and the gap to the exact norm."""
    model = _trained_on_digits(epochs)
    rows = []
    for layer in model.layers:
        if not isinstance(layer, GradientFlowConv2D | SpectralConv2D):
            continue
        kernel = ops.convert_to_numpy(layer.kernel).astype("float64")
        spatial = layer.input.shape[1:-1]
        settings = {"strides": layer.strides, "padding": layer.padding}
        any_size = conv_norm_bound(kernel, **settings)
        at_size = conv_norm_bound(kernel, spatial, **settings)
        highest, exact = supremum(kernel, layer.strides), exact_norm(kernel, spatial, layer.strides)
        rows.append(
            {
                "kernel": "x".join(map(str, kernel.shape)),
                "strides": layer.strides[0],
                "image": "x".join(map(str, spatial)),
                "any_size_bound_over_supremum": round(any_size / highest, 4),
                "bound_at_size_over_exact": round(at_size / exact, 4),
                "any_size_bound_over_exact": round(any_size / exact, 4),
            }
        )
    return {
        "bound_over_supremum": max(row["any_size_bound_over_supremum"] for row in rows),
        "kernels": rows,
    }


def supremum(kernel, strides, frequencies=FREQUENCIES) -> float:
    """The largest singular value of the polyphase symbol over a fine grid (from below)."""
    (high, wide), (down, across) = kernel.shape[:2], strides
    taps = {}
    for row, column in itertools.product(range(high), range(wide)):
        shift, phase = (row // down, column // across), (row % down, column % across)
        taps.setdefault(shift, {})[phase] = kernel[row, column]
    phases = list(itertools.product(range(down), range(across)))
    zero = np.zeros(kernel.shape[2:])
    blocks = {
        shift: np.concatenate([tap.get(phase, zero) for phase in phases])
        for shift, tap in taps.items()
    }
    if len(blocks) == 1:
        return float(np.linalg.norm(next(iter(blocks.values())), 2))
    # The symbol at -ω is the conjugate of that at ω: half of one axis is enough.
    largest = 0.0
    angles = 2 * np.pi * np.arange(frequencies) / frequencies
    for vertical in angles[: frequencies // 2 + 1]:
        waves = {shift: np.exp(-1j * (vertical * shift[0] + angles * shift[1])) for shift in blocks}
        symbols = sum(waves[shift][:, None, None] * blocks[shift] for shift in blocks)
        largest = max(largest, np.linalg.svd(symbols, compute_uv=False)[:, 0].max())
    return float(largest)


def exact_norm(kernel, spatial, strides) -> float:
    """The norm of the zero-padded "same" convolution, from its matrix."""
    size = int(np.prod(spatial)) * kernel.shape[2]
    basis = np.eye(size, dtype="float64").reshape(size, *spatial, kernel.shape[2])
    images = ops.conv(basis, ops.convert_to_tensor(kernel, "float64"), strides, "same")
    return float(np.linalg.norm(ops.convert_to_numpy(images).reshape(size, -1), 2))


def _trained_on_digits(epochs):
    data = load_data(DataSettings(source="sklearn:digits"))
    model = keras.Sequential(
        [
            keras.Input(data.input_shape),
            Lift(16),
            GradientFlowConv2D(kernel_size=3),
            GradientFlowConv2D(kernel_size=5),
            SpectralConv2D(24, kernel_size=3, strides=2),
            GradientFlowConv2D(kernel_size=3),
            keras.layers.Flatten(),
            SpectralDense(data.num_classes),
        ]
    )
    model.compile(keras.optimizers.Adam(2e-3), lipzoo.OffsetCrossEntropy())
    model.fit(data.inputs(data.train), data.train.y, batch_size=64, epochs=epochs, verbose=0)
    return model
