"""Bounds and certificates on a box: ranges of tensors, and products of tensors."""

from fractions import Fraction

import keras
import numpy as np
import pytest
from keras import layers, ops
from keras.ops import convert_to_numpy

import lipzoo
from lipzoo import activations
from lipzoo.bounds import UncertifiedLayerError, lipschitz_bound
from lipzoo.bounds.domain import Domain
from lipzoo.bounds.nesting import model_inputs
from lipzoo.bounds.rules.images import image_of_activation
from lipzoo.bounds.rules.products import weight
from lipzoo.bounds.walk import walk_graph
from lipzoo.keras_internals import CustomScaleLayer
from lipzoo.rounding import Interval, image_of_matrix, inflated, norm_up
from lipzoo_cli import arguments
from tests.truths import exact_norm, jacobian_norms, randomise_freely


def test_intervals_contain_what_rational_numbers_are():
    random = np.random.default_rng(0)
    ends = np.sort(random.normal(size=(2, 2, 200)) * 10.0 ** random.integers(-9, 9, (2, 1, 200)), 0)
    one, two = Interval(*ends[:, 0]), Interval(*ends[:, 1])
    results = {"+": one + two, "-": one - two, "*": one * two}
    for index in range(200):
        for a in (one.low[index], one.high[index]):
            for b in (two.low[index], two.high[index]):
                exact = {"+": Fraction(a) + Fraction(b), "-": Fraction(a) - Fraction(b)}
                exact["*"] = Fraction(a) * Fraction(b)
                for sign, value in exact.items():
                    found = results[sign]
                    assert Fraction(found.low[index]) <= value <= Fraction(found.high[index])
    positive = Interval.between(0.1, 3.0)
    assert Fraction(float(positive.inverse().low)) <= Fraction(1, 3)
    assert Fraction(float(positive.root().high)) ** 2 >= 3
    unbounded = Interval.between(-np.inf, np.inf) * Interval.of(0.0)
    assert abs(unbounded.low) < 1e-300
    assert (Interval.between(-np.inf, np.inf) - unbounded).high == np.inf


def test_the_image_of_a_matrix_is_reached_and_not_left():
    random = np.random.default_rng(1)
    kernel = random.normal(size=(30, 5)) * 10.0 ** random.integers(-8, 8, (30, 1))
    centre = random.normal(size=30) * 1e6
    values = Interval(centre, centre + random.random(30) * (random.random(30) > 0.5))
    image = image_of_matrix(kernel, values)
    for column in range(5):
        least, most = Fraction(0), Fraction(0)
        for i in range(30):
            ends = Fraction(values.low[i]), Fraction(values.high[i])
            products = [Fraction(kernel[i, column]) * end for end in ends]
            least, most = least + min(products), most + max(products)
        assert Fraction(image.low[column]) <= least
        assert most <= Fraction(image.high[column])
        size = np.abs(kernel[:, column]) @ values.largest()
        assert image.high[column] - image.low[column] <= float(most - least) + 1e-13 * size


@pytest.mark.parametrize("name", activations.bounded())
def test_activations_stay_in_their_images(name):
    found = activations.slopes_of(name)
    for low, high in [(-40.0, 40.0), (-1.5, 2.0), (-3.0, -0.5), (0.25, 7.0), (0.0, 0.0)]:
        image = image_of_activation(name, Interval.between(low, high))
        z = np.linspace(low, high, 4001).astype("float32")
        values = convert_to_numpy(found.function(ops.convert_to_tensor(z)))
        assert (values >= image.low - 1e-5 * (1 + abs(image.low))).all()
        assert (values <= image.high + 1e-5 * (1 + abs(image.high))).all()
    assert image_of_activation("sigmoid", Interval.between(-9, 9)).high == 1.0
    assert image_of_activation("silu", Interval.between(-9.0, 2.0)).high <= 2.0


def gated(channels=3):
    """Squeeze-and-excitation, and a swish by hand."""
    x = keras.Input((4, 4, 2))
    h = layers.Conv2D(channels, 3, padding="same", activation="silu")(x)
    g = layers.GlobalAveragePooling2D(keepdims=True)(h)
    g = layers.Conv2D(channels, 1, activation="hard_sigmoid")(g)
    h = layers.Multiply(name="gate")([h, g])
    h = layers.DepthwiseConv2D(3)(layers.BatchNormalization()(h))
    h = layers.Multiply(name="swish")([h, layers.Activation("sigmoid")(h)])
    return randomise_freely(keras.Model(x, layers.Dense(3)(layers.Flatten()(h))), scale=0.5)


