"""Small graphs for tests."""

import keras


def on(shape, function, **arguments):
    """A functional model of one input."""
    inputs = keras.Input(shape, **arguments)
    return keras.Model(inputs, function(inputs))
