"""Which films an epoch sees, in which order and with which weight."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Balance = Literal["none", "weights", "sampling", "look"]


def class_weights(labels: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return a loss weight per film that gives both classes the same total, with mean 1.

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
        0 or 1, both present.

    Returns
    -------
    ndarray of float32, shape (n,)
        ``n / (2 * films of that class)``.
    """
    counts = np.bincount(labels, minlength=2)
    return np.asarray(len(labels) / (2.0 * counts[labels]), dtype=np.float32)


def epoch_order(
    labels: NDArray[np.int64],
    *,
    length: int,
    balance: Balance,
    rng: np.random.Generator,
    overlap: NDArray[np.float64] | None = None,
) -> NDArray[np.int64]:
    """Return the films of one epoch.

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
        0 or 1, both present.
    length : int
        Films to draw, at least 1.
    balance : {"none", "weights", "sampling", "look"}
        "none" and "weights" go through shuffled copies of the list. "sampling" draws both classes equally often.
        "look" does too, and inside a class draws a film the more often the more it looks like the other class, so
        that how a film looks says little about its label.
    rng : numpy.random.Generator
        The only source of chance.
    overlap : ndarray of float64, shape (n,), optional
        How often to draw each film, as `model.looks.overlap_weights` gives it; needed for "look".

    Returns
    -------
    ndarray of int64, shape (length,)
        Indices into `labels`. Every film comes as often as it is due, rounded down or up to a whole number.
    """
    if balance in ("none", "weights"):
        return _cycled(np.arange(len(labels)), length, rng)
    if balance == "look" and overlap is None:
        raise ValueError("Balance by look needs the overlap weight of every film, received none.")
    drawn = []
    for label, count in zip((0, 1), (length // 2, length - length // 2), strict=True):
        members = np.flatnonzero(labels == label)
        if balance == "look" and overlap is not None:
            drawn.append(_systematic(members, overlap[members], count, rng))
        else:
            drawn.append(_cycled(members, count, rng))
    return np.asarray(rng.permutation(np.concatenate(drawn)), dtype=np.int64)


def _systematic(
    members: NDArray[np.int64], weights: NDArray[np.float64], length: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    # Systematic sampling (Madow 1949, doi:10.1214/aoms/1177729988): one random start, then equal steps along the
    # cumulated weights, in a random order of the films.
    mixed = rng.permutation(len(members))
    ends = np.cumsum(weights[mixed])
    marks = (np.arange(length) + rng.random()) / max(length, 1) * ends[-1]
    places = np.searchsorted(ends, marks, side="right")
    return np.asarray(members[mixed[np.minimum(places, len(members) - 1)]], dtype=np.int64)


def _cycled(members: NDArray[np.int64], length: int, rng: np.random.Generator) -> NDArray[np.int64]:
    rounds = -(-length // len(members)) if length else 0
    if not rounds:
        return np.empty(0, dtype=np.int64)
    return np.concatenate([rng.permutation(members) for _ in range(rounds)])[:length]
