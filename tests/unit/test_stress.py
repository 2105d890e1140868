"""Stress conditions do what their names say, and no more."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from model.looks import look_statistics
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


@pytest.mark.parametrize(
    ("condition", "rows", "columns"),
    [("top and bottom cut by 10 %", 22, 0), ("sides cut by 10 %", 0, 22), ("5 % crop", 11, 11)],
)
def test_cuts_take_their_share_and_stretch_the_rest(condition: str, rows: int, columns: int) -> None:
    ramp = np.linspace(0, 1, 224, dtype=np.float32)
    down, across = np.tile(ramp[:, None], (1, 224)), np.tile(ramp, (224, 1))
    assert stressed(down, condition)[[0, -1], 100] == pytest.approx([rows / 223, 1 - rows / 223], abs=0.005)
    assert stressed(across, condition)[100, [0, -1]] == pytest.approx([columns / 223, 1 - columns / 223], abs=0.005)


def test_the_usual_looks_are_opposites() -> None:
    film = cv2.GaussianBlur(np.random.default_rng(2).random((224, 224), dtype=np.float32), (0, 0), 2)
    sick, well = (stressed(film, f"the usual look of {kind} films") for kind in ("pneumonia", "normal"))
    assert look_statistics(sick)[0] > look_statistics(film)[0] + 10 / 255
    assert look_statistics(sick)[3] < look_statistics(film)[3] < look_statistics(well)[3]
    assert (well[:8] == 0).all() and sick.min() > 10 / 255


def test_a_corner_marker_goes_and_the_lungs_stay(film: np.ndarray) -> None:
    marked = film * np.float32(0.6)
    plain = marked.copy()
    marked[20:34, 12:15] = 1.0
    out = stressed(marked, "no corner marker")
    assert np.abs(out[20:34, 12:15] - plain[20:34, 12:15]).max() < 0.2
    np.testing.assert_allclose(out[60:164, 60:164], plain[60:164, 60:164], atol=1 / 255)
