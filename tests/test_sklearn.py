"""scikit-learn's estimators: its own cheap checks, radii, scalers in the radius, searches."""

import pickle

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)
from sklearn.utils.estimator_checks import estimator_checks_generator

import lipzoo
from lipzoo.sklearn import (
    CertifiedClassifier,
    CertifiedPipeline,
    CertifiedRegressor,
    certified_scorer,
    make_certified_pipeline,
)
from lipzoo.sklearn.network import ShuffledBatches
from lipzoo.sklearn.scaling import scaling

SMALL = {"width": 4, "depth": 1, "epochs": 20, "random_state": 0}
# Those that train nothing; `python -m studies.estimator_checks` runs all.
CHEAP = (
    "check_estimator_cloneable",
    "check_estimator_tags_renamed",
    "check_valid_tag_types",
    "check_estimator_repr",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_get_params_invariance",
    "check_set_params",
    "check_estimators_unfitted",
    "check_mixin_order",
    "check_do_not_raise_errors_in_init_or_set_param",
    "check_estimators_empty_data_messages",
    "check_complex_data",
    "check_fit1d",
)
SCALES = np.array([1.0, 20.0])


@pytest.fixture(scope="module")
def table():
    """Two classes, in columns of unlike scales."""
    X, y = make_blobs(120, centers=[[0, 0], [6, 6]], random_state=0)
    return pd.DataFrame(X * SCALES, columns=["age", "dose"]), np.array(["no", "yes"])[y]


@pytest.fixture(scope="module")
def searched(table):
    """A search over a pipeline, by certified accuracy."""
    pipeline = make_certified_pipeline(StandardScaler(), CertifiedClassifier(**SMALL))
    grid = {"certifiedclassifier__epsilon": [0.1]}
    once = [(np.arange(60), np.arange(60, 120))]
    search = GridSearchCV(pipeline, grid, scoring=certified_scorer(0.2, scaled=True), cv=once)
    return search.fit(*table)


@pytest.fixture(scope="module")
def regressor():
    X = np.random.default_rng(0).normal(size=(100, 3))
    y = 100 + 10 * X @ [1.0, -2.0, 0.5]
    return CertifiedRegressor(**SMALL).fit(X, y), X, y


@pytest.mark.parametrize("estimator", [CertifiedClassifier(), CertifiedRegressor()])
def test_cheap_checks_of_scikit_learn(estimator):
    run = []
    for subject, check in estimator_checks_generator(estimator):
        name = getattr(check, "func", check).__name__
        if name in CHEAP:
            run.append(name)
            check(subject)
    assert len(set(run)) >= 12


def test_a_search_over_a_pipeline(searched, table):
    X, y = table
    best = searched.best_estimator_
    assert isinstance(best, CertifiedPipeline)
    assert best.feature_names_in_.tolist() == ["age", "dose"]
    assert best[-1].classes_.tolist() == ["no", "yes"]
    assert set(best.predict(X)) == {"no", "yes"}
    assert best.score(X, y) > 0.9
    assert searched.best_score_ <= 1.0
    assert best.score(X, y, epsilon=0.2) <= best.score(X, y, epsilon=0.1) <= best.score(X, y)
    inside = best[-1].score(best[0].transform(X), y, epsilon=0.2)
    assert best.score(X, y, epsilon=0.2, scaled=True) == inside
    with pytest.raises(ValueError, match="feature names"):
        best.predict(X.rename(columns={"dose": "weight"}))


