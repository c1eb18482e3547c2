"""Models made Lipschitz: their bound, their Jacobians, what they compute, what is refused."""

import json
import re
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers, ops

import lipzoo
from lipzoo.constraints import MaxModulus
from tests.graphs import on
from tests.truths import jacobian_norms, randomise_freely

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "constrain.md").read_text(encoding="utf-8")


def residual_network(activation="softmax"):
    """A small residual network with batch normalisation, as people train them."""

    def normalised(x, strides=1):
        x = layers.Conv2D(4, 3, strides, padding="same", use_bias=False)(x)
        return layers.BatchNormalization()(x)

    inputs = keras.Input((8, 8, 4))
    x = layers.Rescaling(2.0, offset=-1.0)(inputs)
    x = layers.ReLU()(normalised(x))
    x = layers.ReLU()(layers.Add()([x, normalised(layers.ReLU()(normalised(x)))]))
    short = layers.Conv2D(4, 1, strides=2)(x)
    x = layers.add([normalised(layers.ReLU()(normalised(x, strides=2))), short])
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.1)(x)
    model = keras.Model(inputs, layers.Dense(3, activation, name="head")(x), name="small")
    return randomise_freely(model, seed=1)


def constrained(model, **arguments):
    return lipzoo.constrain(model, verbose=0, **arguments)


