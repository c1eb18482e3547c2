"""LipschitzLogger: what it logs is the bound of the weights at that moment."""

import csv

import keras
import numpy as np
import pytest

import lipzoo
from lipzoo.bounds import UncertifiedLayerError, lipschitz_bound
from lipzoo.callbacks import LipschitzLogger, ProjectAfterSwap
from tests.helpers import compile_fast


def _model():
    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(6, activation="tanh", name="first")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(3, name="second")(hidden))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    compile_fast(model, keras.optimizers.SGD(0.5), loss)
    return model


def _fit(model, callbacks, epochs=3):
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(40, 4)), generator.integers(0, 3, 40)
    return model.fit(x, y, epochs=epochs, callbacks=callbacks, verbose=0).history


class _Witness(keras.callbacks.Callback):
    """Singular values of the kernels at the end of each epoch, by NumPy's SVD."""

    def __init__(self):
        super().__init__()
        self.norms = []

    def on_epoch_end(self, epoch, logs=None):
        kernels = [layer.get_weights()[0] for layer in self.model.layers[1:]]
        self.norms.append([np.linalg.norm(k.astype("float64"), 2) for k in kernels])


def test_history_holds_the_bound_of_each_epoch():
    model, witness = _model(), _Witness()
    history = _fit(model, [LipschitzLogger(), witness])
    for epoch, (first, second) in enumerate(witness.norms):
        assert history["lipschitz_bound"][epoch] == pytest.approx(first * second, rel=1e-6)
        assert history["lipschitz_bound"][epoch] >= first * second * (1 - 1e-12)
        assert history["lipschitz/second"][epoch] == pytest.approx(second, rel=1e-6)
    assert history["lipschitz_bound"][-1] == float(lipschitz_bound(model))
    assert len(set(history["lipschitz_bound"])) == 3


def test_csv_logger_after_it_has_the_columns(tmp_path):
    path = tmp_path / "log.csv"
    _fit(_model(), [LipschitzLogger(), keras.callbacks.CSVLogger(str(path))])
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert len(rows) == 3
    assert {"lipschitz_bound", "lipschitz/first", "lipschitz/second"} <= set(rows[0])


def test_every_and_last_epoch():
    history = _fit(_model(), [LipschitzLogger(per_layer=False, every=2)], epochs=5)
    assert len(history["lipschitz_bound"]) == 3
    assert not [key for key in history if key.startswith("lipschitz/")]


def test_layer_without_a_rule_is_an_error():
    class Unknown(keras.layers.Layer):
        def call(self, x):
            return 2 * x

    model = keras.Sequential([keras.Input((4,)), Unknown(name="mystery"), keras.layers.Dense(3)])
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    with pytest.raises(UncertifiedLayerError, match="mystery"):
        _fit(model, [LipschitzLogger()], epochs=1)


@pytest.mark.parametrize("every", [0, -1, 1.5])
def test_bad_arguments_are_refused(every):
    with pytest.raises(ValueError, match=f"Received: every={every}"):
        LipschitzLogger(every=every)


def test_constrained_model_stays_at_one_in_fit():
    model = lipzoo.models.GradFlowNet((4,), 3, features=8, dense_depth=2)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    compile_fast(model, keras.optimizers.Adam(0.1), loss)
    assert max(_fit(model, [LipschitzLogger()])["lipschitz_bound"]) <= 1.0


def _averaging_model():
    model = keras.Sequential(
        [keras.Input((4,)), lipzoo.layers.SpectralDense(6), lipzoo.layers.SpectralDense(3)]
    )
    optimizer = keras.optimizers.Adam(0.3, use_ema=True, ema_momentum=0.5)
    compile_fast(model, optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def _largest_norm(model):
    kernels = [layer.get_weights()[0].astype("float64") for layer in model.layers]
    return max(np.linalg.norm(kernel, 2) for kernel in kernels)


@pytest.mark.parametrize("projects", [False, True])
def test_averages_that_are_swapped_in_are_saved_within_their_constraints(projects, tmp_path):
    model = _averaging_model()
    callbacks = [
        keras.callbacks.SwapEMAWeights(swap_on_epoch=True),
        *([ProjectAfterSwap()] if projects else []),
        keras.callbacks.ModelCheckpoint(str(tmp_path / "{epoch}.keras")),
    ]
    _fit(model, callbacks, epochs=2)
    saved = [keras.models.load_model(tmp_path / f"{epoch}.keras") for epoch in (1, 2)]
    norms = [*map(_largest_norm, saved), _largest_norm(model)]
    if projects:
        assert max(norms) <= 1.0
        assert float(lipschitz_bound(model)) <= 1.0
    else:
        assert min(norms) > 1.0
