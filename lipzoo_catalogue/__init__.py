"""What is known of the zoo's models, and where their files are; works without importing Keras.

It stands beside the package `lipzoo`, whose import registers Keras classes and takes seconds: what
has to answer at once (`lipzoo list`, `lipzoo info`, a model card) is here, and `lipzoo.zoo` reads
the same files with the same code.
"""
