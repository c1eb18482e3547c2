"""Random models whose certificates an adversary tries to refute."""
