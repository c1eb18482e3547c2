"""Endings of the image files that are read, known without Pillow and Keras."""

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".gif", ".webp")