def test_the_scaler_counts_in_the_radius(searched, table):
    X, _ = table
    best = searched.best_estimator_
    radius, scaled = best.certified_radius(X), best.certified_radius(X, scaled=True)
    deviation = best[0].scale_
    np.testing.assert_allclose(radius, scaled * deviation.min(), rtol=1e-9)
    inner = best[-1].certified_radius(best[0].transform(X))
    assert np.all(scaled <= inner)
    np.testing.assert_allclose(scaled, inner, rtol=1e-6, atol=1e-9)
    # An independent way to the same network, but for constants in float32: the scaler in it.
    whole = keras.Sequential(
        [
            keras.Input((2,), dtype="float64"),
            keras.layers.Normalization(mean=best[0].mean_, variance=best[0].var_, dtype="float64"),
            best[-1].model_,
        ]
    )
    certificate = lipzoo.certify(whole, X.to_numpy(), standardized=True, verbose=0)
    np.testing.assert_allclose(scaled, certificate.radius, rtol=1e-3, atol=1e-5)
    # No move within the radius changes a prediction, in the direction that costs most.
    predicted, random = best.predict(X), np.random.default_rng(0)
    for _ in range(4):
        step = random.normal(size=X.shape) * deviation
        for length, unit in ((radius, 1.0), (scaled, deviation)):
            norm = np.linalg.norm(step / unit, axis=1)
            moved = X + step * (0.999 * length / norm)[:, None]
            assert np.array_equal(best.predict(moved), predicted)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "scaler",
    [
        StandardScaler(),
        StandardScaler(with_mean=False, with_std=False),
        MinMaxScaler((-1, 3)),
        MaxAbsScaler(),
        RobustScaler(),
        RobustScaler(with_scaling=False),
        # Parameters that were changed after fitting count at once.
        (StandardScaler(), {"with_std": False}),
        (StandardScaler(with_mean=False), {"with_mean": True}),
        (RobustScaler(), {"with_scaling": False, "with_centering": False}),
        (MinMaxScaler(), {"feature_range": (-9, 9)}),
    ],
    ids=str,
)
def test_scalers_carry_inputs_no_further_apart_than_is_said(scaler, dtype):
    random = np.random.default_rng(0)
    X = (1e4 + random.normal(size=(200, 3)) * [0.1, 1.0, 100.0]).astype(dtype)
    scaler, changes = scaler if isinstance(scaler, tuple) else (scaler, {})
    Z = clone(scaler).fit(X).set_params(**changes)
    here = Z.transform(X)
    there = (X + random.normal(size=X.shape) * [0.01, 0.001, 1.0]).astype(dtype)
    distance = np.linalg.norm(there.astype("float64") - X, axis=1)
    moved = np.linalg.norm(Z.transform(there).astype("float64") - here, axis=1)
    said = scaling(Z, X, here)
    assert np.all(moved <= said.moved(distance))
    # By the steepest feature, less what rounding may do, it is attained.
    one = np.zeros(3)
    one[np.argmax(Z.transform(X[:1] + np.eye(3))[np.arange(3), np.arange(3)] - here[0])] = 50.0
    step = np.linalg.norm(Z.transform(X + one) - here, axis=1)
    np.testing.assert_allclose(step, 50.0 * said.slope, rtol=1e-2)


def test_steps_that_radii_cannot_be_followed_through(table):
    classifier = CertifiedClassifier(**SMALL)
    for step in (QuantileTransformer(), FunctionTransformer(np.log1p)):
        with pytest.raises(ValueError, match=f"Received: .* of class {type(step).__name__}"):
            make_certified_pipeline(StandardScaler(), step, classifier)
    with pytest.raises(TypeError, match="with certified radii"):
        make_certified_pipeline(StandardScaler())
    pipeline = make_certified_pipeline("passthrough", classifier)
    pipeline.steps.insert(1, ("log", FunctionTransformer(np.log1p)))
    with pytest.raises(ValueError, match="step 'log' of class FunctionTransformer"):
        pipeline.fit(*table)
    # In scikit-learn's own pipeline there is no radius to be wrong about.
    assert not hasattr(make_pipeline(StandardScaler(), classifier), "certified_radius")


