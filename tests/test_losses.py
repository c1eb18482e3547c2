"""Losses against NumPy, and against what their docstrings promise."""

import math

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipzoo.losses import MultiClassHinge, OffsetCrossEntropy
from tests.helpers import compiled, examples


def _batch(seed=0, examples=64, classes=5):
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(examples, classes)).astype("float32")
    return generator.integers(0, classes, examples), logits


def _margins(labels, logits):
    """True logit minus the best other logit."""
    rows = np.arange(len(labels))
    others = logits.astype("float64").copy()
    others[rows, labels] = -np.inf
    return logits[rows, labels] - others.max(axis=1)


def _offset_cross_entropy(labels, logits, epsilon, temperature):
    """The docstring's second formula, term by term, in float64."""
    total = []
    for label, row in zip(labels, logits.astype("float64"), strict=True):
        terms = [
            math.exp((math.sqrt(2) * epsilon - (row[label] - other)) / temperature)
            for j, other in enumerate(row)
            if j != label
        ]
        total.append(math.log1p(sum(terms)))
    return np.array(total)


@pytest.mark.parametrize(("epsilon", "temperature"), [(0.0, 1.0), (0.5, 0.25), (1.0, 2.0)])
def test_offset_cross_entropy_is_its_formula(epsilon, temperature):
    labels, logits = _batch()
    loss = OffsetCrossEntropy(epsilon, temperature, reduction="none")
    expected = _offset_cross_entropy(labels, logits, epsilon, temperature)
    np.testing.assert_allclose(loss(labels, logits), expected, rtol=2e-5, atol=1e-6)


def test_offset_cross_entropy_without_offset_is_cross_entropy():
    labels, logits = _batch()
    expected = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(labels, logits)
    np.testing.assert_allclose(OffsetCrossEntropy(0.0, 1.0)(labels, logits), expected, rtol=1e-6)


@given(seed=st.integers(0, 10_000), epsilon=st.floats(0, 2), temperature=st.floats(0.05, 3))
@examples(30)
def test_small_offset_cross_entropy_means_a_certificate(seed, epsilon, temperature):
    labels, logits = _batch(seed, examples=32, classes=3)
    loss = OffsetCrossEntropy(epsilon, temperature, reduction="none")
    values = keras.ops.convert_to_numpy(loss(labels, 4 * logits))
    margins = _margins(labels, 4 * logits)
    # The statement is about exact arithmetic: leave float32's error aside on both sides.
    assert np.all(margins[values < math.log(2) - 1e-4] > math.sqrt(2) * epsilon)
    uncertified = np.mean(margins <= math.sqrt(2) * epsilon - 1e-5)
    assert uncertified <= values.mean() / math.log(2) + 1e-4


@pytest.mark.parametrize("margin", [0.3, 1.0, 4.0])
def test_hinge_is_its_formula(margin):
    labels, logits = _batch()
    expected = [
        sum(max(0.0, margin - (row[label] - row[j])) for j in range(len(row)) if j != label)
        for label, row in zip(labels, logits, strict=True)
    ]
    loss = MultiClassHinge(margin, reduction="none")
    np.testing.assert_allclose(loss(labels, logits), expected, rtol=1e-5, atol=1e-6)


def test_hinge_is_zero_exactly_where_the_margin_is_there():
    labels, logits = _batch(examples=500)
    values = keras.ops.convert_to_numpy(MultiClassHinge(0.5, reduction="none")(labels, logits))
    margins = _margins(labels, logits)
    assert 0 < np.count_nonzero(values == 0) < len(values)
    np.testing.assert_array_equal(values == 0, margins >= 0.5)
    assert np.mean(margins <= 0) <= values.mean() / 0.5


