"""Film to network input: geometry, and what standardization must make equal."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.preprocess import preprocess, standardize, to_grid


def _film(seed: int = 0, side: int = 224) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = rng.random((9, 9), dtype=np.float32)
    return to_grid(coarse, size=side)


def test_shrinking_weighs_by_a_triangle() -> None:
    film = np.arange(16, dtype=np.float32).reshape(4, 4) / 16
    # A pixel of the result is centred between the first two of the film and reaches two to either side: 3, 3 and 1.
    first = (3 * 0 + 3 * 1 + 1 * 2) / 7
    expected = [[4 * row + column for column in (first, 3 - first)] for row in (first, 3 - first)]
    np.testing.assert_allclose(to_grid(film, size=2) * 16, expected, atol=1e-5)


def test_enlarging_interpolates_between_centres() -> None:
    film = np.array([[0.0, 1.0], [0.0, 1.0]], dtype=np.float32)
    np.testing.assert_allclose(to_grid(film, size=4)[1], [0, 0.25, 0.75, 1], atol=1e-6)


def test_a_wide_film_is_squashed_whole() -> None:
    film = np.zeros((100, 300), dtype=np.float32)
    film[:, 150:] = 1
    grid = to_grid(film)
    assert grid.shape == (224, 224)
    assert grid[:, :110].max() == 0
    assert grid[:, 114:].min() == 1


def test_the_input_is_what_the_network_takes() -> None:
    out = preprocess(_film(side=300))
    assert out.shape == (224, 224, 1)
    assert out.dtype == np.float32
    assert out.min() >= 0
    assert out.max() <= 1


def test_the_median_of_the_middle_becomes_one_half() -> None:
    out = standardize(_film(4) ** 2)
    assert np.median(out[28:196, 28:196]) == pytest.approx(0.5, abs=1e-3)


def test_a_ramp_by_hand() -> None:
    film = np.tile(np.linspace(0, 1, 224, dtype=np.float32), (224, 1))
    out = standardize(film)
    low, high = np.percentile(film[28:196, 28:196], [1, 99])
    expected = np.clip((film - low) / (high - low), 0, 1)
    np.testing.assert_allclose(out, expected, atol=2e-3)
    assert out[0, 0] == 0
    assert out[0, -1] == 1


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.floats(0.2, 0.9), st.floats(0.0, 0.1))
def test_gain_and_black_level_make_no_difference(seed: int, gain: float, lift: float) -> None:
    film = _film(seed)
    np.testing.assert_allclose(standardize(film * np.float32(gain) + np.float32(lift)), standardize(film), atol=1e-3)


@pytest.mark.parametrize("exponent", [0.7, 1.4])
def test_gamma_makes_little_difference(exponent: float) -> None:
    film = _film(7)
    film = (film - film.min()) / np.ptp(film)
    before, after = standardize(film), standardize(film ** np.float32(exponent))
    assert np.abs(before - after).mean() < 0.02
    assert np.abs(film - film ** np.float32(exponent)).mean() > 0.05, "the change itself is not small"


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_border_or_marker_does_not_move_the_tones(value: float) -> None:
    film = _film(2)
    framed = film.copy()
    framed[:20], framed[-20:], framed[:, :20], framed[:, -20:] = value, value, value, value
    np.testing.assert_array_equal(standardize(framed)[28:196, 28:196], standardize(film)[28:196, 28:196])


def test_a_constant_film_becomes_zeros() -> None:
    assert not standardize(np.full((224, 224), 0.4, dtype=np.float32)).any()


def test_the_film_itself_is_not_touched() -> None:
    film = _film(3)
    copy = film.copy()
    preprocess(film)
    np.testing.assert_array_equal(film, copy)
