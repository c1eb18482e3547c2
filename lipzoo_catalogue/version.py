"""The version of lipzoo, known without Keras."""

__version__ = "0.2.0"
