"""What an operator has to work with: its node, what it takes, and how it makes Keras layers."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import keras
import numpy as np

from lipzoo.importing.errors import UnsupportedNodeError
from lipzoo.importing.graph import Graph
from lipzoo.importing.node import Node
from lipzoo.importing.tensor import Tensor, channels_last, file_order

Value = Tensor | np.ndarray | None


@dataclass(frozen=True)
class Operator:
    """How an operator of ONNX is read.

    Attributes:
        convert: makes Keras layers of a call; returns what the node makes, one value or a list.
        reads: what of it is read, for the documentation.
    """

    convert: Callable[["Call"], Any]
    reads: str


@dataclass
class Names:
    """Names of layers, each given once."""

    taken: set[str] = field(default_factory=set)

    def new(self, wanted: str, kind: str) -> str:
        """A name that Keras takes, after a name of the file.

        >>> names = Names()
        >>> names.new("layer1/conv.0", "Conv"), names.new("7", "Gemm"), names.new("7", "Gemm")
        ('layer1_conv_0', 'Gemm_7', 'Gemm_7_2')
        """
        name = re.sub(r"[^A-Za-z0-9_]+", "_", wanted).strip("_")
        name = name if name[:1].isalpha() else f"{kind}_{name}".rstrip("_")
        number, found = 1, name
        while found in self.taken:
            number += 1
            found = f"{name}_{number}"
        self.taken.add(found)
        return found


@dataclass(frozen=True)
class Call:
    """One node with the values that it takes.

    Attributes:
        node: the node.
        inputs: tensors and constants, `None` for what is left out.
        graph: the network that it is of.
        names: names of layers so far.
        following_shift: `(node, size, rank, trailing)` to the bias that the node behind it adds.
    """

    node: Node
    inputs: Sequence[Value]
    graph: Graph
    names: Names
    following_shift: Callable[..., np.ndarray | None]

    def refuse(self, expected: str, received: object) -> NoReturn:
        """Raises the error that names the node."""
        raise UnsupportedNodeError(self.node, f"Expected {expected}. Received: {received}")

    def attribute(self, name: str, default: Any = None) -> Any:
        """An attribute of the node."""
        return self.node.attributes.get(name, default)

    def given(self, position: int) -> Value:
        """What the node takes at a position; `None` where it takes nothing there."""
        return self.inputs[position] if position < len(self.inputs) else None

    def tensor(self, position: int = 0) -> Tensor:
        """The tensor at a position, which may be no constant."""
        value = self.given(position)
        if not isinstance(value, Tensor):
            self.refuse(f"a tensor of the network as input {position}", "a constant")
        return value

    def constant(self, position: int, what: str) -> np.ndarray:
        """The constant at a position."""
        found = self.optional_constant(position, what)
        if found is None:
            self.refuse(f"{what} as input {position}", "none")
        return found

    def optional_constant(self, position: int, what: str) -> np.ndarray | None:
        """The constant at a position; `None` where there is none."""
        value = self.given(position)
        if isinstance(value, Tensor):
            self.refuse(f"a constant for {what}", "a tensor that depends on the input")
        return value

    def floats(self, position: int, what: str) -> np.ndarray:
        """The float32 constant at a position."""
        return self.as_floats(self.constant(position, what), what)

    def as_floats(self, array: np.ndarray, what: str) -> np.ndarray:
        """An array that is one of float32 numbers."""
        if array.dtype != np.float32:
            self.refuse(f"float32 numbers for {what}", array.dtype)
        return array

    def integers(self, name: str, position: int, default: Any = None) -> Any:
        """A list of integers: an attribute in older files, an input in newer ones."""
        if name in self.node.attributes:
            return [int(value) for value in self.node.attributes[name]]
        found = self.optional_constant(position, name)
        return default if found is None else [int(value) for value in np.ravel(found)]

    def axis(self, axis: int, rank: int, what: str = "axis") -> int:
        """An axis counted from the front, which may not be the batch axis."""
        if not -rank <= axis < rank:
            self.refuse(f"an {what} of {rank}", axis)
        if axis % rank == 0:
            self.refuse("operators that keep the examples of a batch apart", f"{what} 0")
        return axis % rank

    def layer(self, kind: type, tensors: Any, suffix: str = "", weights: Any = (), **config: Any):
        """A Keras layer of the node, called on Keras tensors; returns what it makes."""
        name = self.names.new(self.node.name + suffix, self.node.op)
        layer = kind(name=name, **config)
        made = layer(tensors)
        if len(weights):
            layer.set_weights(list(weights))
        return made

    def arranged(self, tensor: Tensor, order: Sequence[int]) -> Tensor:
        """The tensor with its axes in an order, by a Permute where that is another."""
        order = tuple(order)
        if tensor.order == order:
            return tensor
        places = tuple(tensor.order.index(axis) for axis in order)
        made = self.layer(keras.layers.Permute, tensor.keras, "_permute", dims=places[1:])
        return Tensor(made, order, tensor.nonnegative)

    def in_file_order(self, position: int = 0) -> Tensor:
        """The tensor at a position with its axes as the file has them."""
        tensor = self.tensor(position)
        return self.arranged(tensor, file_order(tensor.rank))

    def image(self, position: int = 0) -> Tensor:
        """The tensor at a position, channels last, of one or two further axes."""
        tensor = self.tensor(position)
        if tensor.rank not in (3, 4):
            self.refuse("one or two axes behind batch and channels", f"shape {tensor.shape}")
        return self.arranged(tensor, channels_last(tensor.rank))

    def fitted(self, constant: np.ndarray, tensor: Tensor) -> Any:
        """A constant as it meets the Keras tensor: a number, or an array over its axes.

        Its last axis is written out: where that is 1, TensorFlow may take the constant for a bias.
        """
        constant = self.as_floats(constant, "a constant")
        if constant.ndim > tensor.rank:
            self.refuse(f"a constant of at most {tensor.rank} axes", f"shape {constant.shape}")
        if constant.size == 1:
            return float(constant.reshape(()))
        shape = (1,) * (tensor.rank - constant.ndim) + constant.shape
        if shape[0] != 1:
            self.refuse("a constant that is the same for every example", f"shape {shape}")
        array = constant.reshape(shape).transpose(tensor.order)
        last = max(array.shape[-1], tensor.keras.shape[-1])
        return np.ascontiguousarray(np.broadcast_to(array, (*array.shape[:-1], last)))
