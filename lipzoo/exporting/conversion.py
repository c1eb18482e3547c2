"""From a Keras model to the bytes of a format, under TensorFlow, whose tools make all three."""

import logging
import re
import tempfile
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import keras
import numpy as np

from lipzoo.exporting.int8_graph import store_in_int8
from lipzoo.exporting.quantisation import QuantisedKernel
from lipzoo_catalogue.exported.certificate import ExportedCertificate
from lipzoo_catalogue.exported.containers import KEY
from lipzoo_catalogue.exported.digest import SIDE_FILE, sealed, sealed_text
from lipzoo_catalogue.exported.target import SAVED_MODEL
from lipzoo_catalogue.files import dump_json, write_file
from lipzoo_catalogue.native_messages import without_native_messages


def serving_function(model: keras.Model):
    """The model at inference as a TensorFlow function of one input with a free batch size."""
    import tensorflow as tf

    (tensor,) = model.inputs
    signature = tf.TensorSpec((None, *model.input_shape[1:]), tensor.dtype, name="input")

    @tf.function(input_signature=[signature], autograph=False)
    def serve(input):
        return tf.identity(model(input, training=False), name="output")

    return serve


def write_saved_model(model: keras.Model, folder: Path) -> None:
    """Writes a SavedModel: the weights as variables, one signature, no trace of Keras."""
    import tensorflow as tf

    module = tf.Module()
    module.serve = serving_function(model)
    module.weights = [variable.value for variable in model.variables]
    with _quiet("tensorflow", "absl"):
        tf.saved_model.save(module, str(folder), signatures={"serving_default": module.serve})


def to_onnx(model: keras.Model, kernels: Sequence[QuantisedKernel] = ()) -> bytes:
    """Returns the content of an ONNX file whose operations are all of ONNX' own set.

    Args:
        model: the network.
        kernels: kernels to store in int8, whose products the model's weights are.

    Raises:
        ValueError: if a layer needs an operation that it does not have.
    """
    import onnx
    import tf2onnx

    serve = serving_function(model)
    try:
        with _quiet("tensorflow", "tf2onnx"):
            proto, _ = tf2onnx.convert.from_function(serve, serve.input_signature)
    except Exception as error:
        raise _cannot_express("onnx", model, serve, _tensorflow_operations(str(error))) from error
    _write_complements(proto)
    foreign = {n.op_type for n in proto.graph.node if not onnx.defs.has(n.op_type, n.domain)}
    if foreign:
        raise _cannot_express("onnx", model, serve, foreign)
    _fill_captured(proto, serve)
    _name_ends(proto)
    if kernels and not store_in_int8(proto, kernels):
        raise ValueError(
            "quantize='int8' expects kernels that the converter keeps as they are. "
            f"Received: model {model.name!r}, in whose graph none was found"
        )
    onnx.checker.check_model(proto)
    return proto.SerializeToString()


def to_litert(model: keras.Model) -> bytes:
    """Returns the content of a LiteRT file whose operations are all built in.

    Raises:
        ValueError: if a layer needs an operation that is not.
    """
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder:
        write_saved_model(model, Path(folder))
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        try:
            with _quiet("tensorflow", "absl"), without_native_messages(always=True):
                return converter.convert()
        except Exception as error:
            operations = _tensorflow_operations(str(error))
            serve = serving_function(model)
            raise _cannot_express("litert", model, serve, operations) from error


def with_certificate(content: bytes, format: str, certificate: ExportedCertificate) -> bytes:
    """Returns the content of an ONNX or LiteRT file with the certificate in its metadata."""
    text = dump_json(certificate.to_dict())
    if format == "onnx":
        import onnx

        proto = onnx.load_from_string(content)
        proto.producer_name, proto.producer_version = "lipzoo", certificate.lipzoo_version
        proto.graph.name = certificate.name
        proto.metadata_props.add(key=KEY, value=text.decode())
        return sealed(proto.SerializeToString())
    from tensorflow.lite.python import schema_py_generated as schema
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(content))
    entry, buffer = schema.MetadataT(), schema.BufferT()
    entry.name, entry.buffer, buffer.data = KEY, len(model.buffers), list(text)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or ()), entry]
    return sealed(bytes(flatbuffer_utils.convert_object_to_bytearray(model)))


