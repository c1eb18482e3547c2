"""Training by wall clock, the same loop for every library."""

import math
import statistics
import time
from collections.abc import Callable

import numpy as np

from studies.peers.shape import BATCH_SIZE, UNTIMED_STEPS

WARMUP_SHARE = 0.05
INFERENCE_PASSES = 7


def learning_rate(peak: float, share: float) -> float:
    """The rate when a share of the budget is spent: a linear start, then a cosine to 1 %.

    Example:

    >>> [round(learning_rate(1.0, share), 3) for share in (0.025, 0.05, 0.525, 1.0)]
    [0.5, 1.0, 0.505, 0.01]
    """
    if share < WARMUP_SHARE:
        return peak * share / WARMUP_SHARE
    done = min(1.0, (share - WARMUP_SHARE) / (1 - WARMUP_SHARE))
    return peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))


def batches(x: np.ndarray, y: np.ndarray, seed: int):
    """Yields shuffled batches of equal size without end, images as float32 in [0, 1]."""
    random = np.random.default_rng(seed)
    while True:
        order = random.permutation(len(x))
        for start in range(0, len(x) - BATCH_SIZE + 1, BATCH_SIZE):
            chosen = order[start : start + BATCH_SIZE]
            yield x[chosen].astype("float32") / np.float32(255), y[chosen]


def train(step: Callable, x: np.ndarray, y: np.ndarray, rate: float, budget: float, seed: int):
    """Trains until the budget is spent.

    Args:
        step: function of a batch's images, labels and learning rate; returns when it is done.
        x, y: training images as bytes, and labels.
        rate: highest learning rate.
        budget: seconds. The first steps, which trace and compile, do not count.
        seed: seed of the batches' order.

    Returns:
        Number of timed steps, their seconds by the clock and of the CPUs, and training images per
        second.
    """
    stream = batches(x, y, seed)
    for _ in range(UNTIMED_STEPS):
        step(*next(stream), learning_rate(rate, WARMUP_SHARE / 2))
    steps, start, busy = 0, time.perf_counter(), time.process_time()
    while (seconds := time.perf_counter() - start) < budget:
        step(*next(stream), learning_rate(rate, seconds / budget))
        steps += 1
    return {
        "steps": steps,
        "training_seconds": seconds,
        # Of all threads: what a busy machine disturbs less.
        "training_cpu_seconds": time.process_time() - busy,
        "training_images_per_second": steps * BATCH_SIZE / seconds,
    }


def infer(logits_of: Callable, x: np.ndarray) -> tuple[np.ndarray, float]:
    """Logits of all images, and images per second: the median of several passes.

    Args:
        logits_of: function from a batch of images to logits, NumPy arrays both.
        x: images as bytes, as many as fill whole batches.
    """
    images = [part.astype("float32") / np.float32(255) for part in np.split(x, len(x) // 250)]
    logits = np.concatenate([logits_of(part) for part in images])
    seconds = []
    for _ in range(INFERENCE_PASSES):
        start = time.perf_counter()
        for part in images:
            logits_of(part)
        seconds.append(time.perf_counter() - start)
    return logits, len(x) / statistics.median(seconds)
