"""Every backend computes the same, or says that it does not."""

import keras

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
