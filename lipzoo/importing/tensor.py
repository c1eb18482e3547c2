"""A tensor of the file, and the Keras tensor that stands for it."""

from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Tensor:
    """A tensor of the file as a Keras tensor whose axes may be in another order.

    Attributes:
        keras: the Keras tensor, batch axis first.
        order: axis i of it is the axis `order[i]` of the file's tensor.
        nonnegative: whether all its entries are known to be at least 0.
    """

    keras: Any
    order: tuple[int, ...]
    nonnegative: bool = False

    @property
    def rank(self) -> int:
        """Number of axes."""
        return len(self.order)

    @property
    def shape(self) -> tuple:
        """Its shape in the file, with `None` for the batch."""
        return tuple(self.keras.shape[self.order.index(axis)] for axis in range(self.rank))

    def with_keras(self, tensor, nonnegative: bool = False) -> "Tensor":
        """Another tensor with the axes in the same order."""
        return replace(self, keras=tensor, nonnegative=nonnegative)


def file_order(rank: int) -> tuple[int, ...]:
    """The order of the file itself.

    >>> file_order(3)
    (0, 1, 2)
    """
    return tuple(range(rank))


def channels_last(rank: int) -> tuple[int, ...]:
    """The order of Keras' convolutions: ONNX has channels behind the batch.

    >>> channels_last(4)
    (0, 2, 3, 1)
    """
    return (0, *range(2, rank), 1)
