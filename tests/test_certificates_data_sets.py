"""Data sets that are read batch by batch: the certificate of the arrays that are in them."""

import keras
import numpy as np
import pytest

import lipzoo
from lipzoo.certificates import batches as module

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf
if keras.backend.backend() == "torch":
    import torch


@pytest.fixture(scope="module")
def model():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    model.set_weights([np.random.default_rng(0).normal(size=(4, 3)), np.zeros(3)])
    return model


X = np.random.default_rng(1).normal(size=(50, 4)).astype("float32")
Y = np.arange(50) % 3


class Batches(keras.utils.PyDataset):
    """Batches of 8, the last one smaller."""

    def __len__(self):
        return 7

    def __getitem__(self, i):
        return X[8 * i : 8 * i + 8], Y[8 * i : 8 * i + 8]


def _generator():
    return (Batches()[i] for i in range(7))


def _data_sets():
    datasets = pytest.importorskip("datasets")
    found = {
        "PyDataset": Batches(),
        "generator": _generator(),
        "dicts": ({"x": x, "y": y} for x, y in _generator()),
        "lists": map(list, _generator()),
        "datasets": datasets.Dataset.from_dict({"x": X, "y": Y}),
    }
    if keras.backend.backend() == "tensorflow":
        found["tf.data"] = tf.data.Dataset.from_tensor_slices((X, Y)).batch(8)
    if keras.backend.backend() == "torch":
        tensors = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(Y))
        found["DataLoader"] = torch.utils.data.DataLoader(tensors, batch_size=8)
    return found


def test_the_certificate_is_that_of_the_arrays(model, monkeypatch):
    monkeypatch.setattr(module, "EXAMPLES", 20)
    expected = lipzoo.certify(model, X, Y, verbose=0)
    for name, data in _data_sets().items():
        found = lipzoo.certify(model, data)
        assert found.logits is None
        for column in ("prediction", "rival", "labels"):
            assert np.array_equal(getattr(found, column), getattr(expected, column)), name
        # A batch of another size may be summed in another order.
        np.testing.assert_allclose(found.radius, expected.radius, rtol=1e-4, err_msg=name)
        assert str(found).splitlines()[:5] == str(expected).splitlines()[:5]
    summary = lipzoo.certify_summary(model, _generator(), [0.1, 0.5])
    whole = lipzoo.certify(model, Batches())
    for epsilon in (0.1, 0.5):
        assert summary.certified_accuracy(epsilon) == whole.certified_accuracy(epsilon)
        assert summary.coverage(epsilon) == whole.coverage(epsilon)
    assert (summary.examples, summary.bound) == (50, whole.bound.value)
    with pytest.raises(ValueError, match="Expected every part once"):
        summary + lipzoo.certify_summary(model, Batches(), [0.1, 0.5])


def test_two_classes_of_a_data_set_have_a_sensitivity():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    batch = (X, Y % 2)
    found, expected = (lipzoo.certify(model, *x, verbose=0) for x in ([iter([batch])], batch))
    assert found.sensitivity() == expected.sensitivity()
    assert found.in_norm("linf").radius == pytest.approx(expected.in_norm("linf").radius, rel=1e-4)


def test_models_with_several_inputs_take_dicts_and_lists():
    inputs = {name: keras.Input((4,), name=name) for name in ("a", "b")}
    sums = keras.layers.Add()([inputs["a"], inputs["b"]])
    model = keras.Model(inputs, keras.layers.Dense(3)(sums))
    expected = lipzoo.certify(model, {"a": X, "b": -2 * X}, Y, verbose=0)
    named = {"a": X, "b": -2 * X}
    for data in ([(named, Y)], [{"x": named, "y": Y}], [(named,)], [named]):
        found = lipzoo.certify(model, iter(data))
        np.testing.assert_allclose(found.radius, expected.radius, rtol=1e-4)
    with pytest.raises(ValueError, match="may be either"):
        lipzoo.certify(model, iter([(X, X)]))
    # Batches of several orders are one data set, and each input stays with its name.
    halves = [named, {"b": -2 * X, "a": X}]
    found = lipzoo.certify(model, iter([(half, Y) for half in halves]))
    np.testing.assert_allclose(found.radius, np.tile(expected.radius, 2), rtol=1e-4)
    with pytest.raises(ValueError, match="as many examples in every input of a batch"):
        lipzoo.certify(model, iter([{"a": X[:3], "b": X[:2]}, {"a": X[3:], "b": X[2:]}]))
    with pytest.raises(ValueError, match="Expected inputs named"):
        lipzoo.certify(model, iter([({"a": X, "c": X}, Y)]))


