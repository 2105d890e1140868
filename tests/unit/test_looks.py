"""The look of a film, measured by hand and clustered."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from model.looks import STATISTICS, look_clusters, look_statistics, overlap_weights


def test_statistics_of_a_constant_film() -> None:
    values = dict(zip(STATISTICS, look_statistics(np.full((224, 224), 0.25, np.float32)), strict=True))
    assert values == pytest.approx(
        {
            "2nd percentile": 0.25,
            "median": 0.25,
            "98th percentile": 0.25,
            "Laplacian spread": 0.0,
            "black edge": 0.0,
            "standard deviation": 0.0,
        },
        abs=1e-6,
    )


def test_statistics_of_half_black_half_white() -> None:
    film = np.zeros((224, 224), np.float32)
    film[:, 112:] = 1.0
    values = dict(zip(STATISTICS, look_statistics(film), strict=True))
    assert values["2nd percentile"] == 0.0 and values["98th percentile"] == 1.0
    assert values["standard deviation"] == pytest.approx(0.5)
    # The Laplacian is +1 and -1 in the two columns at the step, 0 elsewhere.
    assert values["Laplacian spread"] == pytest.approx(np.sqrt(2 / 224), rel=1e-5)
    assert values["black edge"] == pytest.approx(0.5)


@pytest.mark.parametrize(("gray", "share"), [(0.0, 1.0), (2 / 255, 1.0), (4 / 255, 0.0)])
def test_black_edge_looks_at_the_frame_only(gray: float, share: float) -> None:
    film = np.full((224, 224), gray, np.float32)
    film[8:-8, 8:-8] = 0.5
    edge = look_statistics(film)[STATISTICS.index("black edge")]
    assert edge == pytest.approx(share)
    inside = np.full((224, 224), 0.5, np.float32)
    inside[8:-8, 8:-8] = 0.0
    assert look_statistics(inside)[STATISTICS.index("black edge")] == 0.0


def test_clusters_find_groups_whatever_the_scale_of_a_column() -> None:
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(3), 40)
    scales = np.array([1.0, 1.0, 1.0, 1e-4, 1e-4, 1e-4])
    marks = np.stack([group >= 1] * 3 + [group >= 2] * 3, axis=1) + rng.normal(0, 0.05, (120, 6))
    statistics = (marks * scales).astype(np.float32)
    found = look_clusters(statistics, clusters=3)
    assert found.dtype == np.int64 and found.shape == (120,)
    assert len({(int(a), int(b)) for a, b in zip(group, found, strict=True)}) == 3
    assert np.array_equal(found, look_clusters(statistics, clusters=3))


def test_a_constant_column_and_few_films_are_no_trouble() -> None:
    statistics = np.zeros((4, 6), np.float32)
    statistics[:, 2] = [0.0, 0.1, 0.5, 0.9]
    assert sorted(look_clusters(statistics, clusters=6).tolist()) == [0, 1, 2, 3]


def test_overlap_weights_favor_films_that_look_like_the_other_class() -> None:
    statistics = np.zeros((60, 6), np.float32)
    labels = np.repeat([0, 1], 30)
    statistics[:30, 0] = np.linspace(0.0, 0.6, 30)
    statistics[30:, 0] = np.linspace(0.4, 1.0, 30)
    weights = overlap_weights(statistics, labels)
    assert weights.dtype == np.float64 and weights.shape == (60,)
    assert np.all(np.diff(weights[:30]) > 0) and np.all(np.diff(weights[30:]) < 0)
    assert weights[:30].mean() == pytest.approx(1.0) and weights[30:].mean() == pytest.approx(1.0)
    assert weights.min() > 0.05, "no film is left out"
    assert np.array_equal(weights, overlap_weights(statistics, labels))


def test_overlap_weights_are_equal_where_looks_say_nothing() -> None:
    labels = np.array([0] * 5 + [1] * 20)
    weights = overlap_weights(np.full((25, 6), 0.5, np.float32), labels)
    assert weights == pytest.approx(np.ones(25))


def test_overlap_weights_balance_the_looks_of_the_classes() -> None:
    # Exact for the weights without a floor (Li et al. 2018, theorem 3), nearly so with it.
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [400, 1200])
    statistics = rng.normal(0, 1, (1600, 6)).astype(np.float32)
    statistics[labels == 1, 3] += 1.5
    weights = overlap_weights(statistics, labels)

    def gap(w: NDArray[np.float64]) -> float:
        means = [np.average(statistics[labels == k, 3], weights=w[labels == k]) for k in (0, 1)]
        return float(means[1] - means[0])

    assert gap(np.ones(1600)) == pytest.approx(1.5, abs=0.15)
    assert gap(weights) < 0.4
