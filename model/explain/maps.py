"""Feature maps as pictures: eight bits, at the size they are shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from model.sight import Sight

Order = Literal["strength", "push", "number"]
ORDERS: tuple[Order, ...] = ("strength", "push", "number")


@dataclass(frozen=True, eq=False, kw_only=True)
class Channels:
    """What there is to say about each channel of a layer on one film.

    Attributes
    ----------
    strength : ndarray of float32, shape (channels,)
        Mean over the map.
    peak : ndarray of float32, shape (channels,)
        Largest value of the map.
    push : ndarray of float32, shape (channels,)
        See `model.sight.Sight.pushes`.
    dead : ndarray of bool, shape (channels,)
        Zero everywhere on this film.
    """

    strength: NDArray[np.float32]
    peak: NDArray[np.float32]
    push: NDArray[np.float32]
    dead: NDArray[np.bool_]

    def sorted_by(self, order: Order) -> NDArray[np.int64]:
        """Return the channels by falling strength, by falling push towards "yes", or by number; ties by number."""
        if order == "number":
            return np.arange(len(self.strength))
        return np.argsort(-(self.strength if order == "strength" else self.push), kind="stable")


def channels_of(sight: Sight, layer: str) -> Channels:
    """Return strength, peak, push and death of every channel of a layer.

    Raises
    ------
    KeyError
        If there is no such layer, or the maps were not kept.
    """
    maps = sight.maps[layer]
    return Channels(
        strength=maps.mean(axis=(0, 1)),
        peak=maps.max(axis=(0, 1)),
        push=sight.pushes[layer],
        dead=~np.asarray(maps.any(axis=(0, 1))).astype(np.bool_),
    )


def display(maps: NDArray[np.float32], *, side: int, top: float | None = None) -> NDArray[np.uint8]:
    """Return maps as gray pictures.

    Parameters
    ----------
    maps : ndarray of float32, shape (height, width, count)
        Raw feature maps.
    side : int
        Longest side of a picture in pixels. Larger maps are averaged down, smaller ones are left as they are.
    top : float, optional
        The value that becomes 255; by default each map's own largest. What is negative becomes 0.

    Returns
    -------
    ndarray of uint8, shape (count, picture height, picture width)
        A map that is zero everywhere stays 0: nothing is stretched.
    """
    height, width, count = maps.shape
    scale = min(side / max(height, width), 1.0)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    pictures = np.zeros((count, size[1], size[0]), np.uint8)
    for k in range(count):
        plane = np.maximum(maps[:, :, k], 0)
        peak = float(plane.max()) if top is None else top
        if peak <= 0:
            continue
        if scale < 1:
            plane = cv2.resize(plane, size, interpolation=cv2.INTER_AREA)
        pictures[k] = np.rint(np.clip(plane / peak, 0, 1) * 255).astype(np.uint8)
    return pictures


def sheet(pictures: NDArray[np.uint8], *, tile: int, columns: int) -> NDArray[np.uint8]:
    """Lay pictures of one size out in rows of square tiles.

    Parameters
    ----------
    pictures : ndarray of uint8, shape (count, height, width) or (count, height, width, 3)
        Gray, as `display` makes them, or in color; enlarged or reduced to the tile, cells staying sharp squares.
    tile : int
        Side of a tile in pixels.
    columns : int
        Tiles in a row.

    Returns
    -------
    ndarray of uint8, shape (rows * tile, columns * tile) or (rows * tile, columns * tile, 3)
        Row by row; the last row is filled up with zeros.
    """
    rows = -(-len(pictures) // columns)
    whole = np.zeros((rows * tile, columns * tile, *pictures.shape[3:]), np.uint8)
    for k, picture in enumerate(pictures):
        row, column = divmod(k, columns)
        shrink = picture.shape[0] > tile
        whole[row * tile : (row + 1) * tile, column * tile : (column + 1) * tile] = cv2.resize(
            picture, (tile, tile), interpolation=cv2.INTER_AREA if shrink else cv2.INTER_NEAREST
        )
    return whole
