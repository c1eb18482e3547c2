"""A model of the zoo as Keras sees it: its configuration goes wherever Keras takes the model."""

import weakref
from collections.abc import Mapping

import keras
import numpy as np

from lipzoo import models
from lipzoo.building import weights_follow
from lipzoo.keras_internals import Functional
from lipzoo.zoo.precision import building_in
from lipzoo_catalogue.model_config import ModelConfig

# `keras.models.clone_model` hands on a model's class and name alone: here is what it cloned.
_living = weakref.WeakSet()


@keras.saving.register_keras_serializable(package="lipzoo")
class ZooModel(Functional):
    """A functional `keras.Model` that knows how it was built and what its inputs mean.

    Copies, pickles, clones and `.keras` files of it keep both.

    Args:
        inputs, outputs, name: as in `keras.Model`.
        lipzoo_config: its `ModelConfig`, or that as a dict; `None` for none.

    Attributes:
        lipzoo_config: the `ModelConfig`.
        lipzoo_preprocessing: units and range of the inputs, a dict.

    Example:

    >>> import copy
    >>> x = keras.Input((2,))
    >>> config = ModelConfig("MLP", {"input_shape": [2], "num_classes": 2}, class_names=["a", "b"])
    >>> model = ZooModel(x, keras.layers.Dense(2)(x), lipzoo_config=config)
    >>> copy.deepcopy(model).lipzoo_config.class_names
    ('a', 'b')
    """

    def __init__(self, *args, lipzoo_config: ModelConfig | Mapping | None = None, **kwargs):
        super().__init__(*args, **kwargs)
        if lipzoo_config is None:
            lipzoo_config = _config_of_the_cloned(self)
        if isinstance(lipzoo_config, Mapping):
            lipzoo_config = ModelConfig.from_dict(lipzoo_config)
        if lipzoo_config is not None:
            _living.add(self)
            # Keras tracks dictionaries that are set on a model; these two are no part of its state.
            object.__setattr__(self, "lipzoo_config", lipzoo_config)
            preprocessing = dict(lipzoo_config.preprocessing)
            object.__setattr__(self, "lipzoo_preprocessing", preprocessing)

    def get_config(self):
        config = super().get_config()
        if getattr(self, "lipzoo_config", None) is not None:
            config["lipzoo_config"] = self.lipzoo_config.to_dict()
        return config

    def float64_reference(self) -> keras.Model | None:
        """The same network in float64, with the weights as they are now.

        It is built once and kept; its weights are copied anew where they differ.

        Returns:
            A model, or `None` where the configuration does not build this network (any more).
        """
        reference = getattr(self, "_lipzoo_reference", None) or _built_in_float64(self)
        if reference is None:
            return None
        object.__setattr__(self, "_lipzoo_reference", reference)
        for own, other in zip(self.weights, reference.weights, strict=True):
            value = np.asarray(keras.ops.convert_to_numpy(own), "float64")
            if not np.array_equal(value, keras.ops.convert_to_numpy(other)):
                other.assign(value)
        return reference


def _config_of_the_cloned(model) -> ModelConfig | None:
    """The configuration of the living models with the same name and layers, if they agree."""
    marks = _marks(model)
    found = [other.lipzoo_config for other in _living if _marks(other) == marks]
    return found[0] if found and all(config == found[0] for config in found) else None


def _marks(model):
    layers = [(type(layer), layer.name) for layer in model.layers]
    return model.name, model.input_shape, model.output_shape, layers


def _built_in_float64(model):
    config = getattr(model, "lipzoo_config", None)
    if config is None or config.architecture not in models.ARCHITECTURES:
        return None
    arguments = {"name": model.name, **config.arguments}
    try:
        with building_in("float64"), weights_follow(model.count_params(), fresh=()):
            reference = models.ARCHITECTURES[config.architecture](**arguments)
    except (TypeError, ValueError):
        return None
    shapes = [[tuple(weight.shape) for weight in one.weights] for one in (model, reference)]
    return reference if shapes[0] == shapes[1] else None
