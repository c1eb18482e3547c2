"""HamNet and the baselines: shapes, symplecticity at every depth, training, files."""

import keras
import numpy as np
import pytest

import lipzoo
from lipzoo.models import MLP, HamNet, ResNet
from tests.helpers import compile_fast
from tests.processes import fresh
from tests.test_layers_hamiltonian import symplectic_defect
from tests.truths import dense_jacobian, randomise

SMALL = {"depth": 4, "width": 8, "time": 2.0}


@pytest.mark.parametrize(
    ("input_shape", "operators", "head"),
    # The head sees vectors, whatever came before: each with each kind of operator once.
    [
        ((8, 8, 1), "convolution", "dense"),
        ((8, 8, 1), "axial", "orthogonal"),
        ((10, 7, 2), "convolution", "unit_norm"),
        ((10, 7, 2), "axial", "dense"),
        ((24, 1), "convolution", "orthogonal"),
        ((24, 1), "axial", "unit_norm"),
        ((9, 2), "convolution", "dense"),
        ((9, 2), "axial", "orthogonal"),
        ((5,), "convolution", "unit_norm"),
        ((5,), "axial", "dense"),
    ],
)
def test_images_sequences_and_tables(input_shape, operators, head):
    stem = 1 if input_shape[-1] == 2 else 2
    model = HamNet(input_shape, 3, head=head, operators=operators, stem=stem, **SMALL)
    assert model.output_shape == (None, 3)
    for i, layer in enumerate(model.layers):
        randomise(layer, seed=i)
    bound = lipzoo.lipschitz_bound(model).value
    point = np.random.default_rng(0).normal(size=input_shape).astype("float32")
    assert np.linalg.norm(dense_jacobian(model, point), 2) <= bound * (1 + 1e-4)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    ("dtype", "tolerance", "depths"), [("float32", 1e-5, (48,)), ("float64", 1e-12, (12, 128))]
)
def test_symplectic_at_every_depth(dtype, tolerance, depths):
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)
    deepest = HamNet((4,), 2, depth=max(depths), width=4, time=32.0, include_top=False)
    for i, layer in enumerate(deepest.layers):
        randomise(layer, seed=i)
    flows = [layer for layer in deepest.layers if "flow" in layer.name]
    assert len(flows) == max(depths)
    for depth in depths:
        # From the lifted state on: the input has as many numbers as the state: the lift is none.
        body = keras.Model(deepest.input, flows[depth - 1].output)
        jacobian = dense_jacobian(body, np.random.default_rng(depth).normal(size=4).astype(dtype))
        norm = np.linalg.norm(jacobian.astype("float64"), 2)
        assert symplectic_defect(jacobian, (4,)) <= tolerance * max(1.0, norm**2)
        assert norm >= 1 - tolerance


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("operators", ["convolution", "axial"])
def test_the_body_of_an_image_network_is_symplectic(operators):
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    body = HamNet(
        (4, 4, 2),
        2,
        depth=6,
        width=2,
        stem=1,
        stages=2,
        time=4.0,
        operators=operators,
        include_top=False,
    )
    for i, layer in enumerate(body.layers):
        randomise(layer, seed=i)
    rng = np.random.default_rng(0)
    norms = lipzoo.jacobian_norms(body, rng.normal(size=(3, 4, 4, 2)))
    assert norms.exact
    assert norms.backward.min() >= 1 - 1e-12
    assert norms.forward.min() >= 1 - 1e-12
    assert norms.forward[-1].max() <= lipzoo.lipschitz_bound(body).value


def test_depth_is_shared_among_stages_and_time_among_layers():
    model = HamNet((8, 8, 1), 3, depth=5, width=8, time=2.0)
    names = [layer.name for layer in model.layers if "_flow" in layer.name]
    assert names == ["stage1_flow1", "stage1_flow2", "stage1_flow3", "stage2_flow1", "stage2_flow2"]
    assert all(model.get_layer(name).step_size == 2.0 / 5 for name in names)


def test_bound_survives_training_at_a_large_rate():
    model = HamNet((8, 8, 1), 3, bound=1.5, **SMALL)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    compile_fast(model, keras.optimizers.Adam(0.1), loss)
    rng = np.random.default_rng(0)
    x, y = rng.random((640, 8, 8, 1)).astype("float32"), rng.integers(0, 3, 640)
    model.fit(x, y, batch_size=16, epochs=1, verbose=0)
    flows = [layer for layer in model.layers if "_flow" in layer.name]
    largest = lipzoo.layers.hamiltonian.shear_norm(0.5 * 1.5**2) ** 2
    for layer in flows:
        assert layer.lipschitz_bound(layer.input.shape).value <= largest
    assert model.get_layer("stage1_flow1").kernel_constraint.bound == 1.5


