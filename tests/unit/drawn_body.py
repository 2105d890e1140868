"""A chest as a CT scan would show it, made of ellipsoids and cylinders."""

from __future__ import annotations

from typing import Any

import numpy as np

from model.projections import Scan


def drawn_chest() -> Scan:
    """Return a trunk of 34 x 16 x 25 cm with lungs, a heart on its left, a spine, a breastbone and ribs."""
    height, y, x = (axis.astype(np.float32) for axis in np.mgrid[-65:65, -50:50, -75:75])
    z = height / 65
    wide = 60 + 8 * np.clip(-z - 0.5, 0, 0.3) / 0.3 - 25 * np.clip(-z - 0.75, 0, 1) / 0.25
    deep = 40 - 12 * np.clip(-z - 0.6, 0, 1) / 0.4
    trunk = (x / wide) ** 2 + (y / deep) ** 2 < 1
    volume = np.where(trunk, 40, -1000).astype(np.float32)
    volume[trunk & ((x / (wide - 5)) ** 2 + (y / (deep - 5)) ** 2 > 1)] = -100
    lungs = _lung(x, y, z, -29) | _lung(x, y, z, 29)
    for middle in (-29, 29):
        around = ((x - middle) / 26) ** 2 + (y / 35) ** 2
        ribs = (around > 0.9) & (around < 1.05) & (np.mod(z * 7 + 0.02 * y, 1) < 0.22) & (np.abs(z + 0.1) < 0.7)
        volume[ribs & trunk] = 350
    volume[lungs] = -860
    volume[(np.abs(x) < 12) & (np.abs(y) < 26) & (z < 0.3) & lungs] = 40
    volume[((x - 9) / 24) ** 2 + ((y + 8) / 20) ** 2 + ((z - 0.2) / 0.38) ** 2 < 1] = 45
    spine = (x**2 + (y - 27) ** 2 < 10**2) & trunk
    volume[spine] = np.where(np.mod(z * 9, 1) < 0.75, 350, 100)[spine]
    volume[(np.abs(x) < 7) & (y < -31) & (y > -35) & (np.abs(z + 0.15) < 0.45) & trunk] = 250
    return Scan(hounsfield=volume, spacing=(2.6, 2.5, 2.5))


def _lung(x: Any, y: Any, z: Any, middle: float) -> Any:
    narrower = np.sqrt(np.sqrt(np.clip(1 - ((z + 0.1) / 0.78) ** 2, 0, 1))) + 1e-3
    dome = 0.45 - 0.12 * (1 - ((x - middle) / 22) ** 2 - (y / 30) ** 2)
    return (((x - middle) / (22 * narrower)) ** 2 + (y / (31 * narrower)) ** 2 < 1) & (z < dome)
