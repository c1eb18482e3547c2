"""Networks of gradient flows for tables: fitted in float32, asked in float64."""

import contextlib
import math
import random
from collections.abc import Callable, Iterator

import keras
import numpy as np

from lipzoo.building import weights_follow
from lipzoo.float64 import computes_in_float64
from lipzoo.validation import integer
from lipzoo.zoo.precision import building_in

# A small table is gone through in at least so many steps an epoch.
_STEPS = 8


class ShuffledBatches(keras.utils.PyDataset):
    """Batches of arrays, in an order that a seed draws for every time through them.

    Keras would draw it from global state, which is the user's. All epochs are one data set: for
    each that `fit` begins, it makes an iterator and a thread, which takes longer than going through
    a small table.

    Args:
        x: inputs.
        y: targets.
        batch_size: examples per batch; a last incomplete batch is left out.
        epochs: times that all batches are gone through.
        seed: of the orders.
    """

    def __init__(self, x, y, batch_size: int, epochs: int, seed: int):
        super().__init__(workers=1, use_multiprocessing=False)
        self.x, self.y, self.batch_size, self.epochs, self.seed = x, y, batch_size, epochs, seed
        self.steps = len(x) // batch_size
        self._drawn = (-1, np.empty(0, "int64"))

    def __len__(self):
        return self.epochs * self.steps

    def __getitem__(self, number):
        epoch, step = divmod(number, self.steps)
        if self._drawn[0] != epoch:
            order = np.random.default_rng((self.seed, epoch)).permutation(len(self.x))
            self._drawn = epoch, order
        chosen = self._drawn[1][step * self.batch_size : (step + 1) * self.batch_size]
        return self.x[chosen], self.y[chosen]


def fitted(
    build: Callable[[], keras.Model],
    loss: keras.losses.Loss,
    x: np.ndarray,
    y: np.ndarray,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    verbose: int,
) -> keras.Model:
    """Builds a network, trains it with Adam and a cosine schedule, and returns it in float64.

    What is returned has the trained weights and computes in float64 where the backend does: a
    row's prediction then does not depend on the rows beside it by more than float64 does, and
    radii lose next to nothing to rounding.

    Args:
        build: makes the network.
        loss: what is minimised.
        x: inputs, float32.
        y: targets.
        epochs, batch_size, learning_rate: of the training; tables are gone through in batches of at
            most an eighth.
        seed: of weights and orders.
        verbose: as in `keras.Model.fit`, to which all epochs are one.

    Raises:
        ValueError: unless `epochs` and `batch_size` are positive integers.
    """
    epochs, batch_size = integer(epochs, "epochs"), integer(batch_size, "batch_size")
    batch_size = min(batch_size, math.ceil(len(x) / _STEPS))
    batches = ShuffledBatches(x, y, batch_size, epochs, seed)
    with building_in("float32"), _seeded(seed):
        network = build()
    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, len(batches), alpha=0.01)
    network.compile(
        keras.optimizers.Adam(schedule),
        loss,
        # A table is through before XLA has compiled anything.
        jit_compile=keras.backend.backend() == "jax",
        steps_per_execution=batches.steps,
    )
    # Otherwise the first step makes its variables, and TensorFlow traces a second one.
    network.optimizer.build(network.trainable_variables)
    network.fit(batches, shuffle=False, verbose=verbose)
    dtype = "float64" if computes_in_float64() else "float32"
    with building_in(dtype), weights_follow(network.count_params()):
        exact = build()
    exact.set_weights(network.get_weights())
    return exact


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Context in which Keras draws initial weights from a seed; Python's state is restored."""
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)
