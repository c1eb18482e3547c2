"""`python -m studies.backbones`: which networks of keras.applications have a bound.

Writes studies/backbones.json: for each builder, at its own image size and without weights of
others, how many layers there are, and which classes of them are refused and why. No norm is
computed, and no kernel drawn: what is accepted depends on neither.
"""

import contextlib
from collections import Counter
from pathlib import Path
from unittest import mock

import keras

import lipzoo
from lipzoo.keras_internals import nodes_of
from lipzoo.training.run_folder import write_json

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


def measure(name: str) -> dict:
    """What of one network is refused."""
    keras.backend.clear_session()
    with kernels_of_zeros():
        model = getattr(keras.applications, name)(weights=None)
    refused = lipzoo.uncertified_layers(model)
    reasons = {row.type: row.reason for row in refused}
    return {
        "name": name,
        "parameters": model.count_params(),
        "layers": len(nodes_of(model)),
        "refused": dict(Counter(row.type for row in refused)),
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


def main() -> None:
    """Measures and writes the results."""
    rows = []
    for name in builders():
        rows.append(measure(name))
        print(rows[-1]["name"], rows[-1]["refused"] or "accepted", flush=True)
    write_json(RESULTS, {"keras": keras.__version__, "networks": rows})


if __name__ == "__main__":
    main()
