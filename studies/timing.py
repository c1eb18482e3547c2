"""Times of alternatives, measured in turns so that a busy machine slows all of them alike."""

import statistics
import time
from collections.abc import Callable, Mapping


def interleaved(functions: Mapping[str, Callable[[], object]], rounds: int, warmup: int = 2):
    """Runs the functions in turns and returns the seconds of every turn, by name.

    The order alternates from round to round, so that neither is always the one that runs first.
    """
    seconds = {name: [] for name in functions}
    names = list(functions)
    for turn in range(-warmup, rounds):
        for name in names if turn % 2 else reversed(names):
            start = time.perf_counter()
            functions[name]()
            if turn >= 0:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def paired_ratio(seconds: Mapping[str, list[float]], numerator: str, denominator: str) -> dict:
    """The median over the rounds of the ratio of two times, with its quartiles."""
    ratios = [
        above / below for above, below in zip(seconds[numerator], seconds[denominator], strict=True)
    ]
    lower, middle, upper = statistics.quantiles(ratios, n=4)
    return {
        "ratio": round(middle, 4),
        "quartiles": [round(lower, 4), round(upper, 4)],
        f"{numerator}_seconds": round(statistics.median(seconds[numerator]), 6),
        f"{denominator}_seconds": round(statistics.median(seconds[denominator]), 6),
        "rounds": len(ratios),
    }
