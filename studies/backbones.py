"""`python -m studies.backbones`: which networks of keras.applications have a bound.

Writes studies/backbones.json: for each builder, at its own image size and without weights of
others, how many layers there are, and which classes of them are refused and why, for all inputs and
for bytes alone. No norm is computed, and no kernel drawn: what is accepted depends on neither. With
names of builders, those alone are looked at again. The bound of the smallest network of each family
with squeeze-and-excitation is computed, of weights as they are drawn.
"""

import argparse
import contextlib
import json
from collections import Counter
from pathlib import Path
from unittest import mock

import keras

import lipzoo
from lipzoo.keras_internals import nodes_of
from lipzoo.training.run_folder import write_json

# What entries of an image are, and the networks whose bound there is computed.
BYTES = (0, 255)
SMALLEST = ("EfficientNetB0", "EfficientNetV2B0", "MobileNetV3Small")
RESULTS = Path(__file__).with_name("backbones.json")


def builders() -> list[str]:
    """Names of the networks of keras.applications."""
    public = vars(keras.applications)
    return sorted(name for name, what in public.items() if name[:1].isupper() and callable(what))


@contextlib.contextmanager
def kernels_of_zeros():
    """Keras' random initialisers give zeros, so that large networks are built in no time."""

    def zeros(self, shape, dtype=None, **_):
        return keras.ops.zeros(shape, dtype or "float32")

    kinds = {
        kind
        for kind in vars(keras.initializers).values()
        if isinstance(kind, type) and issubclass(kind, keras.initializers.RandomNormal.__base__)
    }
    with contextlib.ExitStack() as stack:
        for kind in kinds:
            if "__call__" in vars(kind):
                stack.enter_context(mock.patch.object(kind, "__call__", zeros))
        yield


def built(name: str, **settings) -> keras.Model:
    """A network at its own image size; 224 where it takes any."""
    builder = getattr(keras.applications, name)
    model = builder(weights=None, **settings)
    if None not in model.input_shape[1:]:
        return model
    keras.backend.clear_session()
    return builder(weights=None, input_shape=(224, 224, 3), **settings)


def measure(name: str) -> dict:
    """What of one network is refused."""
    keras.backend.clear_session()
    with kernels_of_zeros():
        model = built(name)
    refused = lipzoo.uncertified_layers(model)
    on_box = lipzoo.uncertified_layers(model, domain=BYTES) if refused else []
    reasons = {row.type: row.reason for row in refused}
    return {
        "name": name,
        "parameters": model.count_params(),
        "layers": len(nodes_of(model)),
        "refused": dict(Counter(row.type for row in refused)),
        "refused_for_bytes": dict(Counter(row.type for row in on_box)),
        "reasons": reasons,
        "statistics": sorted(
            {
                type(node.operation).__name__
                for node in nodes_of(model)
                if type(node.operation).__name__.endswith("Normalization")
                and type(node.operation).__name__ not in ("BatchNormalization", "Normalization")
            }
        ),
    }


def bound_for_bytes(name: str) -> float:
    """The bound of one network for images of bytes, with weights as Keras draws them."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(0)
    model = built(name, classifier_activation=None)
    return lipzoo.lipschitz_bound(model, domain=BYTES).value


def main(arguments=None) -> None:
    """Measures and writes the results."""
    parser = argparse.ArgumentParser(prog="python -m studies.backbones", description=__doc__)
    parser.add_argument("names", nargs="*", help="builders; default: all of them")
    names = parser.parse_args(arguments).names
    known = json.loads(RESULTS.read_text())["networks"] if names else []
    rows = {row["name"]: row for row in known}
    for name in names or builders():
        rows[name] = measure(name)
        if name in SMALLEST:
            rows[name]["bound_for_bytes"] = bound_for_bytes(name)
        print(name, rows[name]["refused"] or "accepted", flush=True)
    found = {"keras": keras.__version__, "networks": [rows[name] for name in builders()]}
    write_json(RESULTS, found)


if __name__ == "__main__":
    main()
