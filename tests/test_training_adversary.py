"""Adversarial training: steps at the worst inputs of a ball, as far as a search finds them."""

import keras
import numpy as np
import pytest

import lipzoo
from lipzoo import training
from lipzoo.data.dataset import Split
from lipzoo.evaluation import pgd_attack
from lipzoo.training.adversary import AdversarialModel, AdversarySettings
from lipzoo.training.batches import Batches
from lipzoo.training.recipe import RecipeError, parse_recipe
from lipzoo.training.settings import AugmentSettings
from tests.tiny_runs import recipe_text


def linear_model():
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(2, use_bias=False)])
    kernel = np.random.default_rng(0).standard_normal((6, 2)).astype("float32")
    model.set_weights([kernel])
    return keras.Model(model.inputs, model.outputs), kernel


def adversarial(model, clip=None, **settings):
    model = AdversarialModel(model, AdversarySettings(**settings), clip)
    model.compile(keras.optimizers.SGD(1.0), lipzoo.OffsetCrossEntropy(0.0, 1.0))
    return model


def gradient_of_kernel(kernel, x, y):
    """Of the mean cross-entropy, by hand."""
    logits = x @ kernel
    shares = np.exp(logits - logits.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    return x.T @ (shares - np.eye(2)[y]) / len(x)


def test_a_step_is_the_one_at_the_worst_points_of_the_balls():
    network, kernel = linear_model()
    random = np.random.default_rng(1)
    x, y = random.standard_normal((5, 6)).astype("float32"), np.array([0, 1, 1, 0, 1])
    model = adversarial(network, epsilon=0.3, steps=40, step_size=1.0)
    start = 0.1 * random.standard_normal(x.shape).astype("float32")
    model.fit(Single(((x, start), y)), verbose=0)
    # The loss of two logits grows fastest along the difference of their columns.
    away = kernel[:, 1 - y].T - kernel[:, y].T
    worst = x + 0.3 * away / np.linalg.norm(away, axis=1, keepdims=True)
    expected = kernel - gradient_of_kernel(kernel, worst, y)
    np.testing.assert_allclose(network.get_weights()[0], expected, atol=1e-5)
    assert not np.allclose(expected, kernel - gradient_of_kernel(kernel, x, y), atol=1e-2)


def test_perturbed_inputs_stay_in_the_box():
    network, kernel = linear_model()
    x, y = np.zeros((1, 6), "float32"), np.array([0])
    model = adversarial(network, clip=(0.0, 1.0), epsilon=0.5, steps=60, step_size=0.05)
    model.fit(Single(((x, x), y)), verbose=0)
    # From a corner of the box, only the coordinates that may grow do.
    away = np.maximum(kernel[:, 1] - kernel[:, 0], 0)
    worst = 0.5 * away[None] / np.linalg.norm(away)
    expected = kernel - gradient_of_kernel(kernel, worst, y)
    np.testing.assert_allclose(network.get_weights()[0], expected, atol=1e-3)


class Single(keras.utils.PyDataset):
    """One batch."""

    def __init__(self, batch):
        super().__init__()
        self.batch = batch

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return self.batch


def test_starts_are_drawn_in_the_ball_by_seed_epoch_and_step():
    split = Split(np.zeros((8, 3, 3, 1), "uint8"), np.arange(8) % 2)

    def batches():
        return Batches(split, 255.0, 4, seed=5, augment=AugmentSettings(shift=1), ball=0.7)

    (x, start), _ = batches()[1]
    assert start.shape == x.shape
    assert start.dtype == x.dtype
    lengths = np.linalg.norm(start.reshape(4, -1), axis=1)
    assert np.all((lengths > 0.2) & (lengths <= 0.7))
    np.testing.assert_array_equal(batches()[1][0][1], start)
    assert not np.array_equal(batches()[0][0][1], start)


def small_and_large_features(examples=600):
    """Four small features that tell the classes apart well, and a large one that does it badly."""
    random = np.random.default_rng(0)
    y = random.integers(0, 2, examples)
    spread, centre = np.array([1.0, *[0.1] * 4]), np.array([1.0, *[0.2] * 4])
    x = (2 * y - 1)[:, None] * centre + spread * random.standard_normal((examples, 5))
    return x.astype("float32"), y


def test_a_run_learns_to_withstand_what_it_meets(tmp_path):
    x, y = small_and_large_features()
    source = tmp_path / "features.npz"
    np.savez(source, x=x, y=y)
    clean, attacked = [], []
    for adversary in ("", "adversary = {epsilon = 0.5, steps = 3}"):
        text = recipe_text(source, epochs=15, training=adversary)
        text = text.replace("GradFlowNet", "MLP").replace("features = 8", "width = 16")
        text = text.replace("dense_depth = 1", "depth = 1").replace("epsilon = 0.5\n\n", "\n")
        folder = tmp_path / f"run{len(clean)}"
        clean.append(training.train(text, folder, verbose=False)["test"]["clean"])
        attacked.append(pgd_attack(lipzoo.load(folder), x, y, 0.4, clip=None).accuracy)
    assert clean[0] > clean[1]
    assert attacked[1] > attacked[0] + 0.1


def test_a_recipe_without_an_adversary_keeps_its_hash():
    plain = parse_recipe(recipe_text("a.npz"))
    none = parse_recipe(recipe_text("a.npz", training="adversary = {epsilon = 0.0}"))
    some = parse_recipe(recipe_text("a.npz", training="adversary = {epsilon = 0.1}"))
    assert plain.sha256() == none.sha256() != some.sha256()


@pytest.mark.parametrize(
    ("adversary", "key"),
    [
        ("epsilon = -0.5", "epsilon"),
        ("epsilon = inf", "epsilon"),
        ("epsilon = nan", "epsilon"),
        ("epsilon = 0.5, steps = 0", "steps"),
        ("epsilon = 0.5, step_size = 0", "step_size"),
        ("epsilon = 0.5, step = 3", "step"),
    ],
)
def test_a_wrong_adversary_is_named(adversary, key):
    with pytest.raises(RecipeError, match=f"training.adversary.{key}"):
        parse_recipe(recipe_text("a.npz", training=f"adversary = {{{adversary}}}"))


def test_a_reconstruction_has_no_adversary():
    text = recipe_text("a.npz", training="adversary = {epsilon = 0.5}")
    text = text.replace('"offset_cross_entropy"\nepsilon = 0.5', '"mean_squared_error"')
    with pytest.raises(RecipeError, match=r"training.adversary.epsilon.*reconstruction"):
        parse_recipe(f"{text}\n[measurement]\nnoise = 0.1\n")
