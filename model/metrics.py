"""Evaluation numbers of a yes-or-no classifier, each defined in one place.

scikit-learn computes every number it has. Ours are the expected calibration error, which it has not, and the numbers
of many resamples at once (`Counts.numbers`), for which its functions would have to be called thousands of times.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as sk

Labels = NDArray[np.int64]
Scores = NDArray[np.float64]

RANKED = ("auroc", "average_precision")
CALLED = ("accuracy", "balanced_accuracy", "sensitivity", "specificity", "precision", "f1", "mcc")
PROBABLE = ("brier", "ece")
NAMES = (*RANKED, *CALLED, *PROBABLE)
ECE_BINS = 15


@dataclass(frozen=True, kw_only=True)
class Counts:
    """The four cells of a confusion matrix, or of as many as there are resamples.

    Attributes
    ----------
    tp, fn, fp, tn : ndarray of float64
        True positives, false negatives, false positives and true negatives; all of one shape, which may be that of
        many resamples.
    """

    tp: NDArray[np.float64]
    fn: NDArray[np.float64]
    fp: NDArray[np.float64]
    tn: NDArray[np.float64]

    @classmethod
    def at(cls, labels: Labels, scores: Scores, *, threshold: float) -> Counts:
        """Count films; a score that reaches the threshold is called positive."""
        matrix = sk.confusion_matrix(labels, (scores >= threshold).astype(np.int64), labels=[0, 1])
        tn, fp, fn, tp = (np.asarray(cell, dtype=np.float64) for cell in matrix.ravel())
        return cls(tp=tp, fn=fn, fp=fp, tn=tn)

    def numbers(self) -> dict[str, NDArray[np.float64]]:
        """Return the numbers of `CALLED` of all resamples at once; NaN where one is 0 / 0.

        Those of one confusion matrix come from `at_threshold`; tests hold the two together.

        References
        ----------
        Chicco, Jurman (2020), doi:10.1186/s12864-019-6413-7, for the correlation coefficient of Matthews (1975).
        """
        tp, fn, fp, tn = self.tp, self.fn, self.fp, self.tn
        sensitivity, specificity = _ratio(tp, tp + fn), _ratio(tn, tn + fp)
        return {
            "accuracy": _ratio(tp + tn, tp + tn + fp + fn),
            "balanced_accuracy": (sensitivity + specificity) / 2,
            "sensitivity": sensitivity,
            "specificity": specificity,
            "precision": _ratio(tp, tp + fp),
            "f1": _ratio(2 * tp, 2 * tp + fp + fn),
            "mcc": _ratio(tp * tn - fp * fn, np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))),
        }


def auroc(labels: Labels, scores: Scores) -> float:
    """Return the area under the ROC curve, or NaN where only one class is there."""
    return float(sk.roc_auc_score(labels, scores)) if _both(labels) else float("nan")


def average_precision(labels: Labels, scores: Scores) -> float:
    """Return the average precision (the precision-recall curve in steps), or NaN where only one class is there."""
    return float(sk.average_precision_score(labels, scores)) if _both(labels) else float("nan")


def at_threshold(labels: Labels, scores: Scores, *, threshold: float) -> dict[str, float]:
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
        The numbers of `CALLED`, each in 0..1 ("mcc" in -1..1), or NaN where one is 0 / 0.
    """
    if not len(labels):
        return dict.fromkeys(CALLED, float("nan"))
    cells = Counts.at(labels, scores, threshold=threshold)
    counts = np.array([cells.tn, cells.fp, cells.fn, cells.tp])
    # One film for each cell, counted as often as there are films in it: the same numbers, however many films.
    truth, called = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    weighted = {"sample_weight": counts}
    undefined = {"zero_division": np.nan, **weighted}
    sides = (cells.tp + cells.fn, cells.tn + cells.fp, cells.tp + cells.fp, cells.tn + cells.fn)
    return {
        "accuracy": float(sk.accuracy_score(truth, called, **weighted)),
        # scikit-learn leaves an absent class out, and gives 0 for a correlation that is 0 / 0.
        "balanced_accuracy": float(sk.balanced_accuracy_score(truth, called, **weighted))
        if all(sides[:2])
        else np.nan,
        "sensitivity": float(sk.recall_score(truth, called, **undefined)),
        "specificity": float(sk.recall_score(truth, called, pos_label=0, **undefined)),
        "precision": float(sk.precision_score(truth, called, **undefined)),
        "f1": float(sk.f1_score(truth, called, **undefined)),
        "mcc": float(sk.matthews_corrcoef(truth, called, **weighted)) if all(sides) else np.nan,
    }


def expected_calibration_error(labels: Labels, scores: Scores, *, bins: int = ECE_BINS) -> float:
    """Return how far stated probabilities are from what happens, on average over films.

    Films are sorted into bins of equal width by their score. In each bin the mean score is compared with the share of
    positives, and the absolute differences are averaged, weighted by the films of the bins.

    Parameters
    ----------
    labels, scores : ndarray, shape (n,)
        As in `at_threshold`.
    bins : int
        How many bins the range 0..1 is cut into; the last one holds 1.0.

    Returns
    -------
    float
        0..1; NaN without films.

    References
    ----------
    Guo et al. (2017), arXiv:1706.04599, equation 3, for the probability of one class instead of the confidence.
    """
    if not len(labels):
        return float("nan")
    gaps = np.bincount(bin_of(scores, bins=bins), weights=scores - labels, minlength=bins)
    return float(np.abs(gaps).sum() / len(labels))


def bin_of(scores: Scores, *, bins: int) -> NDArray[np.int64]:
    """Return the number of the bin of equal width that each score of 0..1 falls into."""
    return np.minimum((scores * bins).astype(np.int64), bins - 1)


def all_numbers(labels: Labels, scores: Scores, *, threshold: float) -> dict[str, float]:
    """Return every number of `NAMES`; see `at_threshold` for the parameters."""
    return {
        "auroc": auroc(labels, scores),
        "average_precision": average_precision(labels, scores),
        **at_threshold(labels, scores, threshold=threshold),
        "brier": float(sk.brier_score_loss(labels, scores, pos_label=1)) if len(labels) else float("nan"),
        "ece": expected_calibration_error(labels, scores),
    }


def _both(labels: Labels) -> bool:
    return len(np.unique(labels)) == 2


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    part, whole = np.broadcast_arrays(np.asarray(part, np.float64), np.asarray(whole, np.float64))
    found = np.full(part.shape, np.nan)
    return np.asarray(np.divide(part, whole, out=found, where=whole != 0))
