"""Random models of tiny size: chains, branches, nested models, shared layers."""

from dataclasses import dataclass, field

import keras
import numpy as np
from keras import layers

from lipzoo.building import weights_follow
from lipzoo.keras_internals import calls_of, made_by
from studies.differential import chains, hostile, inverse_models, pieces, recorded
from studies.differential.draw import Draw

MAX_ENTRIES = 64


class Unbuildable(Exception):
    """What was drawn is no model that Keras builds and runs."""


@dataclass
class Made:
    """A model and the choices that made it.

    Attributes:
        model: the `keras.Model`.
        draw: the `Draw`, with the features that it counted.
        log: which pieces were tried, and whether Keras took them.
    """

    model: keras.Model
    draw: Draw
    log: list = field(default_factory=list)


def make(seed, wide=False, products=False, chain=False) -> Made:
    """The model of a seed; with `wide`, its twin in float64.

    With `products` tensors are often multiplied; with `chain` it is affine layers and ReLUs.

    Raises:
        Unbuildable: if Keras refuses the model.
    """
    draw = Draw(seed, wide, products)
    made = Made(None, draw)
    try:
        with weights_follow(parameters=10**6):
            if chain:
                made.model = chains.make(draw)
            elif not products and draw.maybe(0.12):
                made.model = inverse_models.make(draw)
            else:
                made.model = _Graph(draw, made.log).model()
        _set_weights(draw, made.model)
        hostile.disturb(draw, made.model)
    except Exception as error:
        raise Unbuildable(f"{type(error).__name__}: {error}") from error
    return made


