import keras
import matplotlib.image
import numpy as np
import pytest

import lipzoo
from lipzoo.evaluation.figures import certificate_figure
from lipzoo.training import DataError
from lipzoo_cli import demo


@pytest.fixture
def no_downloads(monkeypatch):
    """Every source but scikit-learn's fails as it does with neither data nor network."""
    load_data = demo.load_data

    def load(settings):
        if settings.source.startswith("tfds:"):
            raise DataError(f"{settings.source} is neither prepared nor could it be downloaded")
        return load_data(settings)

    monkeypatch.setattr(demo, "load_data", load)


def test_without_data_it_says_so_and_runs_on_digits(no_downloads, tmp_path, capsys):
    figure = tmp_path / "figure.png"
    assert demo.run_demo(figure)
    printed = capsys.readouterr().out
    assert "tfds:fashion_mnist is neither prepared nor could it be downloaded" in printed
    for text in ("gradflow-digits", "0.999        0 of", "The bound is still at most 1", "Figure:"):
        assert text in printed
    page = figure.with_suffix(".html").read_text(encoding="utf-8")
    assert page.count("<tr data-radius") == 359
    assert lipzoo.info("gradflow-digits").files["model.safetensors"].sha256 in page
    image = matplotlib.image.imread(figure)
    assert min(image.shape[:2]) > 500
    assert np.ptp(image) == 1


def test_a_figure_needs_labels_and_has_the_marked_numbers_in_it():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, use_bias=False)])
    model.set_weights([np.eye(2)])
    x = np.array([[3.0, 0.0], [1.0, 0.0], [0.0, 1.0]], "float32")
    with pytest.raises(ValueError, match="labels=None"):
        certificate_figure(lipzoo.certify(model, x, verbose=0))
    certificate = lipzoo.certify(model, x, [0, 0, 0], verbose=0)
    figure = certificate_figure(certificate, marks=(0.5, 1.0), attacked=((0.5,), (0.5,)))
    (axes,) = figure.axes
    texts = [text.get_text() for text in axes.texts]
    assert texts == ["clean accuracy 66.7 %", "66.7 %", "33.3 %", "50.0 %"]


def test_a_model_that_is_not_there_is_named(monkeypatch, no_downloads, tmp_path):
    missing = demo.Setting("gradflow-none", "digits", "sklearn:digits", (0.5,), 64)
    monkeypatch.setattr(demo, "SETTINGS", (missing,))
    with pytest.raises(ValueError, match="gradflow-none"):
        demo.run_demo(tmp_path / "none.png")
