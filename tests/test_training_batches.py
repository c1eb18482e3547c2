"""Batches and augmentation: reproducible from (seed, epoch, step), and doing what they say."""

import numpy as np
import pytest

from lipzoo.data.dataset import Split
from lipzoo.training.batches import Batches, augmented
from lipzoo.training.settings import AugmentSettings

NONE = AugmentSettings()


def _split(n=50, shape=(4, 5, 1)):
    x = np.random.default_rng(0).integers(1, 256, (n, *shape), dtype="uint8")
    return Split(x, np.arange(n))


def test_an_epoch_holds_every_example_at_most_once():
    batches = Batches(_split(), 255.0, 8, seed=1, augment=NONE)
    assert len(batches) == 6
    labels = np.concatenate([batches[i][1] for i in range(6)])
    assert len(set(labels.tolist())) == 48
    for i in range(6):
        x, y = batches[i]
        assert x.dtype == np.float32
        np.testing.assert_allclose(x, batches.split.x[y] / 255, atol=1e-7)


def test_a_batch_depends_on_seed_epoch_and_step_alone():
    augment = AugmentSettings(flip=True, shift=1)
    first = Batches(_split(), 255.0, 8, seed=1, augment=augment)
    second = Batches(_split(), 255.0, 8, seed=1, augment=augment)
    first.start_epoch(2)
    wanted = first[3][0]
    for epoch in (0, 5, 2):
        second.start_epoch(epoch)
    np.testing.assert_array_equal(second[3][0], wanted)
    second.start_epoch(3)
    assert not np.array_equal(second[3][0], wanted)
    other = Batches(_split(), 255.0, 8, seed=2, augment=augment)
    other.start_epoch(2)
    assert not np.array_equal(other[3][0], wanted)


def test_a_batch_larger_than_the_data_is_all_of_it():
    batches = Batches(_split(5), 1.0, 256, seed=0, augment=NONE)
    assert len(batches) == 1
    assert sorted(batches[0][1]) == list(range(5))


def test_flip_mirrors_about_half_of_the_images():
    x = _split(400).x
    before = x.copy()
    changed = augmented(x, AugmentSettings(flip=True), np.random.default_rng(0))
    mirrored = [np.array_equal(a, b[:, ::-1]) for a, b in zip(changed, x, strict=True)]
    kept = [np.array_equal(a, b) for a, b in zip(changed, x, strict=True)]
    assert all(m or k for m, k in zip(mirrored, kept, strict=True))
    assert 150 < sum(mirrored) < 250
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("shape", [(4, 5, 2), (7, 1)])
def test_shift_moves_along_each_axis_and_fills_with_zeros(shape):
    x = _split(300, shape).x
    changed = augmented(x, AugmentSettings(shift=2), np.random.default_rng(0))
    seen = set()
    for moved, original in zip(changed, x, strict=True):
        padding = [(2, 2)] * (len(shape) - 1) + [(0, 0)]
        padded = np.pad(original, padding)
        offsets = [
            offset
            for offset in np.ndindex(*[5] * (len(shape) - 1))
            if np.array_equal(
                moved,
                padded[tuple(slice(o, o + n) for o, n in zip(offset, shape, strict=False))],
            )
        ]
        assert len(offsets) == 1
        seen.add(offsets[0])
    assert len(seen) == 5 ** (len(shape) - 1)


def test_augmentation_that_does_not_fit_is_refused():
    generator = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"Received: x.shape=\(3, 4\)"):
        augmented(np.zeros((3, 4)), AugmentSettings(shift=1), generator)
    with pytest.raises(ValueError, match="Expected images to flip"):
        augmented(np.zeros((3, 4, 1)), AugmentSettings(flip=True), generator)