def add_certificate(folder: Path, certificate: ExportedCertificate) -> None:
    """Puts the certificate into the folder of a SavedModel."""
    (folder / SIDE_FILE).parent.mkdir()
    write_file(folder / SIDE_FILE, sealed_text(dump_json(certificate.to_dict()), folder))


CONVERTERS: dict[str, Callable[[keras.Model], bytes]] = {"onnx": to_onnx, "litert": to_litert}
"""Those of the formats that are one file."""


def _write_complements(proto):
    """Writes `erfc(x)`, which the converter passes on and ONNX does not have, as `1 - erf(x)`."""
    from onnx import helper, numpy_helper

    one = "lipzoo.one"
    nodes = []
    for node in proto.graph.node:
        if node.op_type == "Erfc":
            (source,), (result,) = node.input, node.output
            nodes.append(helper.make_node("Erf", [source], [f"{result}.erf"]))
            node = helper.make_node("Sub", [one, f"{result}.erf"], [result])
        nodes.append(node)
    if len(nodes) > len(proto.graph.node):
        proto.graph.initializer.append(numpy_helper.from_array(np.array(1.0, "float32"), one))
        del proto.graph.node[:]
        proto.graph.node.extend(nodes)


def _fill_captured(proto, serve):
    """Makes initializers of the constants that the converter left as inputs.

    Those are what a layer holds as a tensor and not as a variable: means and variances, say.
    """
    from onnx import numpy_helper

    used = {name for node in proto.graph.node for name in node.input}
    for value, inside in serve.get_concrete_function().graph.captures:
        for entry in [entry for entry in proto.graph.input if entry.name == inside.name]:
            proto.graph.input.remove(entry)
            if entry.name in used:
                proto.graph.initializer.append(numpy_helper.from_array(value.numpy(), entry.name))


def _name_ends(proto):
    """Gives input, output and batch axis the names that a user of the file reads."""
    (output,) = proto.graph.output
    for node in proto.graph.node:
        node.output[:] = ["output" if name == output.name else name for name in node.output]
        node.input[:] = ["output" if name == output.name else name for name in node.input]
    output.name = "output"
    for end in (*proto.graph.input, *proto.graph.output):
        end.type.tensor_type.shape.dim[0].dim_param = "batch"
    # Shapes in between name the batch axis otherwise; a runtime infers them.
    del proto.graph.value_info[:]


def _tensorflow_operations(message: str) -> set[str]:
    """Names of operations in what the converters say."""
    found = re.findall(r"'tf\.(\w+)' op|Tensorflow op \[\S+: (\w+)\]|ops: ([\w, ]+)", message)
    return {name.strip() for groups in found for part in groups for name in part.split(",")} - {""}


def _cannot_express(format, model, serve, operations: Iterable[str]) -> ValueError:
    """The error that names the layers which need an operation that a format does not have."""
    graph = serve.get_concrete_function().graph.as_graph_def()
    nodes = [*graph.node, *(node for f in graph.library.function for node in f.node_def)]
    names = {layer.name for layer in model.layers}
    layers = {}
    for node in nodes:
        if node.op in operations:
            parts = [re.sub(r"_\d+$", "", part) for part in node.name.split("/")]
            whole = node.name.split("/")
            inside = [name for name in names if name in parts or name in whole]
            layers.update(dict.fromkeys(inside))
    kinds = {layer.name: type(layer).__name__ for layer in model.layers}
    where = ", ".join(f"{name!r} ({kinds[name]})" for name in sorted(layers))
    what = ", ".join(sorted(operations)) or "an operation that its converter does not name"
    return ValueError(
        f"Format {format!r} cannot express {what}. Expected layers made of its own operations. "
        f"Received: {f'layers {where} of ' if where else ''}model {model.name!r}. "
        f"Try format={SAVED_MODEL!r}"
    )


class _quiet:
    """Keeps the converters' progress reports and warnings of their own code from the user."""

    def __init__(self, *names):
        self.loggers = [logging.getLogger(name) for name in names]
        self.warnings = warnings.catch_warnings()

    def __enter__(self):
        self.warnings.__enter__()
        warnings.simplefilter("ignore")
        self.levels = [logger.level for logger in self.loggers]
        for logger in self.loggers:
            logger.setLevel(logging.CRITICAL)

    def __exit__(self, *exception):
        for logger, level in zip(self.loggers, self.levels, strict=True):
            logger.setLevel(level)
        self.warnings.__exit__(*exception)
