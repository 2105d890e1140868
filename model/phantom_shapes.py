"""What the synthetic chest is drawn with: curves, tubes and smooth noise."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Map = NDArray[np.float32]
Mask = NDArray[np.bool_]
Points = NDArray[np.float64]


def noise(rng: np.random.Generator, side: int, *, finest: float, coarsest: float) -> Map:
    """Return smooth noise of several grain sizes, mean 0 and standard deviation 1.

    Parameters
    ----------
    rng : numpy.random.Generator
        The source of chance.
    side : int
        Side of the result in pixels.
    finest, coarsest : float
        Grain sizes between which to add, each half of the last, in shares of the side.

    Returns
    -------
    ndarray of float32, shape (side, side)
    """
    total = np.zeros((side, side), np.float32)
    grain, weight = coarsest, 1.0
    while grain >= finest:
        cells = max(3, round(1 / grain) + 2)
        coarse = rng.standard_normal((cells, cells)).astype(np.float32)
        spread = np.asarray(cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC), dtype=np.float32)
        total += np.float32(weight) * spread
        grain, weight = grain / 2, weight * 0.6
    return np.asarray((total - total.mean()) / max(float(total.std()), 1e-6), dtype=np.float32)


def curve(points: NDArray[np.float64], *, closed: bool, side: int) -> NDArray[np.int32]:
    """Return a Catmull-Rom curve through the points, as OpenCV's drawing functions take it with ``shift=4``.

    Parameters
    ----------
    points : ndarray of float64, shape (n, 2)
        x and y in shares of the side.
    closed : bool
        Whether the last point leads back to the first.
    side : int
        Side of the film in pixels.

    Returns
    -------
    ndarray of int32, shape (m, 1, 2)
        Sixteenths of a pixel.

    References
    ----------
    Catmull and Rom (1974), A class of local interpolating splines.
    """
    own = np.vstack([points[-1], points, points[:2]]) if closed else np.vstack([points[:1], points, points[-1:]])
    t = np.linspace(0, 1, 12, endpoint=False)[:, None]
    pieces = []
    for a, b, c, d in zip(own[:-3], own[1:-2], own[2:-1], own[3:], strict=True):
        pieces.append(
            0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
        )
    if not closed:
        pieces.append(points[-1:])
    sixteenths: NDArray[np.int32] = np.rint(np.vstack(pieces) * side * 16).astype(np.int32)
    return sixteenths.reshape(-1, 1, 2)


def filled(outline: Points, *, side: int) -> Mask:
    """Return the inside of a closed curve through the points, shape (side, side)."""
    mask = np.zeros((side, side), np.uint8)
    cv2.fillPoly(mask, [curve(outline, closed=True, side=side)], 1, cv2.LINE_8, 4)
    return mask.astype(np.bool_)


def softened(lengths: NDArray[np.floating] | Mask, sigma: float) -> Map:
    """Return a Gaussian blur; `sigma` in shares of the side, at least half a pixel."""
    blurred = cv2.GaussianBlur(lengths.astype(np.float32), (0, 0), max(0.5, sigma * lengths.shape[0]))
    return np.asarray(blurred, dtype=np.float32)


def tubes(parts: Sequence[tuple[Points, float, float]], *, side: int, soften: float) -> Map:
    """Return solid tubes, the thickest on top where they cross.

    Parameters
    ----------
    parts : sequence of (points, radius, length)
        The middle line in shares of the side, the radius in shares of the side, the length along the ray in cm.
    side : int
        Side of the film in pixels.
    soften : float
        See `softened`.

    Returns
    -------
    ndarray of float32, shape (side, side)
        Length along the ray in cm.
    """
    total = np.zeros((side, side), np.float32)
    for points, radius, length in sorted(parts, key=lambda part: part[2]):
        layer = np.zeros_like(total)
        width = max(1, round(2 * radius * side))
        cv2.polylines(layer, [curve(points, closed=False, side=side)], False, float(length), width, cv2.LINE_8, 4)
        np.maximum(total, layer, out=total)
    return softened(total, soften)


def shells(parts: Sequence[tuple[Points, float]], *, side: int, outer: float, inner: float, soften: float) -> Map:
    """Return hollow tubes, which add up where they cross: a ray meets more bone at their edges than in their middle.

    Parameters
    ----------
    parts : sequence of (points, radius)
        The middle line and the radius, in shares of the side.
    side : int
        Side of the film in pixels.
    outer, inner : float
        Length along the ray at the edge and in the middle, in cm.
    soften : float
        See `softened`.

    Returns
    -------
    ndarray of float32, shape (side, side)
        Length along the ray in cm.
    """
    total = np.zeros((side, side), np.float32)
    for points, radius in parts:
        layer = np.zeros_like(total)
        path = [curve(points, closed=False, side=side)]
        width = max(2, round(2 * radius * side))
        cv2.polylines(layer, path, False, outer, width, cv2.LINE_8, 4)
        cv2.polylines(layer, path, False, inner, max(1, round(width * 0.62)), cv2.LINE_8, 4)
        total += layer
    return softened(total, soften)
