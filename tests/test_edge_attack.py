"""Rounding cannot break a radius that accounts for it, and does break one that does not."""

import json

import keras
import numpy as np
import pytest

import lipzoo
from lipzoo.evaluation import edge_attack
from studies import rounding
from studies.rounding import SMALL, arithmetic, attacked, points, small
from tests.helpers import in_float64

CASES = [
    pytest.param(dtype, network, marks=[in_float64] if dtype == "float64" else [])
    for dtype, networks in SMALL.items()
    for network in networks
]


@pytest.mark.parametrize(("dtype", "network"), CASES)
def test_ten_thousand_tries_at_the_edge_violate_no_radius(dtype, network):
    with arithmetic(dtype):
        model, features = small(network)
        x = points(model, features, 300, rounding.DECADES[dtype])
        found = attacked(model, x, tries=10_000)
    assert found["radii"]["violated"] == 0
    # The same search finds what it looks for where rounding is left out.
    assert found["naive_radii"]["violated"] > 20
    if (dtype, network) == ("bfloat16", "1 flow of 4 features"):
        assert found["radii"]["positive"] == 0  # vacuous, and so nothing is certified
    else:
        assert found["radii"]["tries"] >= 10_000
        assert 0 < found["radii"]["mean"] < found["naive_radii"]["mean"]


@in_float64
def test_margins_from_float64_leave_enough_for_float32_in_the_ball():
    with arithmetic("float32"):
        model, features = small("8 flows of 64 features")
        x = points(model, features, 300, decades=3)
    with arithmetic("float64"):
        reference, _ = small("8 flows of 64 features")
        reference.set_weights(model.get_weights())
    plain = lipzoo.certify(model, x, verbose=0).radius
    found = attacked(model, x, tries=5000, reference=reference)
    assert found["radii"]["mean"] > plain.mean()
    assert found["radii"]["violated"] == 0


def test_without_the_assumption_that_nothing_underflows_radii_do_fall():
    with arithmetic("float16"):
        model, features = small("linear, 8 features")
        x = points(model, features, 300, decades=1)
        # float16 has whole multiples of 6e-8 below 6.1e-5, and no relative accuracy.
        for scale, violated in ((1e-2, False), (1e-7, True)):
            tiny = (scale * x.astype("float64")).astype("float32")
            radius = lipzoo.certify(model, tiny, verbose=0).radius
            assert edge_attack(model, tiny, radius, tries=5).violated.any() == violated


def test_what_is_tried_lies_inside_the_ball_and_is_what_is_reported():
    model, features = small("linear, 784 features")
    x = points(model, features, 40, decades=2)
    radius = lipzoo.certify(model, x, rounding=False, verbose=0).radius
    radius[:3] = [0.0, np.inf, 1e-30]
    found = edge_attack(model, x, radius, tries=4)
    distance = np.linalg.norm(found.inputs.astype("float64") - x, axis=1)
    assert np.all(distance[2:] < radius[2:])
    assert np.all(distance[3:] > 0.999 * radius[3:])
    np.testing.assert_array_equal(found.inputs[:3], x[:3])  # the third ball holds no other number
    assert found.attacked.tolist() == [False, False] + [True] * 38
    assert found.tries == 4 * 38
    before, after = (model.predict(v, verbose=0) for v in (x, found.inputs))
    changed = before.argmax(1) != after.argmax(1)
    assert np.all(found.violated | ~changed)
    top = np.sort(after, axis=1)
    distinct = top[:, -1] > top[:, -2]
    assert np.all(changed[distinct] == found.violated[distinct])
    again = edge_attack(model, x, radius, tries=4)
    np.testing.assert_array_equal(again.inputs, found.inputs)
    assert "radii violated in 152 tries" in str(found)


@pytest.mark.parametrize(
    ("radius", "settings", "message"),
    [
        (np.ones(2), {}, "a radius of at least 0 for each of 3"),
        (-np.ones(3), {}, "a radius of at least 0"),
        (np.full(3, np.nan), {}, "a radius of at least 0"),
        (np.ones(3), {"tries": 0}, "tries must be a positive integer"),
        (np.ones(3), {"steps": 0}, "steps must be a positive integer"),
        (np.ones(3), {"batch_size": 0}, "positive integer"),
    ],
)
def test_bad_input_is_refused(radius, settings, message):
    model, features = small("linear, 8 features")
    with pytest.raises(ValueError, match=message):
        edge_attack(model, np.zeros((3, features)), radius, **settings)


def test_a_single_logit_is_refused():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    with pytest.raises(ValueError, match="at least two logits"):
        edge_attack(model, np.zeros((1, 2)), np.ones(1))


def test_the_published_search_found_no_violation():
    results = json.loads(rounding.RESULTS.read_text())
    tries = {}
    for row in results["rows"]:
        assert row["radii"]["violated"] == 0
        dtype = row["dtype"].split(",")[0]
        tries[dtype] = tries.get(dtype, 0) + row["radii"]["tries"]
        if row["network"] in rounding.NETWORKS:
            assert row["naive_radii"]["violated"] > 0
    assert set(tries) == {"float32", "float64", "float16", "bfloat16"}
    assert min(tries.values()) >= results["tries_per_row"] >= 10_000


def test_a_certificate_on_a_box_is_attacked_in_the_box():
    inputs = keras.Input((1,))
    power = inputs
    for _ in range(3):
        power = keras.layers.Multiply()([power, power])
    model = keras.Model(inputs, keras.layers.Dense(2)(power))
    model.layers[-1].set_weights([np.array([[1.0, 0.0]]), np.array([0.0, 1.5])])
    x = np.ones((1, 1), "float32")
    certificate = lipzoo.certify(model, x, domain=(0, 1), verbose=0)
    # At 1.06, outside of the box, the eighth power is above 1.5.
    assert edge_attack(model, x, certificate.radius).violated.all()
    assert not edge_attack(model, x, certificate.radius, domain=(0, 1)).violated.any()
    box = ([0.1], [1.1])
    moved = edge_attack(model, x, certificate.radius + 1, domain=box).inputs
    assert 0.1 <= float(moved[0, 0]) <= 1.1
    with pytest.raises(ValueError, match="1 of 1 examples outside"):
        edge_attack(model, x, certificate.radius, domain=(0, 0.5))