def test_deep_network_learns_where_a_plain_one_does_not():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, size=(512, 2)).astype("float32")
    y = (x[:, 0] * x[:, 1] > 0).astype("int64")

    def accuracy(model):
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        compile_fast(model, keras.optimizers.Adam(0.02), loss, metrics=["accuracy"])
        model.fit(x, y, batch_size=128, epochs=25, verbose=0)
        return model.evaluate(x, y, verbose=0)[1]

    assert accuracy(HamNet((2,), 2, depth=10, width=4, time=10.0, bound=2.0)) > 0.95
    assert accuracy(MLP((2,), 2, depth=10, width=4, activation="sigmoid")) < 0.7


def test_reload_in_a_fresh_process(tmp_path):
    model = HamNet((8, 8, 1), 3, operators="axial", gain=2.0, method="verlet", **SMALL)
    x = np.random.default_rng(0).random((5, 8, 8, 1)).astype("float32")
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", model.predict(x, verbose=0))
    model.save(tmp_path / "model.keras")
    script = (
        "import keras, lipzoo, numpy as np, sys; d = sys.argv[1]\n"
        "model = keras.saving.load_model(d + '/model.keras')\n"
        "assert np.allclose(model.predict(np.load(d + '/x.npy')), np.load(d + '/y.npy'))\n"
        "print(lipzoo.lipschitz_bound(model).value)"
    )
    printed = fresh(script, tmp_path)
    assert float(printed.split()[-1]) == lipzoo.lipschitz_bound(model).value


@pytest.mark.parametrize("input_shape", [(8, 8, 1), (10, 7, 2), (24, 1), (5,)])
@pytest.mark.parametrize("builder", [MLP, ResNet])
def test_baselines_have_a_bound_and_a_jacobian_within_it(builder, input_shape):
    model = builder(input_shape, 3, depth=3, width=8)
    features = builder(input_shape, 3, depth=3, width=8, include_top=False)
    assert model.output_shape == (None, 3)
    assert len(features.weights) == len(model.weights) - 2
    point = np.random.default_rng(0).normal(size=input_shape).astype("float32")
    bound = lipzoo.lipschitz_bound(model).value
    assert np.linalg.norm(dense_jacobian(model, point), 2) <= bound * (1 + 1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depth": 0}, "depth must be a positive integer.*Received: depth=0"),
        ({"width": 7}, "width must be even.*Received: width=7"),
        ({"width": 2}, "width must be at least 4.*Received: width=2"),
        ({"depth": 1, "stages": 2}, "at least the number of stages.*Received: depth=1"),
        ({"operators": "dense"}, "operators must be one of.*Received: operators='dense'"),
        ({"head": "softmax"}, "head must be one of.*Received"),
        ({"method": "leapfrog"}, "method must be one of.*Received"),
        ({"activation": "gelu"}, "non-decreasing.*Received"),
        ({"time": 1e300, "depth": 64}, "finite Lipschitz bound.*smaller time.*Received"),
        ({"time": -1}, "time must be a positive finite number.*Received: time=-1"),
        ({"time": "1"}, "time must be a positive finite number.*Received: time='1'"),
        ({"time": 1e9, "bound": 10.0, "depth": 64}, "finite Lipschitz bound.*Received: time=1"),
        ({"input_shape": 2}, "input_shape must be.*Received: input_shape=2"),
        ({"bound": 0.0}, "bound must be a number.*Received"),
        ({"input_shape": (8, 8, 1, 1)}, "input_shape must be.*Received"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        HamNet(**{"input_shape": (8, 8, 1), "num_classes": 3, **SMALL, **arguments})


@pytest.mark.parametrize("builder", [MLP, ResNet])
def test_bad_arguments_of_baselines_are_refused(builder):
    with pytest.raises(ValueError, match="depth must be a positive integer"):
        builder((4,), 2, depth=0)
    with pytest.raises(ValueError, match="num_classes must be"):
        builder((4,), 1)


def test_residual_networks_refuse_widths_and_stages_that_do_not_fit():
    with pytest.raises(ValueError, match=r"width must be even and at least 12.*Received: width=8"):
        ResNet((8, 8, 3), 2, width=8)
    with pytest.raises(ValueError, match="at least the number of stages"):
        ResNet((16, 16, 1), 2, depth=1, stages=4)
