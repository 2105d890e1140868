"""How much evaluation numbers would change with other patients: the bootstrap, all resamples at once.

One pass draws the resamples and keeps, for each of them, what every number at every threshold of a grid needs. Moving
a threshold then only indexes into the result.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.calibration import wilson
from model.metrics import ECE_BINS, NAMES, PROBABLE, RANKED, Counts, Labels, Scores, all_numbers, at_threshold, bin_of

RESAMPLES = 2000
GRID = np.arange(1, 100) / 100
"""Thresholds at which everything is known."""
ALONG = np.linspace(0, 1, 101)
"""False positive rates, and recalls, at which the bands of the two curves are known."""

_CELLS = 1_500_000
_NO_WIDTH = 1e-6
_LEVELS = (2.5, 97.5)

Floats = NDArray[np.float64]
Progress = Callable[[float], None]


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A number with its 95 % interval; NaN where the films do not allow it."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Band:
    """A 95 % interval for each place along a curve; NaN where no resample knows.

    Attributes
    ----------
    along, low, high : ndarray of float64, shape (101,)
        Where, and the interval there.
    """

    along: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, eq=False, kw_only=True)
class Bootstrap:
    """The resamples of a set of films.

    Attributes
    ----------
    labels, scores, patients : ndarray, shape (n,)
        The films themselves; the patients are numbered.
    thresholds : ndarray of float64, shape (t,)
        `GRID` and whatever else was asked for, rising.
    positives, negatives : ndarray of float64, shape (resamples,)
        How many films of each class were drawn.
    called_positives, called_negatives : ndarray of float64, shape (resamples, t)
        How many of them reach each threshold.
    whole : Mapping of str to ndarray of float64, shape (resamples,)
        The numbers that need no threshold.
    roc, pr : ndarray of float64, shape (resamples, 101)
        Sensitivity along the false positive rate, and precision along the recall.
    """

    labels: Labels
    scores: Scores
    patients: NDArray[np.intp]
    thresholds: Floats
    positives: Floats
    negatives: Floats
    called_positives: Floats
    called_negatives: Floats
    whole: dict[str, Floats]
    roc: NDArray[np.float32]
    pr: NDArray[np.float32]

    @property
    def nbytes(self) -> int:
        """How much memory it takes."""
        own: list[NDArray[Any]] = [
            self.labels,
            self.scores,
            self.called_positives,
            self.called_negatives,
            self.roc,
            self.pr,
        ]
        return sum(array.nbytes for array in own)

    def counts(self, threshold: float) -> Counts:
        """Return the cells of the confusion matrix of each resample at one of `thresholds`.

        Raises
        ------
        ValueError
            If the threshold is none of them.
        """
        place = int(np.argmin(np.abs(self.thresholds - threshold)))
        if abs(self.thresholds[place] - threshold) > 1e-9:
            raise ValueError(f"{threshold} is not among the thresholds of this bootstrap")
        tp, fp = self.called_positives[:, place], self.called_negatives[:, place]
        return Counts(tp=tp, fn=self.positives - tp, fp=fp, tn=self.negatives - fp)

    def intervals(self, threshold: float) -> dict[str, Interval]:
        """Return every number of `model.metrics.NAMES` with its percentile interval.

        Resamples in which a number is undefined are left out of its interval. Where there is no mistake to be drawn,
        all resamples say 1 (or 0), which would be an interval without width however few the films; such a share gets
        Wilson's interval for as many cases as it has patients. Any other number of which all resamples say the
        same (of one patient, for example) gets no interval: NaN.
        """
        observed = {**self._observed, **at_threshold(self.labels, self.scores, threshold=threshold)}
        drawn = {**self.whole, **self.counts(threshold).numbers()}
        found = {name: interval(observed[name], drawn[name]) for name in NAMES}
        for name, films in self._counted(threshold).items():
            if found[name].low == found[name].high == observed[name] and observed[name] in (0.0, 1.0):
                low, high = wilson(observed[name], len(np.unique(self.patients[films])))
                found[name] = Interval(value=observed[name], low=low, high=high)
        return {name: _without_certainty(number) for name, number in found.items()}

    def _counted(self, threshold: float) -> dict[str, NDArray[np.bool_]]:
        """Return which films each share is a share of."""
        return {
            "accuracy": np.ones(len(self.labels), np.bool_),
            "sensitivity": self.labels == 1,
            "specificity": self.labels == 0,
            "precision": self.scores >= threshold,
        }

    @cached_property
    def _observed(self) -> dict[str, float]:
        """The films' own numbers; those that need a threshold are for another one."""
        return all_numbers(self.labels, self.scores, threshold=0.5)

    def roc_band(self) -> Band:
        """Return the interval of the sensitivity along the false positive rate."""
        return _band(self.roc)

    def pr_band(self) -> Band:
        """Return the interval of the precision along the recall."""
        return _band(self.pr)


