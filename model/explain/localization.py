"""Whether a heatmap marks the place that a person marked, and whether something without a network would too."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from model.explain.faithfulness import enlarged

Map = NDArray[np.float32]
Mask = NDArray[np.bool_]

_TOLERANCE = 15 / 224


def pointing_hit(values: Map, truth: Mask) -> bool:
    """Whether a heatmap's hottest place lies on a marked area, or within 15 of 224 pixels of it.

    Parameters
    ----------
    values : ndarray of float32, shape (h, w)
        The heatmap, of any size. An empty one points nowhere and misses.
    truth : ndarray of bool, shape (height, width)
        The marked area.

    References
    ----------
    Zhang et al. (2016), "Top-down Neural Attention by Excitation Backprop", arXiv:1608.00507, section 4.1, whose
    tolerance is 15 pixels on films of about 224.
    """
    if not values.any():
        return False
    heat = enlarged(values, (truth.shape[0], truth.shape[1]))
    row, column = np.unravel_index(int(heat.argmax()), heat.shape)
    reach = _TOLERANCE * max(truth.shape)
    rows, columns = np.nonzero(truth)
    return bool((np.hypot(rows - row, columns - column) <= reach).any())


def overlap_at_equal_area(values: Map, truth: Mask) -> float:
    """Return the intersection over union of a marked area with as many of the hottest pixels.

    No threshold has to be chosen, and no map can win by being larger.

    Parameters
    ----------
    values : ndarray of float32, shape (h, w)
        The heatmap, of any size. Pixels without any heat are never taken.
    truth : ndarray of bool, shape (height, width)
        The marked area; not empty.

    Returns
    -------
    float
        0..1.
    """
    heat = enlarged(values, (truth.shape[0], truth.shape[1])).ravel()
    marked = truth.ravel()
    taken = np.zeros(marked.shape, np.bool_)
    hottest = np.argsort(-heat, kind="stable")[: int(marked.sum())]
    taken[hottest[heat[hottest] > 0]] = True
    return float((taken & marked).sum() / (taken | marked).sum())


def boxes_mask(boxes: list[tuple[float, float, float, float]], size: tuple[int, int]) -> Mask:
    """Return where boxes lie, given as x, y, width and height in pixels of a film of (height, width) `size`."""
    mask = np.zeros(size, np.bool_)
    for x, y, width, height in boxes:
        down = slice(max(round(y), 0), max(round(y + height), 0))
        mask[down, max(round(x), 0) : max(round(x + width), 0)] = True
    return mask


def edge_map(film: Map) -> Map:
    """Return how strong the edges of a film are, in 0..1: a "heatmap" that knows nothing of any network.

    Parameters
    ----------
    film : ndarray of float32, shape (height, width)
        Gray in 0..1.

    References
    ----------
    Adebayo et al. (2018), "Sanity Checks for Saliency Maps", arXiv:1810.03292, section 5.1: several published methods
    look like an edge detector.
    """
    sigma = 0.01 * max(film.shape)
    smooth = cv2.GaussianBlur(film, (0, 0), sigma)
    strength = np.hypot(cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1))
    strength = cv2.GaussianBlur(strength, (0, 0), sigma)
    peak = float(strength.max())
    return np.asarray(strength / peak if peak > 0 else strength, dtype=np.float32)


def centre_blob(size: tuple[int, int]) -> Map:
    """Return a soft spot in the middle of the chest, in 0..1: where a lung is on every film, sick or not.

    Parameters
    ----------
    size : tuple of int
        (height, width) of the film; the spot's standard deviation is a fifth of each.
    """
    height, width = size
    down = (np.arange(height) - (height - 1) / 2) / (height / 5)
    across = (np.arange(width) - (width - 1) / 2) / (width / 5)
    return np.exp(-(down[:, None] ** 2 + across[None, :] ** 2) / 2).astype(np.float32)
