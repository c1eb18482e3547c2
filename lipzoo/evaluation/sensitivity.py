"""A callback for `fit`: the Jacobian norms of the states, epoch by epoch."""

import keras
import numpy as np

from lipzoo.autodiff.jacobian_products import weight_gradients
from lipzoo.certificates.inputs import as_array
from lipzoo.certificates.prediction import model_state
from lipzoo.evaluation.jacobians import StateJacobians, draw_over_depth, mark_one, new_panels
from lipzoo.plotting import ATTACKED, CERTIFIED, GREY, INK, legend
from lipzoo.validation import integer


class SensitivityLogger(keras.callbacks.Callback):
    """Records how much each state moves with the input, and the last state with it, in training.

    Before the first epoch, and at the end of epochs, it measures `jacobian_norms(model, x)` with
    the weights as they are then. The epoch's logs get `sensitivity_min` and `sensitivity_max`: the
    smallest and the largest backward norm ‖∂s_L/∂s_k‖ over the examples and the states before the
    last, whose own norm is always 1. From the logs they reach `History`, the progress bar and
    callbacks later in the list.

    With labels `y` it also measures, at inference, the gradient of the compiled loss on `(x, y)`
    with respect to the weights between each state and the one before.

    These are norms at `x`, exact or estimated from below as `jacobian_norms` says; nothing here is
    a bound. A second `fit` starts a new record.

    Args:
        x: inputs, of shape `(examples, ...)`; a few examples are enough.
        every: measure every so many epochs, and at the last one if `fit` gets there.
        y: labels of `x` as `fit` takes them, or `None`.
        gradients: whether to measure gradients when there are labels.
        layers, method, iterations, seed, batch_size: as for `lipzoo.evaluation.jacobian_norms`.

    Attributes:
        epochs: number of epochs that were complete at each record.
        norms: the `JacobianNorms` of each record.
        forward, backward: their norms, of shape `(records, layers, examples)`.
        gradient_norms: Euclidean norms, of shape `(records, layers)`, NaN where a layer has no
            trainable weights; `None` when they are not measured. What follows the last state, the
            head for instance, has none.

    Raises:
        ValueError: for a bad `every` or labels that do not fit `x`, and at the beginning of
            training whatever `jacobian_norms` raises.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), *map(keras.layers.Dense, (3, 3, 1))])
    >>> model.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse")
    >>> x, y = np.ones((4, 2)), np.zeros((4, 1))
    >>> logger = SensitivityLogger(x, y=y)
    >>> history = model.fit(x, y, epochs=2, verbose=0, callbacks=[logger])
    >>> logger.epochs, logger.backward.shape, logger.gradient_norms.shape
    ([0, 1, 2], (3, 3, 4), (3, 3))
    >>> len(history.history["sensitivity_min"])
    2
    """

    def __init__(
        self,
        x,
        every: int = 1,
        *,
        y=None,
        gradients: bool = True,
        layers=None,
        method: str = "auto",
        iterations: int = 30,
        seed: int = 0,
        batch_size: int | None = None,
    ):
        super().__init__()
        self.x = as_array(x, "x")
        self.every = integer(every, "every")
        self.y = None if y is None or not gradients else as_array(y, "y")
        if self.y is not None and self.y.shape[:1] != self.x.shape[:1]:
            raise ValueError(
                "Expected as many labels as inputs. "
                f"Received: x.shape={self.x.shape}, y.shape={self.y.shape}"
            )
        self._settings = {
            "layers": layers,
            "method": method,
            "iterations": iterations,
            "seed": seed,
            "batch_size": batch_size,
        }
        self._begin()

    @property
    def forward(self) -> np.ndarray:
        """‖∂s_k/∂x‖ of all records."""
        return np.array([norms.forward for norms in self.norms])

    @property
    def backward(self) -> np.ndarray:
        """‖∂s_L/∂s_k‖ of all records."""
        return np.array([norms.backward for norms in self.norms])

    @property
    def gradient_norms(self) -> np.ndarray | None:
        """Norms of the loss gradients of all records, or `None`."""
        return None if self.y is None else np.array(self._gradient_norms)

    def on_train_begin(self, logs=None):
        self._begin()
        self._compiled_for = None

    def on_epoch_begin(self, epoch, logs=None):
        if not self.epochs:
            self._record(epoch)

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % self.every and epoch + 1 != self.params.get("epochs"):
            return
        self._record(epoch + 1)
        if logs is not None:
            backward = self.norms[-1].backward
            before_last = backward[:-1] if len(backward) > 1 else backward
            logs["sensitivity_min"] = float(before_last.min())
            logs["sensitivity_max"] = float(before_last.max())

    def plot(self):
        """Draws the first, the middle and the last record over depth.

        Backward norms, the median over the examples in a band from min to max; beside them the
        norms of the loss gradients, if they were measured.

        Returns:
            A `matplotlib.figure.Figure`.

        Raises:
            ValueError: if nothing was recorded.
            ImportError: if Matplotlib is not installed.
        """
        if not self.epochs:
            raise ValueError("Expected a record: pass the callback to fit. Received: no epochs")
        figure, panels = new_panels(1 if self.y is None else 2, "SensitivityLogger.plot")
        shown = sorted({0, len(self.epochs) // 2, len(self.epochs) - 1})
        for color, index in zip((GREY, CERTIFIED, ATTACKED)[: len(shown)], shown, strict=True):
            label = f"after epoch {self.epochs[index]}"
            draw_over_depth(panels[0], self.backward[index], color, label)
            for axes in panels[1:]:
                # There is a second panel only where there are gradients.
                norms = self.gradient_norms[index]  # pyright: ignore[reportOptionalSubscript]
                draw_over_depth(axes, norms[:, None], color, label)
        titles = ("sensitivity: ‖∂last/∂s‖", "loss gradient of the layer's weights")
        for axes, title in zip(panels, titles[: len(panels)], strict=True):
            axes.set_title(title, color=INK)
        mark_one(panels[0])
        panels[0].set_ylabel("norm", color=INK)
        legend(panels[0])
        return figure

    def _begin(self):
        self.epochs, self.norms, self._gradient_norms = [], [], []

    def _compile(self):
        """Compiles the derivatives, anew where what they were compiled for may have changed."""
        state = model_state(self.model)
        if state is not None and state == self._compiled_for:
            return
        self._compiled_for = state
        self._jacobians = StateJacobians(self.model, self.x, **self._settings)
        if self.y is not None:
            self._gradients = _loss_gradients(self.model, self._jacobians.weights)

    def _record(self, epochs):
        self._compile()
        self.epochs.append(epochs)
        self.norms.append(self._jacobians.norms())
        if self.y is not None:
            self._gradient_norms.append(self._gradients(self.x, self.y))


def _loss_gradients(model, weights):
    """A function `(x, y) ↦` norm of the loss gradient per state, NaN where it has no weights."""
    distinct = {id(variable): variable for group in weights for variable in group}
    others = [variable for variable in model.variables if id(variable) not in distinct]

    def loss(x, y):
        return model.compute_loss(x, y, model(x, training=False), training=False)

    gradients = weight_gradients(loss, distinct.values(), others) if distinct else None

    def norms(x, y):
        found = () if gradients is None else gradients(x.astype(model.inputs[0].dtype), y)
        squares = {
            key: np.sum(np.square(g, dtype="float64"))
            for key, g in zip(distinct, found, strict=True)
        }
        return np.array(
            [
                np.sqrt(sum(squares[id(variable)] for variable in group)) if group else np.nan
                for group in weights
            ]
        )

    return norms
