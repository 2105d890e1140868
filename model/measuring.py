"""Measure a network: what validation films decide for it, and how it then does on films it has never seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.bootstrap import RESAMPLES, with_intervals
from model.calibration import at_temperature, fit_temperature, log_odds_of
from model.checkpoint import Files
from model.datasets import Dataset, check_classes
from model.film_cache import FilmCache
from model.films import Films, read_films
from model.metrics import ECE_BINS, at_threshold, auroc, expected_calibration_error
from model.novelty import LAYERS, POSES, Boundary, Novelty, Pose
from model.scores import MOST_GROUPS, ScoreTable, scores_text
from model.scoring import Scorer, features_of
from model.strangers import POSED, as_film, drawings, fit_novelty, photographs, pictures_in, reference_features
from model.stress import CONDITIONS, LOOKS, stressed
from model.thresholds import AIMS, thresholds_for
from model.views import View, about, fit_boundary, judged_by_others, look_at, views_in

_THRESHOLD_RULE = (
    "highest accuracy on the validation films, averaged over four conditions "
    f"({', '.join(LOOKS)}), the middle one of equals"
)
_STRESS_NUMBERS = ("accuracy", "sensitivity", "specificity", "precision")
_DRAWINGS = 60
_POSED_FILMS = 260
_STRESSED_FILMS = 52


def measure(
    scorer: Scorer,
    dataset: Dataset,
    *,
    cache: FilmCache | None,
    stress_films: int = 0,
    others: Path | None = None,
    views: Path | None = None,
    boundary: Boundary | None = None,
) -> tuple[dict[str, Any], Files]:
    """Fit temperature and thresholds to validation films, learn strangers apart, and measure on test films.

    Parameters
    ----------
    scorer : Scorer
        Of the network, not calibrated.
    dataset : Dataset
        Split as it was for training.
    cache : FilmCache, optional
        See `model.films.read_films`.
    stress_films : int
        Measure the stress table on this many test films, spread evenly over the list; 0 takes all.
    others : Path, optional
        Pictures that are no upright frontal chest films, to count how many are refused: see
        `model.strangers.pictures_in`.
    views : Path, optional
        Frontal chests and others to learn the boundary between them from: see `model.views.views_in`.
    boundary : Boundary, optional
        What this network has learned from such views before; taken where no `views` are given.

    Returns
    -------
    dict, Files
        Entries for the card, and what goes beside it.

    Raises
    ------
    PneumoscopeError
        If the data or the folder cannot be used.
    """
    check_classes(dataset.examples, needed=("val", "test"))
    strangers = pictures_in(others) if others else {}
    seen, told = (views_in(views), about(views)) if views else ([], {})
    val, test = (read_films(dataset.of(split), cache=cache) for split in ("val", "test"))
    raw = {name: scorer.scores("val", val, name) for name in LOOKS}
    as_is = raw[LOOKS[0]]
    temperature = round(fit_temperature(val.labels, log_odds_of(as_is)), 4)
    thresholds = thresholds_for(val.labels, [at_temperature(scores, temperature) for scores in raw.values()])
    threshold = thresholds["looks"]

    clean = scorer.scores("test", test, "as it is")
    some = spread(test, stress_films) if stress_films else test
    stress = {name: at_temperature(scorer.scores("test", some, name), temperature) for name in CONDITIONS}
    calibrated = at_temperature(clean, temperature)
    text = _scores_text((val, as_is), (test, clean), temperature=temperature)
    novelty, refusals, rates = _strangers(
        scorer, dataset, val, test, cache=cache, others=strangers, views=seen, boundary=boundary
    )
    entries = {
        "temperature": temperature,
        "threshold": threshold,
        "threshold_rule": _THRESHOLD_RULE,
        "thresholds": {
            aim: {"threshold": at, "rule": AIMS[aim], **_at(test.labels, calibrated, at)}
            for aim, at in thresholds.items()
        },
        "unreadable": len(val.unreadable) + len(test.unreadable),
        "test": measured(test, calibrated, threshold),
        "calibration": {
            "error": f"expected calibration error of the test films, {ECE_BINS} bins of equal width",
            "before": expected_calibration_error(test.labels, clean),
            "after": expected_calibration_error(test.labels, calibrated),
            "films_it_was_fitted_to": len(val),
        },
        "stress_films": len(some),
        "stress": [
            {
                "condition": name,
                "auroc": auroc(some.labels, values),
                **_at(some.labels, values, threshold),
            }
            for name, values in stress.items()
        ],
        "refusals": refusals,
        **({"views": {**told, **_counted(seen), "rates": rates}} if views else {}),
    }
    return entries, Files(scores=text, novelty=novelty)


def measured(films: Films, scores: NDArray[np.float64], threshold: float) -> dict[str, Any]:
    """Return all numbers of films with their intervals, ready for JSON."""
    numbers = with_intervals(films.labels, scores, films.patients, threshold=threshold)
    return {
        "films": len(films),
        "patients": len(np.unique(films.patients)),
        "normal": int((films.labels == 0).sum()),
        "pneumonia": int((films.labels == 1).sum()),
        "interval": f"95 % percentile bootstrap by patient, {RESAMPLES:,} resamples",
        "numbers": {name: asdict(value) for name, value in numbers.items()},
    }


def spread(films: Films, count: int) -> Films:
    """Return some of the films, spread evenly over the list."""
    chosen = np.linspace(0, len(films) - 1, min(count, len(films))).astype(int)
    return films.some(chosen)


def table_of(films: Films, scores: NDArray[np.float64]) -> ScoreTable:
    """Return films and their scores as a table.

    Films are named by as many of their folders as it takes to tell them apart. What all films or none have, or what
    has more than 12 different values, is no subgroup; ages in years are.
    """
    examples = films.examples
    ids = distinct_names([e.path for e in examples])
    names = sorted({name for e in examples for name in e.attributes})
    attributes = {name: np.array([e.attributes.get(name, "") for e in examples], np.str_) for name in names}
    counts = {name: len(set(values.tolist()) - {""}) for name, values in attributes.items()}
    alone = [e.patient == e.path.as_posix() for e in examples]
    return ScoreTable(
        ids=np.array(ids, dtype=np.str_),
        labels=films.labels,
        scores=scores,
        # A film without a patient has its whole path in place of one, which is nobody's business.
        patients=np.array([i if own else e.patient for i, own, e in zip(ids, alone, examples, strict=True)], np.str_),
        attributes={
            name: values
            for name, values in attributes.items()
            if len(set(values.tolist())) > 1 and (counts[name] <= MOST_GROUPS or name == "age")
        },
        by_patient=not all(alone),
    )


def distinct_names(paths: Sequence[Path]) -> list[str]:
    """Return names of films, each with its folder and as many of those above as it takes to tell all apart."""
    for depth in range(2, 2 + max(len(path.parts) for path in paths)):
        names = ["/".join(path.parts[-depth:]) for path in paths]
        if len(set(names)) == len(names):
            break
    return names


def _at(labels: NDArray[np.int64], scores: NDArray[np.float64], threshold: float) -> dict[str, float]:
    found = at_threshold(labels, scores, threshold=threshold)
    return {name: found[name] for name in _STRESS_NUMBERS}


def _scores_text(*parts: tuple[Films, NDArray[np.float64]], temperature: float) -> str:
    """Return validation and test films as the lines of one file."""
    tables = [table_of(films, np.round(at_temperature(raw, temperature), 6)) for films, raw in parts]
    names = sorted({name for table in tables for name in table.attributes})
    whole = ScoreTable(
        ids=np.concatenate([table.ids for table in tables]),
        labels=np.concatenate([table.labels for table in tables]),
        scores=np.concatenate([table.scores for table in tables]),
        patients=np.concatenate([table.patients for table in tables]),
        attributes={
            name: np.concatenate([table.attributes.get(name, np.full(len(table), "")) for table in tables])
            for name in names
        },
    )
    return scores_text(
        whole,
        {"split": [split for split, table in zip(("val", "test"), tables, strict=True) for _ in range(len(table))]},
    )


def _strangers(
    scorer: Scorer,
    dataset: Dataset,
    val: Films,
    test: Films,
    *,
    cache: FilmCache | None,
    others: Mapping[str, list[NDArray[np.float32]]],
    views: Sequence[View],
    boundary: Boundary | None,
) -> tuple[Novelty, dict[str, Mapping[str, float]], dict[str, dict[str, float]]]:
    extract = features_of(scorer.model)
    reference = reference_features(read_films(dataset.of("train"), cache=cache), extract)
    novelty = fit_novelty(reference, extract([val.gray(k) for k in range(len(val))]))
    found: dict[str, dict[str, float]] = {}
    if views:
        films, seen = reference["upright"], look_at(views, extract)
        channels = scorer.model.get_layer(LAYERS[-1]).output.shape[-1]
        boundary = fit_boundary(films, seen, channels=channels)
        found = judged_by_others(novelty, films, seen, channels=channels)
    novelty = replace(novelty, boundary=boundary)
    stored = Novelty.from_bytes(novelty.to_bytes())
    rates: dict[str, Mapping[str, float]] = {}

    def count(name: str, films: list[NDArray[np.float32]]) -> None:
        refused = sum(doubt is not None for doubt in stored.doubts(extract(films)))
        rates[name] = {"pictures": len(films), "refused": refused, "share": refused / len(films)}

    count("test films as they are", [test.gray(k) for k in range(len(test))])
    few = spread(test, _STRESSED_FILMS)
    changed = [stressed(few.gray(k), name) for name in list(CONDITIONS)[1:] for k in range(len(few))]
    count("test films under stress", changed)
    posed = spread(test, _POSED_FILMS)
    for pose in POSES[1:]:
        count(f"test films, {pose}", [_posed(posed.gray(k), pose) for k in range(len(posed))])
    count("drawings, pages of text, charts", [as_film(picture) for _, picture in drawings(_DRAWINGS, seed=1)])
    count("photographs that come with libraries", [as_film(picture) for _, picture in photographs()])
    for name, pictures in others.items():
        count(name, pictures)
    return novelty, rates, found


def _counted(views: Sequence[View]) -> dict[str, int]:
    people = [{view.person for view in views if (view.kind == "other") is other} for other in (False, True)]
    return {"chests": len(people[0]), "other_parts": len(people[1])}


def _posed(film: NDArray[np.float32], pose: Pose) -> NDArray[np.float32]:
    return np.ascontiguousarray(POSED[pose](film))
