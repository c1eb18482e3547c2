"""Audits: each verdict where a closed form says it is due, and pairs that anybody can check."""

from fractions import Fraction

import keras
import numpy as np
import pytest

import lipzoo
import lipzoo_cli
from tests.helpers import in_float64


def linear(*matrices, dtype="float32"):
    """A chain of linear maps, whose Lipschitz constant is the norm of their product."""
    inputs = keras.Input((len(matrices[0]),), dtype=dtype)
    x = inputs
    for matrix in matrices:
        x = keras.layers.Dense(matrix.shape[1], use_bias=False, dtype=dtype)(x)
    model = keras.Model(inputs, x)
    model.set_weights(list(matrices))
    return model


def exact_square_ratio(pair, matrix):
    """`‖(a - b) W‖² / ‖a - b‖²` without any rounding."""
    difference = [Fraction(float(a)) - Fraction(float(b)) for a, b in zip(*pair, strict=True)]
    columns = [[Fraction(float(w)) for w in column] for column in matrix.T]
    moved = [sum(d * w for d, w in zip(difference, column, strict=True)) for column in columns]
    return sum(v * v for v in moved) / sum(d * d for d in difference)


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=in_float64)])
def test_the_truth_lies_between_the_proven_ratio_and_the_bound(dtype):
    matrix = np.random.default_rng(0).normal(size=(7, 5)).astype("float32")
    truth = np.linalg.svd(matrix.astype("float64"))[1][0]
    model = linear(matrix, dtype=dtype)
    found = lipzoo.audit(model, 1.001 * truth, steps=3)
    assert found.verdict == "confirmed"
    assert not found.unbounded
    assert found.proven_ratio <= truth <= found.bound
    assert found.proven_ratio > (1 - (1e-3 if dtype == "float32" else 1e-12)) * truth
    assert Fraction(found.proven_ratio) ** 2 <= exact_square_ratio(found.pair, matrix)
    refuted = lipzoo.audit(model, 0.998 * truth, steps=0)
    assert refuted.verdict == "refuted"
    assert exact_square_ratio(refuted.pair, matrix) > Fraction(0.998 * truth) ** 2


def test_neither_confirmed_nor_refuted_between_the_constant_and_a_loose_bound():
    first, second = np.diag([4.0, 1.0]), np.diag([0.25, 2.0])
    found = lipzoo.audit(linear(first, second), 3.0, steps=2)
    assert found.verdict == "not confirmed"
    assert found.proven_ratio == pytest.approx(2.0, rel=1e-3)
    assert found.bound == pytest.approx(8.0)


def test_without_a_bound_a_pair_speaks_of_what_is_computed_alone():
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Multiply(name="square")([inputs, inputs]))
    x = np.full((1, 3), 10.0)
    # The derivative of x² is 2 x.
    found = lipzoo.audit(model, 19.0, x, steps=1)
    assert (found.verdict, found.bound) == ("exceeded as computed", None)
    assert found.ratio == pytest.approx(20.0, rel=0.1)
    assert "'square' (Multiply)" in str(found)
    assert "rounding not known" in str(found)
    assert lipzoo.audit(model, 1e6, x, steps=1).verdict == "not confirmed"


def test_starts_that_overflow_hide_no_other():
    inputs = keras.Input((1,))
    model = keras.Model(inputs, keras.layers.Activation("exponential")(inputs))
    # The outputs of two inputs around the first are finite and infinite.
    x = np.concatenate([np.full((40, 1), np.log(np.finfo("float32").max)), np.full((1, 1), 2.0)])
    found = lipzoo.audit(model, 5.0, x, steps=0)
    assert found.verdict == "exceeded as computed"
    # (exp(2.5) - exp(1.5)) / 1 at the larger of the two distances.
    assert found.ratio == pytest.approx(np.exp(2.5) - np.exp(1.5), rel=1e-4)
    with pytest.raises(ValueError, match=r"finite outputs.*entries up to 88\.7"):
        lipzoo.audit(model, 5.0, x[:40], steps=0)
    # Squares of what is finite overflow as well.
    steep = lipzoo.audit(linear(np.diag([1e25, 1.0])), 1e24, np.ones((2, 2)), steps=1)
    assert steep.verdict == "refuted"
    assert steep.ratio == pytest.approx(1e25, rel=1e-3)


def test_rounding_that_is_not_known_takes_nothing_off_and_is_named():
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.LayerNormalization(epsilon=1.0)(inputs))
    found = lipzoo.audit(model, 2.0, steps=0)
    assert found.verdict == "confirmed"
    assert "layer_normalization" in found.unbounded


@in_float64
def test_stored_pair_and_outputs_belong_together_in_float64():
    matrix = np.linalg.qr(np.random.default_rng(0).normal(size=(40, 40)))[0]
    model = linear(matrix, dtype="float64")
    found = lipzoo.audit(model, 0.999999, 255 * np.random.default_rng(1).random((3, 40)), steps=2)
    assert found.pair.dtype == found.outputs.dtype == "float64"
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(model(found.pair)), found.outputs)
    assert found.verdict == "refuted"
    assert 1 - 1e-9 < found.proven_ratio <= 1.0


def test_rounding_beyond_the_claim_refutes_nothing():
    matrix = (1 - 1e-6) * np.linalg.qr(np.random.default_rng(0).normal(size=(200, 200)))[0]
    x = 255 * np.random.default_rng(1).random((4, 200))
    found = lipzoo.audit(linear(matrix), 1.0 - 1e-9, x, steps=3)
    assert found.ratio > 1.0
    assert found.verdict in ("confirmed", "not confirmed")
    assert found.proven_ratio <= 1 - 1e-6