# What one layer or operation makes of a box, beside what is known of its norm.
LAYERS = {
    "dense": lambda x: layers.Dense(4, activation="tanh")(x),
    "conv": lambda x: layers.Conv2D(4, (2, 3), padding="same", strides=2, activation="relu")(x),
    "groups": lambda x: layers.Conv2D(4, 2, groups=2, use_bias=False)(x),
    "depthwise": lambda x: layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same")(x),
    "batch": lambda x: layers.BatchNormalization()(x),
    "normal": lambda x: layers.Normalization(mean=[1.0, -2.0], variance=[4.0, 0.1])(x),
    "inverse": lambda x: layers.Normalization(mean=1.0, variance=4.0, invert=True)(x),
    "rescaling": lambda x: layers.Rescaling([0.1, -0.3], offset=0.7)(x),
    "relu": lambda x: layers.ReLU(max_value=0.5, negative_slope=0.1)(x),
    "falling": lambda x: layers.PReLU(alpha_initializer="random_normal")(x),
    "elu": lambda x: layers.ELU(alpha=-0.5)(x),
    "leaky": lambda x: layers.LeakyReLU(negative_slope=0.3)(x),
    "softmax": lambda x: layers.Softmax()(x),
    "flat": lambda x: layers.Dense(3)(layers.Flatten()(x)),
    "channels": lambda x: layers.Flatten(data_format="channels_first")(x),
    "batched": lambda x: layers.Rescaling(np.linspace(-1, 1, 32).reshape(1, 4, 4, 2), 0.5)(x),
    "moved": lambda x: layers.Permute((3, 1, 2))(layers.Reshape((2, 8, 2))(x)),
    "pad": lambda x: layers.Cropping2D(1)(layers.ZeroPadding2D((2, 1))(x)),
    "pool": lambda x: layers.AveragePooling2D(2, padding="same")(layers.MaxPooling2D(2)(x)),
    "global": lambda x: layers.GlobalAveragePooling2D()(layers.Dropout(0.5)(x)),
    "merge": lambda x: layers.Average()([x, layers.Maximum()([x, layers.Subtract()([x, -x])])]),
    "join": lambda x: layers.Concatenate()([x, x + 3.0]),
    "scaled": lambda x: CustomScaleLayer(0.3)([x, layers.Dense(2)(x)]),
    "ops": lambda x: ops.relu6(0.5 - x) * 0.25 + ops.maximum(x / 3.0, -0.2),
    "reduced": lambda x: ops.reshape(ops.mean(ops.sigmoid(x), axis=(1, 2)), (-1, 2, 1)),
    "product": lambda x: layers.Multiply()([x, x, ops.tanh(x)]),
    "nested": lambda x: keras.Sequential([keras.Input((4, 4, 2)), layers.Dense(2)])(x),
}


def output_range(model, domain):
    box = Domain.of(domain, model)
    (output,) = walk_graph(model, model_inputs(model, model, box), "").outputs
    return output.range.values


@pytest.mark.parametrize("name", LAYERS)
def test_ranges_contain_what_layers_return(name):
    x = keras.Input((4, 4, 2))
    model = randomise_freely(keras.Model(x, LAYERS[name](x)))
    random = np.random.default_rng(0)
    apart = random.normal(size=(4, 4, 2))
    for low, high in [(-1.0, 2.0), (0.5, 0.75), (-4.0, -3.0), (apart, apart + 0.1)]:
        share = random.integers(0, 2, (120, 4, 4, 2)) * 1.0
        share[60:] = random.random((60, 4, 4, 2))
        points = low + share * (high - low)
        values = convert_to_numpy(model(points.astype("float32")))
        known = output_range(model, (low, high))
        least, most = (np.broadcast_to(end, values.shape[1:]) for end in (known.low, known.high))
        slack = 1e-5 * (1 + np.abs(values))
        assert (values >= least - slack).all()
        assert (values <= most + slack).all()
        # The rules say more than the norm of the output does.
        if name not in ("elu", "falling"):
            assert (most - least).max() <= 40 * (values.max() - values.min()) + 1e-3


