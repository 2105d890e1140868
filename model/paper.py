"""The numbers of the paper whose method we follow, with the intervals that its films allow.

The paper fine-tunes VGG16 on chest films of the RSNA challenge (0 normal, 1 infected) and reports, for 534 films,
518 right answers, an accuracy of 96.90 %, a recall of 98 % and a precision of 95 %.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from model.bootstrap import Interval
from model.calibration import wilson

FILMS = 534
RIGHT = 518
ACCURACY = 0.9690
RECALL = 0.98
PRECISION = 0.95


@dataclass(frozen=True, kw_only=True)
class Reported:
    """What the paper says, as far as its films can tell.

    Attributes
    ----------
    numbers : dict of str to Interval
        "accuracy", "sensitivity" and "precision", with Wilson's 95 % intervals.
    infected, called : int
        How many infected films, and how many called infected, fit the four reported numbers; the paper does not say.
    """

    numbers: dict[str, Interval]
    infected: int
    called: int


def reported() -> Reported:
    """Return the paper's numbers with intervals.

    Of P infected films, recall misses (1 - recall) P, and precision adds recall P (1 - precision) / precision false
    alarms. Both together are the wrong answers, which are known, so that P follows. Each film is taken to be of a
    patient of its own, since the paper does not say otherwise; the true intervals may be wider.
    """
    wrong_per_infected = (1 - RECALL) + RECALL * (1 - PRECISION) / PRECISION
    infected = round((FILMS - RIGHT) / wrong_per_infected)
    called = round(infected * RECALL / PRECISION)
    return Reported(
        numbers={
            "accuracy": allowed(ACCURACY, FILMS),
            "sensitivity": allowed(RECALL, infected),
            "precision": allowed(PRECISION, called),
        },
        infected=infected,
        called=called,
    )


def on_its_films(numbers: Mapping[str, Interval]) -> dict[str, Interval]:
    """Return other numbers with the intervals they would have if they stood on as many films as the paper's."""
    paper = reported()
    counts = {"accuracy": FILMS, "sensitivity": paper.infected, "precision": paper.called}
    return {
        name: numbers[name] if math.isnan(numbers[name].value) else allowed(numbers[name].value, count)
        for name, count in counts.items()
    }


def allowed(share: float, films: int) -> Interval:
    """Return a share with the interval that this many films of as many patients allow."""
    low, high = wilson(share, films)
    return Interval(value=share, low=low, high=high)
