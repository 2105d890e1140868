"""A tiny data set and tiny settings that take `train.py` through everything it does in under a minute."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

SMOKE_SETTINGS: dict[str, Any] = {
    "split": "patient",
    "val_fraction": 0.2,
    "test_fraction": 0.2,
    "weights": "random",
    "base_width": 1 / 16,
    "width": 16,
    "copies": 1,
    "head_epochs": 3,
    "head_batch": 8,
    "stages": ((32, 2.0), (64, 0.5)),
    "batch": 8,
    "rate": 1e-3,
}


def write_smoke_films(folder: Path, *, patients: int = 24, seed: int = 0) -> None:
    """Write synthetic films in Kermany's layout: two dark lung fields, and a bright patch in half of them.

    Parameters
    ----------
    folder : Path
        Becomes the data set's folder, with ``train/NORMAL`` and ``train/PNEUMONIA``.
    patients : int
        Patients per class, one film each.
    seed : int
        Fixes every pixel.
    """
    rng = np.random.default_rng(seed)
    for label in ("NORMAL", "PNEUMONIA"):
        (folder / "train" / label).mkdir(parents=True, exist_ok=True)
        for k in range(1, patients + 1):
            name = f"IM-{k:04d}-0001.png" if label == "NORMAL" else f"person{k}_bacteria_{k}.png"
            film = _film(rng, sick=label == "PNEUMONIA")
            cv2.imwrite(str(folder / "train" / label / name), film)


def _film(rng: np.random.Generator, *, sick: bool) -> NDArray[np.uint8]:
    side = 96
    film = np.full((side, side), rng.uniform(0.55, 0.7), dtype=np.float32)
    for x in (0.32, 0.68):
        cv2.ellipse(film, (int(x * side), side // 2), (int(0.14 * side), int(0.32 * side)), 0, 0, 360, 0.2, -1)
    if sick:
        x = float(rng.choice([0.32, 0.68]))
        y = float(rng.uniform(0.4, 0.65))
        cv2.circle(film, (int(x * side), int(y * side)), int(rng.uniform(0.08, 0.13) * side), 0.6, -1)
    noisy = cv2.GaussianBlur(film, (0, 0), 2) + rng.normal(0, 0.02, film.shape).astype(np.float32)
    return np.rint(np.clip(noisy, 0, 1) * 255).astype(np.uint8)
