"""Certification of data sets larger than memory: read, certified and written piece by piece."""
