"""The programs of `examples`, where what they need is installed."""

import runpy
import urllib.request
from pathlib import Path

import numpy as np
import pytest

import lipzoo

EXAMPLES = Path(__file__).parents[1] / "examples"


# Gradio leaves sockets and event loops to the garbage collector.
@pytest.mark.filterwarnings("ignore")
def test_the_gradio_app_starts_and_certifies():
    pytest.importorskip("gradio")
    app = runpy.run_path(str(EXAMPLES / "gradio_app.py"))
    page = app["build"]()
    try:
        _, address, _ = page.launch(
            server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, inbrowser=False
        )
        with urllib.request.urlopen(address, timeout=30) as answer:
            assert answer.status == 200
    finally:
        page.close()
    images, _ = lipzoo.samples("fmnist")
    large = np.kron(np.rint(255 * images[0]).astype("uint8"), np.ones((3, 3, 4), "uint8"))
    said, attacked, shown = app["classify"]({"composite": large}, 0.9)
    certificate = lipzoo.certify(lipzoo.load("gradflow-fmnist"), images[:1], verbose=0)
    assert said.startswith(certificate.class_names[certificate.prediction[0]])
    assert f"{certificate.radius[0]:.3f}" in said
    assert attacked.endswith("still the same class")
    assert len(shown) == 2
