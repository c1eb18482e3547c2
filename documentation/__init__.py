"""How `make docs` turns README, docs, cards, docstrings and parser into a site."""
