"""What `certify` accepts, and how it says what it does not."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from lipzoo.certificates import certify


@pytest.fixture
def model():
    model = keras.Sequential([keras.Input((2, 2, 1)), keras.layers.Flatten()], name="images")
    model.add(keras.layers.Dense(3))
    return model


IMAGES = np.random.default_rng(0).random((4, 2, 2, 1))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (IMAGES[0], r"\(a batch axis is missing\). Received: x.shape=\(2, 2, 1\)"),
        (
            IMAGES[:, :, :1],
            r"Expected x of shape \(None, 2, 2, 1\).*Received: x.shape=\(4, 2, 1, 1\)",
        ),
        (IMAGES[:0], r"at least one example. Received: x.shape=\(0, 2, 2, 1\)"),
        (np.where(IMAGES > 0.9, np.nan, IMAGES), "values that are NaN or infinite"),
        (np.where(IMAGES > 0.9, np.inf, IMAGES), "values that are NaN or infinite"),
        (np.where(IMAGES > 0.9, 1e300, IMAGES), "overflows"),
        ([IMAGES, IMAGES], r"Received: x.shape=\(2, 4, 2, 2, 1\)"),
        ({"other": IMAGES}, r"Received: \['other'\]"),
    ],
)
def test_inputs_that_do_not_fit(model, x, message):
    with pytest.raises(ValueError, match=message), np.errstate(over="ignore"):
        certify(model, x, verbose=0)


@pytest.mark.parametrize(
    "x",
    [
        "images.npz",
        IMAGES > 0.5,
        IMAGES.astype(complex),
        np.array([["a"]]),
        None,
    ],
)
def test_inputs_that_are_no_numbers(model, x):
    with pytest.raises(TypeError, match="Received: x of type"):
        certify(model, x, verbose=0)


def test_arrays_tensors_and_lists_give_the_same(model):
    expected = certify(model, IMAGES.astype("float32"), verbose=0).radius
    for x in (
        tf.constant(IMAGES, "float32"),
        keras.ops.convert_to_tensor(IMAGES),
        IMAGES,
        IMAGES.tolist(),
    ):
        np.testing.assert_allclose(certify(model, x, verbose=0).radius, expected, rtol=1e-3)
    integers = np.arange(16).reshape(4, 2, 2, 1)
    np.testing.assert_allclose(
        certify(model, integers, verbose=0).radius,
        certify(model, integers.astype("float32"), verbose=0).radius,
    )


def test_values_outside_the_documented_range_are_refused(model):
    model.lipzoo_preprocessing = {"minimum": 0.0, "maximum": 1.0}
    certify(model, IMAGES, verbose=0)
    images = (255 * IMAGES).astype("uint8")
    with pytest.raises(ValueError, match=r"in \[0, 1\].*Divide images of 0 to 255 by 255"):
        certify(model, images, verbose=0)
    with pytest.raises(ValueError, match="Received: values from -"):
        certify(model, -IMAGES, verbose=0)


def test_a_rounding_beyond_the_range_is_certified_as_it_is(model):
    x = IMAGES.copy()
    x[0, 0, 0], x[0, 0, 1] = 1.000001, -1e-7
    radius = certify(model, x, verbose=0).radius
    model.lipzoo_preprocessing = {"minimum": 0.0, "maximum": 1.0}
    np.testing.assert_array_equal(certify(model, x, verbose=0).radius, radius)
    x[0, 0, 0] = 1.00001
    with pytest.raises(ValueError, match=r"documents\. Received: values from -1e-07 to 1\.0000"):
        certify(model, x, verbose=0)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([0, 1, 2], r"Expected y of shape \(4,\).*Received: y.shape=\(3,\)"),
        ([0, 1, 2, 3], r"labels from 0 to 2. Received: labels from 0 to 3"),
        ([0, 1, 2, -1], r"Received: labels from -1 to 2"),
        ([0.5, 1, 2, 0], "integer labels"),
        ([[1, 1, 0]] * 4, "not one-hot"),
        (np.zeros((4, 2)), r"Received: y.shape=\(4, 2\)"),
        ([0, 1, np.nan, 1], "integer labels"),
    ],
)
def test_labels_that_do_not_fit(model, y, message):
    with pytest.raises(ValueError, match=message):
        certify(model, IMAGES, y, verbose=0)


def test_labels_in_every_usual_form(model):
    labels = np.array([0, 1, 2, 1])
    expected = certify(model, IMAGES, labels, verbose=0)
    for y in (labels[:, None], np.eye(3)[labels], labels.astype("float32"), tf.constant(labels)):
        assert np.array_equal(certify(model, IMAGES, y, verbose=0).labels, expected.labels)
    with pytest.raises(TypeError, match="Received: y of type"):
        certify(model, IMAGES, ["a", "b", "c", "d"], verbose=0)


def test_models_that_are_no_classifiers():
    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(3)(inputs)
    with pytest.raises(ValueError, match="Received: 2 outputs"):
        certify(keras.Model(inputs, [hidden, hidden]), np.ones((1, 4)), verbose=0)
    images = keras.Model(inputs, keras.layers.Reshape((3, 1))(hidden))
    with pytest.raises(ValueError, match=r"logits of shape.*Received: \(1, 3, 1\)"):
        certify(images, np.ones((1, 4)), verbose=0)
    with pytest.raises(TypeError, match="Received: model="):
        certify("gradflow-fmnist", np.ones((1, 4)))


def test_one_example_is_enough(model):
    certificate = certify(model, IMAGES[:1], [0], verbose=0)
    assert len(certificate) == 1
    assert "1 example," in str(certificate)


@pytest.mark.parametrize("batch_size", [0, -1, "a", 2.0, True, None])
def test_batch_sizes_are_positive_integers(model, batch_size):
    with pytest.raises(ValueError, match=f"Received: batch_size={batch_size!r}"):
        certify(model, IMAGES, batch_size=batch_size, verbose=0)


@pytest.mark.parametrize(
    "epsilon", ["a", "0.5", None, -0.1, np.nan, np.inf, [0.1, "b"], [[0.1], [1, 2]]]
)
def test_radii_are_numbers_of_at_least_0(model, epsilon):
    certificate = certify(model, IMAGES, [0, 1, 2, 0], batch_size=np.int64(2), verbose=0)
    with pytest.raises(ValueError, match=r"finite numbers of at least 0. Received: epsilon="):
        certificate.certified_accuracy(epsilon)
