"""Small ONNX files, and what ONNX Runtime makes of them."""

import keras
import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.shape_inference import infer_shapes

import lipzoo

SHAPES = {"image": (2, 5, 6), "signal": (3, 7), "vector": (6,)}


def constants_from(seed):
    """Makes float32 constants, the same ones whichever other module draws some too."""
    generator = np.random.default_rng(seed)
    return lambda *shape: generator.normal(size=shape).astype("float32")


def node(op, inputs, output="y", **attributes):
    """A node that is named after what it makes."""
    outputs = output.split()
    return helper.make_node(op, inputs.split(), outputs, name=f"{op}_{outputs[0]}", **attributes)


def content(
    nodes, shape, constants=(), *, opset=18, batch="batch", kind=TensorProto.FLOAT, out=None
):
    """A file of one input x and one output y, whose shape follows from the nodes or is given."""
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", kind, [batch, *shape])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, out)],
        [numpy_helper.from_array(array, name) for name, array in dict(constants).items()],
    )
    imports = [helper.make_opsetid("", opset)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=8)
    return (model if out else infer_shapes(model)).SerializeToString()


def run(file, x):
    """What ONNX Runtime computes."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    (entry,) = session.get_inputs()
    return session.run(None, {entry.name: x.astype("float32")})[0]


def jacobian(file, shape):
    """The matrix of an affine network, from ONNX Runtime at the origin and the unit vectors."""
    size = int(np.prod(shape))
    points = np.concatenate([np.zeros((1, size)), np.eye(size)]).reshape(-1, *shape)
    found = run(file, points).astype("float64").reshape(size + 1, -1)
    return (found[1:] - found[:1]).T


def agrees(model, file, shape):
    """Other inputs, and another size of the batch, than those that were looked at while reading."""
    x = np.random.default_rng(7).normal(size=(5, *shape)).astype("float32")
    expected = run(file, x)
    found = keras.ops.convert_to_numpy(model(x))
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    bound = lipzoo.lipschitz_bound(model).value
    change = np.linalg.norm((expected[1:] - expected[:-1]).reshape(4, -1), axis=1)
    moved = np.linalg.norm((x[1:] - x[:-1]).reshape(4, -1), axis=1)
    assert np.all(change <= bound * moved * (1 + 1e-5))
    return bound
