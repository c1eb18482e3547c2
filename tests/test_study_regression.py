"""The study of regression: ridge regression against scikit-learn, folding of units, its file."""

import json

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from studies import regression


def test_ridge_regression_and_its_units():
    x, y = regression.diabetes()
    mean, deviation = x.mean(0, "float64"), x.std(0, "float64")
    z, target = (x - mean) / deviation, (y - y.mean()) / y.std()
    weights = regression.ridge(z, target, 0.1)
    known = Ridge(alpha=0.1 * len(z), fit_intercept=False).fit(z, target)
    np.testing.assert_allclose(weights, known.coef_, rtol=1e-6)
    network = regression.linear(x.shape[1])
    network.set_weights([weights[:, None], np.zeros(1)])
    model = regression.in_units(network, mean, deviation, y.mean(), y.std())
    predicted = model.predict(x, verbose=0)[:, 0]
    np.testing.assert_allclose(predicted, known.predict(z) * y.std() + y.mean(), rtol=1e-4)
    found = regression.measure(model, x, y, deviation)
    assert found["slope"] == pytest.approx(np.linalg.norm(weights) * y.std(), rel=1e-5)
    assert found["largest_gradient"] == pytest.approx(found["slope"], rel=1e-5)


def test_prices_are_read_with_grades_in_their_order(tmp_path):
    path = tmp_path / "diamonds.csv"
    path.write_text(
        '"carat","cut","color","clarity","price"\n0.2,"Ideal","E","SI2",326\n1,"Fair","J","IF",9\n'
    )
    x, price = regression.diamonds(path)
    np.testing.assert_allclose(x, [[0.2, 4, 5, 1], [1.0, 0, 0, 7]], rtol=1e-6)
    assert price.tolist() == [326.0, 9.0]


def test_the_file_is_that_of_the_study():
    found = json.loads((regression.HERE / "regression.json").read_text())
    assert {name: table["rows"] for name, table in found["tables"].items()} == {
        "diabetes": 442,
        "diamonds": 53940,
    }
    for table in found["tables"].values():
        for name, folds in table["methods"].items():
            assert len(folds) == table["folds"]
            for fold in folds:
                assert fold["largest_gradient"] <= fold["slope"] * (1 + 1e-5)
                exact = 0.99999 if name.startswith("ridge") else 0.0
                assert fold["largest_gradient"] >= exact * fold["slope"]
                for radius in found["radii"]:
                    movement = fold[f"movement_{radius}"]
                    assert movement >= radius * fold["slope"]
                    assert fold["rmse"] < fold[f"worst_rmse_{radius}"] <= fold["rmse"] + movement
                if "head of norm" in name:
                    bound = float(name.rpartition(" ")[2])
                    assert fold["slope"] <= 1.1 * bound * table["deviation"]
