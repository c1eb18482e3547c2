"""Other libraries of Lipschitz networks beside lipzoo: one shape, one set of data, one clock.

`python -m studies.peers` makes an environment for each of them and runs everything. The modules
`shape`, `clock`, `exchange` and `train_*` run in those environments: NumPy and the library itself
are all that they import.
"""
