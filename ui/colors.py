"""Color scales for maps."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from model.explain.overlay import TABLES, Colors


@cache
def table(scale: Colors = "inferno") -> NDArray[np.uint8]:
    """Return a scale as 256 RGB colors, uint8, shape (256, 3); brightness rises evenly."""
    ramp = np.arange(256, dtype=np.uint8)[None, :]
    colors = cv2.cvtColor(cv2.applyColorMap(ramp, TABLES[scale]), cv2.COLOR_BGR2RGB)[0]
    return np.ascontiguousarray(colors, dtype=np.uint8)


def colored(gray: NDArray[np.uint8], scale: Colors = "inferno") -> NDArray[np.uint8]:
    """Return gray levels in colors, shape (..., 3)."""
    return table(scale)[gray]
