"""Stress conditions do what their names say, and no more."""

from __future__ import annotations

import numpy as np
import pytest

from model.preprocess import to_grid
from model.stress import CONDITIONS, stressed


@pytest.fixture
def film() -> np.ndarray:
    return to_grid(0.2 + 0.6 * np.random.default_rng(1).random((14, 14), dtype=np.float32))


@pytest.mark.parametrize("condition", CONDITIONS)
def test_every_condition_gives_an_eight_bit_film(film: np.ndarray, condition: str) -> None:
    out = stressed(film, condition)
    assert out.shape == film.shape
    assert out.dtype == np.float32
    np.testing.assert_allclose(out * 255, np.rint(out * 255), atol=1e-3)
    changed = float(np.abs(out - film).max())
    if condition == "as it is":
        assert changed <= 0.5 / 255 + 1e-6
    elif condition != "no corner marker":
        assert changed > 2 / 255


def test_tones_by_hand() -> None:
    film = np.full((20, 20), 51 / 255, dtype=np.float32)
    assert stressed(film, "black level +12")[0, 0] == pytest.approx(63 / 255)
    assert stressed(film, "gamma 0.7")[0, 0] == pytest.approx(round(255 * 0.2**0.7) / 255)
    assert stressed(film, "gamma 1.4")[0, 0] == pytest.approx(round(255 * 0.2**1.4) / 255)


@pytest.mark.parametrize(("condition", "value"), [("black border", 0.0), ("white border", 1.0)])
def test_borders_are_a_twentieth_of_the_side(film: np.ndarray, condition: str, value: float) -> None:
    out = stressed(film, condition)
    assert (out[:11] == value).all()
    assert (out[:, -11:] == value).all()
    assert np.abs(out[11:-11, 11:-11] - value).min() > 0.05


def test_the_crop_takes_a_twentieth_off_each_side() -> None:
    film = np.tile(np.linspace(0, 1, 224, dtype=np.float32), (224, 1))
    out = stressed(film, "5 % crop")
    assert out[100, 0] == pytest.approx(11 / 223, abs=0.005)
    assert out[100, -1] == pytest.approx(212 / 223, abs=0.005)


def test_a_corner_marker_goes_and_the_lungs_stay(film: np.ndarray) -> None:
    marked = film * np.float32(0.6)
    plain = marked.copy()
    marked[20:34, 12:15] = 1.0
    out = stressed(marked, "no corner marker")
    assert np.abs(out[20:34, 12:15] - plain[20:34, 12:15]).max() < 0.2
    np.testing.assert_allclose(out[60:164, 60:164], plain[60:164, 60:164], atol=1 / 255)
