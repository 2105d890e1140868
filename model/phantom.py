"""A synthetic chest: drawn from a seed, with ground truth, for classes and tests. Not a film of anyone.

The film is not painted but exposed: every organ adds or removes a length of soft tissue, air or bone along the ray
(in cm), the sum becomes an attenuation by Beer and Lambert's law, scatter and quantum noise are added, and the
logarithm of what arrives is windowed as a digital detector would. The attenuation coefficients are those of water and
of cortical bone near 60 keV (NIST XCOM: 0.21 and 0.57 per cm); a lung is three quarters air.

Pneumonia is one or two soft opacities: regions of a lung in which fluid has taken the place of air. Everything else,
the exposure above all, varies alike in both classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from model.phantom_chest import Chest
from model.phantom_shapes import Map, Mask, noise, softened

VERSION = "phantom-2"
SIDE = 320

_WATER, _BONE = 0.21, 0.57
_SHARE_OF_SECOND = 0.35
_VISIBLE = 0.35
# In cm. Opacities are centred where the air is as deep, and marked where there is some: the heart hides the rest.
_DEEP, _SOME = 6.0, 2.0


@dataclass(frozen=True, eq=False, kw_only=True)
class Truth:
    """Where things are on a synthetic film, in its pixels.

    Attributes
    ----------
    lungs : ndarray of bool, shape (side, side)
        Where lung lies behind the pixel.
    opacity : ndarray of bool, shape (side, side)
        Where an opacity lies; all False in a healthy chest.
    boxes : tuple of (int, int, int, int)
        x, y, width and height of each opacity, the largest first.
    """

    lungs: Mask
    opacity: Mask
    boxes: tuple[tuple[int, int, int, int], ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class Phantom:
    """One synthetic film and what is true of it.

    Attributes
    ----------
    film : ndarray of float32, shape (side, side)
        Gray in 0..1.
    truth : Truth
        Where its lungs and opacities are.
    """

    film: Map
    truth: Truth


def draw_phantom(seed: int, *, sick: bool, side: int = SIDE, corner: bool = False) -> Phantom:
    """Draw the chest of a seed.

    Parameters
    ----------
    seed : int
        Fixes the anatomy, the exposure and the opacities.
    sick : bool
        With opacities or without; all else is the same chest.
    side : int
        Side of the film in pixels, at least 64.
    corner : bool
        Add a bright square in the upper left corner: a planted shortcut, for lessons about networks that cheat.

    Returns
    -------
    Phantom
        The same for the same arguments.
    """
    chest, fluid, areas, turn, exposure = _planned(seed, sick=sick, side=side)
    film = _exposed(exposure, chest, fluid)
    film = np.asarray(
        cv2.warpAffine(film, turn, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE),
        dtype=np.float32,
    )
    film = _lettered(exposure, film)
    if corner:
        start, width = round(0.04 * side), round(0.05 * side)
        film[start : start + width, start : start + width] = 0.95
    return Phantom(film=np.ascontiguousarray(film), truth=_truth(chest.lungs, areas, turn))


def phantom_truth(seed: int, *, sick: bool, side: int = SIDE) -> Truth:
    """Return what `draw_phantom` would, without drawing the film: several times as fast."""
    chest, _, areas, turn, _ = _planned(seed, sick=sick, side=side)
    return _truth(chest.lungs, areas, turn)


def _planned(
    seed: int, *, sick: bool, side: int
) -> tuple[Chest, Map, list[Mask], NDArray[np.float64], np.random.Generator]:
    anatomy, exposure, disease = (np.random.default_rng((seed, part)) for part in range(3))
    chest = Chest(anatomy, side)
    centre = (side / 2, side / 2)
    turn = np.array(cv2.getRotationMatrix2D(centre, exposure.normal(0, 2.0), exposure.uniform(0.95, 1.06)), np.float64)
    turn[:, 2] += exposure.normal(0, 0.015, 2) * side
    fluid, areas = _opacities(disease, chest) if sick else (np.zeros((side, side), np.float32), [])
    return chest, fluid, areas, turn, exposure


def _opacities(rng: np.random.Generator, chest: Chest) -> tuple[Map, list[Mask]]:
    """Fluid along each ray in cm, and where each opacity lies."""
    side = chest.lungs.shape[0]
    depth = np.zeros((side, side), np.float32)
    areas: list[Mask] = []
    rows, columns = np.nonzero(chest.air > _DEEP)
    y, x = np.mgrid[0:side, 0:side].astype(np.float32)
    for _ in range(1 + int(rng.random() < _SHARE_OF_SECOND)):
        chosen = int(rng.integers(len(rows)))
        lung = next(half for half in chest.halves if half[rows[chosen], columns[chosen]])
        radius = rng.uniform(0.065, 0.14) * side
        stretch, turn = np.exp(rng.normal(0, 0.22)), rng.uniform(0, np.pi)
        dx, dy = x - columns[chosen], y - rows[chosen]
        along = (dx * np.cos(turn) + dy * np.sin(turn)) / (radius * stretch)
        aside = (-dx * np.sin(turn) + dy * np.cos(turn)) / (radius / stretch)
        ragged = np.sqrt(along**2 + aside**2) * (1 + 0.22 * noise(rng, side, finest=0.03, coarsest=0.2))
        body = np.clip(1.35 - ragged, 0, 1)
        body = body * body * (3 - 2 * body)
        patchy = np.clip(1 + 0.22 * noise(rng, side, finest=0.008, coarsest=0.12), 0.4, 1.6)
        depth = np.maximum(depth, rng.uniform(4.5, 9.5) * body * patchy * softened(lung, 0.006)).astype(np.float32)
        areas.append(np.asarray((body > _VISIBLE) & lung & (chest.air > _SOME)))
    return np.minimum(depth, chest.air), areas


def _exposed(rng: np.random.Generator, chest: Chest, fluid: Map) -> Map:
    soft, bone = chest.lengths
    side = soft.shape[0]
    through = np.exp(-(_WATER * np.clip(soft + fluid, 0.2, None) + _BONE * bone))
    arriving = through + rng.uniform(0.15, 0.5) * softened(through, rng.uniform(0.05, 0.09))
    photons = 10 ** rng.uniform(4.6, 5.6)
    arriving = arriving + np.sqrt(arriving / photons) * rng.standard_normal((side, side))
    darkness = softened(-np.log(np.clip(arriving, 1e-5, None)), rng.uniform(0.3, 0.9) / SIDE)
    darkness = darkness + np.float32(rng.uniform(0.0, 0.5)) * (darkness - softened(darkness, 0.02))
    low, high = np.percentile(darkness, (rng.uniform(1, 6), rng.uniform(96, 99.7)))
    gray = np.clip((darkness - low) / (high - low), 0, 1) ** np.exp(rng.normal(0, 0.16))
    return np.asarray(rng.uniform(0.0, 0.06) + rng.uniform(0.85, 0.94) * gray, dtype=np.float32)


def _lettered(rng: np.random.Generator, film: Map) -> Map:
    side = film.shape[0]
    letter, x = ("R", rng.uniform(0.03, 0.09)) if rng.random() < 0.5 else ("L", rng.uniform(0.86, 0.91))
    ink = np.zeros(film.shape, np.uint8)
    place = (int(x * side), int(rng.uniform(0.11, 0.17) * side))
    size, width = side / SIDE * rng.uniform(0.6, 0.85), max(1, round(side / 160))
    cv2.putText(ink, letter, place, cv2.FONT_HERSHEY_SIMPLEX, size, 255, width, cv2.LINE_AA)
    film = film + ink.astype(np.float32) / 255 * (np.float32(rng.uniform(0.88, 1.0)) - film)
    if rng.random() < 0.35:
        top, bottom, left, right = (int(w) for w in rng.uniform(0, 0.035, 4) * side)
        film[:top], film[side - bottom :], film[:, :left], film[:, side - right :] = 0, 0, 0, 0
    return film


def _truth(lungs: Mask, areas: list[Mask], turn: NDArray[np.float64]) -> Truth:
    side = lungs.shape[0]

    def moved(area: Mask) -> Mask:
        return np.asarray(cv2.warpAffine(area.astype(np.uint8), turn, (side, side), flags=cv2.INTER_NEAREST) > 0)

    seen = sorted((area for area in map(moved, areas) if area.any()), key=lambda area: -int(area.sum()))
    boxes = [cv2.boundingRect(area.astype(np.uint8)) for area in seen]
    return Truth(
        lungs=moved(lungs),
        opacity=np.logical_or.reduce([np.zeros((side, side), np.bool_), *seen]),
        boxes=tuple((int(x), int(y), int(width), int(height)) for x, y, width, height in boxes),
    )