def test_a_data_set_may_refill_one_buffer(model):
    """As loaders do that save memory: what waits for more examples must not change under them."""

    def refilled():
        x, y = np.empty((5, 4), "float32"), np.empty(5, int)
        for start in range(0, 50, 5):
            x[:], y[:] = X[start : start + 5], Y[start : start + 5]
            yield x, y

    expected = lipzoo.certify(model, X, Y, verbose=0)
    found = lipzoo.certify(model, refilled())
    assert found.labels.tolist() == Y.tolist()
    np.testing.assert_allclose(found.radius, expected.radius, rtol=1e-4)
    summary = lipzoo.certify_summary(model, refilled(), [0.1])
    assert summary.certified_accuracy(0.1) == expected.certified_accuracy(0.1)


def test_empty_batches_are_passed_over(model):
    """Some loaders end with one, and lists without entries have no shape."""
    empty = [(X[:0], Y[:0]), ([], [])]
    found = lipzoo.certify(model, iter([empty[0], (X, Y), *empty]))
    assert found.labels.tolist() == Y.tolist()
    with pytest.raises(ValueError, match="at least one example"):
        lipzoo.certify(model, iter(empty))


def test_one_hot_labels_and_numbers_are_one_data_set(model):
    found = lipzoo.certify(model, iter([(X[:9], np.eye(3)[Y[:9]]), (X[9:], Y[9:])]))
    assert found.labels.tolist() == Y.tolist()


def _leaky(slope, dtype="float32"):
    layers = [keras.layers.Dense(3), keras.layers.LeakyReLU(slope), keras.layers.Dense(3)]
    for layer in layers:
        layer.dtype_policy = keras.DTypePolicy(dtype)
    model = keras.Sequential([keras.Input((4,)), *layers], name="leaky")
    random = np.random.default_rng(2)
    model.set_weights([random.normal(size=w.shape).astype("float32") for w in model.weights])
    return model


def test_summaries_of_other_networks_or_arithmetics_do_not_add_up():
    """Weights alone do not make a network, nor say what it computes in."""

    def summary(model, rows, **arguments):
        return lipzoo.certify_summary(model, iter([(X[rows], Y[rows])]), [0.1], **arguments)

    half, rest = slice(0, 25), slice(25, 50)
    first = summary(_leaky(0.1), half)
    assert (first + summary(_leaky(0.1), rest)).examples == 50
    cases = {
        "architecture=": summary(_leaky(0.2), rest),
        "reference=": summary(_leaky(0.1), rest, reference=None),
        "dtype=": summary(_leaky(0.1, "float64"), rest, rounding=False),
    }
    for message, other in cases.items():
        with pytest.raises(ValueError, match=f"Expected a part with .*{message}"):
            first + other


def test_what_is_no_data_set_of_batches_is_refused(model):
    cases = {
        "weights of examples": iter([(X, Y, Y)]),
        "labels of all batches, or of none": iter([(X, Y), X]),
        "name the columns so": iter([{"image": X, "label": Y}]),
        "a batch axis is missing": iter(X),
        "at least one example": iter([]),
        r"a label for each. Received: shapes \(3, 4\), y of shape \(2,\)": iter(
            [(X[:3], Y[:2]), (X[3:], Y[2:])]
        ),
        r"y of shape \(\)": iter([(X[:1], Y[0])]),
    }
    for message, data in cases.items():
        with pytest.raises(ValueError, match=message):
            lipzoo.certify(model, data)
    with pytest.raises(ValueError, match="y beside it"):
        lipzoo.certify(model, _generator(), Y)
    with pytest.raises(TypeError, match="Expected a data set"):
        lipzoo.certify_summary(model, X)
    if keras.backend.backend() == "tensorflow":
        endless = tf.data.Dataset.from_tensor_slices(X).batch(8).repeat()
        with pytest.raises(ValueError, match="Expected a data set that ends"):
            lipzoo.certify(model, endless)


def test_images_of_several_sizes_are_certified_apart():
    image = keras.Input((None, None, 1))
    pooled = keras.layers.GlobalMaxPooling2D()(image)
    model = keras.Model(image, keras.layers.Dense(3)(pooled))
    sizes = [np.random.default_rng(i).normal(size=(2, 3 + i, 4, 1)) for i in range(3)]
    expected = [lipzoo.certify(model, x, rounding=False, verbose=0).radius for x in sizes]
    found = lipzoo.certify(model, iter(sizes), rounding=False)
    np.testing.assert_allclose(found.radius, np.concatenate(expected), rtol=1e-4)


def test_batches_are_put_together_in_order_and_within_memory(model, monkeypatch):
    monkeypatch.setattr(module, "EXAMPLES", 20)
    sizes = [len(x) for x, _ in module.batches(model, Batches())]
    assert sizes == [16, 16, 16, 2]
    monkeypatch.setattr(module, "BYTES", 100)
    assert [len(x) for x, _ in module.batches(model, Batches())] == [8] * 6 + [2]
