"""Brings the weights of a model back into their constraints."""

import keras


def project(model: keras.Model) -> None:
    """Applies every weight's constraint once, in place.

    Keras applies constraints after an optimizer step and at no other time. Weights that arrive in
    another way (set, loaded from elsewhere, averaged with `use_ema`, whose averages Keras takes
    before the constraint) may have left it; `lipschitz_bound` then says so, and this brings them
    back. Weights within the constraint may change, too, where `"orthogonal"` can raise singular
    values further.

    Args:
        model: a built model or layer.

    Raises:
        TypeError: if it is neither a model nor a layer.
        ValueError: if it is not built.

    Example:

    >>> import lipzoo, numpy as np
    >>> model = keras.Sequential([keras.Input((2,)), lipzoo.layers.SpectralDense(2)])
    >>> model.set_weights([3 * np.eye(2), np.zeros(2)])
    >>> lipzoo.project(model)
    >>> lipzoo.lipschitz_bound(model).value <= 1.0
    True
    """
    if not isinstance(model, keras.layers.Layer):
        raise TypeError(f"Expected a keras.Model or a layer. Received: model={model!r}")
    if not model.built:
        raise ValueError(
            "Expected a built model: begin it with keras.Input(shape), or call it on data. "
            f"Received: {model.name!r}, which has no weights yet"
        )
    for variable in model.weights:
        if variable.constraint is not None:
            variable.assign(variable.constraint(variable))
