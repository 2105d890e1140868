"""Evaluation numbers, each with a 95 % interval that knows about patients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

RESAMPLES = 2000
NAMES = ("auroc", "accuracy", "sensitivity", "specificity", "precision")


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A number with its 95 % interval, all in 0..1; NaN where the films do not allow it."""

    value: float
    low: float
    high: float


def auroc(labels: NDArray[np.int64], scores: NDArray[np.float64]) -> float:
    """Return the area under the ROC curve, or NaN where only one class is there."""
    if len(np.unique(labels)) < 2:
        return float("nan")
    return float(roc_auc_score(labels, scores))


def at_threshold(labels: NDArray[np.int64], scores: NDArray[np.float64], *, threshold: float) -> dict[str, float]:
    """Return the numbers that depend on a threshold.

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
        0 normal, 1 pneumonia.
    scores : ndarray of float64, shape (n,)
        Probability of pneumonia in 0..1.
    threshold : float
        A film whose score is at least this counts as pneumonia.

    Returns
    -------
    dict
        "accuracy", "sensitivity" (= recall), "specificity", "precision", each in 0..1 or NaN where it is 0 / 0.
    """
    positive = scores >= threshold
    true_positive = float((positive & (labels == 1)).sum())
    true_negative = float((~positive & (labels == 0)).sum())
    return {
        "accuracy": _ratio(true_positive + true_negative, len(labels)),
        "sensitivity": _ratio(true_positive, float((labels == 1).sum())),
        "specificity": _ratio(true_negative, float((labels == 0).sum())),
        "precision": _ratio(true_positive, float(positive.sum())),
    }


def with_intervals(
    labels: NDArray[np.int64],
    scores: NDArray[np.float64],
    patients: NDArray[np.str_],
    *,
    threshold: float,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Interval]:
    """Return AUROC and the threshold's numbers with percentile bootstrap intervals.

    Whole patients are drawn with replacement, since films of one patient are alike.

    Parameters
    ----------
    labels, scores : ndarray, shape (n,)
        As in `at_threshold`.
    patients : ndarray of str, shape (n,)
        The patient of each film.
    threshold : float
        As in `at_threshold`.
    resamples : int
        Bootstrap samples.
    seed : int
        Seeds the draws.

    Returns
    -------
    dict of str to Interval
        For each of `NAMES`; samples in which a number is undefined are left out of its interval.

    References
    ----------
    Efron, Tibshirani (1993), "An Introduction to the Bootstrap", chapter 13.
    """
    members = [np.flatnonzero(patients == patient) for patient in np.unique(patients)]
    rng = np.random.default_rng(seed)
    drawn: dict[str, list[float]] = {name: [] for name in NAMES}
    for _ in range(resamples):
        chosen = np.concatenate([members[k] for k in rng.integers(0, len(members), len(members))])
        for name, value in _all_numbers(labels[chosen], scores[chosen], threshold).items():
            drawn[name].append(value)
    observed = _all_numbers(labels, scores, threshold)
    return {name: _interval(observed[name], np.array(drawn[name])) for name in NAMES}


def robust_threshold(labels: NDArray[np.int64], scores_by_condition: list[NDArray[np.float64]]) -> float:
    """Choose one threshold for films as they are and as they might look elsewhere.

    The threshold in 0.05..0.95 with the highest accuracy, averaged over all conditions; of equals, the middle one. A
    threshold fitted to clean validation films only sits wherever their gap happens to be and does not travel.

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
        0 normal, 1 pneumonia, both present.
    scores_by_condition : list of ndarray of float64, each of shape (n,)
        The same films' probabilities of pneumonia under each condition.

    Returns
    -------
    float
        Rounded to two digits.
    """
    grid = np.arange(5, 96) / 100
    sick = labels[:, None] == 1
    right = sum(((scores[:, None] >= grid) == sick).sum(axis=0) for scores in scores_by_condition)
    best = np.flatnonzero(right == np.max(right))
    return float(grid[best[len(best) // 2]])


def _all_numbers(labels: NDArray[np.int64], scores: NDArray[np.float64], threshold: float) -> dict[str, float]:
    return {"auroc": auroc(labels, scores), **at_threshold(labels, scores, threshold=threshold)}


def _interval(value: float, drawn: NDArray[np.float64]) -> Interval:
    defined = drawn[~np.isnan(drawn)]
    if not len(defined):
        return Interval(value=value, low=float("nan"), high=float("nan"))
    low, high = np.percentile(defined, [2.5, 97.5])
    return Interval(value=value, low=float(low), high=float(high))


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")
