"""From which score on a film is called positive: chosen on validation films, for a stated aim."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Literal

import numpy as np

from model.errors import EvaluationError
from model.metrics import Labels, Scores

Aim = Literal["looks", "youden", "sensitivity 95 %"]

AIMS = MappingProxyType(
    {
        "looks": "highest accuracy, averaged over four looks of the same films",
        "youden": "highest sensitivity + specificity (Youden's index)",
        "sensitivity 95 %": "highest threshold that still finds 95 % of the sick",
    }
)
SENSITIVITY = 0.95

_GRID = np.arange(1, 100) / 100


def robust_threshold(labels: Labels, scores_by_condition: Sequence[Scores]) -> float:
    """Choose one threshold for films as they are and as they might look elsewhere.

    The threshold in 0.05..0.95 with the highest accuracy, averaged over all conditions; of equals, the middle one. A
    threshold fitted to clean validation films only sits wherever their gap happens to be and does not travel.

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
        0 normal, 1 pneumonia, both present.
    scores_by_condition : sequence of ndarray of float64, each of shape (n,)
        The same films' probabilities of pneumonia under each condition.

    Returns
    -------
    float
        Rounded to two digits.
    """
    grid = np.arange(5, 96) / 100
    sick = labels[:, None] == 1
    right = sum(((scores[:, None] >= grid) == sick).sum(axis=0) for scores in scores_by_condition)
    return _middle(grid[np.asarray(right) == np.max(right)])


def youden_threshold(labels: Labels, scores: Scores) -> float:
    """Return the threshold of 0.01..0.99 with the highest sensitivity + specificity; of equals, the middle one.

    References
    ----------
    Youden (1950), doi:10.1002/1097-0142(1950)3:1<32::AID-CNCR2820030106>3.0.CO;2-3.
    """
    index = _reach(scores[labels == 1]) - _reach(scores[labels == 0])
    return _middle(_GRID[index == index.max()])


def sensitive_threshold(labels: Labels, scores: Scores, *, sensitivity: float = SENSITIVITY) -> float:
    """Return the highest threshold of 0.01..0.99 at which at least this share of the positives is found.

    Where even 0.01 finds fewer, it is 0.01.
    """
    enough = _GRID[_reach(scores[labels == 1]) >= sensitivity]
    return float(enough[-1]) if len(enough) else float(_GRID[0])


def thresholds_for(labels: Labels, scores_by_condition: Sequence[Scores]) -> dict[Aim, float]:
    """Return the threshold of every aim of `AIMS`.

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
        Of validation films.
    scores_by_condition : sequence of ndarray of float64
        As in `robust_threshold`; the first one holds the films as they are.

    Raises
    ------
    EvaluationError
        If only one class is there.
    """
    if len(np.unique(labels)) < 2:
        raise EvaluationError("Thresholds are chosen on films of both classes; these are all of one class.")
    return {
        "looks": robust_threshold(labels, scores_by_condition),
        "youden": youden_threshold(labels, scores_by_condition[0]),
        "sensitivity 95 %": sensitive_threshold(labels, scores_by_condition[0]),
    }


def _reach(scores: Scores) -> Scores:
    """Which share of the scores reaches each threshold of the grid."""
    below = np.searchsorted(np.sort(scores), _GRID, side="left")
    return np.asarray(1 - below / len(scores))


def _middle(best: Scores) -> float:
    return float(best[len(best) // 2])
