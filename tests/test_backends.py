"""Every backend computes the same, or says that it does not."""

import importlib.util

import keras
import numpy as np
import pytest

import lipzoo
from tests.processes import python


def test_float64_is_refused_where_keras_computes_it_in_float32():
    """On JAX without JAX_ENABLE_X64, and on PyTorch, a float64 layer does not do what it says."""
    program = (
        "import keras, numpy as np, lipzoo\n"
        "model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, dtype='float64')])\n"
        "calls = (lambda: lipzoo.load('gradflow-digits', dtype='float64'),\n"
        "         lambda: lipzoo.certify(model, np.ones((1, 3)), verbose=0),\n"
        "         lambda: lipzoo.certify(model, np.ones((1, 3)), rounding=False, verbose=0))\n"
        "for call in calls:\n"
        "    try: call(); print('done')\n"
        "    except ValueError as error: print(error)\n"
    )
    if keras.backend.backend() == "tensorflow":
        assert python("tensorflow", program).stdout.split() == ["done"] * 3
        return
    loaded, certified, exact = python(keras.backend.backend(), program).stdout.splitlines()
    for message in (loaded, certified):
        assert message.startswith("Expected ")
        assert f"the backend {keras.backend.backend()!r}" in message
        assert "Received: " in message
    assert exact == "done"


_SAVED = """
import sys
import numpy as np
import lipzoo
model = lipzoo.load("gradflow-digits")
x = np.load(sys.argv[1])
certificate = lipzoo.certify(model, x, reference=None, verbose=0)
np.savez(sys.argv[2], logits=model.predict(x, verbose=0), radius=certificate.radius,
         bound=lipzoo.lipschitz_bound(model).value)
model.compile("adam", lipzoo.OffsetCrossEntropy())
model.fit(x, certificate.prediction, epochs=1, verbose=0)
model.save(sys.argv[3])
"""


def test_a_model_of_another_backend_is_the_same_here_and_trains_on(tmp_path):
    here = keras.backend.backend()
    others = [name for name in ("tensorflow", "jax", "torch") if name != here]
    other = next((name for name in others if importlib.util.find_spec(name)), None)
    if other is None:
        pytest.skip("no other backend is installed")
    paths = [tmp_path / name for name in ("x.npy", "there.npz", "trained.keras")]
    x = np.random.default_rng(0).random((64, 8, 8, 1)).astype("float32")
    np.save(paths[0], x)
    python(other, _SAVED, *paths)
    there = np.load(paths[1])
    model = lipzoo.load("gradflow-digits")
    np.testing.assert_allclose(model.predict(x, verbose=0), there["logits"], rtol=0, atol=1e-5)
    assert lipzoo.lipschitz_bound(model).value == there["bound"]
    certificate = lipzoo.certify(model, x, reference=None, verbose=0)
    np.testing.assert_allclose(certificate.radius, there["radius"], rtol=0, atol=1e-5)
    trained = keras.models.load_model(paths[2])
    before = trained.get_weights()
    trained.fit(x, certificate.prediction, epochs=1, verbose=0)
    assert any(np.any(a != b) for a, b in zip(before, trained.get_weights(), strict=True))
    assert lipzoo.lipschitz_bound(trained).value <= 1.0
    assert np.isfinite(lipzoo.certify(trained, x, reference=None, verbose=0).radius).all()
