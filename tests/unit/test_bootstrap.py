"""Intervals against resampling film by film, against formulas, and against what must hold."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as oracle

from model.bootstrap import ALONG, GRID, Bootstrap, bootstrap, with_intervals
from model.metrics import NAMES, all_numbers


def films(count: int, *, seed: int = 0, digits: int = 6) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, count)
    return labels, np.round(np.clip(0.3 * labels + rng.random(count) * 0.7, 0, 1), digits)


def drawn_again(patients: NDArray[np.str_], resamples: int, *, seed: int = 0) -> list[NDArray[np.intp]]:
    """The same draws, film by film."""
    names, place = np.unique(patients, return_inverse=True)
    chosen = np.random.default_rng(seed).integers(0, len(names), (resamples, len(names)))
    return [np.concatenate([np.flatnonzero(place == k) for k in row]) for row in chosen]


@pytest.mark.parametrize("digits", [6, 1])
def test_every_resample_has_the_numbers_of_its_films(digits: int) -> None:
    labels, scores = films(60, digits=digits)
    patients = (np.arange(60) // 2).astype(str)
    found = bootstrap(labels, scores, patients, resamples=25)
    numbers = {**found.whole, **found.counts(0.5).numbers()}
    for row, chosen in enumerate(drawn_again(patients, 25)):
        expected = all_numbers(labels[chosen], scores[chosen], threshold=0.5)
        for name in NAMES:
            assert numbers[name][row] == pytest.approx(expected[name], nan_ok=True, abs=1e-6), name


def test_bands_against_the_curves_of_each_resample() -> None:
    labels, scores = films(60)
    patients = np.arange(60).astype(str)
    found = bootstrap(labels, scores, patients, resamples=20)
    for row, chosen in enumerate(drawn_again(patients, 20)):
        false, true, _ = oracle.roc_curve(labels[chosen], scores[chosen], drop_intermediate=False)
        # A hair to the right of each place, so that a vertical step counts with its upper end.
        assert found.roc[row] == pytest.approx(np.interp(ALONG + 1e-9, false, true), abs=1e-5)
        precision, recall, _ = oracle.precision_recall_curve(labels[chosen], scores[chosen])
        strictest = [precision[:-1][recall[:-1] >= max(at, 1e-9) - 1e-9][-1] for at in ALONG]
        assert found.pr[row] == pytest.approx(strictest, abs=1e-5)


def test_one_large_draw_equals_many_small_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    labels, scores = films(40)
    patients = np.arange(40).astype(str)
    whole = bootstrap(labels, scores, patients, resamples=30)
    monkeypatch.setattr("model.bootstrap._CELLS", 7 * 40)
    parts = bootstrap(labels, scores, patients, resamples=30)
    assert parts.whole["auroc"] == pytest.approx(whole.whole["auroc"])
    assert parts.called_positives == pytest.approx(whole.called_positives)


def test_intervals_hold_the_value_and_shrink_with_films() -> None:
    widths = []
    for count in (60, 600):
        labels, scores = films(count, seed=1)
        found = with_intervals(labels, scores, np.arange(count).astype(str), threshold=0.5, resamples=300)
        for name in set(found) - {"ece"}:
            assert found[name].low <= found[name].value <= found[name].high
        widths.append(found["accuracy"].high - found["accuracy"].low)
    assert widths[1] < 0.5 * widths[0]


def test_accuracy_interval_agrees_with_the_binomial() -> None:
    labels = np.tile([0, 1], 200)
    scores = np.where(np.arange(400) % 10 == 0, 1 - labels, labels).astype(float)
    found = with_intervals(labels, scores, np.arange(400).astype(str), threshold=0.5)["accuracy"]
    half = 1.96 * math.sqrt(0.9 * 0.1 / 400)
    assert found.value == pytest.approx(0.9)
    assert found.high - found.low == pytest.approx(2 * half, rel=0.15)


def test_auroc_interval_agrees_with_hanley_and_mcneil() -> None:
    labels, scores = films(800, seed=4)
    found = with_intervals(labels, scores, np.arange(800).astype(str), threshold=0.5)["auroc"]
    area, sick, well = found.value, labels.sum(), (1 - labels).sum()
    one, two = area / (2 - area), 2 * area**2 / (1 + area)
    variance = (area * (1 - area) + (sick - 1) * (one - area**2) + (well - 1) * (two - area**2)) / (sick * well)
    assert found.high - found.low == pytest.approx(2 * 1.96 * math.sqrt(variance), rel=0.2)


def test_films_of_one_patient_are_drawn_together() -> None:
    labels = np.tile([0, 1], 200)
    scores = np.where(np.arange(400) < 40, 1 - labels, labels).astype(float)
    alone = with_intervals(labels, scores, np.arange(400).astype(str), threshold=0.5)["accuracy"]
    grouped = with_intervals(labels, scores, (np.arange(400) // 40).astype(str), threshold=0.5)["accuracy"]
    assert grouped.high - grouped.low > 3 * (alone.high - alone.low)


def test_one_class_leaves_areas_undefined_and_the_rest_alone() -> None:
    found = bootstrap(np.ones(20, np.int64), np.linspace(0, 1, 20), np.arange(20).astype(str), resamples=50)
    numbers = found.intervals(0.5)
    assert math.isnan(numbers["auroc"].value) and math.isnan(numbers["specificity"].low)
    assert 0 < numbers["sensitivity"].low < numbers["sensitivity"].high < 1
    assert np.isnan(found.roc_band().low).all()


def test_no_mistake_is_no_certainty() -> None:
    labels, scores = np.array([0] * 8 + [1] * 8), np.array([0.1] * 7 + [0.9] + [0.8] * 8)
    patients = np.array([f"p{k // 2}" for k in range(16)])
    numbers = with_intervals(labels, scores, patients, threshold=0.5, resamples=200)
    sensitivity = numbers["sensitivity"]
    assert (sensitivity.value, sensitivity.high) == (1, 1)
    # Four patients without a miss: 1 / (1 + z^2 / 4).
    assert sensitivity.low == pytest.approx(1 / (1 + 1.96**2 / 4), abs=1e-3)
    perfect = with_intervals(labels, labels * 1.0, patients, threshold=0.5, resamples=200)
    assert perfect["auroc"].value == perfect["f1"].value == 1
    assert math.isnan(perfect["auroc"].low) and math.isnan(perfect["f1"].high)
    assert numbers["specificity"].value == 7 / 8 and numbers["specificity"].low < numbers["specificity"].high


@pytest.mark.parametrize(
    ("labels", "scores", "patients"),
    [
        ([0, 1, 1, 0] * 10, [0.2, 0.9, 0.3, 0.8] * 10, ["one"] * 40),
        ([0] * 20 + [1] * 20, list(np.linspace(0, 0.6, 20)) + list(np.linspace(0.4, 1, 20)), ["a"] * 20 + ["b"] * 20),
        ([0] * 9 + [1] * 9, [0.9] * 9 + [0.1] * 9, [str(k) for k in range(18)]),
        ([1], [0.8], ["one"]),
    ],
)
def test_an_interval_has_a_width_or_is_none(labels: list[int], scores: list[float], patients: list[str]) -> None:
    numbers = with_intervals(np.array(labels), np.array(scores), np.array(patients), threshold=0.5, resamples=200)
    for name, number in numbers.items():
        assert math.isnan(number.low) == math.isnan(number.high)
        assert math.isnan(number.low) or number.high - number.low > 1e-6, name


def test_a_threshold_off_the_grid_must_have_been_asked_for() -> None:
    labels, scores = films(30)
    found: Bootstrap = bootstrap(labels, scores, np.arange(30).astype(str), resamples=10, thresholds=(0.1234,))
    assert len(found.thresholds) == len(GRID) + 1
    assert found.counts(0.1234).tp.shape == (10,)
    with pytest.raises(ValueError, match="not among the thresholds"):
        found.counts(0.4321)


def test_progress_reaches_one_and_may_end_the_work() -> None:
    labels, scores = films(30)
    told: list[float] = []
    bootstrap(labels, scores, np.arange(30).astype(str), resamples=10, progress=told.append)
    assert told[-1] == 1

    def stop(share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bootstrap(labels, scores, np.arange(30).astype(str), resamples=10, progress=stop)
