"""The pictures of README and ideas show what their data are."""

import json
from types import SimpleNamespace

import keras
import numpy as np

import lipzoo
from studies import attacks, epsilon, front


def test_the_readmes_picture_has_the_results_and_radii_that_it_is_given():
    images, labels = lipzoo.samples("fmnist")
    names = lipzoo.info("gradflow-fmnist").config.class_names
    certificate = SimpleNamespace(
        labels=labels, prediction=np.full(64, 9), radius=np.linspace(0, 1, 64), class_names=names
    )
    results = json.loads(attacks.RESULTS.read_text())
    *pictures, curves = front.draw(certificate, images, results).get_axes()
    titles = [axes.get_title() for axes in pictures]
    assert titles == [*["Ankle boot (wrong)"] * 9, "Ankle boot"]
    first = int(np.flatnonzero(labels == 0)[0])
    assert pictures[0].get_xlabel() == f"r = {certificate.radius[first]:.2f}"
    for line, (name, key) in zip(
        curves.get_lines(), (("gradflow-fmnist", "certified"), ("resnet-fmnist", "attacked")),
        strict=True,
    ):  # fmt: skip
        expected = [100 * value for value in results["models"][name][key].values()]
        np.testing.assert_allclose(line.get_ydata()[1:], expected)


def test_perturbations_have_the_norms_that_stand_above_them():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(10)]
    )
    image = np.full((28, 28, 1), 0.5, "float32")
    label = int(model.predict(image[None], verbose=0).argmax())
    shown = epsilon.perturbed(image, label, model)
    norms = np.linalg.norm((shown - image).reshape(*shown.shape[:2], -1), axis=-1)
    # A linear network is attacked at the edge of the ball.
    np.testing.assert_allclose(norms, np.tile(epsilon.EPSILONS, (3, 1)), rtol=1e-3)
    names = {name: np.full(shown.shape[:2] + np.array([0, 1]), "Coat") for name in ("a-b", "c-d")}
    figure = epsilon.draw(image, shown, names)
    assert figure.get_axes()[1].get_title() == "ε = 0.25"
    assert figure.get_axes()[1].get_xlabel() == "a: Coat\nc: Coat"