def test_classifier(searched, table):
    X, y = table
    scaler, classifier = searched.best_estimator_
    Z = scaler.transform(X)
    certificate = classifier.certify(Z, y)
    assert classifier.lipschitz_bound_ <= 1.0
    assert certificate.certified_accuracy(0.2) == classifier.score(Z, y, epsilon=0.2)
    scores = classifier.decision_function(Z)
    assert np.array_equal(classifier.classes_[(scores > 0).astype(int)], classifier.predict(Z))
    # 1-Lipschitz logits: their difference moves by at most sqrt(2).
    assert np.all(certificate.radius <= np.abs(scores) / np.sqrt(2) * (1 + 1e-5) + 1e-9)
    again = pickle.loads(pickle.dumps(classifier))
    assert np.array_equal(again.decision_function(Z), scores)
    with pytest.raises(ValueError, match=r"Received: \['maybe'\]"):
        classifier.certify(Z, np.full(len(Z), "maybe"))
    with pytest.raises(ValueError, match="epsilon must be"):
        classifier.score(Z, y, epsilon=-1)
    assert classifier.score(Z, y[:, None], epsilon=0.2) == classifier.score(Z, y, epsilon=0.2)
    for wrong in (y[:1], y[:1, None], y[None], "yes", None):
        with pytest.raises(ValueError, match=r"inconsistent numbers|1d array"):
            classifier.score(Z, wrong, epsilon=0.2)


def test_epochs_are_whole_numbers_and_orders_their_own(table):
    X, y = table
    for wrong in (0, 2.5, True):
        with pytest.raises(ValueError, match="epochs must be a positive integer"):
            CertifiedClassifier(epochs=wrong).fit(X, y)
    batches = ShuffledBatches(X.to_numpy(), np.arange(120), 50, epochs=2, seed=0)
    assert len(batches) == 4
    epochs = [np.concatenate([batches[step][1] for step in pair]) for pair in ((0, 1), (2, 3))]
    assert all(len(set(rows)) == 100 for rows in epochs)
    assert not np.array_equal(*epochs)
    np.testing.assert_array_equal(batches[1][0], X.to_numpy()[epochs[0][50:]])


def test_probabilities_only_where_they_mean_something(searched, table):
    classifier = searched.best_estimator_[-1]
    assert not hasattr(classifier, "predict_proba")
    with pytest.raises(AttributeError) as caught:
        classifier.predict_proba(np.zeros((1, 2)))
    assert "epsilon=0 for predict_proba" in str(caught.value.__cause__)
    plain = clone(classifier).set_params(epsilon=0, temperature=0.5)
    # Weights that were trained otherwise do for the arithmetic.
    plain.__dict__.update({k: v for k, v in vars(classifier).items() if k.endswith("_")})
    Z = np.random.default_rng(0).normal(size=(5, 2))
    probabilities = plain.predict_proba(Z)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    odds = np.log(probabilities[:, 1] / probabilities[:, 0])
    np.testing.assert_allclose(odds, plain.decision_function(Z) / 0.5, rtol=1e-6)


def test_regressor(regressor):
    model, X, y = regressor
    prediction = model.predict(X)
    assert model.lipschitz_bound_ <= 2.0 * np.std(y) * (1 + 1e-6)
    tolerance = 3.0
    radius = model.certified_radius(X, tolerance)
    random = np.random.default_rng(1)
    for _ in range(4):
        step = random.normal(size=X.shape)
        moved = X + step * (radius / np.linalg.norm(step, axis=1))[:, None]
        assert np.all(np.abs(model.predict(moved) - prediction) <= tolerance)
    np.testing.assert_allclose(radius, tolerance / model.lipschitz_bound_, rtol=1e-4)
    # Errors at their worst: each grows by what the slope allows.
    worst = np.abs(y - prediction) + 0.1 * model.lipschitz_bound_
    expected = 1 - np.sum(worst**2) / np.sum((y - y.mean()) ** 2)
    assert model.score(X, y, epsilon=0.1) == pytest.approx(expected, rel=1e-4)
    assert model.score(X, y, epsilon=0.0) == pytest.approx(model.score(X, y), rel=1e-4)
    assert model.score(X, y[:, None], epsilon=0.1) == model.score(X, y, epsilon=0.1)
    for wrong in (y[:1], y[:1, None], y[None], 100.0, None):
        with pytest.raises(ValueError, match=r"inconsistent numbers|1d array"):
            model.score(X, wrong, epsilon=0.1)
    pipeline = CertifiedPipeline([("scale", MinMaxScaler().fit(X)), ("last", model)])
    assert pipeline.certified_radius(X, tolerance).shape == (100,)
