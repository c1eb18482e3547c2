"""`lipzoo reconstruct`: images with balls, from files, and what does not fit is refused."""

import json

import keras
import numpy as np
import pytest
from PIL import Image

import lipzoo
import lipzoo_cli
from lipzoo import InvNet, inverse, zoo
from lipzoo.inverse.output_box import output_box

ANY = {"scale": "measurements", "minimum": None, "maximum": None}
SIZES = {"width": 4, "depth": 1, "filters": 4, "kernel_size": 2}


@pytest.fixture(scope="module")
def denoiser(tmp_path_factory):
    """A denoiser that was saved at one size."""
    folder = tmp_path_factory.mktemp("models") / "denoiser"
    model = lipzoo.Denoiser((4, 4, 1), **SIZES)
    config = zoo.ModelConfig(
        "Denoiser", {"input_shape": [4, 4, 1], **SIZES}, preprocessing=ANY, task="reconstruction"
    )
    zoo.save_model(folder, model, config)
    return folder


@pytest.fixture(scope="module")
def scanner(tmp_path_factory):
    """A reconstruction of signals from measurements of another size."""
    folder = tmp_path_factory.mktemp("models") / "scanner"
    matrix = np.random.default_rng(0).normal(size=(3, 5))
    operator = inverse.Matrix(matrix, input_shape=(5, 1))
    arguments = {
        "operator": {"class_name": "Matrix", "config": operator.get_config()},
        "alpha": 0.5,
        "steps": 1,
        "width": 2,
    }
    zoo.save_model(
        folder,
        InvNet(**arguments),
        zoo.ModelConfig("InvNet", arguments, preprocessing=ANY, task="reconstruction"),
    )
    return folder


def run(*arguments):
    return lipzoo_cli.main(["reconstruct", *map(str, arguments)])


def fails(capsys, *arguments):
    assert run(*arguments) == 2
    message = capsys.readouterr().err
    assert "Traceback" not in message
    return message


def test_measurements_of_a_file_are_reconstructed_with_their_radii(scanner, tmp_path, capsys):
    y = np.random.default_rng(1).normal(size=(4, 3)).astype("float32")
    np.save(tmp_path / "y.npy", y)
    out, figure = tmp_path / "x.npz", tmp_path / "x.png"
    assert run(scanner, tmp_path / "y.npy", "--noise-norm", "1/10", "--out", out, "--json") == 0
    shown, stored = json.loads(capsys.readouterr().out), np.load(out)
    model = lipzoo.load(scanner)
    certificate = lipzoo.certify_reconstruction(model, y, 0.1, verbose=0)
    assert np.array_equal(stored["reconstruction"], certificate.reconstruction)
    assert np.array_equal(stored["radius"], certificate.radius)
    assert shown["radius"] == certificate.radius.tolist()
    assert shown["lipschitz_bound"] == stored["lipschitz_bound"] == certificate.bound.value
    # One measurement may lack the axis of examples; noise in each value has a norm.
    np.save(tmp_path / "one.npy", y[0])
    arguments = (scanner, tmp_path / "one.npy", "--noise", "0.1", "--figure", figure)
    assert run(*arguments, "--out", tmp_path / "x.npy") == 0
    assert f"moves by at most {inverse.noise_norm(0.1, 3):.4g}" in capsys.readouterr().out
    found = np.load(tmp_path / "x.npy")
    assert found == pytest.approx(certificate.reconstruction[:1], abs=1e-6)
    with Image.open(figure) as drawn:
        assert drawn.size[0] > 100


def test_a_picture_of_another_size_is_denoised(denoiser, tmp_path, capsys):
    pixels = np.random.default_rng(0).integers(0, 256, (6, 9), dtype="uint8")
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert run(denoiser, tmp_path / "a.png", "--noise-norm", 0.1, "--out", tmp_path / "b.png") == 0
    assert "1 reconstruction moves by at most 0.1" in capsys.readouterr().out
    np.save(tmp_path / "grey.npy", pixels / 255)
    assert run(denoiser, tmp_path / "grey.npy", "--noise-norm", 0.1) == 0
    model = lipzoo.load(denoiser, input_shape=(6, 9, 1))
    expected = keras.ops.convert_to_numpy(model(pixels[None, ..., None] / np.float32(255)))
    with Image.open(tmp_path / "b.png") as picture:
        written = np.asarray(picture)
    assert np.abs(written - 255 * expected[0, ..., 0]).max() < 0.51


