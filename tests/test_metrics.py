"""CertifiedAccuracy against NumPy, inside and outside of fit."""

import math

import keras
import numpy as np
import pytest

import lipzoo
from lipzoo.metrics import CertifiedAccuracy
from tests.helpers import compiled


def _certified(labels, logits, epsilon, columns=None, lipschitz=1.0):
    """Share of certified examples, one pair of classes at a time, in float64."""
    count = 0
    for label, row in zip(labels, logits.astype("float64"), strict=True):
        radii = []
        for j in range(len(row)):
            if j != label:
                distance = math.sqrt(2)
                if columns is not None:
                    distance = np.linalg.norm(columns[:, label] - columns[:, j])
                radii.append((row[label] - row[j]) / (lipschitz * distance))
        count += min(radii) > epsilon
    return count / len(labels)


def _batch(examples=200, classes=4, seed=0):
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(examples, classes)).astype("float32")
    return generator.integers(0, classes, examples), logits


def _model(classes=4):
    inputs = keras.Input((6,))
    features = keras.layers.Dense(5, activation="relu")(inputs)
    return keras.Model(inputs, keras.layers.Dense(classes, name="head")(features))


@pytest.mark.parametrize("epsilon", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("lipschitz", [0.5, 1.0, 3.0])
def test_is_the_pairwise_count(epsilon, lipschitz):
    labels, logits = _batch()
    metric = CertifiedAccuracy(epsilon, lipschitz=lipschitz)
    for start in range(0, 200, 64):
        metric.update_state(labels[start : start + 64], logits[start : start + 64])
    expected = _certified(labels, logits, epsilon, lipschitz=lipschitz)
    assert float(metric.result()) == pytest.approx(expected, abs=1e-6)
    metric.reset_state()
    assert float(metric.result()) == 0


def test_head_gives_the_column_distances():
    labels, logits = _batch()
    model = _model()
    metric = CertifiedAccuracy(0.3, head=model.layers[-1])
    metric.update_state(labels, logits)
    kernel = model.layers[-1].get_weights()[0].astype("float64")
    expected = _certified(labels, logits, 0.3, columns=kernel)
    assert float(metric.result()) == pytest.approx(expected, abs=1e-6)
    assert expected != _certified(labels, logits, 0.3)


def test_radius_zero_is_accuracy_and_ties_do_not_count():
    metric = CertifiedAccuracy(0.0)
    metric.update_state(np.array([0, 0, 1]), np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 0.0]]))
    assert float(metric.result()) == pytest.approx(1 / 3)


def test_equal_head_columns_do_not_divide_by_zero():
    model = _model(classes=2)
    model.layers[-1].set_weights([np.ones((5, 2)), np.array([0.5, 0.0])])
    metric = CertifiedAccuracy(10.0, head=model.layers[-1])
    metric.update_state(np.array([0, 1]), np.array([[1.0, 0.5], [1.0, 0.5]]))
    assert float(metric.result()) == pytest.approx(0.5)


def test_labels_weights_and_range():
    labels, logits = _batch()
    plain, one_hot, column = (CertifiedAccuracy(0.1) for _ in range(3))
    plain.update_state(labels, logits)
    one_hot.update_state(np.eye(4)[labels], logits)
    column.update_state(labels[:, None], logits)
    flags = CertifiedAccuracy(0.1)
    flags.update_state(np.eye(4, dtype=bool)[labels], logits)
    assert float(flags.result()) == float(plain.result())
    assert float(plain.result()) == float(one_hot.result()) == float(column.result())

    weighted = CertifiedAccuracy(0.1)
    weights = (np.arange(200) < 50).astype("float32")
    weighted.update_state(labels, logits, sample_weight=weights)
    expected = _certified(labels[:50], logits[:50], 0.1)
    assert float(weighted.result()) == pytest.approx(expected, abs=1e-6)

    outside = CertifiedAccuracy(0.0)
    outside.update_state(np.array([-1, 2]), np.array([[1.0, 0.0], [0.0, 1.0]]))
    assert float(outside.result()) == 0


