"""The part of a data set that one of several processes certifies."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Shard:
    """One of several parts of a data set, contiguous and of equal size up to one example.

        examples floor((k - 1) n / K) to floor(k n / K) - 1,  k = 1, ..., K

    so that the parts, one behind the other, are the data set in its order.

    Args:
        number: k, from 1.
        count: K.

    Example:
        >>> [Shard(k, 3).of(10) for k in (1, 2, 3)]
        [range(0, 3), range(3, 6), range(6, 10)]
    """

    number: int = 1
    count: int = 1

    def of(self, examples: int) -> range:
        """Numbers of the examples of this part.

        Raises:
            ValueError: if there are fewer examples than parts.
        """
        if examples < self.count:
            raise ValueError(
                f"--shard: expected at most as many parts as examples, {examples}. Received: {self}"
            )
        first, stop = ((k * examples) // self.count for k in (self.number - 1, self.number))
        return range(first, stop)

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


def parse_shard(text: str) -> Shard:
    """Reads `"k/K"`.

    Raises:
        ValueError: for anything but two whole numbers, 1 <= k <= K.

    Example:
        >>> parse_shard("2/4")
        Shard(number=2, count=4)
    """
    found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
    number, count = map(int, found.groups()) if found else (0, 0)
    if not 1 <= number <= count:
        raise ValueError(
            f"--shard: expected k/K, part k of K, such as 2/4, with 1 <= k <= K. Received: {text}"
        )
    return Shard(number, count)
