"""Laying a heatmap over its film."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def blend(film: NDArray[np.float32], heatmap: NDArray[np.float32], *, opacity: float) -> NDArray[np.uint8]:
    """Color a film where a heatmap is warm.

    Parameters
    ----------
    film : ndarray of float32, shape (height, width)
        Gray in 0..1.
    heatmap : ndarray of float32, shape (h, w)
        In 0..1, of any size; enlarged smoothly to the film's.
    opacity : float
        0 shows the film alone; at 1 the hottest place shows only color. In between the cover grows with the heat, so
        that cold places stay plain film.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
        RGB. The colors are "inferno", whose brightness rises evenly with the value.
    """
    height, width = film.shape
    gray = np.repeat(film[:, :, None], 3, axis=2)
    if opacity > 0 and heatmap.any():
        smooth = cv2.resize(heatmap, (width, height), interpolation=cv2.INTER_CUBIC)
        heat = np.clip(smooth, 0, 1).astype(np.float32)
        levels = np.rint(64 + 191 * heat).astype(np.uint8)
        color = cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
        cover = (np.float32(opacity) * np.sqrt(heat))[:, :, None]
        gray = gray * (1 - cover) + cover * color.astype(np.float32) / np.float32(255)
    return np.rint(np.clip(gray, 0, 1) * 255).astype(np.uint8)