@pytest.mark.parametrize(
    "labels",
    [
        [0.7, 1.2],
        [math.nan, math.inf],
        [2**32, 2**32 + 1],
        [[0.9, 0.1], [0.0, 0.0]],
        [[1, 1], [1, 1]],
        [[2, 0], [0, -1]],
    ],
)
def test_labels_that_are_no_class_do_not_count(labels):
    metric = CertifiedAccuracy(0.0)
    metric.update_state(np.array(labels), np.array([[5.0, 0.0], [0.0, 5.0]]))
    assert float(metric.result()) == 0
    assert float(metric.count) == 2


def test_float_and_small_integer_labels_count():
    for dtype in ("float32", "uint8", "int8", "bool"):
        metric = CertifiedAccuracy(0.0)
        metric.update_state(np.array([0, 1], dtype), np.array([[5.0, 0.0], [0.0, 5.0]]))
        assert float(metric.result()) == 1
    metric = CertifiedAccuracy(0.0)
    metric.update_state(np.array([127], "int8"), 5 * np.eye(200)[[127]])
    assert float(metric.result()) == 1


def test_logits_that_are_not_finite_do_not_count():
    logits = np.array([[math.inf, 0.0], [math.nan, 0.0], [0.0, -math.inf], [5.0, 0.0]])
    metric = CertifiedAccuracy(0.1)
    metric.update_state(np.zeros(4, "int64"), logits)
    assert float(metric.result()) == 0.25


@pytest.mark.parametrize(
    ("labels", "logits", "received"),
    [
        ((2, 3), (2, 4), r"y_true.shape=\(2, 3\)"),
        ((3,), (2, 4), r"y_true.shape=\(3,\)"),
        ((1,), (2, 4), r"y_true.shape=\(1,\)"),
        ((2, 1, 1), (2, 4), r"y_true.shape=\(2, 1, 1\)"),
        ((), (2, 4), r"y_true.shape=\(\)"),
        ((2,), (2, 1), r"y_pred.shape=\(2, 1\)"),
        ((2,), (2, 2, 4), r"y_pred.shape=\(2, 2, 4\)"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(labels, logits, received):
    with pytest.raises(ValueError, match=f"Received: {received}"):
        CertifiedAccuracy(0.1).update_state(np.zeros(labels, "int64"), np.zeros(logits))


@pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=compiled)])
def test_inside_fit_it_follows_the_weights(jit_compile):
    generator = np.random.default_rng(0)
    x = generator.normal(size=(96, 6)).astype("float32")
    labels = np.argmax(x[:, :4], axis=1)
    model = _model()
    head = model.layers[-1]
    model.compile(
        optimizer=keras.optimizers.Adam(0.05),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[CertifiedAccuracy(0.1, head=head, name="certified")],
        jit_compile=jit_compile,
    )
    for _ in range(2):
        history = model.fit(
            x, labels, batch_size=32, epochs=3, validation_data=(x, labels), verbose=0
        )
        kernel = head.get_weights()[0].astype("float64")
        expected = _certified(labels, model.predict(x, verbose=0), 0.1, columns=kernel)
        assert history.history["val_certified"][-1] == pytest.approx(expected, abs=1e-6)
        assert expected > 0


def test_saved_with_a_model_it_falls_back_to_the_general_radius(tmp_path):
    x = np.random.default_rng(0).normal(size=(50, 6)).astype("float32")
    model = _model()
    labels = np.argmax(model.predict(x, verbose=0), axis=1)
    metric = CertifiedAccuracy(0.1, lipschitz=2.0, head=model.layers[-1], name="certified")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(loss=loss, metrics=[metric])
    model.optimizer.build(model.trainable_variables)
    model.evaluate(x, labels, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    value = again.evaluate(x, labels, verbose=0, return_dict=True)["certified"]
    expected = _certified(labels, model.predict(x, verbose=0), 0.1, lipschitz=2.0)
    assert value == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"epsilon": -0.1}, "Received: epsilon=-0.1"),
        ({"epsilon": math.nan}, "Received: epsilon=nan"),
        ({"epsilon": "x"}, "Received: epsilon='x'"),
        ({"epsilon": "0.5"}, "Received: epsilon='0.5'"),
        ({"epsilon": 0.1, "lipschitz": None}, "Received: lipschitz=None"),
        ({"epsilon": 0.1, "lipschitz": 0}, "Received: lipschitz=0"),
        ({"epsilon": 0.1, "head": keras.layers.ReLU()}, "Received: head=<ReLU"),
    ],
)
def test_bad_arguments_are_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        CertifiedAccuracy(**arguments)


