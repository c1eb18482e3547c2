"""GradFlowNet as a whole: its shapes, its Jacobian, its training and its files."""

import keras
import numpy as np
import pytest

import lipzoo
from lipzoo.models import GradFlowNet
from tests.helpers import (
    COMPILES,
    compile_fast,
    compiled,
    default_backend_only,
    half_precision,
)
from tests.processes import fresh
from tests.truths import dense_jacobian, randomise

SMALL = {"width": 8, "axial_units": 6, "features": 12, "patch_depths": (2,), "axial_depth": 2}


@pytest.mark.parametrize("head", ["orthogonal", "unit_norm"])
@pytest.mark.parametrize(
    "input_shape",
    [
        (8, 8, 1),
        pytest.param((10, 7, 2), marks=default_backend_only),
        pytest.param((24, 1), marks=default_backend_only),
        (9, 2),
        (5,),
        pytest.param((40,), marks=default_backend_only),
    ],
)
def test_images_sequences_and_tables(input_shape, head):
    model = GradFlowNet(input_shape, 3, head=head, **SMALL)
    assert model.output_shape == (None, 3)
    for i, layer in enumerate(model.layers):
        randomise(layer, seed=i)
    bound = lipzoo.lipschitz_bound(model).value
    rng = np.random.default_rng(0)
    for _ in range(3):
        point = rng.normal(size=input_shape).astype("float32")
        assert np.linalg.norm(dense_jacobian(model, point), 2) <= bound * (1 + 1e-5)
    if head == "orthogonal":
        assert bound <= 1.0


def test_features_are_the_model_without_its_head():
    keras.utils.set_random_seed(1)
    model = GradFlowNet((8, 8, 1), 3, **SMALL)
    features = GradFlowNet((8, 8, 1), 3, include_top=False, **SMALL)
    features.set_weights(model.get_weights()[:-2])
    x = np.random.default_rng(0).random((4, 8, 8, 1)).astype("float32")
    head = model.get_layer("head").get_weights()
    logits = features.predict(x, verbose=0) @ head[0] + head[1]
    assert np.allclose(logits, model.predict(x, verbose=0), atol=1e-5)


@pytest.mark.parametrize(
    ("policy", "arguments", "jit"),
    [
        pytest.param("float32", {}, True, marks=compiled),
        ("float32", {"gradient_accumulation_steps": 2}, COMPILES),
        pytest.param("mixed_float16", {}, COMPILES, marks=half_precision),
        pytest.param("mixed_bfloat16", {}, True, marks=compiled),
    ],
)
def test_bound_survives_200_steps_on_random_labels(policy, arguments, jit):
    keras.config.set_dtype_policy(policy)
    model = GradFlowNet((8, 8, 1), 3, **{**SMALL, "axial_depth": 1, "dense_depth": 1})
    frozen = model.get_layer("stage1_flow2")
    frozen.trainable = False
    before = frozen.get_weights()[0]
    model.compile(
        keras.optimizers.Adam(0.1, **arguments),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=jit,
    )
    # Its step is then traced and compiled once, see `compile_fast`.
    model.optimizer.build(model.trainable_variables)
    rng = np.random.default_rng(0)
    x, y = rng.random((1600, 8, 8, 1)).astype("float32"), rng.integers(0, 3, 1600)
    model.fit(x, y, batch_size=16, epochs=2, verbose=0)
    assert np.array_equal(frozen.get_weights()[0], before)
    assert lipzoo.lipschitz_bound(model).value <= 1.0
    for layer in model.layers:
        if layer.weights:
            kernel = layer.get_weights()[0].astype("float64")
            assert np.linalg.norm(kernel.reshape(-1, kernel.shape[-1]), 2) <= 1.0


@pytest.mark.parametrize("policy", ["float16", "bfloat16"])
def test_networks_stored_in_half_precision_start_within_their_bound(policy):
    keras.config.set_dtype_policy(policy)
    model = GradFlowNet((8, 8, 1), 3, **SMALL)
    assert lipzoo.lipschitz_bound(model).value <= 1.0
    assert {str(weight.dtype) for weight in model.weights} == {policy}


