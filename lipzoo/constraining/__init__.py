"""Ordinary Keras models made Lipschitz: each layer within its bound, so that training keeps it."""

from lipzoo.constraining.constrain import constrain

__all__ = ["constrain"]
