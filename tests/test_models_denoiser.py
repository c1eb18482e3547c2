"""The denoiser: 1-Lipschitz at every size, by what its layers are."""

import keras
import numpy as np
import pytest

import lipzoo
from lipzoo import zoo
from lipzoo.inverse import psnr
from lipzoo.models import Denoiser
from tests.derivatives import jacobians
from tests.truths import randomise

ARGUMENTS = {"width": 6, "depth": 2, "filters": 6, "kernel_size": 2, "gain": 4.0}


@pytest.fixture(scope="module")
def model():
    """Weights as training may leave them: kernels at their bound, biases and gains of any size."""
    model = Denoiser((7, 6, 1), **ARGUMENTS, bounds=None)
    randomise(model)
    lipzoo.project(model)
    return model


def test_the_jacobian_has_no_singular_value_above_the_bound_and_one_near_it(model):
    bound = lipzoo.lipschitz_bound(model).value
    assert bound == 1.0
    x = np.random.default_rng(0).random((1, 7, 6, 1)).astype("float32")
    values = np.linalg.svd(jacobians(model, x)[0], compute_uv=False)
    assert 0.5 < values.max() <= bound + 1e-5


def test_the_same_weights_serve_every_size(model, tmp_path):
    arguments = {"input_shape": [7, 6, 1], **ARGUMENTS, "bounds": None}
    zoo.save_model(tmp_path / "model", model, zoo.ModelConfig("Denoiser", arguments))
    larger = zoo.load(tmp_path / "model", input_shape=(12, 9, 1))
    assert larger.output_shape == (None, 12, 9, 1)
    assert lipzoo.lipschitz_bound(larger).value == 1.0
    for mine, theirs in zip(model.get_weights(), larger.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_a_model_for_one_size_says_so():
    with pytest.raises(ValueError, match=r"gradflow-digits.*one size.*Received"):
        zoo.load("gradflow-digits", input_shape=(9, 9, 1))


def test_it_is_a_projection_onto_the_box():
    model = Denoiser((4, 4, 1), width=4, depth=1, filters=3)
    x = keras.ops.convert_to_numpy(model(np.full((1, 4, 4, 1), 7.0, "float32")))
    np.testing.assert_array_equal(x, 1.0)


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"height, width, channels.*Received"):
        Denoiser((8, 1))


@pytest.mark.parametrize("sigma", [5, 15, 25])
def test_the_shipped_denoisers_remove_the_noise_that_they_are_for(sigma):
    size = 48
    row, column = np.mgrid[:size, :size] / size
    image = np.where(row + column < 1, 0.3 + 0.4 * row, 0.8 - 0.3 * column).astype("float32")
    noise = np.random.default_rng(0).standard_normal(image.shape, dtype="float32")
    noisy = image + np.float32(sigma / 255) * noise
    model = zoo.load(f"denoiser-bsd-{sigma}", input_shape=(size, size, 1))
    denoised = keras.ops.convert_to_numpy(model(noisy[None, ..., None]))[0, ..., 0]
    assert psnr(denoised[None], image[None]).item() > psnr(noisy[None], image[None]).item() + 3
