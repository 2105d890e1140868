"""Thresholds: the aim decides, and validation films only."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from model.errors import EvaluationError
from model.thresholds import AIMS, robust_threshold, sensitive_threshold, thresholds_for, youden_threshold


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


def test_youden_against_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 200)
    scores = np.round(np.clip(0.4 * labels + 0.6 * rng.random(200), 0, 1), 2)
    false, true, _ = roc_curve(labels, scores, drop_intermediate=False)
    called = scores >= youden_threshold(labels, scores)
    assert called[labels == 1].mean() - called[labels == 0].mean() == pytest.approx((true - false).max())


def test_sensitive_threshold_by_hand() -> None:
    labels = np.array([1] * 20 + [0] * 5)
    scores = np.concatenate([np.arange(1, 21) / 20, np.full(5, 0.02)])
    # 19 of 20 reach 0.10, and only 18 reach 0.11.
    assert sensitive_threshold(labels, scores) == pytest.approx(0.10)
    assert sensitive_threshold(labels, scores, sensitivity=0.5) == pytest.approx(0.55)
    assert sensitive_threshold(labels, np.zeros(25)) == pytest.approx(0.01)


def test_every_aim_gets_a_threshold_and_one_class_gets_none() -> None:
    labels = np.array([0, 0, 1, 1])
    found = thresholds_for(labels, [np.array([0.1, 0.2, 0.6, 0.9])] * 2)
    assert set(found) == set(AIMS)
    assert all(0.2 < value <= 0.6 for value in found.values())
    with pytest.raises(EvaluationError, match="both classes"):
        thresholds_for(np.array([1, 1]), [np.array([0.1, 0.2])])
