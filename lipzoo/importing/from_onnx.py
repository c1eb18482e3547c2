"""Reads an ONNX file that others made."""

import os
import re
from pathlib import Path

import keras

from lipzoo.importing.comparison import largest_difference
from lipzoo.importing.graph import read_graph
from lipzoo.importing.translation import translate
from lipzoo.rounding.directed import HALF_PRECISION
from lipzoo.zoo.precision import building_in
from lipzoo_catalogue.onnx_file import check_onnx_file


def from_onnx(path: str | Path, dtype: str | None = None) -> keras.Model:
    """Reads a network from an ONNX file, as a functional model of plain Keras layers.

    `lipzoo.lipschitz_bound`, `lipzoo.certify`, `fit` and `lipzoo.export` take the model as any
    other. Inputs and outputs have the shapes of the file, images with channels first as most files
    have them; inside, convolutions have channels last. The size of the batch is open, whatever the
    file says. Weights are the numbers of the file, but for factors `alpha` and `beta` of Gemm that
    are not 1, which are multiplied into them. Before the model is returned, its outputs are
    compared with ONNX Runtime's, at random inputs, to 1e-5 of the largest.

    What a certificate states is proven of the model, as Keras computes it; ONNX Runtime may round
    the same network otherwise. What of each operator is read stands in `docs/onnx.md`.

    Args:
        path: path of the file, with its weights inside and of opset 7 or newer.
        dtype: arithmetic of every layer, `"float32"` or `"float64"`; `None`: Keras' current policy,
            float32 unless set otherwise. The weights are the same numbers in both.

    Returns:
        A `keras.Model`, named after the file, its layers after the file's nodes.

    Raises:
        UnsupportedNodeError: a `ValueError` that names the node: control flow, an operator that is
            not read or mixes the examples of a batch, a product of two tensors.
        ValueError: if it is no ONNX file, or is truncated, has external data, functions of its
            own, dynamic shapes behind the batch axis or inputs other than float32, or its outputs
            are others in ONNX Runtime.
        FileNotFoundError: if there is no such file.
        ImportError: if a package is missing; the extra `export` installs it.

    Example:

    >>> import lipzoo
    >>> model = lipzoo.from_onnx("net.onnx")  # doctest: +SKIP
    >>> print(lipzoo.lipschitz_bound(model))  # doctest: +SKIP
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"Expected the path of an ONNX file. Received: path={path!r}")
    policy = keras.config.dtype_policy().compute_dtype
    if dtype is None and policy in HALF_PRECISION:
        raise ValueError(
            "Expected an arithmetic of float32 or float64, in which ONNX Runtime can be agreed "
            f"with: give dtype='float32'. Received: dtype=None and Keras' policy {policy}"
        )
    path = Path(path).expanduser()
    check_onnx_file(path)
    content = path.read_bytes()
    try:
        graph = read_graph(content)
        with building_in(dtype):
            model = translate(graph, _name(path))
        largest_difference(content, graph, model)
    except ValueError as error:
        error.args = (f"{path}: {error}",)
        raise
    return model


def _name(path: Path) -> str:
    """A name that Keras takes.

    >>> _name(Path("some folder/mnist-net 2.0.onnx"))
    'mnist-net_2_0'
    """
    return re.sub(r"[^A-Za-z0-9-]+", "_", path.stem).strip("_") or "network"
