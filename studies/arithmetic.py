"""`python -m studies.arithmetic`: what a backend computes, of all that certificates assume.

Writes the entry of the backend at hand (`KERAS_BACKEND`; JAX with `JAX_ENABLE_X64=1`) into
studies/arithmetic.json: see `studies.arithmetic_probes` for what is tried, and
docs/arithmetic.md for the table.
"""

import importlib.metadata
import json
import platform
from pathlib import Path

import keras
import numpy as np

import lipzoo
from lipzoo import activations
from lipzoo.float64 import computes_in_float64
from lipzoo.training.run_folder import write_json
from studies import arithmetic_probes as probes

RESULTS = Path(__file__).with_name("arithmetic.json")
PACKAGES = {"tensorflow": ["tensorflow"], "jax": ["jax", "jaxlib"], "torch": ["torch"]}


def main():
    """Tries everything on the backend at hand and writes its entry."""
    backend = keras.backend.backend()
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    known[backend] = {
        "versions": {
            name: importlib.metadata.version(name) for name in ["keras", *PACKAGES[backend]]
        },
        "machine": platform.machine(),
        "float64": {name: float64_answer(name) for name in probes.FLOAT64_FUNCTIONS},
        "activations": {name: round(probes.share_of_claim(name), 4) for name in probes.EXACT},
        "elementary_units": {
            name: round(probes.units_of_elementary(name), 3) for name in probes.ELEMENTARY
        },
        "orders": probes.orders_of_summation(),
        "a_sum_depends_on": probes.what_a_sum_depends_on(),
        "products_round_once": probes.products_round_once(),
        "keeps_denormals": probes.keeps_denormals(),
        "half_precision_sums": {
            kind: {dtype: _wider(kind, dtype) for dtype in ("float16", "bfloat16")}
            for kind in probes.POOLINGS
        },
    }
    write_json(RESULTS, {name: known[name] for name in sorted(known)})
    print(json.dumps(known[backend], indent=2))


def _wider(kind, dtype) -> str:
    return "a wider type" if probes.sums_wider(kind, dtype) else dtype


def float64_answer(name: str) -> str:
    """What becomes of a function in a float64 model: `"kept"`, `"counted"`, `"refused"`.

    `"believed"` would be an error of the library: a float64 model in float32 with a certificate.
    """
    kept = probes.keeps(name)
    if kept and computes_in_float64():
        return "kept"
    if not computes_in_float64():
        return "refused"
    if name in activations.known():
        slope, offset = activations.get(name).rounding(2.0**-53)
        return "counted" if slope + offset > 2.0**-26 else "believed"
    return "refused" if name in probes.FLOAT64_MODELS and _refused(name) else "believed"


def _refused(name: str) -> bool:
    inputs = keras.Input((2, 2, 1), dtype="float64")
    outputs = keras.layers.Flatten()(probes.FLOAT64_MODELS[name](inputs))
    model = keras.Model(inputs, keras.layers.Dense(2, dtype="float64")(outputs))
    try:
        lipzoo.certify(model, np.ones((1, 2, 2, 1)), verbose=0)
    except ValueError as error:
        return "of dtype float64" in str(error)
    return False


if __name__ == "__main__":
    main()
