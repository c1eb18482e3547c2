"""The version of lipzoo, known without Keras."""

__version__ = "0.1.0"
