"""Callbacks for `fit`: the proven bound in the logs, averaged weights within their constraints."""

import keras

from lipzoo.bounds import lipschitz_bound
from lipzoo.constraints import project
from lipzoo.validation import integer


class LipschitzLogger(keras.callbacks.Callback):
    """Writes the model's proven Lipschitz bound, and each layer's share, into the epoch's logs.

    At the end of an epoch the logs get `lipschitz_bound`, the value of
    `lipzoo.lipschitz_bound(model)` from the weights as they are then, and, with `per_layer`,
    `lipschitz/<layer name>` for each layer. From the logs they reach `History`, the progress bar
    and, when these come later in the list of callbacks, `CSVLogger` and `TensorBoard`.

    The numbers are bounds (float64, proven as in `lipzoo.bounds`), not estimates.

    Args:
        per_layer: whether to log each layer's own bound.
        every: log every so many epochs, and at the last one. The bound of a large model takes
            seconds; epochs between have no entry rather than a stale one.

    Raises:
        UncertifiedLayerError: at the end of the first epoch, if a layer has no bound.

    Example:

    >>> import numpy as np
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, use_bias=False)])
    >>> model.layers[0].set_weights([np.array([[3.0], [4.0]])])
    >>> model.compile(optimizer=keras.optimizers.SGD(0.0), loss="mse")
    >>> x = np.zeros((2, 2))
    >>> history = model.fit(x, x[:, :1], verbose=0, callbacks=[LipschitzLogger()])
    >>> round(history.history["lipschitz_bound"][0], 6)
    5.0
    """

    def __init__(self, per_layer: bool = True, every: int = 1):
        super().__init__()
        self.per_layer = per_layer
        self.every = integer(every, "every")

    def on_epoch_end(self, epoch, logs=None):
        is_last = epoch + 1 == self.params.get("epochs")
        if logs is None or ((epoch + 1) % self.every and not is_last):
            return
        bound = lipschitz_bound(self.model)
        logs["lipschitz_bound"] = float(bound)
        if self.per_layer:
            for row in bound.layers:
                logs[f"lipschitz/{row.name}"] = float(row.bound.value)


class ProjectAfterSwap(keras.callbacks.Callback):
    """Projects averaged weights onto their constraints when Keras puts them into the model.

    With an optimizer of `use_ema=True` Keras averages the weights *before* their constraints, and
    `keras.callbacks.SwapEMAWeights` puts these averages into the model to be evaluated and saved:
    outside their constraints, so that the model's bound is larger than it was built for. This
    callback applies `lipzoo.project` to them right after: at the end of an epoch, before validation
    and prediction, and at the end of training, where Keras puts the averages into the model for
    good.

    Its place in the list is behind `SwapEMAWeights` and before whatever saves or reads the weights,
    such as `ModelCheckpoint`.

    Example:

    >>> import lipzoo, numpy as np
    >>> model = keras.Sequential([keras.Input((2,)), lipzoo.layers.SpectralDense(2)])
    >>> model.compile(keras.optimizers.SGD(1.0, use_ema=True), "mse")
    >>> x, y = np.ones((4, 2)), np.full((4, 2), 9.0)
    >>> swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
    >>> _ = model.fit(x, y, verbose=0, callbacks=[swap, ProjectAfterSwap()])
    >>> lipzoo.lipschitz_bound(model).value <= 1.0
    True
    """

    def on_epoch_end(self, epoch, logs=None):
        project(self.model)

    def on_test_begin(self, logs=None):
        project(self.model)

    def on_predict_begin(self, logs=None):
        project(self.model)

    def on_train_end(self, logs=None):
        project(self.model)
