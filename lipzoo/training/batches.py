"""Training batches that depend on (seed, epoch, step) alone, so that a resumed run repeats them."""

import keras
import numpy as np

from lipzoo.data.dataset import Split, scale
from lipzoo.evaluation.balls import random_offsets
from lipzoo.training.processes import own_share
from lipzoo.training.settings import AugmentSettings


class Batches(keras.utils.PyDataset):
    """Shuffled and augmented batches of a split, kept in memory as it was stored.

    The permutation of an epoch is drawn from `(seed, epoch)` and the augmentation of a batch from
    `(seed, epoch, step)`. A last incomplete batch is left out, so that shapes never change.

    Args:
        split: the examples.
        divisor: what the stored values are divided by.
        batch_size: examples per batch.
        seed: the recipe's seed.
        augment: random changes.
        ball: radius of an l2 ball from which a random offset is drawn for each example, of the
            shape of the example; the inputs of a batch are then `(x, offsets)`, as an
            `AdversarialModel` takes them. 0 for none.
        share: of how many processes this is which one, `(processes, index)`: each gets its rows of
            every batch, and all together the batch that a single process gets.

    Example:

    >>> split = Split(np.arange(10, dtype="float32")[:, None], np.arange(10))
    >>> batches = Batches(split, 1.0, 4, seed=0, augment=AugmentSettings())
    >>> len(batches), batches[1][0].shape
    (2, (4, 1))
    """

    def __init__(
        self,
        split: Split,
        divisor: float,
        batch_size: int,
        seed: int,
        augment: AugmentSettings,
        ball: float = 0.0,
        share: tuple[int, int] = (1, 0),
    ):
        super().__init__(workers=1, use_multiprocessing=False)
        self.split = split
        self.divisor = divisor
        self.batch_size = min(batch_size, len(split))
        self.seed = seed
        self.augment = augment
        self.ball = ball
        self.share = share
        self.start_epoch(0)

    def start_epoch(self, epoch: int) -> None:
        """Draws the order of one epoch."""
        self.epoch = epoch
        self.order = np.random.default_rng((self.seed, epoch)).permutation(len(self.split))

    def __len__(self):
        return len(self.split) // self.batch_size

    def __getitem__(self, step):
        return own_share(self.whole(step), *self.share)

    def whole(self, step: int) -> tuple:
        """A batch, of which every process takes its share."""
        picked = self.order[step * self.batch_size : (step + 1) * self.batch_size]
        generator = np.random.default_rng((self.seed, self.epoch, step))
        x = scale(augmented(self.split.x[picked], self.augment, generator), self.divisor)
        if self.ball:
            x = (x, random_offsets(x.shape, self.ball, generator).astype(x.dtype))
        return x, self.split.y[picked]


def augmented(
    x: np.ndarray, augment: AugmentSettings, generator: np.random.Generator
) -> np.ndarray:
    """Returns a randomly changed copy of a batch of shape `(n, height, width, channels)`.

    Signals, of shape `(n, length, channels)`, can be shifted but not flipped.

    Raises:
        ValueError: if the batch has no axis that a change needs.
    """
    if (augment.flip and x.ndim != 4) or (augment.shift and x.ndim < 3):
        raise ValueError(
            "Expected images to flip, images or signals to shift. "
            f"Received: x.shape={x.shape}, augment={augment}"
        )
    if augment.flip:
        x = x.copy()
        chosen = generator.random(len(x)) < 0.5
        x[chosen] = x[chosen, :, ::-1]
    if augment.shift:
        for axis in range(1, x.ndim - 1):
            x = _shift(x, axis, generator.integers(-augment.shift, augment.shift + 1, len(x)))
    return x


def _shift(x: np.ndarray, axis: int, offsets: np.ndarray) -> np.ndarray:
    """Moves example i by `offsets[i]` along an axis; what enters is zero."""
    size = x.shape[axis]
    source = np.arange(size)[None] - offsets[:, None]
    inside = (source >= 0) & (source < size)
    shape = (len(x),) + (1,) * (axis - 1) + (size,) + (1,) * (x.ndim - axis - 1)
    moved = np.take_along_axis(x, np.clip(source, 0, size - 1).reshape(shape), axis=axis)
    return np.where(inside.reshape(shape), moved, np.zeros((), x.dtype))


class EpochStart(keras.callbacks.Callback):
    """Tells the batches which epoch begins, and with which augmentation.

    Args:
        batches: the training batches.
        augment_at: function from an epoch, counted from 0, to its `AugmentSettings`.
    """

    def __init__(self, batches: Batches, augment_at):
        super().__init__()
        self.batches = batches
        self.augment_at = augment_at

    def on_epoch_begin(self, epoch, logs=None):
        self.batches.augment = self.augment_at(epoch)
        self.batches.start_epoch(epoch)
