"""Certified examples on disk, and what is said of them: counts, reports, files, parts; no Keras."""
