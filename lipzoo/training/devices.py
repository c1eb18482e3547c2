"""Data-parallel training: every device has all weights and a share of each batch."""

import contextlib
from collections.abc import Iterator

import keras

from lipzoo.training.model import TrainingError
from lipzoo.training.processes import process_count
from lipzoo.validation import integer

# Devices that a processor is divided into on TensorFlow: each holds all weights and a graph.
MOST_PARTS = 8


def check_devices(devices: int, batch_size: int) -> None:
    """Says before any work whether batches can be shared out.

    Args:
        devices: number of devices.
        batch_size: examples of a step, over all devices.

    Raises:
        TrainingError: if there are not so many devices, the backend cannot use them, or the batch
            cannot be split evenly.
    """
    _check_count("devices", devices)
    _check_count("batch_size", batch_size)
    if devices == 1 and process_count() == 1:
        return
    if batch_size % devices:
        raise TrainingError(
            "batch_size: expected a multiple of the number of devices, which share each batch. "
            f"Received: batch_size={batch_size}, devices={devices}"
        )
    _devices(devices)


def _check_count(name, value):
    try:
        integer(value, name)
    except ValueError:
        expected = "expected a whole number, at least 1"
        raise TrainingError(f"{name}: {expected}. Received: {value!r}") from None


@contextlib.contextmanager
def data_parallel(devices: int) -> Iterator[None]:
    """Context in which a model is built, compiled and trained on so many devices.

    Each device computes the gradients of its share of a batch; their mean is what one device would
    have got of the whole batch, up to rounding. The optimizer's step and the constraints that
    follow it are the same on every device, so that the weights stay the same and within the bound.
    (Layers with batch statistics or random numbers of their own see the shares, not the batch.)
    On TensorFlow this is `MirroredStrategy`, on JAX `keras.distribution.DataParallel`. Where there
    are no accelerators the processor is divided: by JAX where `XLA_FLAGS` holds
    `--xla_force_host_platform_device_count=4`, by this function on TensorFlow.

    In a job of several processes (JAX, see `lipzoo.training.processes`) the devices are those of
    all processes, and each process feeds its own.

    Args:
        devices: number of devices; 1 changes nothing.

    Raises:
        TrainingError: if `devices` is no positive whole number, there are not so many, or the
            backend cannot use them.

    Example:

    >>> with data_parallel(1):
    ...     model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    """
    _check_count("devices", devices)
    if devices == 1:
        yield
        return
    chosen = _devices(devices)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with tf.distribute.MirroredStrategy(chosen).scope():
            yield
        return
    before = keras.distribution.distribution()
    # A process in a job of several brings its own share of each batch.
    parallel = keras.distribution.DataParallel(devices=chosen, auto_shard_dataset=False)
    keras.distribution.set_distribution(parallel)
    try:
        yield
    finally:
        keras.distribution.set_distribution(before)


def shared_out(examples: tuple, devices: int) -> tuple:
    """Arrays of examples without the last few that would not make an equal share for each device.

    Example:

    >>> import numpy as np
    >>> [len(array) for array in shared_out((np.zeros(10), np.zeros(10)), 4)]
    [8, 8]
    """
    count = len(examples[0]) - len(examples[0]) % devices
    return tuple(array[:count] for array in examples)


def _devices(count: int) -> list[str]:
    """Names of the first devices."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        present = _tensorflow_devices(count)
        advice = "TensorFlow had been used before it could divide the processors"
    elif backend == "jax":
        present = keras.distribution.list_devices()
        advice = (
            f"to try it on processors set XLA_FLAGS=--xla_force_host_platform_device_count={count}"
        )
    else:
        raise TrainingError(
            "devices: expected the backend tensorflow or jax to train on several. "
            f"Received: devices={count}, backend={backend}"
        )
    if len(present) < count:
        kind = present[0].rpartition(":")[0] if present else "device"
        raise TrainingError(
            f"devices: expected at most {len(present)}, the number that this process sees "
            f"({kind}; {advice}). Received: {count}"
        )
    if process_count() > 1 and len(present) != count:
        raise TrainingError(
            f"devices: expected {len(present)}, all those of the {process_count()} processes. "
            f"Received: {count}"
        )
    return present[:count]


def _tensorflow_devices(count):
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        return [device.name for device in tf.config.list_logical_devices("GPU")]
    if count > MOST_PARTS:
        raise TrainingError(
            f"devices: expected at most {MOST_PARTS}, into which the processor is divided where "
            f"there are no accelerators. Received: {count}"
        )
    with contextlib.suppress(RuntimeError):
        # Refused once TensorFlow runs; then there are as many as there are.
        divide_processor(count)
    return [device.name for device in tf.config.list_logical_devices("CPU")]


def divide_processor(count: int) -> None:
    """Lets TensorFlow take the processor for so many devices, unless it has accelerators or did.

    Raises:
        RuntimeError: if TensorFlow was used before.
    """
    import tensorflow as tf

    (processor, *_) = tf.config.list_physical_devices("CPU")
    divided = tf.config.get_logical_device_configuration(processor) or ()
    if len(divided) < count and not tf.config.list_physical_devices("GPU"):
        parts = [tf.config.LogicalDeviceConfiguration()] * count
        tf.config.set_logical_device_configuration(processor, parts)


def built_again(model: keras.Model, build) -> keras.Model:
    """Returns `build()` with the weights of a model.

    So one on one device, in float32, is made of one trained on several, or in mixed precision.
    """
    again = build()
    again.set_weights([keras.ops.convert_to_numpy(weight) for weight in model.weights])
    return again
