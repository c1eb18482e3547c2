"""Samples of labelled examples to which every class gives its share."""

import numpy as np


def stratified_order(labels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """An order whose every beginning, and every end, has about the classes' shares of the whole.

    Args:
        labels: integers, shape `(examples,)`.
        generator: source of the order within each class.

    Returns:
        A permutation of the examples.

    Example:

    >>> order = stratified_order(np.array([0, 0, 0, 0, 1, 1]), np.random.default_rng(0))
    >>> np.bincount(np.array([0, 0, 0, 0, 1, 1])[order[:3]]).tolist()
    [2, 1]
    """
    rank = np.empty(len(labels))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        rank[members] = (generator.permutation(len(members)) + 0.5) / len(members)
    return np.argsort(rank, kind="stable")


def stratified_sample(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Indices of `count` examples, increasing; the same for the same labels, count and seed."""
    return np.sort(stratified_order(labels, np.random.default_rng(seed))[:count])
