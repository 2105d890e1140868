"""From scores to everything a sceptic would ask: numbers with intervals, thresholds, calibration, subgroups."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve, roc_curve

from model.bootstrap import RESAMPLES, Band, Bootstrap, Interval, Progress, bootstrap
from model.calibration import reliability
from model.metrics import NAMES, Counts
from model.scores import MOST_GROUPS, ScoreTable

FEW = 30
MOST_POINTS = 400

_AGES = ((0, 2), (2, 6), (6, 18), (18, 40), (40, 60), (60, 80), (80, 200))
_FRONT = ("view", "sex", "age", "cause")


@dataclass(frozen=True, eq=False, kw_only=True)
class Curve:
    """A curve over all thresholds, thinned to what a screen can show.

    Attributes
    ----------
    x, y : ndarray of float64
        False positive rate and sensitivity, or recall and precision.
    thresholds : ndarray of float64
        The score from which on films are called positive at each point.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    thresholds: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Subgroup:
    """Films that have something in common.

    Attributes
    ----------
    attribute, value : str
        What they have in common.
    films, patients, positives : int
        How many there are.
    numbers : Mapping of str to Interval
        Those of `model.metrics.NAMES`; NaN where the films do not allow one.
    few : bool
        Whether there are fewer than 30 films of a class that is there, so that numbers say little.
    """

    attribute: str
    value: str
    films: int
    patients: int
    positives: int
    numbers: Mapping[str, Interval]
    few: bool


def roc(table: ScoreTable) -> Curve:
    """Return the ROC curve; empty where only one class is there."""
    if table.classes < 2:
        return _nothing()
    x, y, thresholds = roc_curve(table.labels, table.scores)
    return _thinned(x, y, thresholds)


def precision_recall(table: ScoreTable) -> Curve:
    """Return the precision-recall curve, from the strictest threshold; empty where only one class is there."""
    if table.classes < 2:
        return _nothing()
    precision, recall, thresholds = precision_recall_curve(table.labels, table.scores)
    return _thinned(recall[:-1][::-1], precision[:-1][::-1], thresholds[::-1])


def resampled(
    table: ScoreTable,
    *,
    resamples: int = RESAMPLES,
    thresholds: tuple[float, ...] = (),
    progress: Progress = lambda share: None,
) -> Bootstrap:
    """Return the bootstrap of a table; see `model.bootstrap.bootstrap`."""
    return bootstrap(
        table.labels,
        table.scores,
        table.patients,
        resamples=resamples,
        thresholds=thresholds,
        progress=progress,
    )


def subgroups(
    table: ScoreTable,
    *,
    threshold: float,
    resamples: int = RESAMPLES,
    progress: Progress = lambda share: None,
) -> tuple[Subgroup, ...]:
    """Measure each subgroup that the attributes of a table name.

    Ages in years become age groups. A cause ("bacteria" or "virus") only sick films have: each is measured together
    with all normal films, since a sick subgroup alone has no specificity.
    """
    parts = [(name, value, chosen) for name, values in _groups(table).items() for value, chosen in values.items()]
    found = []
    for done, (name, value, chosen) in enumerate(parts):
        progress(done / len(parts))
        part = table.where(chosen)
        counts = np.bincount(part.labels, minlength=2)
        drawn = resampled(part, resamples=resamples, thresholds=(threshold,))
        found.append(
            Subgroup(
                attribute=name,
                value=value,
                films=len(part),
                patients=len(np.unique(part.patients)),
                positives=int(counts[1]),
                numbers=drawn.intervals(threshold),
                few=few(part),
            )
        )
    return tuple(found)


def few(table: ScoreTable) -> bool:
    """Tell whether fewer than 30 films of a class that is there stand behind a table's numbers."""
    counts = np.bincount(table.labels, minlength=2)
    return bool(counts[counts > 0].min() < FEW)


def most_wrong_first(table: ScoreTable, *, threshold: float, label: int, called: int) -> NDArray[np.intp]:
    """Return the places of the films in one cell of the confusion matrix, the most surprising score first.

    Parameters
    ----------
    table : ScoreTable
        The films.
    threshold : float
        As in `model.metrics.at_threshold`.
    label, called : int
        What they are and what they are called, 0 or 1.
    """
    inside = np.flatnonzero((table.labels == label) & ((table.scores >= threshold) == (called == 1)))
    far = np.abs(table.scores[inside] - label)
    return np.asarray(inside[np.argsort(-far, kind="stable")])


def predictive_values(sensitivity: float, specificity: float, prevalence: float) -> tuple[float, float]:
    """Return what a positive and a negative result mean where the disease has this prevalence.

    Returns
    -------
    tuple of float
        The share of the sick among those called positive, and of the healthy among those called negative, 0..1; NaN
        where nobody is called so.

    References
    ----------
    Bayes' rule; Altman, Bland (1994), doi:10.1136/bmj.309.6947.102.
    """
    hit, missed = sensitivity * prevalence, (1 - sensitivity) * prevalence
    alarm, cleared = (1 - specificity) * (1 - prevalence), specificity * (1 - prevalence)
    positive, negative = hit + alarm, missed + cleared
    return (hit / positive if positive > 0 else math.nan), (cleared / negative if negative > 0 else math.nan)


