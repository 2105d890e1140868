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
    looks: NDArray[np.int64] | None = None,
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
        "look" does too, and inside each look cluster as well, so that how a film looks says nothing about its label.
    rng : numpy.random.Generator
        The only source of chance.
    looks : ndarray of int64, shape (n,), optional
        The look cluster of each film; needed for "look".

    Returns
    -------
    ndarray of int64, shape (length,)
        Indices into `labels`. Within a group every film comes once before any comes again.
    """
    if balance in ("none", "weights"):
        return _cycled(np.arange(len(labels)), length, rng)
    if balance == "sampling":
        shares = {(0, label): 0.5 for label in (0, 1)}
        keys = np.zeros(len(labels), dtype=np.int64)
    else:
        if looks is None:
            raise ValueError("Balance by look needs the look cluster of every film, received none.")
        keys = looks
        shares = _shares_by_look(labels, looks)
    members = {key: np.flatnonzero((keys == key[0]) & (labels == key[1])) for key in shares}
    groups = list(shares)
    counts = _apportioned(np.array([shares[g] for g in groups]), length)
    drawn = np.concatenate([_cycled(members[g], int(k), rng) for g, k in zip(groups, counts, strict=True)])
    return np.asarray(rng.permutation(drawn), dtype=np.int64)


def _shares_by_look(labels: NDArray[np.int64], looks: NDArray[np.int64]) -> dict[tuple[int, int], float]:
    sizes = {
        (int(look), label): int(((looks == look) & (labels == label)).sum())
        for look in np.unique(looks)
        for label in (0, 1)
    }
    by_look = {look: min(sizes[look, 0], sizes[look, 1]) for look, _ in sizes}
    total = sum(np.sqrt(n) for n in by_look.values())
    if total == 0:
        present = [key for key, size in sizes.items() if size]
        return {key: 0.5 / sum(label == key[1] for _, label in present) for key in present}
    return {key: float(np.sqrt(by_look[key[0]]) / total / 2) for key in sizes if by_look[key[0]]}


def _apportioned(shares: NDArray[np.float64], length: int) -> NDArray[np.int64]:
    exact = shares / shares.sum() * length
    counts = np.floor(exact).astype(np.int64)
    for k in np.argsort(counts - exact, kind="stable")[: length - int(counts.sum())]:
        counts[k] += 1
    return np.asarray(counts, dtype=np.int64)


def _cycled(members: NDArray[np.int64], length: int, rng: np.random.Generator) -> NDArray[np.int64]:
    rounds = -(-length // len(members)) if length else 0
    if not rounds:
        return np.empty(0, dtype=np.int64)
    return np.concatenate([rng.permutation(members) for _ in range(rounds)])[:length]