def test_the_limit_of_a_relu_is_one_of_its_upper_side():
    x = keras.Input((2,))
    limited = layers.ReLU(max_value=1.0, negative_slope=0.1)
    y = limited(x)
    # Keras refuses it as an argument.
    limited.negative_slope = -3.0
    model = keras.Model(x, layers.Multiply()([y, y]))
    assert lipschitz_bound(model, domain=(-2, -1)).value == pytest.approx(36.0, rel=1e-6)
    assert jacobian_norms(model, np.full((1, 2), -2.0, "float32"))[0] == pytest.approx(36.0)


def test_an_entry_that_is_copied_counts_as_often_as_it_is():
    gate = np.array([0.5, -2.0, 1.0]).reshape(1, 1, 3)
    features = np.random.default_rng(0).uniform(-1, 1, (2, 3, 3))
    multiply = layers.Lambda(lambda g: g * features[None])
    exact = exact_norm(multiply, (1, 1, 3))
    assert exact <= weight(Interval.of(features), (1, 1, 3), (2, 3, 3)) <= exact * (1 + 1e-12)
    assert weight(Interval.of(gate), (2, 3, 3), (2, 3, 3)) == 2.0
    assert weight(
        Interval.between(np.zeros((1, 1, 3)), 1.0), (1, 1, 3), (2, 3, 3)
    ) == pytest.approx(6**0.5)


def test_bounds_on_a_box_are_reached_by_squares_and_outer_products():
    x = keras.Input((3,))
    square = keras.Model(x, layers.Multiply()([x, x]))
    bound = lipschitz_bound(square, domain=(-1, 2))
    assert bound.value == jacobian_norms(square, np.full((1, 3), 2.0, "float32"))[0] == 4.0
    assert "for inputs in [-1, 2]: 4" in str(bound)
    assert "for inputs in [-1, 2]" in repr(bound)
    assert lipschitz_bound(square, domain=([-1, 0, 1], [0, 0.5, 3])).value == 6.0
    a, b = keras.Input((3, 1)), keras.Input((1, 2))
    outer = keras.Model([a, b], layers.Multiply()([a, b]))
    # Two inputs: the derivative at ones is 3 x 2 ones beside 2 x 3, of norm sqrt(5).
    assert lipschitz_bound(outer, domain=(0, 1)).value == pytest.approx(5**0.5, rel=1e-12)


@pytest.mark.usefixtures("float64")
def test_gates_have_a_bound_on_a_box_that_jacobians_keep():
    model = gated()
    random = np.random.default_rng(0)
    for low, high in [(0.0, 1.0), (-1.0, 3.0)]:
        bound = lipschitz_bound(model, domain=(low, high))
        points = random.uniform(low, high, (30, 4, 4, 2)).astype("float32")
        norms = jacobian_norms(model, points)
        assert norms.max() <= bound.value <= 1000 * norms.max()
        # What is computed in float32 is as near to the exact map as is said.
        exact = convert_to_numpy(in_float64(model)(points.astype("float64")))
        error = np.linalg.norm(convert_to_numpy(model(points)) - exact, axis=1)
        rounding = bound.output.bound
        sizes = np.linalg.norm(points.reshape(30, -1), axis=1)
        assert (error <= rounding.rounding_slope * sizes + rounding.rounding_offset).all()
    assert lipzoo.uncertified_layers(model, domain=(0, 1)) == []
    assert [row.name for row in lipzoo.uncertified_layers(model)] == ["gate", "swish"]


def in_float64(model):
    keras.config.set_dtype_policy("float64")
    twin = gated()
    keras.config.set_dtype_policy("float32")
    twin.set_weights(model.get_weights())
    return twin


def attention(x, scale=0.5):
    """Dot-product attention of two heads, from operations."""

    def heads(name):
        projected = layers.Dense(6, name=name)(x)
        return ops.transpose(ops.reshape(projected, (-1, 4, 2, 3)), (0, 2, 1, 3))

    scores = ops.matmul(heads("query"), ops.swapaxes(heads("key"), 2, 3)) * scale
    mixed = ops.matmul(ops.softmax(scores), heads("value"))
    return ops.reshape(ops.transpose(mixed, (0, 2, 1, 3)), (-1, 4, 6))


def stacked(x):
    """A product of two matrices for each example."""
    return ops.matmul(ops.reshape(x, (-1, 2, 2, 2)), ops.reshape(x - 1, (-1, 2, 2, 2)))