def interval(value: float, drawn: Floats) -> Interval:
    """Return a number with the 2.5th and 97.5th percentile of its resamples, NaN among them left out."""
    defined = drawn[~np.isnan(drawn)]
    if not len(defined) or np.isnan(value):
        return Interval(value=value, low=float("nan"), high=float("nan"))
    low, high = np.percentile(defined, _LEVELS)
    return Interval(value=value, low=float(low), high=float(high))


def _without_certainty(number: Interval) -> Interval:
    """Return a number without its interval where that has no width: the films allow none."""
    if number.high - number.low < _NO_WIDTH:
        return Interval(value=number.value, low=float("nan"), high=float("nan"))
    return number


def bootstrap(
    labels: Labels,
    scores: Scores,
    patients: NDArray[np.str_],
    *,
    resamples: int = RESAMPLES,
    thresholds: tuple[float, ...] = (),
    seed: int = 0,
    progress: Progress = lambda share: None,
) -> Bootstrap:
    """Draw whole patients with replacement, since films of one patient are alike.

    Parameters
    ----------
    labels, scores : ndarray, shape (n,)
        As in `model.metrics.at_threshold`; at least one film.
    patients : ndarray, shape (n,)
        The patient of each film.
    resamples : int
        How many.
    thresholds : tuple of float
        Thresholds besides `GRID`.
    seed : int
        Seeds the draws.
    progress : callable
        Told the share that is done, 0..1, again and again; may raise to end the work.

    References
    ----------
    Efron, Tibshirani (1993), "An Introduction to the Bootstrap", chapter 13 (percentile intervals); Fawcett (2006),
    doi:10.1016/j.patrec.2005.10.010, for vertical averaging of ROC curves.
    """
    rng = np.random.default_rng(seed)
    names, patient = np.unique(patients, return_inverse=True)
    order = np.argsort(scores, kind="stable")
    sorted_films = _Sorted(
        labels=labels[order],
        scores=scores[order],
        patient=patient.ravel()[order],
        thresholds=np.unique([*GRID, *thresholds]),
    )
    at_once = max(1, _CELLS // max(len(labels), len(names)))
    parts = []
    for start in range(0, resamples, at_once):
        count = min(at_once, resamples - start)
        drawn = rng.integers(0, len(names), (count, len(names)))
        rows = np.arange(count)[:, None] * len(names)
        weights = np.bincount((drawn + rows).ravel(), minlength=count * len(names)).reshape(count, len(names))
        parts.append(sorted_films.measured(weights.astype(np.float32)))
        progress((start + count) / resamples)
    joined = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    return Bootstrap(
        labels=labels,
        scores=scores,
        patients=patient.ravel(),
        thresholds=sorted_films.thresholds,
        positives=joined["positives"],
        negatives=joined["negatives"],
        called_positives=joined["called_positives"],
        called_negatives=joined["called_negatives"],
        whole={name: joined[name] for name in (*RANKED, *PROBABLE)},
        roc=joined["roc"].astype(np.float32),
        pr=joined["pr"].astype(np.float32),
    )


def with_intervals(
    labels: Labels,
    scores: Scores,
    patients: NDArray[np.str_],
    *,
    threshold: float,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Interval]:
    """Return every number of `model.metrics.NAMES` with its interval; see `bootstrap` for the parameters."""
    drawn = bootstrap(labels, scores, patients, resamples=resamples, thresholds=(threshold,), seed=seed)
    return drawn.intervals(threshold)


@dataclass(frozen=True, eq=False, kw_only=True)
class _Sorted:
    """Films by rising score, and what any weighting of their patients makes of them."""

    labels: Labels
    scores: Scores
    patient: NDArray[np.intp]
    thresholds: Floats

    def measured(self, patient_weights: NDArray[np.float32]) -> dict[str, Floats]:
        """Return all numbers for each row of weights, shape (resamples, patients)."""
        weights = patient_weights[:, self.patient]
        # Counts are whole and below 2 to the 24th, so float32 adds them up exactly.
        drawn_positive = weights * self.labels.astype(np.float32)
        positive_up_to = np.cumsum(drawn_positive, axis=1, dtype=np.float32)
        negative_up_to = np.cumsum(weights - drawn_positive, axis=1, dtype=np.float32)
        positives, negatives = (up_to[:, -1].astype(np.float64) for up_to in (positive_up_to, negative_up_to))
        ends = np.append(np.flatnonzero(np.diff(self.scores)), len(self.scores) - 1)
        positive_below, negative_below = (
            np.concatenate([np.zeros((len(weights), 1), np.float32), up_to[:, ends]], axis=1)
            for up_to in (positive_up_to, negative_up_to)
        )
        at = np.searchsorted(self.scores[ends], self.thresholds, side="left")
        ranked = _ranked(positive_below, negative_below)
        return {
            "positives": positives,
            "negatives": negatives,
            "called_positives": positives[:, None] - positive_below[:, at],
            "called_negatives": negatives[:, None] - negative_below[:, at],
            **ranked,
            **self._probable(weights),
        }

    def _probable(self, weights: NDArray[np.float32]) -> dict[str, Floats]:
        total = weights.sum(axis=1, dtype=np.float64)
        gaps = self.scores - self.labels
        starts = np.flatnonzero(np.diff(bin_of(self.scores, bins=ECE_BINS), prepend=-1))
        weighted = weights * gaps.astype(np.float32)
        in_bins = np.add.reduceat(weighted, starts, axis=1, dtype=np.float64)
        return {
            "brier": (weights @ (gaps**2).astype(np.float32)).astype(np.float64) / total,
            "ece": np.abs(in_bins).sum(axis=1) / total,
        }


def _ranked(positive_below: NDArray[np.float32], negative_below: NDArray[np.float32]) -> dict[str, Floats]:
    """Return areas and curves from the films of each class below each step of the score, (resamples, steps + 1)."""
    positives, negatives = (below[:, -1:].astype(np.float64) for below in (positive_below, negative_below))
    in_step = np.diff(positive_below, axis=1)
    # Pairs in the right order, ties counted half, as Mann and Whitney count them.
    middle = negative_below[:, :-1] + np.float32(0.5) * np.diff(negative_below, axis=1)
    pairs = np.einsum("rs,rs->r", in_step, middle, dtype=np.float64)
    true, false = positives - positive_below[:, :-1], negatives - negative_below[:, :-1]
    called = np.maximum(true + false, 1)
    both = (positives[:, 0] > 0) & (negatives[:, 0] > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        areas = pairs / (positives[:, 0] * negatives[:, 0])
        precision = np.einsum("rs,rs->r", in_step, true / called, dtype=np.float64) / positives[:, 0]
    count = len(positives)
    roc, pr = np.full((count, len(ALONG)), np.nan), np.full((count, len(ALONG)), np.nan)
    for row in np.flatnonzero(both):
        # From the strictest threshold to the loosest.
        tp = np.append(0.0, true[row, ::-1])
        fp = np.append(0.0, false[row, ::-1])
        roc[row] = _sensitivity_along(fp / negatives[row], tp / positives[row])
        pr[row] = _precision_along(tp, fp, positives[row, 0])
    return {
        "auroc": np.where(both, areas, np.nan),
        "average_precision": np.where(both, precision, np.nan),
        "roc": roc,
        "pr": pr,
    }


def _sensitivity_along(false_rate: Floats, true_rate: Floats) -> Floats:
    """Read a ROC curve at `ALONG`: the upper end where it is vertical, straight lines between its points."""
    last = np.searchsorted(false_rate, ALONG, side="right") - 1
    after = np.minimum(last + 1, len(false_rate) - 1)
    run = false_rate[after] - false_rate[last]
    share = np.divide(ALONG - false_rate[last], run, out=np.zeros_like(ALONG), where=run > 0)
    return np.asarray(true_rate[last] + share * (true_rate[after] - true_rate[last]))


def _precision_along(tp: Floats, fp: Floats, positives: float) -> Floats:
    """Read a precision-recall curve at `ALONG`: at the strictest threshold that reaches the recall."""
    first = np.searchsorted(tp, np.maximum(ALONG * positives - 1e-6, 1e-6), side="left")
    first = np.minimum(first, len(tp) - 1)
    return np.asarray(tp[first] / np.maximum(tp[first] + fp[first], 1))


def _band(drawn: NDArray[np.float32]) -> Band:
    known = drawn[~np.isnan(drawn[:, 0])].astype(np.float64)
    if not len(known):
        nothing = np.full(len(ALONG), np.nan)
        return Band(along=ALONG, low=nothing, high=nothing)
    low, high = np.percentile(known, _LEVELS, axis=0)
    return Band(along=ALONG, low=low, high=high)