class _Graph:
    def __init__(self, draw, log):
        self.draw, self.log = draw, log

    def model(self):
        """A functional or sequential model, of a class of its own at times."""
        draw = self.draw
        if draw.maybe(0.15):
            return self._sequential(self._shape(), draw.integer(2, 4))
        inputs = [self._input(self._shape()) for _ in range(draw.pick(1, 1, 1, 2, 3))]
        if len(inputs) > 1:
            draw.note("several inputs")
        tensors = [self._chain(x, draw.integer(0, 2)) for x in inputs]
        x = self._merged(tensors)
        x = self._chain(x, draw.integer(1, 3))
        if draw.maybe(0.75):
            x = self._head(x)
            outputs = x
            if draw.maybe(0.05):
                draw.note("several outputs")
                outputs = [x, tensors[0]]
        else:
            draw.note("without a head")
            outputs = x
        kind = hostile.model_class(draw)
        structure = inputs[0] if len(inputs) == 1 else inputs
        if len(inputs) > 1 and draw.maybe(0.2):
            draw.note("inputs in a dict")
            structure = {tensor.name: tensor for tensor in inputs}
        return kind(structure, outputs, name="model")

    def _shape(self):
        draw = self.draw
        rank = draw.pick(0, 0, 1, 2)
        spatial = [draw.integer(3, 6) for _ in range(rank)]
        return (*spatial, draw.integer(1, 6 if rank == 0 else 3))

    def _input(self, shape, nested=False):
        draw = self.draw
        dtype = "float32"
        if draw.maybe(0.3 if nested else 0.08):
            dtype = draw.pick("float16", "bfloat16", "float64", "int32", "uint8", "bool")
            draw.note(f"{'nested ' if nested else ''}Input of {dtype}")
        if draw.maybe(0.03):
            draw.note("fixed batch size")
            return keras.Input(batch_shape=(1, *shape), dtype=draw.float_type(dtype))
        return keras.Input(shape, dtype=draw.float_type(dtype))

    def _chain(self, x, length, depth=0):
        for _ in range(length):
            x = self._tried(self._step, x, depth)
        return x

    def _tried(self, step, x, *arguments):
        """A step, or the tensor as it was where Keras refuses the step or it grows too large."""
        try:
            result = step(x, *arguments)
            taken = len(result.shape) >= 2 and None not in result.shape[1:]
            taken = taken and int(np.prod(result.shape[1:])) in range(1, MAX_ENTRIES + 1)
        except Exception as error:
            self.log.append(type(error).__name__)
            return x
        self.log.append(taken)
        return result if taken else x

    def _step(self, x, depth):
        draw = self.draw
        rank = len(x.shape) - 2
        options = [pieces.dense] * 3 + [pieces.normalization, pieces.activation_layer]
        options += [pieces.rearrangement, recorded.unary, recorded.with_constant, pieces.reshaped]
        options += [self._nested, self._branched, pieces.idle_layer]
        options += [self._gated] * (4 * draw.products)
        if rank in (1, 2):
            options += [pieces.convolution] * 3 + [pieces.constrained_convolution] * 2
            options += [pieces.pooling] * 2
        if draw.maybe(0.035):
            options = [pieces.rare_layer, recorded.rare, self._odd_call]
        step = draw.pick(*options)
        own = step in (self._nested, self._branched, self._gated)
        return step(x, depth) if own else step(draw, x)

    def _gated(self, x, depth):
        """A tensor times a gate that is made of it, of its shape or with axes of size 1."""
        draw = self.draw
        gate = self._chain(x, draw.integer(0, 1), depth) if draw.maybe(0.5) else x
        if len(x.shape) > 2 and draw.maybe(0.5):
            gate = keras.ops.mean(
                gate, axis=draw.pick(1, tuple(range(1, len(x.shape) - 1))), keepdims=True
            )
        if tuple(gate.shape[1:-1]) != tuple(x.shape[1:-1]) or gate.shape[-1] != x.shape[-1]:
            gate = draw.layer(layers.Dense, draw.pick(1, x.shape[-1]))(gate)
        draw.note("gate")
        if draw.maybe(0.6):
            gate = draw.layer(layers.Activation, draw.pick("sigmoid", "tanh", "silu", "relu6"))(
                gate
            )
        if draw.maybe(0.3):
            return x * gate
        pair = [x, gate] if draw.maybe(0.5) else [gate, x]
        return draw.layer(layers.Multiply)(pair)

    def _nested(self, x, depth):
        """A nested model, called once or twice."""
        draw = self.draw
        if depth > 2:
            return pieces.dense(draw, x)
        draw.note(f"nested at depth {depth + 1}")
        shape = tuple(x.shape[1:])
        if draw.maybe(0.5):
            inner = self._sequential(shape, draw.integer(1, 3), nested=True, depth=depth + 1)
        else:
            start = self._input(shape, nested=True)
            result = self._chain(start, draw.integer(1, 2), depth + 1)
            if draw.maybe(0.1):
                draw.note("nested with two inputs")
                other = self._input(shape, nested=True)
                merged = self._merged([result, other])
                return hostile.model_class(draw)([start, other], merged)([x, x])
            inner = hostile.model_class(draw)(start, result)
        result = inner(x)
        if tuple(result.shape) == tuple(x.shape) and draw.maybe(0.3):
            draw.note("shared model")
            result = inner(result)
        return result

    def _sequential(self, shape, length, nested=False, depth=0):
        draw = self.draw
        draw.note("Sequential")
        start = self._input(shape, nested)
        model = keras.Sequential([start])
        result = start
        for _ in range(length):
            # What a chain does in one call is a layer, or a model that holds it.
            entry = keras.Input(result.shape[1:], dtype=result.dtype)
            result = self._tried(self._step, entry, depth + 1)
            operation = made_by(result)[0]
            if operation is made_by(entry)[0]:
                continue
            single = isinstance(operation, layers.Layer) and len(calls_of(operation)) == 1
            single = single and calls_of(operation)[0].input_tensors[0] is entry
            model.add(operation if single else keras.Model(entry, result))
        if not nested and draw.maybe(0.8):
            model.add(draw.layer(layers.Flatten))
            model.add(draw.layer(layers.Dense, draw.integer(1, 4)))
        return model

    def _branched(self, x, depth):
        """Two branches and their merge; a layer may be shared by both."""
        draw = self.draw
        draw.note("branches")
        if draw.maybe(0.3):
            draw.note("shared layer")
            shared = draw.layer(layers.Dense, draw.integer(1, 4))
            return self._merged([shared(x), shared(self._chain(x, 1, depth))])
        return self._merged([self._chain(x, 1, depth), self._chain(x, draw.integer(0, 1), depth)])

    def _merged(self, tensors):
        """The tensors joined, of whatever shapes they are."""
        draw = self.draw
        if len(tensors) == 1:
            return tensors[0]
        shapes = {tuple(tensor.shape[1:]) for tensor in tensors}
        if len(shapes) > 1 and not draw.maybe(0.15):
            tensors = [draw.layer(layers.Flatten)(tensor) for tensor in tensors]
            kind = layers.Concatenate
            if draw.maybe(0.4):
                units = draw.integer(1, 4)
                tensors = [draw.layer(layers.Dense, units)(tensor) for tensor in tensors]
                kind = draw.pick(layers.Add, layers.Average, layers.Maximum, layers.Minimum)
            return draw.layer(kind)(tensors)
        kinds = [layers.Add, layers.Average, layers.Maximum, layers.Minimum, layers.Concatenate]
        if len(tensors) == 2:
            kinds.append(layers.Subtract)
            operators = [lambda a, b: a + b, lambda a, b: a - b, keras.ops.maximum]
            operators += [lambda a, b: keras.ops.stack([a, b], axis=1)] * (len(shapes) == 1)
            operators += [lambda a, b: keras.ops.concatenate([a, b], axis=-1)]
            if draw.maybe(0.3):
                draw.note("recorded merge")
                return draw.pick(*operators)(*tensors)
        if draw.products and draw.maybe(0.5):
            kinds = [layers.Multiply]
        elif draw.maybe(0.03):
            kinds = [layers.Multiply, layers.Dot]
        kind = draw.pick(*kinds)
        if kind is layers.Dot:
            return draw.layer(kind, axes=-1)(tensors)
        return draw.layer(kind)(tensors)

    def _head(self, x):
        draw = self.draw
        if len(x.shape) > 2:
            rank = len(x.shape) - 2
            kinds = [layers.Flatten] * 2
            if rank == 1:
                kinds += [layers.GlobalAveragePooling1D, layers.GlobalMaxPooling1D]
            if rank == 2:
                kinds += [layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D]
            x = draw.layer(draw.pick(*kinds))(x)
        classes = draw.integer(1, 4)
        kind = draw.pick("Dense", "Dense", "none", "then", "shift")
        if kind == "none" and x.shape[-1] < 6:
            return x
        x = draw.layer(layers.Dense, classes, use_bias=draw.maybe(0.7))(x)
        if kind == "then":
            x = self._tried(lambda z: pieces.idle_layer(draw, z), x)
        if kind == "shift":
            x = self._tried(lambda z: recorded.with_constant(draw, z), x)
        return x

    def _odd_call(self, draw, x):
        """A call with an argument that a rule may overlook."""
        draw.note("odd call")
        ones = np.ones((1, x.shape[1]), bool)
        options = [
            lambda: draw.layer(layers.Dropout, 0.5)(x, True),
            lambda: draw.layer(layers.Dropout, 0.5)(x, training=True),
            lambda: draw.layer(layers.Softmax)(x, draw.values(tuple(x.shape[1:])) > 0),
            lambda: draw.layer(layers.Concatenate)([x, draw.values((1, *x.shape[1:]))]),
            lambda: draw.layer(layers.Add)([x, draw.values((1, *x.shape[1:])).astype("float32")]),
            lambda: draw.layer(layers.Maximum)([x, x]),
            lambda: draw.layer(layers.BatchNormalization)(x, True),
            lambda: draw.layer(layers.BatchNormalization)(x, training=True),
            lambda: draw.layer(layers.Masking)(x),
        ]
        if len(x.shape) == 3:
            mask = draw.values((x.shape[1],)) > 0
            pool = draw.layer(layers.GlobalAveragePooling1D)
            options += [lambda: pool(x, mask[None]), lambda: pool(x, mask=ones)]
        return draw.pick(*options)()


def _set_weights(draw, model):
    """Random weights everywhere; statistics of a kind that the layers can work with."""
    arrays = []
    for variable in model.weights:
        shape, name = tuple(variable.shape), variable.path.split("/")[-1]
        if "seed" in name or not keras.backend.is_float_dtype(variable.dtype):
            arrays.append(keras.ops.convert_to_numpy(variable))
        elif name == "moving_variance":
            array = draw.random.random(shape) * draw.pick(1.0, 1.0, 1e-3, 30.0)
            negative = draw.maybe(0.03)
            arrays.append(array - 2e-4 if negative else array)
        elif "gain" in name:
            arrays.append(draw.random.random(shape) + 0.3)
        else:
            arrays.append(draw.values(shape))
    model.set_weights(arrays)
