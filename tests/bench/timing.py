"""Times of several calls, taken in turn, so that whatever slows the machine down slows all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Times:
    """How long one call took, in seconds, round by round."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle of all rounds."""
        return float(np.median(self.seconds))

    @property
    def fastest(self) -> float:
        """The best round."""
        return min(self.seconds)

    def __str__(self) -> str:
        """Write median and best round for a person."""
        return f"{duration(self.median)} (fastest {duration(self.fastest)})"


def interleaved(calls: Mapping[str, Callable[[], object]], *, rounds: int, warm_up: int = 2) -> dict[str, Times]:
    """Time several calls in turn.

    Parameters
    ----------
    calls : Mapping from str to callable
        What to time. Each returns only when its work is done.
    rounds : int
        How often each is timed. Every round begins with another call than the one before, so that none of them
        always follows the same one.
    warm_up : int
        Rounds that do not count.

    Returns
    -------
    dict from str to Times
        Under the names of `calls`.
    """
    names = list(calls)
    taken: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(-warm_up, rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            began = time.perf_counter()
            calls[name]()
            spent = time.perf_counter() - began
            if turn >= 0:
                taken[name].append(spent)
    return {name: Times(seconds=tuple(seconds)) for name, seconds in taken.items()}


def duration(seconds: float) -> str:
    """Write a duration for a person: "4.1 ms", "0.210 s", "812 s"."""
    if seconds < 0.1:
        return f"{1000 * seconds:.1f} ms"
    return f"{seconds:.3f} s" if seconds < 100 else f"{seconds:,.0f} s"
