"""Calibration: a temperature that is known is found again, and bins are counted by hand."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from model.calibration import (
    at_temperature,
    fit_temperature,
    log_odds_of,
    probability_of,
    reliability,
    wilson,
)
from model.errors import EvaluationError
from model.metrics import expected_calibration_error


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_a_known_temperature_is_found_again(temperature: float) -> None:
    rng = np.random.default_rng(0)
    true = rng.normal(0, 2, 20_000)
    labels = (rng.random(20_000) < probability_of(true)).astype(np.int64)
    assert fit_temperature(labels, true * temperature) == pytest.approx(temperature, rel=0.05)


def test_the_temperature_mends_calibration_and_leaves_the_order() -> None:
    rng = np.random.default_rng(1)
    true = rng.normal(0, 2, 5_000)
    labels = (rng.random(5_000) < probability_of(true)).astype(np.int64)
    sure = probability_of(3 * true)
    mended = at_temperature(sure, fit_temperature(labels, log_odds_of(sure)))
    assert expected_calibration_error(labels, mended) < 0.3 * expected_calibration_error(labels, sure)
    assert (np.argsort(mended, kind="stable") == np.argsort(sure, kind="stable")).all()


def test_no_temperature_without_both_classes() -> None:
    with pytest.raises(EvaluationError, match="1 class"):
        fit_temperature(np.ones(5, np.int64), np.zeros(5))
    with pytest.raises(EvaluationError, match="finite"):
        fit_temperature(np.array([0, 1]), np.array([0.0, np.inf]))


@given(st.floats(1e-4, 1 - 1e-4), st.floats(0.5, 10))
def test_temperature_and_back(score: float, temperature: float) -> None:
    there = at_temperature(np.array([score]), temperature)
    assert at_temperature(there, 1 / temperature)[0] == pytest.approx(score, rel=1e-3, abs=1e-7)


def test_certainty_stays_finite() -> None:
    assert np.isfinite(log_odds_of(np.array([0.0, 1.0]))).all()


def test_bins_against_scikit_learn() -> None:
    rng = np.random.default_rng(2)
    scores = rng.random(300)
    labels = (rng.random(300) < scores).astype(np.int64)
    happened, said = calibration_curve(labels, scores, n_bins=10)
    bins = reliability(labels, scores)
    assert [one.happened for one in bins] == pytest.approx(happened)
    assert [one.said for one in bins] == pytest.approx(said)
    assert sum(one.count for one in bins) == 300
    assert all(one.low <= one.happened <= one.high for one in bins)


def test_empty_bins_are_left_out() -> None:
    bins = reliability(np.array([0, 1]), np.array([0.05, 0.95]))
    assert [(one.start, one.stop, one.count) for one in bins] == [(0.0, 0.1, 1), (0.9, 1.0, 1)]


def test_wilson_solves_its_equation() -> None:
    z = NormalDist().inv_cdf(0.975)
    for share, count in ((0.97, 534), (0.5, 10), (0.0, 20), (1.0, 3)):
        for end in wilson(share, count):
            assert (share - end) ** 2 == pytest.approx(z**2 * end * (1 - end) / count, abs=1e-7)