def _with_head(head, behind=None, shape=(5,)):
    inputs = keras.Input(shape)
    outputs = head(inputs)
    return keras.Model(inputs, outputs if behind is None else behind(outputs))


@pytest.mark.parametrize(
    ("head", "behind", "shape", "reason"),
    [
        (keras.layers.Dense(4, activation="tanh"), None, (5,), "computes more than"),
        (keras.layers.Dense(4), None, (3, 5), "no vectors"),
        (keras.layers.Dense(4), keras.layers.Rescaling(0.01), (5,), "Rescaling 'rescaling.*behind"),
        (keras.layers.Dense(4), lambda x: 0.01 * x, (5,), "Multiply 'multiply.*behind it"),
        (keras.layers.Conv1D(4, 1), None, (3, 5), "computes more than"),
    ],
)
def test_a_head_that_the_certificate_would_not_take_is_refused(head, behind, shape, reason):
    _with_head(head, behind, shape)
    with pytest.raises(ValueError, match=f"linear last layer.*{reason}"):
        CertifiedAccuracy(0.1, head=head)


@pytest.mark.parametrize("depth", [1, 2])
def test_what_is_behind_a_nested_model_is_behind_the_head_in_it(depth):
    head = keras.layers.Dense(4)
    nested = keras.Sequential([keras.Input((5,)), head, keras.layers.Identity()])
    for _ in range(depth - 1):
        nested = _with_head(nested)
    around = keras.Sequential([keras.Input((5,)), nested, keras.layers.Dropout(0.5)])
    CertifiedAccuracy(0.1, head=head)
    around.add(keras.layers.Rescaling(0.01))
    with pytest.raises(ValueError, match=r"Rescaling 'rescaling.*' is behind it"):
        CertifiedAccuracy(0.1, head=head)


def test_a_head_with_another_call_or_without_weights_is_refused():
    with pytest.raises(ValueError, match="it is not built"):
        CertifiedAccuracy(0.1, head=keras.layers.Dense(4))
    head = keras.layers.Dense(4)
    _with_head(head)
    head.call = lambda x: 0.0 * x
    with pytest.raises(ValueError, match="computes more than"):
        CertifiedAccuracy(0.1, head=head)


def test_what_changes_nothing_may_be_behind_the_head_and_certify_leaves_no_trace():
    head = keras.layers.Dense(4)
    model = _with_head(head, keras.layers.Identity())
    lipzoo.certify(model, np.zeros((1, 5)), verbose=0)
    assert CertifiedAccuracy(0.1, head=head).name == "certified_0_1"


def test_callbacks_find_the_direction_and_templates_the_name(tmp_path):
    labels, x = _batch(40)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    for name in (None, "certified_0.25"):
        model.compile("sgd", loss, metrics=[CertifiedAccuracy(0.25, name=name)])
        monitor = f"val_{name or 'certified_0_25'}"
        best = keras.callbacks.EarlyStopping(monitor, patience=1)
        callbacks = [best]
        if name is None:
            path = str(tmp_path / "{val_certified_0_25:.3f}.weights.h5")
            callbacks.append(keras.callbacks.ModelCheckpoint(path, save_weights_only=True))
        history = model.fit(x, labels, validation_split=0.5, verbose=0, callbacks=callbacks)
        assert best.monitor_op(1.0, 0.5)
        assert monitor in history.history
    value = next(tmp_path.iterdir()).name.removesuffix(".weights.h5")
    assert 0 <= float(value) <= 1