# Matrix products, of a tensor of shape (4, 2) and what follows from it.
CONTRACTIONS = {
    "attention": attention,
    "gram": lambda x: ops.matmul(x, ops.transpose(x, (0, 2, 1))),
    "stack": stacked,
    "dot": lambda x: layers.Dot(axes=(1, -2))([layers.Dense(3)(x), x]),
    "vectors": lambda x: layers.Dot(axes=1)([layers.Flatten()(x), layers.Flatten()(x)]),
    "vector": lambda x: layers.Dot(axes=(2, 1))([x, layers.GlobalAveragePooling1D()(x)]),
    "weights": lambda x: layers.Dot(axes=(2, 1))([layers.Dense(4, activation="softmax")(x), x]),
}


@pytest.mark.parametrize("name", CONTRACTIONS)
def test_matrix_products_have_a_bound_on_a_box_that_jacobians_keep(name):
    x = keras.Input((4, 2))
    model = randomise_freely(keras.Model(x, CONTRACTIONS[name](x)), scale=0.5)
    random = np.random.default_rng(0)
    apart = random.normal(size=(4, 2))
    for low, high in [(0.0, 1.0), (-2.0, 0.5), (apart, apart + 0.3)]:
        bound = lipschitz_bound(model, domain=(low, high))
        share = random.integers(0, 2, (80, 4, 2)) * 1.0
        share[60:] = random.random((20, 4, 2))
        points = (low + share * (high - low)).astype("float32")
        norms = jacobian_norms(model, points)
        assert norms.max() <= bound.value * (1 + 1e-5)
        assert bound.value <= 40 * norms.max()
        values = convert_to_numpy(model(points))
        known = output_range(model, (low, high))
        assert (values >= known.low - 1e-5).all()
        assert (values <= known.high + 1e-5).all()
        sizes = np.linalg.norm(points.reshape(80, -1), axis=1)
        largest = bound.output.bound.offset + bound.value * sizes
        assert (np.linalg.norm(values.reshape(80, -1), axis=1) <= largest * (1 + 1e-5)).all()


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", ["gram", "dot"])
def test_matrix_products_are_computed_as_exactly_as_is_said(name):
    def made():
        x = keras.Input((4, 2))
        return keras.Model(x, CONTRACTIONS[name](x))

    model = randomise_freely(made())
    keras.config.set_dtype_policy("float64")
    twin = made()
    keras.config.set_dtype_policy("float32")
    twin.set_weights(model.get_weights())
    points = np.random.default_rng(0).random((40, 4, 2)).astype("float32")
    rounding = lipschitz_bound(model, domain=(0, 1)).output.bound
    exact = convert_to_numpy(twin(points.astype("float64")))
    error = np.linalg.norm((convert_to_numpy(model(points)) - exact).reshape(40, -1), axis=1)
    sizes = np.linalg.norm(points.reshape(40, -1), axis=1)
    limits = rounding.rounding_slope * sizes + rounding.rounding_offset
    assert (error <= limits).all()
    assert limits.max() < 1e-4


def test_bounds_of_matrix_products_are_reached():
    x = keras.Input((5,))
    square = keras.Model(x, layers.Dot(axes=1)([x, x]))
    assert lipschitz_bound(square, domain=(0, 1)).value == pytest.approx(2 * 5**0.5, rel=1e-12)
    a, b = keras.Input((3, 4)), keras.Input((4, 2))
    product = keras.Model([a, b], ops.matmul(a, b))
    # The derivative at ones takes ones to ones: root of the squares of sqrt(12) and sqrt(8).
    assert lipschitz_bound(product, domain=(0, 1)).value == pytest.approx(20**0.5, rel=1e-12)


REFUSED = {
    "as many for each": ((2, 2, 3), lambda x: ops.matmul(ops.swapaxes(x, 2, 3)[:, :1], x)),
    "expected a matrix for each": ((3,), lambda x: ops.matmul(x, x)),
    "unknown size": ((None, 3), lambda x: ops.matmul(x, ops.swapaxes(x, 1, 2))),
    "normalize=True": ((3,), lambda x: layers.Dot(axes=1, normalize=True)([x, x])),
    "It takes the axis": ((2, 2, 3), lambda x: layers.Dot(axes=(3, 3))([x, x])),
}


