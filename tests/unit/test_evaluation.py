"""Evaluation: every part of a report against a table small enough to count by hand, or against its own source."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as oracle

from model.evaluation import (
    MOST_POINTS,
    most_wrong_first,
    precision_recall,
    predictive_values,
    report,
    resampled,
    roc,
    subgroups,
    without_nan,
)
from model.paper import ACCURACY, FILMS, PRECISION, RECALL, RIGHT, allowed, on_its_films, reported
from model.scores import ScoreTable, read_scores


def table(count: int = 400, *, seed: int = 0, digits: int = 4) -> ScoreTable:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, count)
    scores = np.round(np.clip(0.3 * labels + 0.7 * rng.random(count), 0, 1), digits)
    causes = np.where(labels == 1, np.where(rng.random(count) < 0.5, "bacteria", "virus"), "")
    return ScoreTable(
        ids=np.array([f"f{k}" for k in range(count)]),
        labels=labels,
        scores=scores,
        patients=np.array([f"p{k // 2}" for k in range(count)]),
        attributes={
            "view": np.where(np.arange(count) % 20 == 0, "AP", "PA"),
            "age": np.array([str(k % 90) for k in range(count)]),
            "cause": causes.astype(np.str_),
        },
    )


@pytest.mark.parametrize("digits", [4, 1])
def test_curves_are_scikit_learns(digits: int) -> None:
    films = table(200, digits=digits)
    false, true, _ = oracle.roc_curve(films.labels, films.scores)
    curve = roc(films)
    assert curve.x == pytest.approx(false) and curve.y == pytest.approx(true)
    found = precision_recall(films)
    for x, y, threshold in zip(found.x, found.y, found.thresholds, strict=True):
        called = films.scores >= threshold
        assert x == pytest.approx(called[films.labels == 1].mean())
        assert y == pytest.approx(films.labels[called].mean())


def test_long_curves_are_thinned_without_losing_area() -> None:
    films = table(20_000, digits=9)
    curve = roc(films)
    assert len(curve.x) <= MOST_POINTS + 2
    assert (curve.x[0], curve.y[0], curve.x[-1], curve.y[-1]) == (0, 0, 1, 1)
    assert oracle.auc(curve.x, curve.y) == pytest.approx(oracle.roc_auc_score(films.labels, films.scores), abs=2e-3)


def test_one_class_has_no_curves() -> None:
    sick = read_scores(b"label,score\n1,0.5\n1,0.25\n")
    assert len(roc(sick).x) == len(precision_recall(sick).x) == 0
    found = report(sick, threshold=0.3, resamples=100)
    assert found["numbers"]["auroc"]["value"] is None
    assert found["numbers"]["sensitivity"]["value"] == 0.5
    json.dumps(found, allow_nan=False)


def test_subgroups_are_the_films_they_name() -> None:
    films = table()
    found = {(part.attribute, part.value): part for part in subgroups(films, threshold=0.5, resamples=100)}
    ap = films.where(films.attributes["view"] == "AP")
    part = found["view", "AP"]
    assert (part.films, part.positives, part.patients) == (len(ap), int(ap.labels.sum()), len(set(ap.patients)))
    assert part.numbers["auroc"].value == pytest.approx(oracle.roc_auc_score(ap.labels, ap.scores))
    assert part.few and not found["view", "PA"].few
    ages = [value for name, value in found if name == "age"]
    assert ages == [
        "0 to 1 years",
        "2 to 5 years",
        "6 to 17 years",
        "18 to 39 years",
        "40 to 59 years",
        "60 to 79 years",
        "80 years or older",
    ]
    assert sum(found["age", value].films for value in ages) == len(films)


@pytest.mark.parametrize(
    ("ages", "groups"),
    [
        (["003Y", "044Y"], {"2 to 5 years", "40 to 59 years"}),
        (["child", "18-40"], {"child", "18-40"}),
    ],
)
def test_ages_in_other_forms(ages: list[str], groups: set[str]) -> None:
    films = table(80)
    films = films.with_attributes({"age": np.array([ages[k % 2] for k in range(80)])})
    assert {part.value for part in subgroups(films, threshold=0.5, resamples=100)} == groups


def test_a_cause_is_measured_beside_all_normal_films() -> None:
    films = table()
    part = next(p for p in subgroups(films, threshold=0.5, resamples=100) if p.value == "virus")
    normal = int((films.labels == 0).sum())
    assert part.films - part.positives == normal
    assert part.positives == int((films.attributes["cause"] == "virus").sum())
    virus = films.where((films.attributes["cause"] == "virus") | (films.labels == 0))
    assert part.numbers["auroc"].value == pytest.approx(oracle.roc_auc_score(virus.labels, virus.scores))


def test_the_most_wrong_film_comes_first() -> None:
    films = read_scores(b"id,label,score\na,0,0.6\nb,0,0.9\nc,1,0.2\nd,1,0.8\ne,0,0.1\nf,1,0.4\n")
    false_alarms = most_wrong_first(films, threshold=0.5, label=0, called=1)
    assert films.ids[false_alarms].tolist() == ["b", "a"]
    assert films.ids[most_wrong_first(films, threshold=0.5, label=1, called=0)].tolist() == ["c", "f"]
    assert films.ids[most_wrong_first(films, threshold=0.5, label=1, called=1)].tolist() == ["d"]
    cells = [most_wrong_first(films, threshold=0.4, label=y, called=c) for y in (0, 1) for c in (0, 1)]
    assert sorted(np.concatenate(cells).tolist()) == list(range(6))


def test_predictive_values_by_counting_people() -> None:
    # Of 1,000 people 20 are sick; 18 of them are found, and 98 of the 980 others are alarmed.
    positive, negative = predictive_values(0.9, 0.9, 0.02)
    assert positive == pytest.approx(18 / 116)
    assert negative == pytest.approx(882 / 884)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_predictive_values_are_shares(sensitivity: float, specificity: float, prevalence: float) -> None:
    for value in predictive_values(sensitivity, specificity, prevalence):
        assert math.isnan(value) or -1e-12 <= value <= 1 + 1e-12


def test_at_the_tables_own_prevalence_it_is_the_precision() -> None:
    films = table()
    found = report(films, threshold=0.5, resamples=100)["numbers"]
    positive, _ = predictive_values(
        found["sensitivity"]["value"], found["specificity"]["value"], float(films.labels.mean())
    )
    assert positive == pytest.approx(found["precision"]["value"])


def test_a_report_holds_together() -> None:
    films = table()
    told: list[float] = []
    found = report(films, threshold=0.5, aims={"youden": 0.43}, resamples=200, progress=told.append)
    json.dumps(found, allow_nan=False)
    cells = found["confusion"]
    assert sum(cells.values()) == found["films"] == found["normal"] + found["pneumonia"] == 400
    assert found["numbers"]["sensitivity"]["value"] == cells["tp"] / (cells["tp"] + cells["fn"])
    called = films.scores >= 0.43
    assert found["aims"]["youden"]["specificity"]["value"] == pytest.approx((~called)[films.labels == 0].mean())
    assert sum(one["count"] for one in found["calibration"]) == 400
    assert found["roc"]["band"]["along"][-1] == 1 and len(found["roc"]["band"]["low"]) == 101
    assert told == sorted(told)


def test_the_bands_hold_the_curve() -> None:
    films = table()
    band, curve = resampled(films, resamples=300).roc_band(), roc(films)
    at = np.interp(band.along, curve.x, curve.y)
    assert ((band.low <= at + 0.02) & (at <= band.high + 0.02)).mean() > 0.98


def test_nothing_that_json_cannot_hold() -> None:
    assert without_nan({"a": [math.nan, (math.inf, 1.0)], 2: "x"}) == {"a": [None, [None, 1.0]], "2": "x"}


def test_the_papers_counts_follow_from_its_numbers() -> None:
    paper = reported()
    found = RECALL * paper.infected
    wrong = (paper.infected - found) + (paper.called - found)
    assert wrong == pytest.approx(FILMS - RIGHT, abs=1)
    assert found / paper.called == pytest.approx(PRECISION, abs=0.005)
    assert paper.numbers["accuracy"].low < ACCURACY < paper.numbers["accuracy"].high
    same = on_its_films(paper.numbers)
    assert same["sensitivity"].low == pytest.approx(paper.numbers["sensitivity"].low)
    assert allowed(0.969, 534).high - allowed(0.969, 534).low == pytest.approx(0.0302, abs=1e-3)
