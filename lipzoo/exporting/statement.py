"""What an exported file states of its network, derived from the weights as they are."""

import keras
import numpy as np

from lipzoo.bounds import LipschitzBound, lipschitz_bound
from lipzoo.bounds.keras_graph import as_function, final_operations
from lipzoo.bounds.linear_head import squashing
from lipzoo.certificates.forward_pass import pair_head
from lipzoo.rounding import inflated, mul_up, norm_up, sqrt_up
from lipzoo.zoo.weights import dump_weights, read_variables
from lipzoo_catalogue.exported.certificate import (
    MOVEMENT,
    RADIUS,
    SIGN_RADIUS,
    ExportedCertificate,
)
from lipzoo_catalogue.files import sha256_of
from lipzoo_catalogue.version import __version__

# A table of more pairs would be longer than many a network.
_MOST_CLASSES = 128


def statement_of(model: keras.Model) -> ExportedCertificate:
    """Returns the certificate of a model, not yet of any file: its agreement is empty.

    Raises:
        UncertifiedLayerError: if a layer has no rule for its bound.
        ValueError: if a weight is not finite.
    """
    bound = lipschitz_bound(model)
    config = getattr(model, "lipzoo_config", None)
    preprocessing = {} if config is None else config.preprocessing
    shape = tuple(model.output_shape[1:])
    differences, rule = None, MOVEMENT
    if is_classifier(model):
        rule = SIGN_RADIUS if shape == (1,) else RADIUS
        differences = None if shape == (1,) else difference_bounds(bound, shape[0])
    return ExportedCertificate(
        name=model.name,
        lipschitz_bound=bound.value,
        input_shape=tuple(model.input_shape[1:]),
        output_shape=shape,
        units=str(preprocessing.get("scale", "")),
        minimum=preprocessing.get("minimum"),
        maximum=preprocessing.get("maximum"),
        class_names=() if config is None else tuple(map(str, config.class_names)),
        difference_bounds=differences,
        rule=rule,
        weights_sha256=sha256_of_weights(model),
        lipzoo_version=__version__,
    )


def sha256_of_weights(model: keras.Model) -> str:
    """SHA-256 of a model's weights as a safetensors file, as the zoo has it."""
    return sha256_of(dump_weights(read_variables(model)))


def is_classifier(model: keras.Model) -> bool:
    """Whether the outputs are logits: by its configuration, or else a vector without a softmax."""
    if len(model.output_shape) != 2 or model.output_shape[1] > _MOST_CLASSES:
        return False
    config = getattr(model, "lipzoo_config", None)
    if config is not None and not (config.num_classes and config.arguments.get("include_top", 1)):
        return False
    function = as_function(model)
    return function is not None and not any(map(squashing, final_operations(function)))


def difference_bounds(bound: LipschitzBound, classes: int) -> np.ndarray:
    """Bounds on the Lipschitz constants of `f_i - f_j`, shape `(classes, classes)`.

        L ||w_i - w_j|| after a linear head on L-Lipschitz features, sqrt(2) L otherwise

    Example:
        >>> inputs = keras.Input((2,))
        >>> model = keras.Model(inputs, keras.layers.Dense(2, use_bias=False)(inputs))
        >>> model.set_weights([np.eye(2)])
        >>> difference_bounds(lipschitz_bound(model), 2).round(6).tolist()
        [[0.0, 1.414214], [1.414214, 0.0]]
    """
    head = pair_head(bound)
    if head is None:
        return mul_up(sqrt_up(2.0), bound.output.bound.value) * (1 - np.eye(classes))
    columns = head.kernel.T
    distances = norm_up(columns[:, None] - columns[None], axis=-1)
    # The differences, and the product.
    return inflated(distances * head.features.bound.value, operations=2)