def test_averaged_weights_are_seen_by_the_bound_and_can_be_projected():
    model = GradFlowNet((8, 8, 1), 3, **SMALL)
    # Keras averages the weights before it applies the constraint, and sets them when fit ends.
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    compile_fast(model, keras.optimizers.Adam(0.1, use_ema=True), loss)
    rng = np.random.default_rng(0)
    x, y = rng.random((800, 8, 8, 1)).astype("float32"), rng.integers(0, 3, 800)
    model.fit(x, y, batch_size=16, epochs=1, verbose=0)
    point = rng.normal(size=(8, 8, 1)).astype("float32")
    bound = lipzoo.lipschitz_bound(model).value
    assert np.linalg.norm(dense_jacobian(model, point), 2) <= bound * (1 + 1e-5)
    lipzoo.project(model)
    assert lipzoo.lipschitz_bound(model).value <= 1.0


def test_set_weights_is_seen_by_the_bound():
    model = GradFlowNet((8, 8, 1), 3, **SMALL)
    model.get_layer("head").set_weights([w * 3 for w in model.get_layer("head").get_weights()])
    assert lipzoo.lipschitz_bound(model).value == pytest.approx(3.0, rel=1e-3)


def test_keras_file_opens_in_a_fresh_process(tmp_path):
    model = GradFlowNet((8, 8, 1), 3, activation="softplus", head="unit_norm", **SMALL)
    for i, layer in enumerate(model.layers):
        randomise(layer, seed=i)
    x = np.random.default_rng(0).random((5, 8, 8, 1)).astype("float32")
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", model.predict(x, verbose=0))
    model.save(tmp_path / "model.keras")
    script = (
        "import keras, lipzoo, numpy as np, sys; d = sys.argv[1]\n"
        "model = keras.saving.load_model(d + '/model.keras')\n"
        "y = model.predict(np.load(d + '/x.npy'), verbose=0)\n"
        "assert np.allclose(y, np.load(d + '/y.npy'), atol=1e-6)\n"
        "print(lipzoo.lipschitz_bound(model).value)"
    )
    printed = fresh(script, tmp_path)
    assert float(printed.split()[-1]) == lipzoo.lipschitz_bound(model).value


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_shape": (8, 8, 1, 1)}, "input_shape must be.*Received"),
        ({"input_shape": (None, 8, 1)}, "input_shape must be.*Received"),
        ({"num_classes": 1}, "num_classes must be.*Received"),
        ({"num_classes": 20}, "features must be at least num_classes.*Received"),
        ({"width": 2}, "width must be at least .* = 4.*Received"),
        ({"stem": 0}, "stem must be a positive integer.*Received"),
        ({"stem": 1.5}, "stem must be a positive integer"),
        ({"dense_depth": -3}, "dense_depth must be an integer of at least 0"),
        ({"features": "x"}, "features must be a positive integer"),
        ({"patch_depths": 3}, "patch_depths must be.*Received"),
        ({"head": "softmax"}, "head must be one of.*Received"),
        ({"patch_depths": (-1,)}, "patch_depths must be.*Received"),
        ({"activation": "gelu"}, "non-decreasing.*Received"),
        ({"normalization": {"mean": [0.0], "variance": [-1.0]}}, "positive finite numbers.*-1.0"),
        ({"normalization": {"mean": [0.0] * 2, "variance": [1.0]}}, "hold 1 finite numbers"),
        ({"normalization": {"mean": [0.0]}}, "keys 'mean' and 'variance'.*Received"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        GradFlowNet(**{"input_shape": (8, 8, 1), "num_classes": 3, **SMALL, **arguments})


@pytest.mark.parametrize("name", list(lipzoo.models.ARCHITECTURES))
def test_who_asks_a_builder_for_trained_weights_is_told_where_they_are(name):
    with pytest.raises(
        TypeError, match=rf"{name} makes .* lipzoo\.load.* Received: weights='ours'"
    ):
        lipzoo.models.ARCHITECTURES[name](weights="ours")