def test_far_starts_hide_nothing():
    x = np.array([[0.0, 1.0], [1e9, 1e9]])
    found = lipzoo.audit(linear(0.9 * np.eye(2)), 0.5, x, steps=1)
    assert found.verdict == "refuted"
    assert np.isfinite(found.ratio)
    with pytest.raises(ValueError, match=r"differ in float32.*entries up to 1e\+09"):
        lipzoo.audit(linear(np.eye(2)), 0.5, x[1:], steps=1)
    with pytest.raises(ValueError, match="finite outputs"):
        lipzoo.audit(linear(np.full((2, 2), 3e38)), 0.5, np.full((1, 2), 2.0), steps=0)
    with pytest.raises(ValueError, match="range of float32"):
        lipzoo.audit(linear(np.eye(2)), 0.5, np.full((1, 2), 1e200))


@in_float64
def test_a_model_of_the_zoo_is_measured_in_float64():
    x, _ = lipzoo.samples("fmnist")
    found = lipzoo.audit(lipzoo.load("gradflow-fmnist"), 1.0, x[:2], steps=0)
    assert found.verdict == "confirmed"
    assert found.outputs.dtype == "float64"
    assert found.pair.dtype == "float32"
    assert 0.5 < found.proven_ratio <= found.ratio * (1 + 1e-9) <= 1.0


def test_a_pair_above_a_proven_bound_is_an_error(own_rules):
    class Halves(keras.layers.Layer):
        def call(self, x):
            return x

        def lipschitz_bound(self, input_shape):
            return lipzoo.LayerBound(0.5, "a lie", rounding_slope=0.0, rounding_offset=0.0)

    inputs = keras.Input((2,))
    with pytest.raises(lipzoo.AuditContradiction, match="above the proven bound") as caught:
        lipzoo.audit(keras.Model(inputs, Halves()(inputs)), 1.0, steps=0)
    assert caught.value.audit.pair.shape == (2, 2)


def test_a_pair_is_written_whole_or_not_at_all(tmp_path):
    found = lipzoo.audit(linear(np.eye(2)), 1.0, steps=0)
    found.save(tmp_path / "pair.npz")
    with np.load(tmp_path / "pair.npz") as file:
        np.testing.assert_array_equal(file["pair"], found.pair)
        assert float(file["claim"]) == 1.0
    with pytest.raises(ValueError, match="npz"):
        found.save(tmp_path / "pair.csv")
    with pytest.raises(OSError, match="none"):
        found.save(tmp_path / "none" / "pair.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["pair.npz"]


@pytest.mark.parametrize("claim", [0.0, -1.0, np.inf, np.nan, "one", None])
def test_claims_that_are_none(claim):
    with pytest.raises((TypeError, ValueError), match="claim"):
        lipzoo.audit(linear(np.eye(2)), claim)


def test_what_cannot_be_audited():
    inputs = keras.Input((None, 2))
    pooled = keras.layers.GlobalMaxPooling1D()(inputs)
    with pytest.raises(ValueError, match="Expected x, for a model whose input"):
        lipzoo.audit(keras.Model(inputs, pooled), 1.0)
    two = [keras.Input((2,)), keras.Input((2,))]
    with pytest.raises(ValueError, match="output of known size"):
        lipzoo.audit(keras.Model(inputs, keras.layers.ReLU()(inputs)), 1.0, np.ones((1, 3, 2)))
    integers = keras.Input((2,), dtype="uint8")
    with pytest.raises(ValueError, match=r"floating point.*uint8"):
        lipzoo.audit(keras.Model(integers, keras.layers.Rescaling(0.5)(integers)), 1.0)
    with pytest.raises(ValueError, match="2 inputs"):
        lipzoo.audit(keras.Model(two, keras.layers.Add()(two)), 1.0)
    with pytest.raises(ValueError, match="steps"):
        lipzoo.audit(linear(np.eye(2)), 1.0, steps=-1)


def test_on_the_command_line(tmp_path, capsys):
    linear(np.diag([2.0, 1.0])).save(tmp_path / "net.keras")
    np.save(tmp_path / "x.npy", np.zeros((3, 2), "float32"))
    command = ["audit", str(tmp_path / "net.keras"), "--steps", "2"]
    command += ["--data", str(tmp_path / "x.npy"), "--out", str(tmp_path / "pair.npz")]
    assert lipzoo_cli.main([*command, "--claim", "2.001"]) == 0
    assert "verdict        confirmed" in capsys.readouterr().out
    assert lipzoo_cli.main([*command, "--claim", "1.9", "--json"]) == 1
    output = capsys.readouterr()
    assert '"verdict": "refuted"' in output.out
    assert "the claim of 1.9 is refuted" in output.err
    assert (tmp_path / "pair.npz").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--claim", "-1"], "--claim"),
        (["--claim", "1", "--data", "x.csv"], "--data"),
        (["--claim", "1", "--out", "pair.json"], "--out"),
        (["--claim", "1", "--examples", "0"], "--examples"),
        (["--claim", "1", "--steps", "-2"], "--steps"),
        (["--claim", "1", "--data", "none.npy"], "none.npy"),
    ],
)
def test_bad_options_are_told_at_once(options, message, capsys):
    assert lipzoo_cli.main(["audit", "gradflow-fmnist", *options]) == 2
    assert message in capsys.readouterr().err
