"""The images that travel with the package: those of the data set, and enough to try a model."""

import os

import numpy as np
import pytest

import lipzoo
from lipzoo.data.npz import read_arrays
from lipzoo.data.samples import FOLDER, NAMES


def test_samples_are_pixels_in_the_unit_interval_of_every_class():
    images, labels = lipzoo.samples("fmnist")
    assert (images.shape, images.dtype) == ((64, 28, 28, 1), np.float32)
    assert (images.min(), images.max()) == (0, 1)
    assert set(labels) == set(range(10))
    # A share of stored bytes, so that nothing but the scale was changed.
    np.testing.assert_array_equal(
        np.rint(images * 255), read_arrays(FOLDER / "fmnist.npz")["images"]
    )


def test_a_model_of_the_zoo_knows_them():
    images, labels = lipzoo.samples("fmnist")
    model = lipzoo.load("gradflow-fmnist")
    accuracy = np.mean(model.predict(images, verbose=0).argmax(-1) == labels)
    clean = lipzoo.info("gradflow-fmnist").metrics.clean
    # Four standard deviations of a share of 64.
    assert abs(accuracy - clean) < 4 * np.sqrt(clean * (1 - clean) / 64)


def test_other_names_are_refused_with_those_that_there_are():
    with pytest.raises(ValueError, match=r"one of fmnist\. Received: name='cifar'"):
        lipzoo.samples("cifar")


@pytest.mark.parametrize("name", NAMES)
def test_the_licence_lies_beside_them(name):
    assert "Permission is hereby granted" in (FOLDER / f"{name}-LICENSE.txt").read_text("utf-8")


@pytest.mark.skipif("TFDS_DATA_DIR" not in os.environ, reason="needs TFDS_DATA_DIR")
def test_they_are_the_first_test_images_of_the_data_set():
    from studies.samples import first_test_images

    stored = read_arrays(FOLDER / "fmnist.npz")
    for key, values in first_test_images().items():
        np.testing.assert_array_equal(stored[key], values)
