"""Numbers against hand-counted examples and an independent implementation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as oracle

from model.metrics import (
    CALLED,
    NAMES,
    Counts,
    all_numbers,
    at_threshold,
    auroc,
    average_precision,
    bin_of,
    expected_calibration_error,
)

LABELS = np.array([1, 1, 1, 1, 0, 0, 0, 1, 0, 0])
SCORES = np.array([0.9, 0.8, 0.7, 0.4, 0.6, 0.3, 0.2, 0.5, 0.1, 0.05])


def drawn(count: int, *, seed: int = 0) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, count)
    return labels, np.round(np.clip(0.3 * labels + rng.random(count) * 0.7, 0, 1), 2)


def test_at_threshold_by_hand() -> None:
    found = at_threshold(LABELS, SCORES, threshold=0.5)
    assert found["accuracy"] == found["sensitivity"] == found["specificity"] == pytest.approx(4 / 5)
    assert found["precision"] == found["f1"] == found["balanced_accuracy"] == pytest.approx(4 / 5)
    # Four right and one wrong on either side: (16 - 1) / sqrt(5 * 5 * 5 * 5).
    assert found["mcc"] == pytest.approx(15 / 25)
    stricter = at_threshold(LABELS, SCORES, threshold=0.65)
    assert stricter["sensitivity"] == pytest.approx(0.6)
    assert stricter["specificity"] == stricter["precision"] == 1
    assert stricter["f1"] == pytest.approx(2 * 0.6 / 1.6)


def test_a_score_at_the_threshold_counts_as_pneumonia() -> None:
    assert at_threshold(np.array([1]), np.array([0.5]), threshold=0.5)["sensitivity"] == 1


def test_auroc_counts_ordered_pairs() -> None:
    pairs = [(p > n) + 0.5 * (p == n) for p in SCORES[LABELS == 1] for n in SCORES[LABELS == 0]]
    assert auroc(LABELS, SCORES) == pytest.approx(np.mean(pairs))


def test_average_precision_by_hand() -> None:
    # Ranked: 1 1 1 0 1 1 0 0 0 0, so the precision at each sick film is 1, 1, 1, 4/5, 5/6.
    assert average_precision(LABELS, SCORES) == pytest.approx((3 + 4 / 5 + 5 / 6) / 5)


def test_calibration_error_by_hand() -> None:
    labels, scores = np.array([0, 1, 1, 1]), np.array([0.1, 0.3, 0.9, 0.7])
    # Two bins: (0.1 + 0.3) / 2 = 0.2 said and 1/2 happened; (0.9 + 0.7) / 2 = 0.8 said and 1 happened.
    assert expected_calibration_error(labels, scores, bins=2) == pytest.approx((0.3 + 0.2) / 2)


def test_calibration_error_against_a_plain_loop() -> None:
    labels, scores = drawn(500)
    total = 0.0
    for k in range(15):
        inside = [n for n in range(500) if k == min(int(scores[n] * 15), 14)]
        if inside:
            total += len(inside) / 500 * abs(np.mean(scores[inside]) - np.mean(labels[inside]))
    assert expected_calibration_error(labels, scores) == pytest.approx(total)


def test_one_belongs_to_the_last_bin() -> None:
    assert bin_of(np.array([0.0, 0.499, 0.5, 1.0]), bins=2).tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("count", [30, 300, 3000])
def test_film_by_film_with_scikit_learn(count: int) -> None:
    labels, scores = drawn(count, seed=count)
    called = (scores >= 0.45).astype(int)
    found = all_numbers(labels, scores, threshold=0.45)
    expected = {
        "auroc": oracle.roc_auc_score(labels, scores),
        "average_precision": oracle.average_precision_score(labels, scores),
        "accuracy": oracle.accuracy_score(labels, called),
        "balanced_accuracy": oracle.balanced_accuracy_score(labels, called),
        "sensitivity": oracle.recall_score(labels, called),
        "specificity": oracle.recall_score(1 - labels, 1 - called),
        "precision": oracle.precision_score(labels, called),
        "f1": oracle.f1_score(labels, called),
        "mcc": oracle.matthews_corrcoef(labels, called),
        "brier": oracle.brier_score_loss(labels, scores),
    }
    assert set(found) == set(NAMES) == {*expected, "ece"}
    for name, value in expected.items():
        assert found[name] == pytest.approx(value), name


@given(st.lists(st.tuples(st.integers(0, 1), st.floats(0, 1)), min_size=1, max_size=40), st.floats(0, 1))
def test_every_number_lies_where_it_should_or_is_undefined(films: list[tuple[int, float]], threshold: float) -> None:
    labels, scores = np.array([y for y, _ in films]), np.array([s for _, s in films])
    for name, value in all_numbers(labels, scores, threshold=threshold).items():
        assert math.isnan(value) or (-1 if name == "mcc" else 0) - 1e-9 <= value <= 1 + 1e-9, name


def test_what_the_films_do_not_allow_is_undefined() -> None:
    sick = all_numbers(np.array([1, 1]), np.array([0.1, 0.2]), threshold=0.5)
    undefined = {name for name, value in sick.items() if math.isnan(value)}
    assert undefined == {"auroc", "average_precision", "balanced_accuracy", "specificity", "precision", "mcc"}
    assert sick["sensitivity"] == sick["accuracy"] == 0


@given(st.lists(st.tuples(st.integers(0, 1), st.floats(0, 1)), min_size=1, max_size=40), st.floats(0, 1))
def test_resamples_are_judged_by_the_same_formulas(films: list[tuple[int, float]], threshold: float) -> None:
    labels, scores = np.array([y for y, _ in films]), np.array([s for _, s in films])
    alone = at_threshold(labels, scores, threshold=threshold)
    for name, value in Counts.at(labels, scores, threshold=threshold).numbers().items():
        assert alone[name] == pytest.approx(float(value), abs=1e-12, nan_ok=True), name


def test_no_films_have_no_numbers() -> None:
    nothing = all_numbers(np.array([], dtype=np.int64), np.array([]), threshold=0.5)
    assert set(nothing) == set(NAMES) and all(math.isnan(value) for value in nothing.values())


def test_counts_of_many_resamples_at_once() -> None:
    cells = Counts(tp=np.array([4.0, 0]), fn=np.array([1.0, 0]), fp=np.array([1.0, 0]), tn=np.array([4.0, 2]))
    numbers = cells.numbers()
    assert set(numbers) == set(CALLED)
    assert numbers["mcc"][0] == pytest.approx(0.6)
    assert np.isnan(numbers["sensitivity"][1]) and numbers["specificity"][1] == 1
