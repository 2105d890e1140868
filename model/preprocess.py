"""Film -> network input. Training and serving share this one path.

`to_grid` squashes to the network's grid; `standardize` removes what the exposure, the scanner and the
export did to the tones. Augmentation happens between the two.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

INPUT_SIZE = 224
VERSION = "tone-2"

_MARGIN = 1 / 8
_TAILS = (1.0, 99.0)
_EXPONENTS = (0.4, 2.5)
# Pillow first averages whole blocks where more than this many pixels of them become one.
_REDUCING_GAP = 2.0


def to_grid(pixels: NDArray[np.float32], *, size: int | tuple[int, int] = INPUT_SIZE) -> NDArray[np.float32]:
    """Squash a film to a grid, as the films of the training set were.

    Parameters
    ----------
    pixels : ndarray of float32, shape (height, width)
        Gray in 0..1.
    size : int or tuple of int
        Side of the result in pixels, or its (height, width).

    Returns
    -------
    ndarray of float32, shape (size, size)
        Gray in 0..1, weighted by a triangle as wide as two pixels of the result. That leaves films as soft as those
        of the training set, which came at 224 pixels (standard deviation of the Laplacian 12.5 in its normal films;
        the 16 films that are there at full size get 13.5 by this filter and 17 by averaging areas).
    """
    height, width = (size, size) if isinstance(size, int) else size
    if pixels.shape == (height, width):
        return pixels.astype(np.float32, copy=True)
    film = Image.fromarray(np.ascontiguousarray(pixels, dtype=np.float32))
    grid = film.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=_REDUCING_GAP)
    return np.clip(np.asarray(grid, dtype=np.float32), 0, 1)


def source_span(first: int, last: int, *, film: int, grid: int) -> tuple[int, int]:
    """Return which pixels of a film flow into a row of grid pixels, along one axis.

    `standardize` is left out: it changes tones by statistics of the whole film, not places.

    Parameters
    ----------
    first, last : int
        The first and the last grid pixel.
    film, grid : int
        Length of the film and of the grid in pixels.

    Returns
    -------
    start, stop : int
        The first film pixel, and the one after the last.
    """
    if film == grid:
        return first, last + 1
    reduction = max(int(film / grid / _REDUCING_GAP), 1)
    scale = film / reduction / grid
    reach = max(scale, 1.0)
    blocks = math.ceil(film / reduction)
    start = max(int((first + 0.5) * scale - reach + 0.5), 0)
    stop = min(int((last + 0.5) * scale + reach + 0.5), blocks)
    return start * reduction, min(stop * reduction, film)


def standardize(film: NDArray[np.float32]) -> NDArray[np.float32]:
    """Remove exposure, contrast and gamma, so that the tones of two scanners agree.

    In the middle three quarters of the film (away from borders, markers and collimation) the 1st percentile becomes
    0 and the 99th becomes 1; then the exponent is chosen that brings the median to one half. The result is the same
    for any affine change of the grays and, where it does not clip, for any gamma applied to a film that spans 0..1.

    Parameters
    ----------
    film : ndarray of float32, shape (size, size)
        Gray in 0..1.

    Returns
    -------
    ndarray of float32, shape (size, size)
        Gray in 0..1; a constant film becomes zeros.
    """
    height, width = film.shape
    top, left = int(height * _MARGIN), int(width * _MARGIN)
    middle = film[top : height - top, left : width - left]
    low, high = np.percentile(middle, _TAILS)
    if high - low < 1e-6:
        return np.zeros_like(film)
    stretched = np.clip((film - np.float32(low)) / np.float32(high - low), 0, 1)
    median = float(np.median(stretched[top : height - top, left : width - left]))
    exponent = np.log(0.5) / np.log(np.clip(median, 0.05, 0.95))
    return np.asarray(np.power(stretched, np.float32(np.clip(exponent, *_EXPONENTS))), dtype=np.float32)


def preprocess(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn a film of any size into one network input.

    Parameters
    ----------
    pixels : ndarray of float32, shape (height, width)
        Gray in 0..1, as `model.images.Radiograph` holds it.

    Returns
    -------
    ndarray of float32, shape (224, 224, 1)
        Standardized gray in 0..1.
    """
    return standardize(to_grid(pixels))[:, :, None]