def draw(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def assert_lipschitz(model, bound=1.0, seed=0):
    """The proven bound, and the Jacobian by autodiff at some points, are within the bound."""
    assert lipzoo.lipschitz_bound(model).value <= bound
    random = np.random.default_rng(seed)
    norms = []
    for scale in (0.3, 3.0):
        x = [random.normal(size=(2, *tensor.shape[1:])) * scale for tensor in model.inputs]
        norms.append(jacobian_norms(model, x[0].astype("float32")))
    assert np.max(norms) <= bound * (1 + 1e-6)
    return np.max(norms)


def test_a_residual_network_keeps_the_bound_in_training(tmp_path):
    original = residual_network()
    before = original.get_weights()
    assert lipzoo.lipschitz_bound(original).value > 100
    model = constrained(original)
    assert all(map(np.array_equal, before, original.get_weights()))
    assert_lipschitz(model)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    # Two steps run sooner than their graph is made; JAX would compile every operation alone.
    eagerly = keras.backend.backend() != "jax"
    model.compile(keras.optimizers.Adam(0.3), loss, run_eagerly=eagerly)
    x = draw(16, 8, 8, 4)
    model.fit(x, np.arange(16) % 3, batch_size=8, verbose=0)
    assert_lipschitz(model)
    assert lipzoo.lipschitz_bound(model).value > 0.01
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert np.array_equal(model.predict(x, verbose=0), loaded.predict(x, verbose=0))
    for new, old in zip(loaded.weights, model.weights, strict=True):
        assert type(new.constraint) is type(old.constraint)
    randomise_freely(loaded, scale=9.0)
    lipzoo.project(loaded)
    assert lipzoo.lipschitz_bound(loaded).value <= 1.0


def test_scaled_kernels_leave_the_function_as_it_is_up_to_a_number():
    original, model = residual_network("linear"), constrained(residual_network(), method="scale")
    x = draw(6, 8, 8, 4)
    expected, logits = (m.predict(x, verbose=0).astype("float64") for m in (original, model))
    ratio = np.vdot(expected, logits) / np.vdot(expected, expected)
    assert 0 < ratio < 0.1
    np.testing.assert_allclose(logits, ratio * expected, atol=1e-4 * np.abs(logits).max())


def test_what_is_within_the_bound_stays_bit_for_bit():
    kernels = [np.linalg.qr(draw(6, 6))[0] * 0.999, draw(6, 3) * 0.1]
    model = keras.Sequential([keras.Input((6,)), layers.Dense(6, "tanh"), layers.Dense(3)])
    model.set_weights([kernels[0], draw(6), kernels[1], draw(3)])
    x = draw(5, 6) * 3
    assert np.array_equal(model.predict(x, verbose=0), constrained(model).predict(x, verbose=0))


def test_what_was_constrained_before_is_kept():
    inputs = keras.Input((4,))
    branch = layers.Dense(4, "relu")(lipzoo.layers.ChannelScale()(inputs))
    model = keras.Model(inputs, lipzoo.layers.ConvexSum()([inputs, branch]))
    lipzoo.project(randomise_freely(model))
    again = constrained(constrained(model))
    assert [type(layer) for layer in again.layers] == [type(layer) for layer in model.layers]
    x = draw(4, 4)
    once = constrained(model).predict(x, verbose=0)
    np.testing.assert_allclose(again.predict(x, verbose=0), once, atol=1e-5)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize(
    "make",
    [
        lambda **kw: layers.Conv2D(4, 3, use_bias=False, **kw),
        lambda **kw: layers.DepthwiseConv2D(2, depth_multiplier=2, **kw),
        lambda **kw: layers.SeparableConv2D(4, 2, **kw),
        lambda **kw: layers.Conv2DTranspose(4, 2, **kw),
    ],
)
def test_folded_batch_normalisation_is_the_same_function(make, data_format):
    last = data_format == "channels_last"
    if not last and keras.backend.backend() == "tensorflow":
        pytest.skip("TensorFlow has no convolutions of channels first on CPUs")
    layer = make(data_format=data_format)
    model = on(
        (5, 5, 2) if last else (2, 5, 5),
        lambda x: layers.BatchNormalization(axis=-1 if last else 1)(layer(x)),
    )
    randomise_freely(model, scale=0.1)
    model.layers[-1].moving_variance.assign([1.0, 2.0, 3.0, 4.0])
    model.layers[-1].gamma.assign([1.0, -1.0, 0.5, 1.5])
    folded = constrained(model)
    assert len(folded.layers) == len(model.layers) - 1
    x = draw(3, *model.input_shape[1:])
    np.testing.assert_allclose(folded.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-5)


LAYERS = [
    ((6, 6, 2), lambda: layers.Conv2D(5, 3, strides=2, padding="same", activation="gelu")),
    ((6, 6, 4), lambda: layers.Conv2D(6, 3, groups=2, activation="silu")),
    ((7, 5, 2), lambda: layers.Conv2D(3, (1, 2), strides=(3, 3))),
    ((9, 2), lambda: layers.Conv1D(4, 3, padding="causal", dilation_rate=2)),
    ((6, 6, 3), lambda: layers.DepthwiseConv2D(3, depth_multiplier=2, strides=2)),
    ((8, 3), lambda: layers.DepthwiseConv1D(3, padding="same")),
    ((6, 6, 3), lambda: layers.SeparableConv2D(4, 3, activation="relu")),
    ((4, 4, 3), lambda: layers.Conv2DTranspose(2, 3, strides=2, padding="same")),
    ((5,), lambda: layers.PReLU()),
    ((4, 3), lambda: layers.BatchNormalization()),
    ((6, 6, 2), lambda: layers.MaxPooling2D(3, strides=2)),
    ((6, 6, 2), lambda: layers.AveragePooling2D(3, strides=2, padding="valid")),
    ((4, 3), lambda: layers.Activation("gelu")),
    ((3,), lambda: layers.RepeatVector(4)),
    ((4, 4, 3), lambda: layers.GlobalAveragePooling2D()),
    ((8,), lambda: lipzoo.layers.SpectralDense(5, activation="silu")),
    ((4, 2), lambda: lipzoo.layers.GradientFlowDense(time=3.0)),
]


@pytest.mark.parametrize(("shape", "make"), LAYERS, ids=[str(i) for i in range(len(LAYERS))])
def test_every_layer_comes_to_norm_one(shape, make):
    model = on(shape, make())
    for variable in model.weights:
        values = np.random.default_rng(1).normal(size=variable.shape)
        variable.assign(np.abs(values) * 0.1 + 0.01 if "variance" in variable.path else 2 * values)
    if isinstance(model.layers[-1], lipzoo.layers.GradientFlowDense):
        lipzoo.project(model)
    # Nothing is wasted either.
    assert assert_lipschitz(constrained(model), seed=2) > 0.4


def _shared_and_nested():
    block = keras.Sequential([keras.Input((6,)), layers.Dense(6, "relu"), layers.Dense(6)])
    shared = layers.Dense(6, "tanh")
    inputs = keras.Input((6,))
    x = ops.relu(shared(inputs) + block(inputs))
    x = ops.concatenate([block(x), shared(x) - x], axis=-1)
    x = ops.reshape(x, (-1, 3, 4))
    return keras.Model(inputs, {"a": ops.mean(x, axis=1), "b": layers.Dense(2)(x)})


def test_shared_layers_nested_models_and_operations():
    model = randomise_freely(_shared_and_nested(), seed=3)
    result = constrained(model, bound=0.5)
    assert_lipschitz(result, 0.5)
    assert set(result.output) == {"a", "b"}
    assert len(result.trainable_weights) == 2 * 4 + 2  # Four layers and two sums.


def test_branches_of_different_inputs_share_no_bound():
    first, second = keras.Input((3,)), keras.Input((3,))
    x = layers.Concatenate()([layers.Dense(4)(first), layers.Dense(4)(second)])
    result = constrained(randomise_freely(keras.Model([first, second], x), scale=3.0))
    assert 0.9 < lipzoo.lipschitz_bound(result).value <= 1.0


@pytest.mark.parametrize("bound", [0.1, 1 / 3, 7.0])
@pytest.mark.parametrize("ending", ["dense", "softmax", "pooling", "normalised"])
def test_other_bounds_are_that_of_the_head_or_a_factor(bound, ending):
    last = {
        "dense": [layers.Dense(3)],
        "softmax": [layers.Dense(3), layers.Softmax()],
        "pooling": [layers.Dense(4), layers.ReLU()],
        "normalised": [layers.Dense(3), layers.BatchNormalization()],
    }[ending]
    model = keras.Sequential([keras.Input((5,)), layers.Dense(8, "relu"), *last])
    result = constrained(randomise_freely(model, scale=9.0), bound=bound)
    assert 0.5 * bound < lipzoo.lipschitz_bound(result).value <= bound
    assert len(result.layers) == {"pooling": 5}.get(ending, 3)
    # Certificates know the columns of a linear head.
    assert (lipzoo.lipschitz_bound(result).head is None) == (ending == "pooling")


def test_the_table_on_the_page_is_what_its_program_prints(capsys):
    program, shown = re.findall(r"^```(?:python)?\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    exec(program, {})
    printed = [line.split() for line in capsys.readouterr().out.splitlines()]
    for words, expected in zip(printed, map(str.split, shown.splitlines()), strict=True):
        if not expected[0].startswith("─"):
            assert [_number(word) for word in words] == [_number(word) for word in expected]
    constrained(on((3,), layers.Dense(2)))
    assert not capsys.readouterr().out


def _number(word):
    """A word of the table; of a number that random weights lead to, only that it is one."""
    return word if word.isalpha() or word in ("1", "14") else re.sub(r"[\d.]+", "number", word)


def test_everything_that_cannot_be_constrained_is_named_at_once():
    inputs = keras.Input((4, 6))
    x = layers.LayerNormalization(name="norm")(inputs)
    x = layers.MultiHeadAttention(2, 3, name="attention")(x, x)
    x = layers.Multiply(name="gate")([x, layers.Activation("exponential", name="odd")(inputs)])
    x = layers.Dense(6, name="fine")(x) * x
    x = lipzoo.layers.HamiltonianDense(name="hamiltonian")(x)
    with pytest.raises(ValueError, match=r"can be constrained\. Received: 6 in") as error:
        lipzoo.constrain(keras.Model(inputs, x))
    message = str(error.value)
    for name, instead in (
        ("norm", "BatchNormalization"),
        ("attention", "Conv1D"),
        ("gate", "Add or Concatenate"),
        ("multiply", "Add or Concatenate"),
        ("odd", "known are"),
        ("hamiltonian", "GradientFlowDense"),
    ):
        line = next(line for line in message.splitlines() if line.startswith(f"- '{name}"))
        assert instead in line
    assert "fine" not in message


class _Subclassed(keras.Model):
    def call(self, inputs):
        return inputs


@pytest.mark.parametrize(
    ("model", "arguments", "error", "message"),
    [
        ("model", {}, TypeError, "Expected a keras.Model. Received"),
        (layers.Dense(3), {}, TypeError, "Expected a keras.Model. Received"),
        (_Subclassed(), {}, ValueError, "functional or sequential.*Received: .*_Subclassed"),
        (keras.Sequential([layers.Dense(3)]), {}, ValueError, "to be built.*Received"),
        (None, {"bound": 0.0}, ValueError, "bound must be a number in.*Received"),
        (None, {"bound": float("nan")}, ValueError, "bound must be a number in.*Received"),
        (None, {"bound": -1}, ValueError, "bound must be a number in.*Received"),
        (None, {"bound": "1"}, ValueError, "bound must be a number in.*Received"),
        (None, {"method": "clip"}, ValueError, "method must be one of.*Received"),
    ],
)
def test_bad_arguments_are_refused(model, arguments, error, message):
    if model is None:
        model = on((3,), layers.Dense(2))
    with pytest.raises(error, match=message):
        lipzoo.constrain(model, **arguments)


def test_weights_that_training_may_raise_are_refused():
    loose = lipzoo.layers.ChannelScale(scale_constraint=MaxModulus(2.0))
    for layer in (loose, lipzoo.layers.UnitNormDense(3)):
        with pytest.raises(ValueError, match=f"'{layer.name}' of class.*Put instead"):
            lipzoo.constrain(on((3,), layer))
    model = on((3,), layers.Dense(3))
    model.layers[-1].kernel.assign(np.full((3, 3), np.nan))
    with pytest.raises(ValueError, match="NaN or infinity"):
        lipzoo.constrain(model)


def test_the_study_is_consistent():
    found = json.loads((ROOT / "studies" / "constrain.json").read_text(encoding="utf-8"))
    networks = found["networks"]
    for name, values in networks.items():
        shares = [values["clean"], *values["certified"].values()]
        assert shares == sorted(shares, reverse=True)
        assert name == "original" or values["bound"] <= 1.0
    # The same predictions, but for ties of rounding.
    assert abs(networks["constrained, scale"]["clean"] - networks["original"]["clean"]) < 0.002


@pytest.mark.parametrize(
    "last",
    [
        lambda: layers.EinsumDense("ab,bc->ac", 3, activation="softmax"),
        lambda: layers.GRU(4, activation="softmax"),
    ],
)
def test_a_layer_with_weights_that_ends_in_softmax_is_not_dropped(last):
    x = keras.Input((5, 6))
    y = layers.Flatten()(x) if "Einsum" in type(last()).__name__ else x
    with pytest.raises(ValueError, match="cannot be"):
        lipzoo.constrain(keras.Model(x, last()(y)), verbose=0)
