"""The prediction that certificates and attacks are about: what Keras computes from the layers.

A bound is derived from a model's recorded layers. It says nothing about a model that computes
something else when it is called or asked to predict, nor about what a compiled function remembers
of layers that were changed since.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator

import keras

from lipzoo.bounds.description import described, weights_by_identity
from lipzoo.bounds.keras_graph import as_function
from lipzoo.bounds.rule_registry import has_own_bound
from lipzoo.keras_internals import Functional

# What a model may have of its own: how it is made, saved, shown and trained. Everything else that
# Keras' class has may take part in a prediction.
_HARMLESS_NAMES = """
__init__ __new__ __module__ __doc__ __qualname__ __dict__ __weakref__ __slots__ __annotations__
__annotate__ __annotate_func__ __firstlineno__ __static_attributes__ __init_subclass__
__abstractmethods__ __parameters__ __orig_bases__ __repr__ __str__ __eq__ __hash__ __reduce__
__copy__ __deepcopy__ get_config from_config build build_from_config get_build_config summary save
save_weights load_weights save_own_variables load_own_variables export to_json quantize compile
compile_from_config get_compile_config fit evaluate train_step test_step make_train_function
make_test_function train_on_batch test_on_batch compute_loss compute_metrics
stateless_compute_loss metrics metrics_names reset_metrics loss add_loss
"""
_HARMLESS = frozenset(_HARMLESS_NAMES.split())
# What a class with a bound of its own may define: the bound is a statement about it.
_VOUCHED_FOR = frozenset(["call", "compute_output_shape", "compute_output_spec", "compute_mask"])
_ATTRIBUTE = "_lipzoo_prediction"


def check_prediction(model: keras.Model) -> None:
    """Refuses a model that calls or predicts in a way of its own, in its class or on the instance.

    Its own `train_step`, `test_step`, `fit` and what else belongs to training does no harm.

    Raises:
        ValueError: for any other model; it names what is replaced, and the way out.

    Example:
        >>> class Louder(keras.Model):
        ...     def predict_step(self, data):
        ...         return 10 * super().predict_step(data)
        >>> x = keras.Input((2,))
        >>> check_prediction(Louder(x, keras.layers.ReLU()(x)))
        Traceback (most recent call last):
        ...
        ValueError: Expected a model that predicts what its layers compute. Received: model ...
    """
    base = _base(model)
    replaced = _replaced(model, base)
    if not replaced:
        return
    way_out = "Write a model that does not"
    if isinstance(model, Functional | keras.Sequential):
        way_out = "Use keras.Model(model.inputs, model.outputs), which has the same layers"
    raise ValueError(
        "Expected a model that predicts what its layers compute. Received: model "
        f"'{model.name}' of class {type(model).__name__}, which replaces {', '.join(replaced)} of "
        f"keras.{_public(base)}: a bound that is derived from its layers says nothing about that. "
        f"{way_out}"
    )


def check_runs_as_recorded(model: keras.Model) -> None:
    """Refuses a model that is not recorded, and one that computes something else than is recorded.

    Raises:
        TypeError: for what is no Keras model.
        ValueError: see `check_recorded` and `check_prediction`.
    """
    if not isinstance(model, keras.Model):
        raise TypeError(f"Expected a keras.Model. Received: model={model!r}")
    check_recorded(model)
    check_prediction(model)


def check_recorded(model: keras.Model) -> None:
    """Refuses a model whose inputs are not recorded, so that nothing can be followed from them.

    Raises:
        ValueError: for a subclassed model, or a sequential one that is not built; the message says
            what to do.
    """
    if isinstance(model, Functional | keras.Sequential):
        as_function(model)
        return
    advice = (
        "Build it from layers with the functional interface, keras.Model(inputs, outputs)."
        if not has_own_bound(model)
        else "Put it into one: x = keras.Input(shape); keras.Model(x, model(x))."
    )
    raise ValueError(
        "Expected a functional or sequential model, whose inputs and layers are recorded. "
        f"Received: '{model.name}' of class {type(model).__name__}, a subclassed model: what its "
        f"`call` computes cannot be followed. {advice}"
    )


def _base(model) -> type:
    for base in (keras.Sequential, Functional):
        if isinstance(model, base):
            return base
    return keras.Model


def _replaced(model, base) -> list[str]:
    """What of Keras' class `base` is another thing in the model, in order of discovery."""
    names = _names_of(base)
    allowed = _VOUCHED_FOR if has_own_bound(model) else frozenset()
    found = [name for name in vars(model) if name in names]
    for kind in type(model).__mro__:
        if kind not in base.__mro__:
            defined = [name for name in vars(kind) if name in names - allowed]
            found += [name for name in defined if _resolved(type(model), name) is vars(kind)[name]]
    return list(dict.fromkeys(found))


def _public(base) -> str:
    """The name under which Keras has a class."""
    return "Model" if base is Functional else base.__name__


@functools.cache
def _names_of(base) -> frozenset[str]:
    return frozenset(dir(base)) - _HARMLESS


def _resolved(kind, name):
    return next(vars(base)[name] for base in kind.__mro__ if name in vars(base))


def model_state(model: keras.Model) -> bytes | None:
    """Digest of everything that a compiled prediction remembers of a model; `None` if unknown.

    Layers and nested models with their attributes and types, arguments and constants of recorded
    operations, and Keras' settings. Values of weights are read when the function runs.
    """
    settings = (
        keras.config.floatx(),
        keras.config.epsilon(),
        keras.config.image_data_format(),
        keras.config.is_flash_attention_enabled(),
        # Keras decides on first use, and remembers.
        model.jit_compile,
    )
    return described((settings, model), weights_by_identity(model))


@contextlib.contextmanager
def own_prediction(model: keras.Model) -> Iterator[keras.Model]:
    """Within this context `model.predict` runs a function compiled for the model as it is now.

    The function is kept, apart from the one that `predict` has outside, and used again as long as
    nothing that it remembers has changed; where that cannot be known, it is compiled anew. Then the
    one outside is dropped as well, so that what `predict` returns later is what was certified.

    Raises:
        ValueError: see `check_prediction`.
    """
    check_prediction(model)
    state, function = drop_outdated_prediction(model)
    outside, model.predict_function = model.predict_function, function
    try:
        yield model
    finally:
        _keep(model, state, model.predict_function)
        model.predict_function = outside


def drop_outdated_prediction(model: keras.Model) -> tuple[bytes | None, Callable | None]:
    """Drops what `model.predict` compiled before the model was changed.

    What it returned afterwards would not be what is certified, and what `evaluate` compiled would
    count it. They are dropped where the model is not as it was when it was last evaluated here;
    what was compiled while it was changed for a time, and changed back, cannot be told from that.

    Returns:
        The model's state, and the function that `own_prediction` compiled for it: None where there
        is none.
    """
    state = model_state(model)
    known, function = getattr(model, _ATTRIBUTE, (None, None))
    if state is None or known != state:
        function = model.predict_function = model.test_function = None
        _keep(model, state, None)
    return state, function


def _keep(model, state, function):
    # Not by Keras' __setattr__, which would take it for a part of the model.
    object.__setattr__(model, _ATTRIBUTE, (state, function))


def predict(model: keras.Model, inputs, batch_size: int, verbose: int | str = 0):
    """`model.predict`, as `own_prediction` has it."""
    with own_prediction(model):
        return model.predict(inputs, batch_size=batch_size, verbose=verbose)
