"""SensitivityLogger: what it records are the norms of the weights at that moment."""

import keras
import numpy as np
import pytest

from lipzoo.evaluation.jacobians import jacobian_norms
from lipzoo.evaluation.sensitivity import SensitivityLogger
from tests.helpers import compile_fast

RANDOM = np.random.default_rng(0)
X, Y = RANDOM.standard_normal((12, 4)), RANDOM.integers(0, 3, 12)


def classifier(rate=0.5):
    layers = [keras.layers.Dense(5, activation="tanh", name=f"layer{k}") for k in range(1, 4)]
    model = keras.Sequential([keras.Input((4,)), *layers, keras.layers.Dense(3, name="head")])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    compile_fast(model, keras.optimizers.SGD(rate), loss)
    return model


def fit(model, *callbacks, epochs=2, **settings):
    return model.fit(X, Y, epochs=epochs, callbacks=list(callbacks), verbose=0, **settings).history


class Witness(keras.callbacks.Callback):
    """The norms measured anew, from scratch."""

    def __init__(self):
        super().__init__()
        self.norms = []

    def on_train_begin(self, logs=None):
        self.norms.append(jacobian_norms(self.model, X))

    def on_epoch_end(self, epoch, logs=None):
        self.norms.append(jacobian_norms(self.model, X))


def test_records_are_the_norms_of_the_weights_at_that_moment():
    logger, witness = SensitivityLogger(X), Witness()
    history = fit(classifier(), logger, witness)
    assert logger.epochs == [0, 1, 2]
    assert logger.forward.shape == logger.backward.shape == (3, 3, 12)
    np.testing.assert_allclose(logger.forward, [norms.forward for norms in witness.norms])
    np.testing.assert_allclose(logger.backward, [norms.backward for norms in witness.norms])
    assert not np.allclose(logger.forward[0], logger.forward[1])
    before_last = logger.backward[1:, :-1]
    assert history["sensitivity_min"] == before_last.min(axis=(1, 2)).tolist()
    assert history["sensitivity_max"] == before_last.max(axis=(1, 2)).tolist()


def test_every_last_and_initial_epoch():
    logger = SensitivityLogger(X[:2], every=2)
    history = fit(classifier(), logger, epochs=5)
    assert logger.epochs == [0, 2, 4, 5]
    assert len(history["sensitivity_min"]) == 3
    fit(classifier(), logger, epochs=5, initial_epoch=3)
    assert logger.epochs == [3, 4, 5]


def test_gradient_norms_are_those_of_finite_differences():
    model = classifier(rate=0.0)
    model.get_layer("layer2").trainable = False
    logger = SensitivityLogger(X, y=Y)
    fit(model, logger, epochs=1)
    kernels = model.get_weights()
    scores = [weight.astype("float64") for weight in kernels]

    def loss(weights):
        state = X.astype("float32").astype("float64")
        for k in range(0, 6, 2):
            state = np.tanh(state @ weights[k] + weights[k + 1])
        logits = state @ weights[6] + weights[7]
        chosen = logits[np.arange(12), Y]
        return np.mean(np.log(np.exp(logits).sum(axis=1)) - chosen)

    for column, layer in ((0, 0), (2, 4)):
        squares = 0.0
        for position in (layer, layer + 1):
            for index in np.ndindex(scores[position].shape):
                slopes = []
                for sign in (1, -1):
                    moved = [weight.copy() for weight in scores]
                    moved[position][index] += sign * 1e-5
                    slopes.append(loss(moved))
                squares += ((slopes[0] - slopes[1]) / 2e-5) ** 2
        np.testing.assert_allclose(logger.gradient_norms[:, column], np.sqrt(squares), rtol=1e-4)
    assert np.isnan(logger.gradient_norms[:, 1]).all()


def test_gradients_follow_the_weights():
    logger = SensitivityLogger(X, y=Y)
    fit(classifier(), logger)
    assert logger.gradient_norms.shape == (3, 3)
    assert len(np.unique(logger.gradient_norms)) == 9


def test_without_labels_or_wish_there_are_no_gradients():
    for logger in (SensitivityLogger(X), SensitivityLogger(X, y=Y, gradients=False)):
        fit(classifier(), logger, epochs=1)
        assert logger.gradient_norms is None


def test_settings_reach_the_measurement():
    logger = SensitivityLogger(X, layers=["layer1", "head"], method="power_iteration", iterations=2)
    model = classifier()
    fit(model, logger, epochs=1)
    settings = {"layers": ["layer1", "head"], "method": "power_iteration", "iterations": 2}
    expected = jacobian_norms(model, X, **settings)
    assert logger.norms[-1].names == ("layer1", "head")
    np.testing.assert_allclose(logger.norms[-1].forward, expected.forward, rtol=1e-6)


def test_the_figure_shows_the_first_the_middle_and_the_last_record():
    logger = SensitivityLogger(X, y=Y)
    with pytest.raises(ValueError, match="Expected a record"):
        logger.plot()
    fit(classifier(), logger, epochs=4)
    sensitivity, gradients = logger.plot().axes
    labels = [text.get_text() for text in sensitivity.get_legend().get_texts()]
    assert labels == ["after epoch 0", "after epoch 2", "after epoch 4"]
    curves = [line for line in gradients.lines if line.get_label().startswith("after")]
    np.testing.assert_allclose(curves[2].get_ydata(), logger.gradient_norms[4])
    logger = SensitivityLogger(X)
    fit(classifier(), logger, epochs=1)
    assert len(logger.plot().axes) == 1


@pytest.mark.parametrize("every", [0, -1, 1.5])
def test_a_bad_interval_is_refused(every):
    with pytest.raises(ValueError, match=f"Received: every={every}"):
        SensitivityLogger(X, every=every)


def test_labels_of_another_number_are_refused():
    with pytest.raises(ValueError, match=r"as many labels.*Received: x.shape=\(12, 4\), y.shape"):
        SensitivityLogger(X, y=Y[:5])


def test_inputs_that_do_not_fit_are_refused_when_training_begins():
    with pytest.raises(ValueError, match=r"shape.*Received"):
        fit(classifier(), SensitivityLogger(X[:, :3]))