def report(
    table: ScoreTable,
    *,
    threshold: float,
    aims: Mapping[str, float] | None = None,
    resamples: int = RESAMPLES,
    progress: Progress = lambda share: None,
) -> dict[str, Any]:
    """Measure a table of scores, ready for JSON.

    Parameters
    ----------
    table : ScoreTable
        The films.
    threshold : float
        From which score on a film is called positive.
    aims : Mapping, optional
        Further thresholds by what they aim at.
    resamples : int
        Bootstrap samples.
    progress : callable
        Told the share that is done.

    Returns
    -------
    dict
        Counts, numbers with intervals, the confusion matrix, what each aim's threshold gives, both curves with bands,
        calibration and subgroups; what the films do not allow is None.
    """
    aims = aims or {}
    drawn = resampled(
        table,
        resamples=resamples,
        thresholds=(threshold, *aims.values()),
        progress=lambda share: progress(0.5 * share),
    )
    cells = Counts.at(table.labels, table.scores, threshold=threshold)
    parts = subgroups(
        table, threshold=threshold, resamples=resamples, progress=lambda share: progress(0.5 + 0.5 * share)
    )
    positives = int((table.labels == 1).sum())
    found: dict[str, Any] = without_nan(
        {
            "films": len(table),
            "patients": len(np.unique(table.patients)),
            "normal": len(table) - positives,
            "pneumonia": positives,
            "few": few(table),
            "threshold": threshold,
            "interval": f"95 % percentile bootstrap by patient, {resamples:,} resamples",
            "numbers": {name: asdict(value) for name, value in drawn.intervals(threshold).items()},
            "confusion": {name: int(getattr(cells, name)) for name in ("tp", "fn", "fp", "tn")},
            "aims": {
                aim: {
                    "threshold": at,
                    **{
                        name: asdict(value)
                        for name, value in drawn.intervals(at).items()
                        if name in ("sensitivity", "specificity", "precision", "accuracy")
                    },
                }
                for aim, at in aims.items()
            },
            "roc": {**_curve_json(roc(table)), "band": _band_json(drawn.roc_band())},
            "precision_recall": {**_curve_json(precision_recall(table)), "band": _band_json(drawn.pr_band())},
            "calibration": [asdict(one) for one in reliability(table.labels, table.scores)],
            "subgroups": [
                {**asdict(part), "numbers": {name: asdict(part.numbers[name]) for name in NAMES}} for part in parts
            ],
            "notes": list(table.notes),
        }
    )
    return found


def without_nan(value: Any) -> Any:
    """Return a value ready for JSON, which knows no NaN: a number that the films do not allow is None."""
    if isinstance(value, Mapping):
        return {str(key): without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _groups(table: ScoreTable) -> dict[str, dict[str, NDArray[np.bool_]]]:
    found: dict[str, dict[str, NDArray[np.bool_]]] = {}
    names = sorted(table.attributes, key=lambda name: (_FRONT.index(name) if name in _FRONT else len(_FRONT), name))
    for name in names:
        values = table.attributes[name]
        in_years = _age_groups(values) if name == "age" else values
        # Ages that are groups already, such as "18-40", stay as they are.
        are_years = name == "age" and (in_years != "").any()
        values = in_years if are_years else values
        known = [value for value in dict.fromkeys(np.sort(values).tolist()) if value]
        if name == "age" and not are_years and len(known) > MOST_GROUPS:
            continue
        if are_years:
            known = [label for label in map(_age_label, _AGES) if label in known]
        only_sick = not (table.labels[values != ""] == 0).any() and (table.labels == 0).any()
        groups = {
            value: (values == value) | ((table.labels == 0) if only_sick else np.zeros(len(table), np.bool_))
            for value in known
        }
        if len(groups) > 1:
            found[name] = groups
    return found


def _age_groups(values: NDArray[np.str_]) -> NDArray[np.str_]:
    def group(text: str) -> str:
        try:
            years = float(text.upper().removesuffix("Y"))
        except ValueError:
            return ""
        return next((_age_label(span) for span in _AGES if span[0] <= years < span[1]), "")

    return np.array([group(text) for text in values.tolist()], dtype=np.str_)


def _age_label(span: tuple[int, int]) -> str:
    return f"{span[0]} years or older" if span == _AGES[-1] else f"{span[0]} to {span[1] - 1} years"


def _thinned(x: NDArray[Any], y: NDArray[Any], thresholds: NDArray[Any]) -> Curve:
    if len(x) > MOST_POINTS:
        # Evenly along the curve's own length, so that steep parts keep their shape.
        way = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
        kept = np.unique(np.searchsorted(way, np.linspace(0, way[-1], MOST_POINTS)).clip(0, len(x) - 1))
        kept = np.unique(np.concatenate([[0], kept, [len(x) - 1]]))
        x, y, thresholds = x[kept], y[kept], thresholds[kept]
    return Curve(
        x=np.asarray(x, np.float64), y=np.asarray(y, np.float64), thresholds=np.asarray(thresholds, np.float64)
    )


def _nothing() -> Curve:
    return Curve(x=np.empty(0), y=np.empty(0), thresholds=np.empty(0))


def _curve_json(curve: Curve) -> dict[str, list[float]]:
    return {
        "x": np.round(curve.x, 6).tolist(),
        "y": np.round(curve.y, 6).tolist(),
        "thresholds": curve.thresholds.tolist(),
    }


def _band_json(band: Band) -> dict[str, list[float]]:
    return {
        "along": np.round(band.along, 4).tolist(),
        "low": np.round(band.low, 6).tolist(),
        "high": np.round(band.high, 6).tolist(),
    }
