"""Gradients and Jacobian products, which `keras.ops` does not have: one way per backend."""
