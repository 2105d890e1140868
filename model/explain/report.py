"""The report card of one heatmap: how faithful it is, and where it points, beside two that know no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from model.explain.faithfulness import STEPS, Curves, curves
from model.explain.film_methods import Scorer
from model.explain.localization import centre_blob, edge_map, overlap_at_equal_area, pointing_hit
from model.explain.work import Progress, part, unwatched

Map = NDArray[np.float32]
Mask = NDArray[np.bool_]

HEATMAP, EDGES, CENTRE = "heatmap", "edges", "centre"
BASELINES = MappingProxyType({EDGES: "an edge detector", CENTRE: "a blob in the middle of the chest"})


@dataclass(frozen=True, eq=False, kw_only=True)
class Grade:
    """How one map did.

    Attributes
    ----------
    curves : Curves
        Deletion and insertion.
    hit : bool or None
        Whether its hottest place lies on a marked area; None where nothing is marked.
    overlap : float or None
        Intersection over union with the marked area at equal area, 0..1; None where nothing is marked.
    """

    curves: Curves
    hit: bool | None
    overlap: float | None


@dataclass(frozen=True, eq=False, kw_only=True)
class ReportCard:
    """Grades of the heatmap and of the two baselines on one film.

    Attributes
    ----------
    grades : dict of str to Grade
        "heatmap", "edges" and "centre".
    """

    grades: dict[str, Grade]

    def beats_both(self) -> dict[str, bool]:
        """Return for each measure whether the heatmap is better than both baselines; ties are not."""
        mine, others = self.grades[HEATMAP], [self.grades[key] for key in BASELINES]
        result = {
            "deletion": all(mine.curves.deletion_area < other.curves.deletion_area for other in others),
            "insertion": all(mine.curves.insertion_area > other.curves.insertion_area for other in others),
        }
        if mine.overlap is not None:
            result["overlap"] = all(mine.overlap > (other.overlap or 0.0) for other in others)
        return result

    def as_json(self) -> dict[str, dict[str, float | bool | None]]:
        """Return the grades as plain numbers."""
        return {
            key: {
                "deletion_area": round(grade.curves.deletion_area, 6),
                "insertion_area": round(grade.curves.insertion_area, 6),
                "pointing_hit": grade.hit,
                "overlap_at_equal_area": None if grade.overlap is None else round(grade.overlap, 6),
            }
            for key, grade in self.grades.items()
        }


def baseline_grades(
    scorer: Scorer,
    film: Map,
    *,
    sign: float = 1.0,
    truth: Mask | None = None,
    steps: int = STEPS,
    progress: Progress = unwatched,
) -> dict[str, Grade]:
    """Grade the two maps that know no network; see `report_card` for the parameters."""
    maps = {EDGES: edge_map(film.mean(axis=2)), CENTRE: centre_blob((film.shape[0], film.shape[1]))}
    return {
        key: _grade(
            scorer, film, one, sign, truth, steps, part(progress, number / len(maps), (number + 1) / len(maps))
        )
        for number, (key, one) in enumerate(maps.items())
    }


def report_card(
    scorer: Scorer,
    film: Map,
    values: Map,
    *,
    sign: float = 1.0,
    truth: Mask | None = None,
    steps: int = STEPS,
    baselines: Mapping[str, Grade] | None = None,
    progress: Progress = unwatched,
) -> ReportCard:
    """Grade a heatmap beside the two baselines on one film.

    Parameters
    ----------
    scorer : Scorer
        The network.
    film : ndarray of float32, shape (height, width, channels)
        One prepared input.
    values : ndarray of float32, shape (h, w)
        The heatmap, of any size.
    sign : float
        1 if it shows evidence for "yes", -1 for "no".
    truth : ndarray of bool, shape (any height, any width), optional
        Where a person or a phantom's recipe marked the finding, on the same film.
    steps : int
        See `model.explain.faithfulness.curves`.
    baselines : Mapping, optional
        What `baseline_grades` gave for the same film, side, truth and steps; worked out if not given.
    progress : callable
        Told the share that is done.
    """
    own = 1 / 3 if baselines is None else 1.0
    mine = _grade(scorer, film, values, sign, truth, steps, part(progress, 0, own))
    if baselines is None:
        rest = part(progress, own, 1)
        baselines = baseline_grades(scorer, film, sign=sign, truth=truth, steps=steps, progress=rest)
    return ReportCard(grades={HEATMAP: mine, **baselines})


def _grade(
    scorer: Scorer, film: Map, values: Map, sign: float, truth: Mask | None, steps: int, progress: Progress
) -> Grade:
    marked = truth if truth is not None and truth.any() else None
    return Grade(
        curves=curves(scorer, film, values, sign=sign, steps=steps, progress=progress),
        hit=pointing_hit(values, marked) if marked is not None else None,
        overlap=overlap_at_equal_area(values, marked) if marked is not None else None,
    )


def average(cards: Sequence[ReportCard]) -> dict[str, dict[str, float]]:
    """Return the mean of each measure over many films, for the heatmap and each baseline."""
    means: dict[str, dict[str, float]] = {}
    for key in (HEATMAP, *BASELINES):
        rows = [card.as_json()[key] for card in cards]
        means[key] = {
            measure: float(np.mean([float(row[measure] or 0.0) for row in rows]))
            for measure in rows[0]
            if all(row[measure] is not None for row in rows)
        }
    return means
