"""Examples to certify, of data sets larger than memory: read piece by piece.

What was certified is kept, joined and written by `lipzoo_catalogue.certified`, without Keras.
"""
