"""Runs a file in ONNX Runtime and compares its outputs with the model's."""

import keras
import numpy as np

from lipzoo.importing.graph import OPEN_BATCH, Graph

# Of the largest output. Sums in another order differ by some 1e-7 of the terms in them.
TOLERANCE = 1e-5
EXAMPLES = 8


def largest_difference(content: bytes, graph: Graph, model: keras.Model) -> float:
    """How far outputs of the model are from ONNX Runtime's, as a share of the largest output.

    At examples drawn from a normal distribution and uniformly from [0, 1], half of each.

    Raises:
        ValueError: if ONNX Runtime does not run the file, or the outputs differ by more than 1e-5.
    """
    inputs = _examples(graph)
    expected = _run(content, graph, inputs)
    found = model(inputs if len(inputs) > 1 else inputs[0], training=False)
    found = found if isinstance(found, list | tuple) else [found]
    largest = 0.0
    for name, one, other in zip(graph.outputs, expected, found, strict=True):
        own = keras.ops.convert_to_numpy(other)
        if own.shape != one.shape:
            raise ValueError(
                f"Expected output {name!r} of shape {one.shape}, as ONNX Runtime has it. "
                f"Received: {own.shape}"
            )
        if not np.isfinite(one).all():
            raise ValueError(
                f"Expected finite outputs at random inputs. Received: output {name!r} of ONNX "
                "Runtime with NaN or infinity: are all weights finite?"
            )
        scale = float(np.abs(one).max(initial=0.0))
        difference = float(np.abs(own.astype("float64") - one).max(initial=0.0))
        share = difference / max(scale, 1e-300) if difference else 0.0
        if not share <= TOLERANCE:
            raise ValueError(
                f"Expected outputs within {TOLERANCE} of ONNX Runtime's, relative to the largest. "
                f"Received: output {name!r}, which differs by {share:.3g}"
            )
        largest = max(largest, share)
    return largest


def _examples(graph):
    random = np.random.default_rng(0)
    # Several batches where the file fixes the size of one.
    batch = EXAMPLES if graph.batch == OPEN_BATCH else graph.batch
    count = -(-EXAMPLES // batch) * batch
    inputs = []
    for _, shape in graph.inputs:
        values = random.normal(size=(count, *shape[1:]))
        values[1::2] = random.uniform(size=values[1::2].shape)
        inputs.append(values.astype("float32"))
    return inputs


def _run(content, graph, inputs):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    batch = EXAMPLES if graph.batch == OPEN_BATCH else graph.batch
    names = [name for name, _ in graph.inputs]
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        parts = [
            session.run(
                list(graph.outputs),
                {name: x[i : i + batch] for name, x in zip(names, inputs, strict=True)},
            )
            for i in range(0, len(inputs[0]), batch)
        ]
    except Exception as error:
        raise ValueError(f"Expected a file that ONNX Runtime runs. Received: {error}") from None
    return [np.concatenate(pieces) for pieces in zip(*parts, strict=True)]
