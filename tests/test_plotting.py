"""What all figures share: colours that everyone can tell apart, and images with their radii."""

import itertools

import keras
import numpy as np
import pytest

import lipzoo
from lipzoo.plotting import ATTACKED, CERTIFIED, GREY, INK, MARKERS, SERIES
from lipzoo_catalogue.certified.report import CertificateReport

# Machado, Oliveira and Fernandes 2009, at full severity, for linear RGB.
VISION = {
    "trichromacy": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)


def _linear(colour):
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def _lab(linear):
    """CIELAB, where a distance of about 2 is just seen."""
    ratio = XYZ @ np.clip(linear, 0, 1) / np.array([0.95047, 1.0, 1.08883])
    f = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def _distance(first, second, vision):
    return np.linalg.norm(_lab(vision @ _linear(first)) - _lab(vision @ _linear(second)))


@pytest.mark.parametrize("name", VISION)
def test_colours_of_curves_stay_apart(name):
    vision = np.array(VISION[name])
    for first, second in itertools.combinations(SERIES, 2):
        assert _distance(first, second, vision) > 20, (first, second)


def test_the_simulation_tells_what_is_known_to_be_confused():
    red, green = "#d9622b", "#b8860b"
    assert _distance(red, green, VISION["trichromacy"]) > 30
    assert _distance(red, green, np.array(VISION["deuteranopia"])) < 10


@pytest.mark.parametrize("colour", [INK, GREY, CERTIFIED, ATTACKED])
def test_texts_stand_out_from_white(colour):
    luminance = XYZ[1] @ _linear(colour)
    # What the guidelines for the web ask of small text.
    assert 1.05 / (luminance + 0.05) > 4.5


def test_curves_differ_in_more_than_their_colour():
    assert len(set(MARKERS)) >= len(SERIES)


def _certificate(x, labels=None, names=()):
    """Of a classifier that compares the first two pixels, and has a third class that never wins."""
    kernel = np.zeros((4, 3))
    kernel[0, 0] = kernel[1, 1] = 1
    model = keras.Sequential(
        [keras.Input((2, 2)), keras.layers.Flatten(), keras.layers.Dense(3, use_bias=False)],
        name="<i>pixels",
    )
    model.set_weights([kernel])
    certificate = lipzoo.certify(model, x, labels, verbose=0)
    object.__setattr__(certificate, "class_names", tuple(names))
    return certificate


IMAGES = np.zeros((3, 2, 2), "float32")
IMAGES[:, 0] = [[1.0, 0.5], [0.25, 1.0], [0.0, 0.5]]


def test_images_stand_with_prediction_radius_and_rival():
    pytest.importorskip("matplotlib")
    certificate = _certificate(IMAGES, [0, 0, 1], ("dark", "light", "none"))
    figure = certificate.show(IMAGES, n=2, columns=1)
    titles = [axes.get_title() for axes in figure.axes]
    assert [title.splitlines()[0] for title in titles] == ["dark", "light (is dark)"]
    for title, radius in zip(titles, certificate.radius, strict=False):
        shown = float(title.partition("r = ")[2])
        assert radius * (1 - 1e-2) < shown <= radius
    assert [axes.get_xlabel() for axes in figure.axes] == ["nearest: light", "nearest: dark"]
    for axes, image in zip(figure.axes, IMAGES, strict=False):
        np.testing.assert_array_equal(axes.images[0].get_array(), image)
    (last,) = certificate.show(IMAGES, examples=[2]).axes
    assert last.get_title().startswith("light")
    # A notebook asks for it where pyplot was not imported.
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_bytes_and_values_beyond_one_are_shown_in_their_range():
    pytest.importorskip("matplotlib")
    certificate = _certificate(IMAGES)
    (axes,) = certificate.show((255 * IMAGES).astype("uint8"), n=1).axes
    assert axes.images[0].get_array()[0, 0] == 1
    figure = certificate.show(2 * IMAGES - 1, n=3)
    drawn = np.stack([axes.images[0].get_array() for axes in figure.axes])
    np.testing.assert_allclose(drawn, IMAGES, atol=1e-6)


@pytest.mark.parametrize(
    ("images", "settings", "message"),
    [
        (IMAGES[:2], {}, r"the 3 images that the certificate is of. Received: 2"),
        (np.zeros((3, 4)), {}, r"Received: images of shape \(3, 4\)"),
        (np.zeros((3, 2, 2, 2)), {}, r"Received: images of shape \(3, 2, 2, 2\)"),
        (IMAGES, {"n": 0}, "n must be a positive integer. Received: n=0"),
        (IMAGES, {"columns": 0.5}, "columns must be a positive integer"),
        (IMAGES, {"examples": [3]}, r"from 0 to 2. Received: examples=\[3\]"),
        (IMAGES, {"examples": []}, r"Received: examples=\[\]"),
    ],
)
def test_what_cannot_be_shown_is_refused(images, settings, message):
    with pytest.raises(ValueError, match=message):
        _certificate(IMAGES).show(images, **settings)


def test_notebooks_get_tables_in_which_names_are_only_text():
    certificate = _certificate(IMAGES, [0, 0, 1], ("<script>x</script>", "a&b", "c"))
    report = CertificateReport.of(certificate, 0.4)
    pages = {
        "certificate": certificate._repr_html_(),
        "report": report._repr_html_(),
        "bound": certificate.bound._repr_html_(),
    }
    for name, page in pages.items():
        assert "<table>" in page, name
        for text in ("<script", "<i>", "a&b"):
            assert text not in page, name
    assert "&lt;i&gt;pixels" in pages["certificate"]
    assert "&lt;i&gt;pixels" in pages["bound"]
    assert "&lt;script&gt;x&lt;/script&gt;" in pages["report"]
    assert "66.67 %" in pages["certificate"]
    assert "a&amp;b" in pages["report"]
    regression = lipzoo.certify_regression(
        keras.Sequential([keras.Input((1,)), keras.layers.Rescaling(2.0)]), [[1.0]], 0.5, verbose=0
    )
    assert "moves by at most" in regression._repr_html_()


def test_a_model_is_described_in_a_table():
    page = lipzoo.info("gradflow-digits")._repr_html_()
    assert "<b>gradflow-digits</b>" in page
    assert "<td>architecture</td><td>GradFlowNet</td>" in page
    assert "certified</pre>" in page