def test_no_radius_reaches_beyond_the_box(denoiser):
    model = lipzoo.load(denoiser)
    y = np.full((2, 4, 4, 1), 0.5, "float32")
    for rounding in (True, False):
        certificate = lipzoo.certify_reconstruction(
            model, y, [0.1, 1e6], rounding=rounding, verbose=0
        )
        assert certificate.radius[0] < 0.11
        # From the middle to a corner, and from one corner to the other.
        corner = np.linalg.norm(np.maximum(certificate.reconstruction[1], 0.5))
        assert corner <= certificate.radius[1] <= (1 + 1e-6) * (corner if rounding else 4.0)
    assert output_box(model) == (0.0, 1.0)
    assert output_box(lipzoo.Denoiser((4, 4, 1), **SIZES, bounds=None)) is None


def test_a_box_has_ends_that_float32_has_too():
    inputs = keras.Input((2,), dtype="float64")
    low, high = output_box(keras.Model(inputs, keras.ops.clip(inputs, 0.1, 0.3)))
    assert low <= 0.1 < 0.3 <= high
    assert (low, high) == (0.1, float(np.float32(0.3)))
    half = keras.Input((2,), dtype="float16")
    assert output_box(keras.Model(half, keras.ops.clip(half, 0.1, 0.3))) is None


def test_what_does_not_fit_is_refused(denoiser, scanner, tmp_path, capsys):
    y, noise = tmp_path / "y.npy", ("--noise-norm", "0.1")
    np.save(y, np.zeros((2, 4), "float32"))
    assert "expected measurements of shape (3,)" in fails(capsys, scanner, y, *noise)
    assert "one for classification" in fails(capsys, "gradflow-digits", y, *noise)
    assert "no such file" in fails(capsys, scanner, tmp_path / "z.npy", *noise)
    assert "an .npy file or an image" in fails(capsys, scanner, "tfds:mnist", *noise)
    assert "--noise:" in fails(capsys, scanner, y, "--noise", "-1")
    assert "--noise:" in fails(capsys, scanner, y, "--noise", "0")
    assert "one of the arguments" in fails(capsys, scanner, y)
    assert "--out: expected" in fails(capsys, scanner, y, *noise, "--out", tmp_path / "x.csv")
    assert "a folder that exists" in fails(capsys, scanner, y, *noise, "--out", "no/such/x.npy")
    np.save(y, np.zeros((2, 6, 6, 1), "float32"))
    picture = tmp_path / "x.png"
    message = fails(capsys, denoiser, y, *noise, "--out", picture)
    assert "a .png is of one grey image. Received: 2" in message
    # A colour image for a denoiser of grey ones.
    colours = tmp_path / "colours.png"
    Image.fromarray(np.zeros((4, 4, 3), "uint8")).save(colours)
    assert "Received" in fails(capsys, denoiser, colours, *noise)
    # Pixels up to 255 are no measurement of an image in [0, 1].
    np.save(y, np.full((6, 6, 1), 100.0, "float32"))
    message = fails(capsys, denoiser, y, *noise, "--out", picture)
    assert "images in [0, 1]" in message
    assert "of norm 600" in message
    assert not picture.exists()


def test_a_certificate_shows_measurements_above_reconstructions(denoiser):
    y = np.random.default_rng(0).random((3, 4, 4, 1), "float32")
    certificate = lipzoo.certify_reconstruction(lipzoo.load(denoiser), y, 0.1, verbose=0)
    figure = certificate.show(y, n=2)
    texts = [axes.get_xlabel() for axes in figure.axes]
    assert len(texts) == 4
    assert all(f"by {0.1:.3g}" in text for text in texts[2:])
    with pytest.raises(ValueError, match="the 3 measurements"):
        certificate.show(y[:2])