@pytest.mark.parametrize("message", REFUSED)
def test_matrix_products_that_are_none_of_each_example_are_refused(message):
    sizes, call = REFUSED[message]
    x = keras.Input(sizes, batch_size=3)
    model = keras.Model(x, call(x))
    with pytest.raises(UncertifiedLayerError, match=message):
        lipschitz_bound(model, domain=(0, 1))


def test_certificates_on_a_box_say_so():
    model = gated()
    x = np.random.default_rng(0).random((6, 4, 4, 2)).astype("float32")
    certificate = lipzoo.certify(model, x, domain=(0, 1), verbose=0)
    exact = lipzoo.certify(model, x, domain=(0, 1), rounding=False, verbose=0)
    assert (certificate.radius > 0).any()
    assert (certificate.radius <= exact.radius).all()
    assert certificate.domain == "[0, 1]"
    assert "for inputs in [0, 1]: each ball intersected with that box" in str(certificate)
    assert '"domain": "[0, 1]"' in certificate.report().to_json()
    assert str(certificate.report()).endswith("radius above 0, in [0, 1]")
    header, first, *_ = certificate.report().to_csv().splitlines()
    assert header.endswith("norm,units,domain")
    assert first.endswith(',l2,,"[0, 1]"')
    # Nothing within the radius and within the box changes the prediction.
    random = np.random.default_rng(1)
    step = random.normal(size=(200, *x.shape))
    step /= np.linalg.norm(step.reshape(200, 6, -1), axis=2)[..., None, None, None]
    step *= certificate.radius[:, None, None, None]
    inside = np.clip(x + step, 0, 1).astype("float32").reshape(-1, 4, 4, 2)
    classes = convert_to_numpy(model(inside)).argmax(1).reshape(200, 6)
    assert (classes == certificate.prediction).all()
    summary = lipzoo.certify_summary(model, [(x,)].__iter__(), domain=(0, 1))
    assert summary.settings["domain"] == "[0, 1]"


def test_a_domain_that_is_none_or_does_not_fit_is_refused():
    model = gated()
    x = np.full((2, 4, 4, 2), 0.5)
    x[1, 0, 0, 0] = 1.5
    with pytest.raises(ValueError, match=r"1 of 2 .* number 1 first; entries from 0\.5 to 1\.5"):
        lipzoo.certify(model, x, domain=(0, 1), verbose=0)
    for domain in [(1, 0), (0, np.inf), 3.0, (0, 1, 2), ("a", "b"), (np.nan, 1)]:
        with pytest.raises(ValueError, match="domain"):
            lipschitz_bound(model, domain=domain)
    with pytest.raises(ValueError, match="broadcast"):
        lipschitz_bound(model, domain=(np.zeros(3), 1))
    with pytest.raises(ValueError, match="method='product' with a domain"):
        lipschitz_bound(model, "semidefinite", domain=(0, 1))
    with pytest.raises(ValueError, match="standardized=False with a domain"):
        lipzoo.certify(model, x[:1], standardized=True, domain=(0, 1))
    with pytest.raises(UncertifiedLayerError, match=r"with domain=\(low, high\)"):
        lipzoo.certify(model, x[:1])
    # Beyond what float64 holds there is no bound, and none is said to be.
    x = keras.Input((2,))
    y = x
    for _ in range(12):
        y = layers.Multiply()([y, y])
    with pytest.raises(UncertifiedLayerError, match="not known to be bounded"):
        lipschitz_bound(keras.Model(x, y), domain=(-2, 2))


def test_boxes_of_arrays_are_told_apart():
    x = keras.Input((2,))
    model = keras.Model(x, layers.Multiply()([x, x]))
    first, second = (Domain.of(([0, 0], high), model) for high in ([1, 2], [2, 1]))
    assert str(first) != str(second)
    assert str(first).startswith("a box in [0, 2]")
    assert first.contains(np.array([[0.5, 1.5], [1.5, 0.5]])).tolist() == [True, False]
    assert first.ranges([(None, 2)])[0].input_norm == norm_up([1, 2])
    assert inflated(first.ranges([(None, 2)])[0].input_norm, 0) > 5**0.5


def test_the_command_reads_a_box():
    class Parsed:
        domain = ["-1/2", "1"]

    assert arguments.domain_of(Parsed()) == (-0.5, 1.0)
    for wrong in (["1", "0"], ["a", "1"], ["0", "inf"]):
        Parsed.domain = wrong
        with pytest.raises(ValueError, match="--domain"):
            arguments.domain_of(Parsed())
