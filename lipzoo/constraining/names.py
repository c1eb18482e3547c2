"""Names of the layers of a model, each of them once."""


class Names:
    """Hands out names that have not been taken.

    Example:
        >>> names = Names()
        >>> names.take("dense"), names.take("dense")
        ('dense', 'dense_2')
    """

    def __init__(self):
        self._taken = set()

    def take(self, wanted: str) -> str:
        """The wanted name, with a number where it was taken."""
        name, number = wanted, 1
        while name in self._taken:
            number += 1
            name = f"{wanted}_{number}"
        self._taken.add(name)
        return name
