"""What all libraries share: the networks' shapes, the loss, the optimizer's settings, the radii.

A network is a sequence of steps. After every product but the last comes a sorting of pairs, after
"space_to_depth" none. Convolutions are 3 x 3, stride 1, of the input's size.
"""

SPACE_TO_DEPTH = ("space_to_depth", 2)
NETWORKS = {
    "convolutional": (
        SPACE_TO_DEPTH,
        ("convolution", 32),
        ("convolution", 32),
        SPACE_TO_DEPTH,
        ("convolution", 64),
        ("convolution", 64),
        ("dense", 256),
        ("dense", 10),
    ),
    "dense": (("dense", 1024), ("dense", 1024), ("dense", 10)),
}
KERNEL_SIZE = 3
INPUT_SHAPE = (28, 28, 1)

BATCH_SIZE = 256
LEARNING_RATES = (1e-3, 3e-3, 1e-2)
# Steps before the clock starts: tracing, compilation, first allocations.
UNTIMED_STEPS = 3

# Cross-entropy of (logits - sqrt(2) OFFSET e_y) / TEMPERATURE.
OFFSET = 0.25
TEMPERATURE = 0.25

RADII = (0.1, 0.25, 0.5, 1.0)
# The radius that decides on a learning rate, and that the comparison is about.
RADIUS = 0.25


def with_sizes(network: str):
    """Yields `(kind, units, height, width, channels)` of every step: what comes in, and the units.

    Example:

    >>> list(with_sizes("dense"))[1]
    ('dense', 1024, 1, 1, 1024)
    """
    height, width, channels = INPUT_SHAPE
    for kind, units in NETWORKS[network]:
        if kind == "dense":
            height, width, channels = 1, 1, height * width * channels
        yield kind, units, height, width, channels
        if kind == "space_to_depth":
            height, width, channels = height // units, width // units, channels * units**2
        else:
            channels = units
