"""Laying a heatmap over its film."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Colors = Literal["inferno", "cividis"]

TABLES = {"inferno": cv2.COLORMAP_INFERNO, "cividis": cv2.COLORMAP_CIVIDIS}


def blend(
    film: NDArray[np.float32], heatmap: NDArray[np.float32], *, opacity: float, colors: Colors = "inferno"
) -> NDArray[np.uint8]:
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
    colors : {"inferno", "cividis"}
        Brightness rises evenly with the value in both; "cividis" looks nearly the same to people who cannot tell red
        from green (Nuñez, Anderton, Renslow 2018, doi:10.1371/journal.pone.0199239).

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
        RGB.
    """
    height, width = film.shape
    gray = np.repeat(film[:, :, None], 3, axis=2)
    if opacity > 0 and heatmap.any():
        smooth = cv2.resize(heatmap, (width, height), interpolation=cv2.INTER_CUBIC)
        heat = np.clip(smooth, 0, 1).astype(np.float32)
        levels = np.rint(64 + 191 * heat).astype(np.uint8)
        color = cv2.cvtColor(cv2.applyColorMap(levels, TABLES[colors]), cv2.COLOR_BGR2RGB)
        cover = (np.float32(opacity) * np.sqrt(heat))[:, :, None]
        gray = gray * (1 - cover) + cover * color.astype(np.float32) / np.float32(255)
    return np.rint(np.clip(gray, 0, 1) * 255).astype(np.uint8)
