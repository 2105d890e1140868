"""The anatomy of the synthetic chest: how much soft tissue and bone each ray passes, and where the lungs are."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from model.phantom_shapes import Map, Mask, Points, filled, noise, shells, softened, tubes

_AIR_IN_LUNG = 0.75

_BODY_HEIGHTS = (0.0, 0.05, 0.10, 0.17, 0.26, 0.36, 0.60, 1.0)
_BODY_HALF_WIDTHS = (0.15, 0.17, 0.30, 0.46, 0.52, 0.49, 0.47, 0.48)
# The outline of one lung as (distance from the midline, height); "top" and "base" move with the person's own.
_APEX = ((0.085, 0.135), (0.135, 0.105), (0.19, 0.125), (0.255, 0.20))
_FLANK = ((0.315, 0.33), (0.35, 0.48), (0.37, 0.63))
_DIAPHRAGM = ((0.375, 0.085), (0.345, 0.05), (0.28, 0.0), (0.20, -0.025), (0.125, -0.005), (0.08, 0.0))
_MIDDLE = ((0.055, 0.60), (0.045, 0.45), (0.05, 0.32), (0.06, 0.22))
# Ellipsoids of the heart and the great vessels: across, down, half width, half height, turn (degrees), length (cm).
_HEART = (
    (0.065, 0.60, 0.185, 0.135, 34, 17.6),
    (-0.030, 0.575, 0.085, 0.135, -8, 14.4),
)
_GREAT_VESSELS = (
    (0.005, 0.40, 0.070, 0.27, 0, 16.0),
    (0.045, 0.305, 0.042, 0.045, 0, 11.2),
    (0.060, 0.42, 0.050, 0.09, 15, 11.2),
)


class Chest:
    """One person's chest, seen from the front; everything is fixed by the random numbers it is built from.

    Parameters
    ----------
    rng : numpy.random.Generator
        The source of chance.
    side : int
        Side of the film in pixels.

    Attributes
    ----------
    halves : tuple of ndarray of bool, each of shape (side, side)
        Where each lung lies behind the pixel, the right one (on the film's left) first.
    lungs : ndarray of bool, shape (side, side)
        Either of them.
    """

    def __init__(self, rng: np.random.Generator, side: int) -> None:
        self._side = side
        rows, columns = np.mgrid[0:side, 0:side].astype(np.float32) / side
        self._x, self._y = columns, rows
        self._middle = 0.5 + rng.uniform(-0.015, 0.015)
        self._wide = rng.uniform(0.86, 1.07)
        self._top = rng.uniform(-0.035, 0.04)
        self._low = rng.uniform(-0.07, 0.05)
        self._thickness = rng.uniform(0.85, 1.2)
        self.halves = tuple(self._lung(rng, sign) for sign in (-1, 1))
        self.lungs: Mask = np.logical_or(*self.halves)
        self._heart_size = rng.uniform(0.85, 1.22)
        self._rng = rng

    @cached_property
    def air(self) -> Map:
        """Air along each ray in cm, which is also how much fluid has room; float32 of shape (side, side)."""
        lung = self._depth(self.halves[0]) + self._depth(self.halves[1])
        return np.asarray(_AIR_IN_LUNG * (lung - np.minimum(lung, self._heart())), dtype=np.float32)

    @cached_property
    def lengths(self) -> tuple[Map, Map]:
        """Soft tissue and bone along each ray, in cm, each float32 of shape (side, side)."""
        inside = softened(self.lungs, 0.004)
        soft = self._body() - self.air + self._vessels() * inside - self._airways() + self._folds()
        bone = self._ribs() + self._clavicles() + self._spine() + self._shoulder_blades()
        return soft.astype(np.float32), bone.astype(np.float32)

    def _at(self, points: Sequence[tuple[float, float]], sign: int = 1) -> Points:
        return np.array([(self._middle + sign * self._wide * across, down) for across, down in points])

    def _lung(self, rng: np.random.Generator, sign: int) -> Mask:
        base = 0.71 + self._low + (0.03 if sign > 0 else 0.0)
        outline = [(across, down + self._top) for across, down in _APEX]
        outline += [*_FLANK, *((across, down + base) for across, down in _DIAPHRAGM)]
        outline += [*_MIDDLE[:-1], (_MIDDLE[-1][0], _MIDDLE[-1][1] + self._top)]
        return filled(self._at(outline, sign) + rng.normal(0, 0.008, (len(outline), 2)), side=self._side)

    def _body(self) -> Map:
        half = np.interp(self._y[:, 0] - self._top, _BODY_HEIGHTS, _BODY_HALF_WIDTHS) * self._wide
        across = np.abs(self._x - self._middle) / half[:, None].astype(np.float32)
        thick = np.interp(self._y[:, 0], (0.0, 0.15, 0.45, 0.8, 1.0), (13, 17, 21, 23, 24)) * self._thickness
        return softened(thick[:, None] * np.sqrt(np.clip(1 - across**2.6, 0, 1)), 0.012)

    def _depth(self, lung: Mask) -> Map:
        distance = cv2.distanceTransform(lung.astype(np.uint8), cv2.DIST_L2, 5) / self._side
        rise = np.clip(distance / 0.11, 0, 1)
        return softened(17 * np.sqrt(np.clip(1 - (1 - rise) ** 2, 0, 1)), 0.005)

    def _heart(self) -> Map:
        size = self._heart_size
        heart = [(a, d, w * size, h * size, turn, length) for a, d, w, h, turn, length in _HEART]
        depth = np.zeros_like(self._x)
        for across, down, wide, high, turn, length in (*heart, *_GREAT_VESSELS):
            depth = np.maximum(depth, length * self._dome((across, down), wide * self._wide, high, np.deg2rad(turn)))
        return softened(depth, 0.006)

    def _dome(self, centre: tuple[float, float], wide: float, high: float, turn: float = 0.0, sign: int = 1) -> Map:
        """Share of its full length at which a ray passes an ellipsoid."""
        x, y = self._at([centre], sign)[0]
        dx, dy = self._x - np.float32(x), self._y - np.float32(y)
        along = (dx * np.cos(turn) + dy * np.sin(turn)) / wide
        up = (-dx * np.sin(turn) + dy * np.cos(turn)) / high
        return np.asarray(np.sqrt(np.clip(1 - along**2 - up**2, 0, 1)), dtype=np.float32)

    def _airways(self) -> Map:
        width = 0.017 * self._rng.uniform(0.85, 1.15)
        fork = 0.33 + self._top
        lines: list[tuple[list[tuple[float, float]], float]] = [
            ([(0.0, -0.05), (0.002, 0.15), (0.005, fork + 0.005)], width),
            ([(0.005, fork), (-0.04, 0.385), (-0.085, 0.43)], width * 0.7),
            ([(0.005, fork), (0.05, 0.39), (0.10, 0.425)], width * 0.65),
        ]
        return tubes([(self._at(points), radius, 1.45) for points, radius in lines], side=self._side, soften=0.004)

    def _vessels(self) -> Map:
        rng = self._rng
        branches: list[tuple[Points, float, float]] = []
        strength = rng.uniform(0.8, 1.3)
        for sign, hilum in ((-1, (0.075, 0.43)), (1, (0.085, 0.41))):
            start = self._at([hilum], sign)[0]
            for direction in np.linspace(-75, 80, 8) + rng.normal(0, 7, 8):
                heading = np.deg2rad(direction if sign > 0 else 180 - direction)
                self._branch(branches, start, heading, 0.0095 * strength * rng.uniform(0.7, 1.1), 0)
        return tubes(branches, side=self._side, soften=0.0022)

    def _branch(
        self,
        into: list[tuple[Points, float, float]],
        start: NDArray[np.float64],
        heading: float,
        radius: float,
        depth: int,
    ) -> None:
        rng = self._rng
        length = rng.uniform(0.055, 0.095) * 0.86**depth
        bend = heading + rng.normal(0, 0.14)
        middle = start + 0.5 * length * np.array([np.cos(heading), np.sin(heading)])
        end = middle + 0.5 * length * np.array([np.cos(bend), np.sin(bend)])
        # A film of 320 pixels shows about 35 cm of chest; vessels count double, or they would drown in the noise.
        into.append((np.array([start, middle, end]), radius, radius * 230))
        if depth < 5 and radius > 0.0012:
            spread = rng.uniform(0.25, 0.55)
            for turn in (-spread, spread):
                self._branch(into, end, bend + turn, radius * rng.uniform(0.6, 0.85), depth + 1)

    def _ribs(self) -> Map:
        rng = self._rng
        back: list[tuple[Points, float]] = []
        front: list[tuple[Points, float]] = []
        slope, gap = rng.uniform(0.8, 1.2), rng.uniform(0.074, 0.083)
        for number in range(10):
            y = 0.115 + self._top + gap * number
            reach = float(np.interp(y, (0.1, 0.2, 0.35, 0.55, 0.8), (0.19, 0.285, 0.345, 0.385, 0.40)))
            drop = slope * float(np.interp(number, (0, 3, 10), (0.02, 0.075, 0.14)))
            for sign in (-1, 1):
                lift = rng.normal(0, 0.003, 4)
                behind = [(0.035, y), (0.12, y - 0.02 + lift[0]), (0.62 * reach, y + 0.12 * drop + lift[1])]
                behind += [(0.88 * reach, y + 0.6 * drop + lift[2]), (reach, y + drop)]
                back.append((self._at(behind, sign), 0.0145 * rng.uniform(0.9, 1.1)))
                if number < 7:
                    ahead = [(reach, y + drop), (0.93 * reach, y + drop + 0.055)]
                    ahead += [(0.72 * reach, y + drop + 0.10 + lift[3]), (0.47 * reach, y + drop + 0.125)]
                    front.append((self._at(ahead, sign), 0.0155 * rng.uniform(0.9, 1.1)))
        strength = np.float32(rng.uniform(0.8, 1.2))
        side = self._side
        return strength * (
            shells(back, side=side, outer=0.75, inner=0.42, soften=0.0028)
            + shells(front, side=side, outer=0.42, inner=0.25, soften=0.0035)
        )

    def _clavicles(self) -> Map:
        bones: list[tuple[Points, float]] = []
        for sign in (-1, 1):
            lift = self._top + self._rng.normal(0, 0.012)
            arc = [(0.035, 0.185 + self._top), (0.12, 0.165 + lift), (0.23, 0.125 + lift), (0.36, 0.12 + lift)]
            bones.append((self._at(arc, sign), 0.0155))
        return shells(bones, side=self._side, outer=1.0, inner=0.65, soften=0.003)

    def _spine(self) -> Map:
        period, phase = self._rng.uniform(0.052, 0.060), self._rng.uniform(0, 1)
        cycle = np.abs(((self._y / period + phase) % 1) - 0.5) * 2
        height = np.clip((0.86 - cycle) / 0.14, 0, 1)
        width = 0.036 * (0.85 + 0.35 * self._y) * (1 + 0.10 * (cycle - 0.5))
        across = np.abs(self._x - self._middle - 0.006 * np.sin(3 * self._y + phase)) / width
        block = np.clip((1 - across) / 0.12, 0, 1) * (0.45 + 0.55 * height)
        rim = np.exp(-(((across - 0.92) / 0.10) ** 2)) * height
        knob = np.exp(-((across / 0.16) ** 2)) * np.exp(-(((cycle - 0.35) / 0.3) ** 2))
        return softened(0.85 * block + 0.30 * rim + 0.35 * knob, 0.003)

    def _shoulder_blades(self) -> Map:
        total = np.zeros_like(self._x)
        for sign in (-1, 1):
            out = self._rng.uniform(-0.015, 0.03)
            rim = [(0.34, 0.14), (0.42, 0.17), (0.44, 0.26), (0.375, 0.42), (0.345, 0.44), (0.325, 0.30)]
            blade = filled(self._at([(a + out, d) for a, d in rim], sign), side=self._side).astype(np.float32)
            edge = blade - np.asarray(cv2.erode(blade, np.ones((3, 3), np.uint8)), dtype=np.float32)
            arm = self._at([(0.44 + out, 0.15), (0.50 + out, 0.30), (0.52 + out, 0.55)], sign)
            total += 0.28 * blade + 0.5 * edge
            total += shells([(arm, 0.03)], side=self._side, outer=1.2, inner=0.8, soften=0.004)
        return softened(total, 0.0035)

    def _folds(self) -> Map:
        """Breasts or chest muscles, the bubble in the stomach, and the grain of soft tissue."""
        rng = self._rng
        full = np.float32(rng.uniform(0.0, 3.0) * (rng.random() < 0.5))
        total = np.zeros_like(self._x)
        for sign in (-1, 1):
            total += full * self._dome((0.22, 0.60 + rng.normal(0, 0.02)), 0.17, 0.16, sign=sign)
        bubble = self._dome((0.20, 0.82 + self._low), 0.09, rng.uniform(0.02, 0.05))
        total -= np.float32(rng.uniform(0, 5)) * bubble
        grain = np.float32(0.5) * noise(rng, self._side, finest=0.02, coarsest=0.2)
        return np.asarray(total + grain, dtype=np.float32)
