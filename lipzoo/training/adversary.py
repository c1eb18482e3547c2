"""Adversarial training: every step is taken at the worst inputs that a short search finds."""

import math
from dataclasses import dataclass

import keras
from keras import ops

from lipzoo.autodiff.input_gradients import input_gradient


@dataclass(frozen=True)
class AdversarySettings:
    """Perturbations of the training examples that raise the loss, found anew at each step.

    The search is projected gradient ascent on the loss from a random point of the ball, and stays
    in the range of the inputs. Training accuracy is then that at the perturbed examples; the
    validation split is left as it is. It makes a network robust to what it was trained against
    and proves nothing; the Lipschitz bound is not its concern.

    Args:
        epsilon: l2 radius of the ball, in the units of the input; 0 is no adversary.
        steps: gradient steps of the search. Each costs nearly as much as the training step itself.
        step_size: length of a step as a share of `epsilon`; left out, `2.5 / steps`.
    """

    epsilon: float = 0.0
    steps: int = 3
    step_size: float | None = None

    def check(self):
        """Yields `(key, expected, value)` for each value that is out of its range."""
        if not (math.isfinite(self.epsilon) and self.epsilon >= 0):
            yield "epsilon", "a finite number, at least 0", self.epsilon
        if self.steps < 1:
            yield "steps", "a whole number, at least 1", self.steps
        if self.step_size is not None and not 0 < self.step_size < math.inf:
            yield "step_size", "a finite positive number", self.step_size


class AdversarialModel(keras.Model):
    """A model with the same layers whose `fit` takes each step at perturbed inputs.

    For a batch `(x, start)` and labels y it repeats

        z <- P(z + a g / ||g||),   g = the gradient of the loss at z,   from z = P(x + start),

    P onto the ball around x and then onto the range of the inputs, and then takes the optimizer's
    step at z instead of x. Everything else (`evaluate`, `predict`, weights) is as in the model.

    Args:
        model: functional model with one input; its layers are shared.
        adversary: the search.
        clip: smallest and largest value of an input, or `None`.

    Reference: Madry et al., arXiv 1706.06083.
    """

    def __init__(self, model: keras.Model, adversary: AdversarySettings, clip):
        super().__init__(model.inputs, model.outputs, name=model.name)
        self.adversary = adversary
        self.clip = clip

    def compile(self, *args, **kwargs):
        """As in Keras; also builds loss and metrics, which the batches of `fit` would not fit."""
        super().compile(*args, **kwargs)
        count = 1
        if parallel := keras.distribution.distribution():
            import jax

            # Every device of this process wants a share.
            count = parallel.device_mesh.devices.size // jax.process_count()
        self.test_on_batch(ops.zeros((count, *self.input_shape[1:])), ops.zeros((count,), "int32"))
        self.reset_metrics()

    def train_step(self, *arguments):
        """One step at the perturbed inputs; JAX passes the state before the data."""
        *state, ((x, start), y, *weights) = arguments
        return super().train_step(*state, (self._perturbed(x, start, y, *state), y, *weights))

    def _perturbed(self, x, start, y, *state):
        def logits(z):
            if state:
                trainable, non_trainable = state[0][:2]
                return self.stateless_call(trainable, non_trainable, z, training=False)[0]
            return self(z, training=False)

        gradient_at = input_gradient(lambda z: self.loss.call(y, logits(z)))
        length = (self.adversary.step_size or 2.5 / self.adversary.steps) * self.adversary.epsilon
        z = self._near(x, start)
        for _ in range(self.adversary.steps):
            _, gradient = gradient_at(z)
            z = self._near(x, z - x + length * gradient / _norms(gradient))
        return ops.stop_gradient(z)

    def _near(self, x, offset):
        z = x + offset * ops.minimum(1.0, self.adversary.epsilon / _norms(offset))
        return z if self.clip is None else ops.clip(z, *self.clip)


def _norms(vectors):
    """The l2 norm of each example, kept away from zero, with axes to be broadcast."""
    squares = ops.sum(ops.square(vectors), axis=tuple(range(1, len(vectors.shape))), keepdims=True)
    return ops.sqrt(ops.maximum(squares, 1e-30))
