"""Steepest descent in the spectral norm along the manifold of orthonormal matrices."""

import numbers

import keras
from keras import ops

from lipzoo.constraints import SpectralBound
from lipzoo.optimizers.newton_schulz import MAX_STEPS, approximate_polar
from lipzoo.rounding import HALF_PRECISION
from lipzoo.spectral.tall import tall
from lipzoo.validation import finite_number, integer, positive_number


@keras.saving.register_keras_serializable(package="lipzoo")
class StiefelMuon(keras.optimizers.Optimizer):
    """Muon on the Stiefel manifold, for kernels that `SpectralBound` keeps orthonormal.

    A kernel K whose constraint is an orthogonal `SpectralBound` is, flattened, `K = sW` with a
    number s and a matrix W with orthonormal columns (a wide one is transposed). Here s is the
    bound, or less where the patches of a convolution overlap, whose operator is larger than its
    matrix. With the momentum M of the raw gradients, `M ← μM + G` and `U = G + μM` (Nesterov), a
    step is

        T = U - W sym(WᵀU)                       the part of U that is tangent to the manifold
        W ← retract(W - η polar(T))              of length η in the spectral norm

    where `polar(T)`, T with all its singular values at 1, is found by Newton-Schulz steps, and the
    retraction is the constraint, which Keras applies after every step. A learning rate is so a
    length, the same for kernels of all shapes: 0.02 to 0.05 to begin with, and a schedule to 0.

    All other variables (biases, gains, heads with unit columns, kernels without such a constraint)
    take a step of AdamW at `adam_lr_ratio` times the learning rate.

    What is proven: nothing of the training. Bounds and certificates are derived from the weights as
    they are, whatever led to them.

    Args:
        learning_rate: η, a float, a `keras.optimizers.schedules.LearningRateSchedule`, or a
            function without arguments.
        momentum: μ, from 0 to below 1.
        nesterov: whether the tangent step is that of U, or of M.
        newton_schulz_steps: steps for the polar factor, 1 to 5.
        adam_lr_ratio: learning rate of AdamW, relative to `learning_rate`.
        adam_beta_1, adam_beta_2, epsilon: as in `keras.optimizers.AdamW`.
        adam_weight_decay: decoupled weight decay of the variables that AdamW moves; orthonormal
            kernels have nothing to decay. `exclude_from_weight_decay` is heeded.
        clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency,
            loss_scale_factor, gradient_accumulation_steps, name: as in every Keras optimizer.
            Averages of weights are projected by their constraints when they are put into the model.

    Raises:
        ValueError: for an argument out of its range, and, before the first step, if no variable
            has an orthogonal `SpectralBound`.

    Reference: arXiv 2601.21487 (the single loop); Muon, arXiv 2502.16982.

    Example:

    >>> import lipzoo, numpy as np
    >>> model = keras.Sequential([keras.Input((4,)), lipzoo.layers.GradientFlowDense(2)])
    >>> model.compile(StiefelMuon(0.1), "mse")
    >>> x = np.random.default_rng(0).normal(size=(32, 4))
    >>> history = model.fit(x, -x, epochs=5, verbose=0)
    >>> history.history["loss"][-1] < history.history["loss"][0]
    True
    >>> lipzoo.lipschitz_bound(model).value
    1.0
    """

    def __init__(
        self,
        learning_rate=0.02,
        momentum=0.95,
        nesterov=True,
        newton_schulz_steps=3,
        adam_lr_ratio=0.3,
        adam_beta_1=0.9,
        adam_beta_2=0.999,
        epsilon=1e-7,
        adam_weight_decay=0.0,
        clipnorm=None,
        clipvalue=None,
        global_clipnorm=None,
        use_ema=False,
        ema_momentum=0.99,
        ema_overwrite_frequency=None,
        loss_scale_factor=None,
        gradient_accumulation_steps=None,
        name="stiefel_muon",
        **kwargs,
    ):
        if isinstance(learning_rate, int | float):
            # 0 is what a schedule may have ended at when the optimizer was saved.
            finite_number(learning_rate, "learning_rate")
        if kwargs.get("weight_decay"):
            raise ValueError(
                "StiefelMuon decays what AdamW moves, by adam_weight_decay. "
                f"Received: weight_decay={kwargs['weight_decay']!r}"
            )
        super().__init__(
            learning_rate=learning_rate,
            clipnorm=clipnorm,
            clipvalue=clipvalue,
            global_clipnorm=global_clipnorm,
            use_ema=use_ema,
            ema_momentum=ema_momentum,
            ema_overwrite_frequency=ema_overwrite_frequency,
            loss_scale_factor=loss_scale_factor,
            gradient_accumulation_steps=gradient_accumulation_steps,
            name=name,
            **kwargs,
        )
        self.momentum = _share(momentum, "momentum")
        self.nesterov = bool(nesterov)
        self.newton_schulz_steps = integer(newton_schulz_steps, "newton_schulz_steps")
        if newton_schulz_steps > MAX_STEPS:
            raise ValueError(
                f"newton_schulz_steps must be at most {MAX_STEPS}: more let rounding errors grow "
                "until they overflow. "
                f"Received: newton_schulz_steps={newton_schulz_steps!r}"
            )
        self.adam_lr_ratio = positive_number(adam_lr_ratio, "adam_lr_ratio")
        self.adam_beta_1 = _share(adam_beta_1, "adam_beta_1")
        self.adam_beta_2 = _share(adam_beta_2, "adam_beta_2")
        self.epsilon = positive_number(epsilon, "epsilon")
        self.adam_weight_decay = _share(adam_weight_decay, "adam_weight_decay")

    def build(self, variables):
        if self.built:
            return
        if not any(map(is_orthonormal, variables)):
            raise ValueError(
                "StiefelMuon expects at least one kernel with an orthogonal SpectralBound for its "
                "constraint, as lipzoo's layers have; other networks are for keras.optimizers.Muon "
                f"or AdamW. Received: {len(variables)} variables without one"
            )
        super().build(variables)
        # On TensorFlow steps are given the variables inside Keras', which know no constraint.
        self._bounds = [v.constraint.bound if is_orthonormal(v) else None for v in variables]
        self._momenta = self.add_optimizer_variables(variables, "momentum")
        # Only what AdamW moves has a second moment.
        self._velocities = [
            self.add_variable_from_reference(variable, name="velocity") if bound is None else None
            for variable, bound in zip(variables, self._bounds, strict=True)
        ]

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        step = self._adam_step if self._bounds[index] is None else self._tangent_step
        step(ops.cast(gradient, variable.dtype), variable, learning_rate, index)

    def _tangent_step(self, gradient, variable, learning_rate, index):
        average = self._momenta[index]
        moved = self.momentum * average + gradient
        self.assign(average, moved)
        update = gradient + self.momentum * moved if self.nesterov else moved
        bound, storage = self._bounds[index], self._momenta[index].dtype
        precision = "float32" if storage in HALF_PRECISION else storage
        kernel = ops.cast(ops.convert_to_tensor(variable), precision)
        matrix, back = tall(kernel / bound)
        # What the constraint divided the kernel of an overlapping convolution by is not known here,
        # but the root mean square of the singular values is.
        size = ops.sqrt(ops.sum(ops.square(matrix)) / matrix.shape[1])
        point = matrix / ops.maximum(size, 1e-30)
        update, _ = tall(ops.cast(update, precision))
        direction = back(approximate_polar(_tangent(point, update), self.newton_schulz_steps))
        length = ops.cast(learning_rate, precision) * size * bound
        self.assign(variable, ops.cast(kernel - length * direction, storage))

    def _adam_step(self, gradient, variable, learning_rate, index):
        mean, square = self._momenta[index], self._velocities[index]
        rate = ops.cast(learning_rate, variable.dtype) * self.adam_lr_ratio
        step = ops.cast(self.iterations + 1, variable.dtype)
        self.assign_add(mean, (gradient - mean) * (1 - self.adam_beta_1))
        self.assign_add(square, (ops.square(gradient) - square) * (1 - self.adam_beta_2))
        # Moments that begin at 0 are too small by these factors.
        rate = rate * ops.sqrt(1 - ops.power(self.adam_beta_2, step))
        rate = rate / (1 - ops.power(self.adam_beta_1, step))
        self.assign_sub(variable, rate * mean / (ops.sqrt(square) + self.epsilon))

    def _apply_weight_decay(self, variables):
        if not self.adam_weight_decay:
            return
        for variable in variables:
            moved_by_adam = self._bounds[self._get_variable_index(variable)] is None
            if moved_by_adam and self._use_weight_decay(variable):
                rate = ops.cast(self.learning_rate, variable.dtype) * self.adam_lr_ratio
                self.assign_sub(variable, variable * (self.adam_weight_decay * rate))

    def _overwrite_model_variables_with_average_value(self, trainable_variables):
        super()._overwrite_model_variables_with_average_value(trainable_variables)
        for variable in trainable_variables:
            if variable.constraint is not None:
                self.assign(variable, variable.constraint(ops.convert_to_tensor(variable)))

    def get_config(self):
        return {
            **super().get_config(),
            "momentum": self.momentum,
            "nesterov": self.nesterov,
            "newton_schulz_steps": self.newton_schulz_steps,
            "adam_lr_ratio": self.adam_lr_ratio,
            "adam_beta_1": self.adam_beta_1,
            "adam_beta_2": self.adam_beta_2,
            "epsilon": self.epsilon,
            "adam_weight_decay": self.adam_weight_decay,
        }


def is_orthonormal(variable) -> bool:
    """Whether a variable is a kernel that its constraint keeps orthonormal."""
    constraint = variable.constraint
    return isinstance(constraint, SpectralBound) and constraint.method == "orthogonal"


def _tangent(point, update):
    """The part of `update` that is tangent to the orthonormal matrices at `point`."""
    product = ops.matmul(ops.transpose(point), update)
    return update - ops.matmul(point, 0.5 * (product + ops.transpose(product)))


def _share(value, name):
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    number = float(value) if is_number else -1.0
    if not 0 <= number < 1:
        raise ValueError(f"{name} must be from 0 to below 1. Received: {name}={value!r}")
    return number
