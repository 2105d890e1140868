"""Augmentation: repeatable, bounded, and each part doing what its name says."""

from __future__ import annotations

import itertools
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from model.augment import FRAMING, GENTLE, MIXED, NONE, PAPER, PRESETS, ROBUST, Augmentation, augment
from model.preprocess import to_grid


@pytest.fixture
def film() -> np.ndarray:
    return to_grid(0.2 + 0.6 * np.random.default_rng(1).random((14, 14), dtype=np.float32))


def _many(film: np.ndarray, how: Augmentation, count: int = 40) -> list[np.ndarray]:
    return [augment(film, how, np.random.default_rng(k)) for k in range(count)]


def test_nothing_asked_nothing_changed(film: np.ndarray) -> None:
    for out in _many(film, NONE, 5):
        np.testing.assert_allclose(out, film, atol=1e-6)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_the_same_seed_gives_the_same_film(film: np.ndarray, name: str) -> None:
    first, again = (augment(film, PRESETS[name], np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_robust_films_stay_in_range_and_differ(film: np.ndarray) -> None:
    before = film.copy()
    outs = _many(film, ROBUST)
    assert all(o.shape == film.shape and o.dtype == np.float32 for o in outs)
    assert min(o.min() for o in outs) >= 0
    assert max(o.max() for o in outs) <= 1
    assert len({o.tobytes() for o in outs}) == len(outs)
    np.testing.assert_array_equal(film, before)


def test_horizontal_flip_mirrors_left_and_right(film: np.ndarray) -> None:
    np.testing.assert_allclose(_many(film, Augmentation(horizontal_flip=1.0), 1)[0], film[:, ::-1], atol=1e-6)


def test_vertical_flip_turns_upside_down_and_is_off_by_default(film: np.ndarray) -> None:
    np.testing.assert_allclose(_many(film, Augmentation(vertical_flip=1.0), 1)[0], film[::-1], atol=1e-6)
    assert all(preset.vertical_flip == 0 for preset in PRESETS.values())


def test_half_the_films_are_flipped(film: np.ndarray) -> None:
    outs = _many(film, Augmentation(horizontal_flip=0.5), 400)
    flipped = sum(np.allclose(o, film[:, ::-1], atol=1e-6) for o in outs)
    assert 160 < flipped < 240


def test_brightness_adds_the_same_everywhere(film: np.ndarray) -> None:
    offsets = []
    for out in _many(film, Augmentation(brightness=0.1)):
        difference = out - film
        assert np.ptp(difference) < 1e-5
        offsets.append(float(difference.mean()))
    assert max(np.abs(offsets)) <= 0.1 + 1e-6
    assert min(offsets) < -0.05 < 0.05 < max(offsets)


def test_rotation_keeps_the_middle_and_stays_in_its_range() -> None:
    line = np.zeros((225, 225), dtype=np.float32)
    line[112] = 1
    turns = []
    for out in _many(line, Augmentation(rotation=10.0)):
        assert out[112, 112] > 0.9
        right = 80 + int(np.argmax(out[80:146, 180]))
        turns.append(np.rad2deg(np.arctan2(112 - right, 180 - 112)))
    assert max(np.abs(turns)) < 10.6
    assert min(turns) < -5 < 5 < max(turns)


def test_zoom_above_one_enlarges_about_the_middle() -> None:
    film = np.zeros((224, 224), dtype=np.float32)
    film[84:140, 84:140] = 1
    out = _many(film, Augmentation(zoom=(1.5, 1.5)), 1)[0]
    assert (out > 0.5).sum() == pytest.approx(56 * 56 * 2.25, rel=0.02)
    rows = np.flatnonzero((out > 0.5).any(axis=1))
    assert (rows[0] + rows[-1]) / 2 == pytest.approx(111.5, abs=1)


def test_shift_moves_by_its_share_at_most() -> None:
    film = np.zeros((224, 224), dtype=np.float32)
    film[112, 112] = 1
    moves = []
    for out in _many(film, Augmentation(shift=0.1)):
        inner = out[30:194, 30:194]
        y, x = np.unravel_index(int(np.argmax(inner)), inner.shape)
        moves.append(max(abs(int(y) + 30 - 112), abs(int(x) + 30 - 112)))
    assert 15 < max(moves) <= 23


def test_black_level_lifts_black_and_keeps_white() -> None:
    film = np.zeros((224, 224), dtype=np.float32)
    film[:, 112:] = 1
    lifts = [float(o.min()) for o in _many(film, Augmentation(black_level=0.2))]
    assert min(lifts) > 0
    assert 0.1 < max(lifts) <= 0.2
    assert all(o.max() == 1 for o in _many(film, Augmentation(black_level=0.2), 5))


def test_gamma_keeps_black_and_white_and_stays_in_its_range() -> None:
    film = np.tile(np.array([0.0, 0.25, 1.0, 0.25], dtype=np.float32), (224, 56))
    middles = []
    for out in _many(film, Augmentation(gamma=2.0)):
        assert out[0, 0] == 0
        assert out[0, 2] == 1
        middles.append(float(out[0, 1]))
    assert 0.25**2 - 1e-6 <= min(middles) < 0.2
    assert 0.3 < max(middles) <= 0.5 + 1e-6


def test_blur_takes_detail_and_sharpening_adds_it() -> None:
    film = 0.3 + 0.4 * np.random.default_rng(0).random((224, 224), dtype=np.float32)
    detail = float(np.abs(np.diff(film)).mean())
    softer = [float(np.abs(np.diff(o)).mean()) for o in _many(film, Augmentation(blur=2.0))]
    crisper = [float(np.abs(np.diff(o)).mean()) for o in _many(film, Augmentation(sharpen=1.0))]
    assert min(softer) < 0.5 * detail
    assert max(softer) <= detail + 1e-6
    assert max(crisper) > 1.2 * detail
    assert min(crisper) >= detail - 1e-6


@pytest.mark.parametrize("part", ["border", "corner", "marker", "patch"])
def test_surroundings_change_a_part_of_the_film_only(film: np.ndarray, part: str) -> None:
    outs = _many(film, replace(NONE, **{part: 1.0}))
    changed = [float((np.abs(o - film) > 0.01).mean()) for o in outs]
    assert max(changed) > 0
    assert max(changed) < 0.4


@pytest.mark.parametrize("depth", [0.05, 0.2])
def test_a_border_is_as_deep_as_allowed_and_leaves_the_middle(depth: float) -> None:
    film = np.full((224, 224), 0.4, dtype=np.float32)
    reached = 0
    for out in _many(film, Augmentation(border=1.0, border_depth=depth)):
        covered = np.flatnonzero(np.abs(out[:112, 112] - 0.4) > 1e-3)
        reached = max(reached, len(covered))
        assert np.allclose(out[90:134, 90:134], 0.4)
    assert 0.75 * depth * 224 < reached <= depth * 224


def test_corners_are_covered_and_the_cross_between_them_is_not() -> None:
    film = np.full((224, 224), 0.4, dtype=np.float32)
    outs = _many(film, Augmentation(corner=1.0))
    for y, x in ((0, 0), (0, 223), (223, 0), (223, 223)):
        covered = sum(abs(out[y, x] - 0.4) > 1e-3 for out in outs)
        assert 10 < covered < len(outs) - 5
    for rows, columns in itertools.product((slice(0, 80), slice(144, 224)), repeat=2):
        areas = [int((np.abs(out[rows, columns] - 0.4) > 1e-3).sum()) for out in outs]
        assert 1000 < max(areas) <= 0.5 * 78 * 78
    for out in outs:
        assert np.allclose(out[80:144], 0.4)
        assert np.allclose(out[:, 80:144], 0.4)


def test_jpeg_leaves_steps_of_one_in_255(film: np.ndarray) -> None:
    out = _many(film, Augmentation(jpeg=1.0), 1)[0] * 255
    np.testing.assert_allclose(out, np.rint(out), atol=1e-3)
    assert np.abs(out / 255 - film).max() < 0.1


def test_gentle_stays_inside_robust() -> None:
    for field in fields(Augmentation):
        if field.name == "ease":
            assert GENTLE.ease == ROBUST.ease == 0
            continue
        gentle, robust = getattr(GENTLE, field.name), getattr(ROBUST, field.name)
        if field.name == "zoom":
            assert robust[0] < gentle[0] < 1 < gentle[1] < robust[1]
        elif field.name in ("horizontal_flip", "vertical_flip"):
            assert gentle == robust
        elif field.name == "border_depth":
            assert 0 < gentle < robust
        else:
            assert getattr(NONE, field.name) < gentle < robust, field.name


def test_framing_varies_the_frame_more_than_the_tone() -> None:
    changed = {f.name for f in fields(Augmentation) if getattr(FRAMING, f.name) != getattr(GENTLE, f.name)}
    assert changed == {"zoom", "aspect", "shift", "blur", "border", "border_depth", "corner", "patch"}
    assert all(getattr(FRAMING, name) > getattr(GENTLE, name) for name in changed - {"zoom"})


_RANGES = [f.name for f in fields(Augmentation) if f.name not in ("horizontal_flip", "vertical_flip", "ease")]


@pytest.mark.parametrize("name", _RANGES)
def test_ease_halves_every_range(film: np.ndarray, name: str) -> None:
    others: dict[str, Any] = {n: getattr(NONE, n) for n in _RANGES if n not in (name, "border", "border_depth")}
    whole = replace(ROBUST, **others)
    in_logs: dict[str, Any] = {"zoom": (0.8**0.5, 1.35**0.5), "gamma": 1.7**0.5}
    changed = {n: in_logs[n] if n in in_logs else getattr(whole, n) / 2 for n in {name, "border", "border_depth"}}
    for seed in range(12):
        rng = np.random.default_rng(seed)
        rng.random()
        expected = augment(film, replace(whole, **changed), rng)
        eased = augment(film, replace(whole, ease=1.0), np.random.default_rng(seed))
        np.testing.assert_array_equal(eased, expected)


def test_mixed_eases_half_of_the_films_of_framing() -> None:
    assert replace(MIXED, ease=0.0) == FRAMING
    film = np.full((224, 224), 0.5, dtype=np.float32)
    offsets = [abs(float(o[0, 0]) - 0.5) for o in _many(film, Augmentation(brightness=0.2, ease=MIXED.ease), 400)]
    assert max(offsets) > 0.18
    assert sum(offset > 0.1 for offset in offsets) == pytest.approx(100, abs=30)


def test_every_setting_of_the_robust_preset_is_switched_on() -> None:
    off = {f.name for f in fields(Augmentation) if getattr(ROBUST, f.name) == getattr(NONE, f.name)}
    assert off == {"vertical_flip", "ease"}
    paper = {f.name for f in fields(Augmentation) if getattr(PAPER, f.name) != getattr(NONE, f.name)}
    assert paper == {"horizontal_flip", "rotation", "brightness"}
