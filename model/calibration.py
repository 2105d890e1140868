"""Whether stated probabilities are kept, and the one number that makes them so: the temperature."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from model.errors import EvaluationError
from model.metrics import Labels, Scores, bin_of

BINS = 10

_RANGE = (-3.0, 3.0)
_WILSON_Z = 1.959964
_FINITE = 1e-12


@dataclass(frozen=True, kw_only=True)
class Bin:
    """Films with about the same score.

    Attributes
    ----------
    start, stop : float
        The scores that belong here, 0..1.
    count : int
        How many films.
    said : float
        Their mean score.
    happened : float
        The share of positives among them.
    low, high : float
        95 % interval of that share.
    """

    start: float
    stop: float
    count: int
    said: float
    happened: float
    low: float
    high: float


def fit_temperature(labels: Labels, log_odds: NDArray[np.float64]) -> float:
    """Find the number that a network's logits should be divided by.

    It minimizes the cross-entropy. Dividing all logits by one number changes no order and so no area under a curve; it
    only makes a network more or less sure of itself.

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
        0 or 1, both present: films that were not trained on.
    log_odds : ndarray of float64, shape (n,)
        Of class 1, from the logits, natural logarithm.

    Returns
    -------
    float
        Above 1 for a network that is too sure, below 1 for one that is not sure enough; within 0.05..20.

    Raises
    ------
    EvaluationError
        If only one class is there, or a number is not finite.

    References
    ----------
    Guo et al. (2017), arXiv:1706.04599, section 4.2.
    """
    if len(np.unique(labels)) < 2 or not np.isfinite(log_odds).all():
        raise EvaluationError(
            "A temperature is fitted on films of both classes with finite scores; "
            f"these are {len(labels):,} films of {len(np.unique(labels))} class(es)."
        )
    signed = np.where(labels == 1, -log_odds, log_odds)

    def loss(logarithm: float) -> float:
        return float(np.mean(np.logaddexp(0, signed * np.exp(-logarithm))))

    return float(np.exp(minimize_scalar(loss, bounds=_RANGE, method="bounded", options={"xatol": 1e-6}).x))


def at_temperature(scores: Scores, temperature: float) -> Scores:
    """Return what probabilities become when the logits behind them are divided by a temperature."""
    return probability_of(log_odds_of(scores) / temperature)


def log_odds_of(scores: Scores) -> NDArray[np.float64]:
    """Return the log odds of probabilities; 0 and 1 become large but finite."""
    inside = np.clip(scores, _FINITE, 1 - _FINITE)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def probability_of(log_odds: NDArray[np.float64]) -> Scores:
    """Return the probabilities of log odds."""
    return np.asarray(np.exp(-np.logaddexp(0, -log_odds)))


def reliability(labels: Labels, scores: Scores, *, bins: int = BINS) -> tuple[Bin, ...]:
    """Compare stated and observed frequencies in bins of equal width; empty bins are left out.

    References
    ----------
    Wilson (1927), doi:10.1080/01621459.1927.10502953, for the intervals of the shares.
    """
    found = []
    place = bin_of(scores, bins=bins)
    for k in np.unique(place):
        inside = place == k
        count, happened = int(inside.sum()), float(labels[inside].mean())
        low, high = wilson(happened, count)
        found.append(
            Bin(
                start=float(k / bins),
                stop=float((k + 1) / bins),
                count=count,
                said=float(scores[inside].mean()),
                happened=happened,
                low=low,
                high=high,
            )
        )
    return tuple(found)


def wilson(share: float, count: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share of independent cases.

    Parameters
    ----------
    share : float
        0..1.
    count : int
        How many cases, at least 1.
    """
    z2 = _WILSON_Z**2
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = _WILSON_Z / (1 + z2 / count) * float(np.sqrt(share * (1 - share) / count + z2 / (4 * count**2)))
    return min(max(middle - half, 0.0), share), max(min(middle + half, 1.0), share)