LOSSES = [OffsetCrossEntropy(0.3, 0.5), MultiClassHinge(0.7)]


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_labels_may_be_integers_columns_or_one_hot(loss):
    labels, logits = _batch()
    one_hot = np.eye(logits.shape[1], dtype="float32")[labels]
    expected = float(loss(labels, logits))
    for form in (labels.astype("uint8"), labels[:, None], one_hot):
        assert float(loss(form, logits)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
@pytest.mark.parametrize("label", [-1, 5])
def test_label_out_of_range_is_nan_not_a_perfect_loss(loss, label):
    _, logits = _batch(examples=1)
    assert math.isnan(float(loss(np.array([label]), logits)))


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_wrong_shapes_are_refused(loss):
    _, logits = _batch(examples=4)
    with pytest.raises(ValueError, match=r"Received: y_true.shape=\(4, 3\)"):
        loss(np.zeros((4, 3)), logits)
    with pytest.raises(ValueError, match="at least 2"):
        loss(np.zeros(4), logits[:, :1])


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_config_round_trip(loss):
    labels, logits = _batch()
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert type(again) is type(loss)
    assert again.get_config() == loss.get_config()
    assert float(again(labels, logits)) == float(loss(labels, logits))


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: OffsetCrossEntropy(epsilon=-1), "Received: epsilon=-1"),
        (lambda: OffsetCrossEntropy(epsilon=None), "Received: epsilon=None"),
        (lambda: OffsetCrossEntropy(temperature="1"), "Received: temperature='1'"),
        (lambda: MultiClassHinge(margin=True), "Received: margin=True"),
        (lambda: OffsetCrossEntropy(temperature=0), "Received: temperature=0"),
        (lambda: OffsetCrossEntropy(epsilon=math.nan), "Received: epsilon=nan"),
        (lambda: MultiClassHinge(margin=0), "Received: margin=0"),
        (lambda: MultiClassHinge(margin=math.inf), "Received: margin=inf"),
    ],
)
def test_bad_arguments_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()


@pytest.mark.parametrize(
    ("loss", "jit_compile"), [pytest.param(LOSSES[0], True, marks=compiled), (LOSSES[1], False)]
)
def test_minimising_raises_the_margin(loss, jit_compile):
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, 96)
    x = np.eye(3, dtype="float32")[labels] + 0.1 * generator.normal(size=(96, 3)).astype("float32")
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)])
    optimizer = keras.optimizers.Adam(0.05)
    model.compile(optimizer=optimizer, loss=loss, jit_compile=jit_compile)
    history = model.fit(x, labels, batch_size=32, epochs=12, verbose=0).history["loss"]
    assert history[-1] < 0.5 * history[0]
    assert np.median(_margins(labels, model.predict(x, verbose=0))) > 0.5


def test_labels_between_two_classes_give_nan():
    loss = OffsetCrossEntropy(reduction="none")
    values = keras.ops.convert_to_numpy(loss(np.array([0.0, 0.7, math.nan]), np.zeros((3, 2))))
    assert np.isnan(values).tolist() == [False, True, True]


@pytest.mark.parametrize("labels", [np.array([0, 1, 2]), np.eye(3)])
def test_labels_of_other_examples_are_refused(labels):
    with pytest.raises(ValueError, match=r"logits of shape \(2, 3\). Received: labels"):
        OffsetCrossEntropy()(labels, np.zeros((2, 3), "float32"))


@pytest.mark.parametrize(
    ("name", "loss"),
    [
        ("lipzoo>OffsetCrossEntropy", OffsetCrossEntropy),
        ("offset_cross_entropy", OffsetCrossEntropy),
        ("lipzoo>MultiClassHinge", MultiClassHinge),
        ("multi_class_hinge", MultiClassHinge),
    ],
)
def test_keras_knows_a_loss_by_its_name(name, loss):
    labels, logits = _batch()
    model = keras.Sequential([keras.Input((5,)), keras.layers.Rescaling(1.0)])
    model.compile("sgd", name)
    expected = float(loss()(labels, logits))
    assert model.evaluate(logits, labels, batch_size=64, verbose=0) == pytest.approx(expected)
