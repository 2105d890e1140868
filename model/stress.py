"""Changes that a film may meet on its way and that say nothing about lungs.

A network that judges lungs gives the same verdicts under each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

Film = NDArray[np.float32]

_FRAME = 0.22


def _as_is(film: Film) -> Film:
    return film


def _black_level(film: Film) -> Film:
    return film + np.float32(12 / 255)


def _gamma(exponent: float) -> Callable[[Film], Film]:
    return lambda film: np.power(film, np.float32(exponent))


def _blur(film: Film) -> Film:
    return np.asarray(cv2.GaussianBlur(film, (0, 0), 1.0), dtype=np.float32)


def _half_resolution(film: Film) -> Film:
    side = film.shape[0]
    small = cv2.resize(film, (side // 2, side // 2), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (side, side), interpolation=cv2.INTER_LINEAR), dtype=np.float32)


def _sharpen(film: Film) -> Film:
    return film + (film - np.asarray(cv2.GaussianBlur(film, (0, 0), 1.5), dtype=np.float32))


def _recode(film: Film) -> Film:
    coded = cv2.imencode(".jpg", _bytes(film), [cv2.IMWRITE_JPEG_QUALITY, 40])[1]
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), dtype=np.float32) / np.float32(255)


def _cut(*, rows: float = 0.0, columns: float = 0.0) -> Callable[[Film], Film]:
    def cut(film: Film) -> Film:
        side = film.shape[0]
        top, left = round(rows * side), round(columns * side)
        inner = np.ascontiguousarray(film[top : side - top, left : side - left])
        return np.asarray(cv2.resize(inner, (side, side), interpolation=cv2.INTER_LINEAR), dtype=np.float32)

    return cut


def _border(value: float) -> Callable[[Film], Film]:
    def framed(film: Film) -> Film:
        side = film.shape[0]
        width = round(0.05 * side)
        inner = side - 2 * width
        small = cv2.resize(film, (inner, inner), interpolation=cv2.INTER_AREA)
        return np.asarray(
            cv2.copyMakeBorder(small, width, width, width, width, cv2.BORDER_CONSTANT, value=value),
            dtype=np.float32,
        )

    return framed


def _without_marker(film: Film) -> Film:
    side = film.shape[0]
    reach = max(3, side // 14) | 1
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    letters = (cv2.morphologyEx(film, cv2.MORPH_TOPHAT, disk) > 0.3) & (film > 0.5)
    edge = round(_FRAME * side)
    letters[edge : side - edge, edge : side - edge] = False
    mask = cv2.dilate(letters.astype(np.uint8), np.ones((5, 5), np.uint8))
    return np.asarray(cv2.inpaint(_bytes(film), mask, 3, cv2.INPAINT_TELEA), dtype=np.float32) / np.float32(255)


def _in_turn(*changes: Callable[[Film], Film]) -> Callable[[Film], Film]:
    def changed(film: Film) -> Film:
        for change in changes:
            film = change(film)
        return film

    return changed


def _bytes(film: Film) -> NDArray[np.uint8]:
    return np.rint(np.clip(film, 0, 1) * 255).astype(np.uint8)


CONDITIONS: Mapping[str, Callable[[Film], Film]] = MappingProxyType(
    {
        "as it is": _as_is,
        "black level +12": _black_level,
        "gamma 0.7": _gamma(0.7),
        "gamma 1.4": _gamma(1.4),
        "blur, 1 pixel": _blur,
        "half resolution": _half_resolution,
        "sharpened": _sharpen,
        "JPEG quality 40": _recode,
        "5 % crop": _cut(rows=0.05, columns=0.05),
        "top and bottom cut by 10 %": _cut(rows=0.10),
        "sides cut by 10 %": _cut(columns=0.10),
        "black border": _border(0.0),
        "white border": _border(1.0),
        "no corner marker": _without_marker,
        "the usual look of pneumonia films": _in_turn(_cut(rows=0.08), _blur, _black_level),
        "the usual look of normal films": _in_turn(_border(0.0), _sharpen),
    }
)


# How films of either class are usually framed and exported: what validation and the threshold must not depend on.
LOOKS = (
    "as it is",
    "top and bottom cut by 10 %",
    "the usual look of pneumonia films",
    "the usual look of normal films",
)


def stressed(film: Film, condition: str) -> Film:
    """Return a film as it would arrive under a condition.

    Parameters
    ----------
    film : ndarray of float32, shape (size, size)
        Gray in 0..1, not standardized.
    condition : str
        A key of `CONDITIONS`.

    Returns
    -------
    ndarray of float32, shape (size, size)
        Gray in 0..1, in steps of 1/255 as an 8-bit export leaves it.
    """
    return _bytes(CONDITIONS[condition](film)).astype(np.float32) / np.float32(255)
