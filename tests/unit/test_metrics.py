"""Numbers against hand-counted examples and an independent implementation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics as oracle

from model.metrics import at_threshold, auroc, robust_threshold, with_intervals

LABELS = np.array([1, 1, 1, 1, 0, 0, 0, 1, 0, 0])
SCORES = np.array([0.9, 0.8, 0.7, 0.4, 0.6, 0.3, 0.2, 0.5, 0.1, 0.05])


def test_at_threshold_by_hand() -> None:
    found = at_threshold(LABELS, SCORES, threshold=0.5)
    assert found["accuracy"] == pytest.approx(8 / 10)
    assert found["sensitivity"] == pytest.approx(4 / 5)
    assert found["specificity"] == pytest.approx(4 / 5)
    assert found["precision"] == pytest.approx(4 / 5)
    assert at_threshold(LABELS, SCORES, threshold=0.65) == {
        "accuracy": pytest.approx(0.8),
        "sensitivity": pytest.approx(0.6),
        "specificity": pytest.approx(1.0),
        "precision": pytest.approx(1.0),
    }


def test_a_score_at_the_threshold_counts_as_pneumonia() -> None:
    assert at_threshold(np.array([1]), np.array([0.5]), threshold=0.5)["sensitivity"] == 1


def test_auroc_counts_ordered_pairs() -> None:
    pairs = [(p > n) + 0.5 * (p == n) for p in SCORES[LABELS == 1] for n in SCORES[LABELS == 0]]
    assert auroc(LABELS, SCORES) == pytest.approx(np.mean(pairs))
    assert math.isnan(auroc(np.array([1, 1]), np.array([0.1, 0.2])))


def test_against_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 300)
    scores = np.clip(0.3 * labels + rng.random(300) * 0.7, 0, 1)
    called = (scores >= 0.45).astype(int)
    found = at_threshold(labels, scores, threshold=0.45)
    assert found["accuracy"] == pytest.approx(oracle.accuracy_score(labels, called))
    assert found["sensitivity"] == pytest.approx(oracle.recall_score(labels, called))
    assert found["specificity"] == pytest.approx(oracle.recall_score(1 - labels, 1 - called))
    assert found["precision"] == pytest.approx(oracle.precision_score(labels, called))


def test_nothing_called_sick_leaves_precision_undefined() -> None:
    assert math.isnan(at_threshold(LABELS, SCORES, threshold=0.99)["precision"])


def test_intervals_hold_the_value_and_shrink_with_films() -> None:
    rng = np.random.default_rng(1)
    widths = []
    for count in (60, 600):
        labels = rng.integers(0, 2, count)
        scores = np.clip(0.4 * labels + rng.random(count) * 0.6, 0, 1)
        patients = np.arange(count).astype(str)
        found = with_intervals(labels, scores, patients, threshold=0.5, resamples=300)
        for interval in found.values():
            assert 0 <= interval.low <= interval.value <= interval.high <= 1
        widths.append(found["accuracy"].high - found["accuracy"].low)
    assert widths[1] < 0.5 * widths[0]


def test_accuracy_interval_agrees_with_the_binomial() -> None:
    labels = np.tile([0, 1], 200)
    scores = np.where(np.arange(400) % 10 == 0, 1 - labels, labels).astype(float)
    found = with_intervals(labels, scores, np.arange(400).astype(str), threshold=0.5)["accuracy"]
    half = 1.96 * math.sqrt(0.9 * 0.1 / 400)
    assert found.value == pytest.approx(0.9)
    assert found.high - found.low == pytest.approx(2 * half, rel=0.15)


def test_films_of_one_patient_are_drawn_together() -> None:
    labels = np.tile([0, 1], 200)
    scores = np.where(np.arange(400) < 40, 1 - labels, labels).astype(float)
    alone = with_intervals(labels, scores, np.arange(400).astype(str), threshold=0.5)["accuracy"]
    grouped = with_intervals(labels, scores, (np.arange(400) // 40).astype(str), threshold=0.5)["accuracy"]
    assert grouped.high - grouped.low > 3 * (alone.high - alone.low)


def test_robust_threshold_looks_at_every_condition() -> None:
    labels = np.array([0, 0, 1, 1])
    clean = np.array([0.1, 0.2, 0.4, 0.9])
    shifted = np.array([0.3, 0.6, 0.7, 0.9])
    assert 0.2 < robust_threshold(labels, [clean]) <= 0.4
    assert robust_threshold(labels, [clean, shifted]) in (
        pytest.approx(0.35, abs=0.05),
        pytest.approx(0.65, abs=0.05),
    )
    assert 0.6 < robust_threshold(labels, [shifted]) <= 0.7


def test_robust_threshold_counts_films_and_not_classes() -> None:
    labels = np.array([0, 1, 1, 1, 1])
    scores = np.array([0.5, 0.3, 0.4, 0.8, 0.9])
    # At 0.3 one of five is wrong, at 0.6 two are, though the mean over the classes is higher there.
    assert robust_threshold(labels, [scores]) < 0.31
