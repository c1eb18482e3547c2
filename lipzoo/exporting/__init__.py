"""Networks in formats that run without Keras, with their certificates inside."""

from lipzoo.exporting.export import export

__all__ = ["export"]
