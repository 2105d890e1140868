"""Draw the four synthetic sample films in ``assets/samples``.

    python assets/make_samples.py

They are drawings, not photographs of anybody: a body, two lungs, ribs, a heart and, in two of them, a
soft white patch where an infection could be. The page falls back to them where the real sample films could
not be fetched. The same seed draws the same pixels, to the byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 400
GRAY_LEVELS = 64
FOLDER = Path(__file__).parent / "samples"

Plane = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Patch:
    """A soft white patch: centre and radii in units of half the film's side, strength in attenuation."""

    x: float
    y: float
    width: float
    height: float
    strength: float


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What makes one drawing different from the next."""

    name: str
    seed: int
    breadth: float
    heart: float
    patches: tuple[Patch, ...] = ()


RECIPES = (
    Recipe(name="synthetic-1-clear", seed=11, breadth=1.0, heart=1.0),
    Recipe(name="synthetic-2-clear", seed=23, breadth=0.93, heart=0.9),
    Recipe(
        name="synthetic-3-opacity",
        seed=37,
        breadth=0.98,
        heart=1.0,
        patches=(
            Patch(x=-0.42, y=0.30, width=0.21, height=0.19, strength=0.95),
            Patch(x=-0.50, y=0.10, width=0.13, height=0.12, strength=0.45),
        ),
    ),
    Recipe(
        name="synthetic-4-opacity",
        seed=53,
        breadth=0.95,
        heart=1.05,
        patches=(
            Patch(x=-0.38, y=-0.20, width=0.17, height=0.20, strength=0.75),
            Patch(x=0.50, y=0.22, width=0.15, height=0.22, strength=0.8),
            Patch(x=-0.46, y=0.34, width=0.17, height=0.13, strength=0.6),
        ),
    ),
)


def draw_film(recipe: Recipe) -> NDArray[np.uint8]:
    """Draw one film.

    Parameters
    ----------
    recipe : Recipe
        Seed, proportions and patches.

    Returns
    -------
    ndarray of uint8, shape (400, 400)
        Gray values, 0 black. Brightness follows Beer and Lambert: 1 - exp(-attenuation).
    """
    rng = np.random.default_rng(recipe.seed)
    axis = np.linspace(-1.0, 1.0, SIDE)
    x, y = np.meshgrid(axis, axis)
    x = x / recipe.breadth + 0.015 * rng.standard_normal()
    lungs = _lungs(x, y)
    inside = _body(x, y)
    attenuation = 1.15 * inside - 0.98 * lungs
    attenuation += 0.85 * _spine(x, y)
    attenuation += 0.62 * recipe.heart * _heart(x, y)
    attenuation += 0.30 * _bones(recipe.breadth) * inside
    attenuation += 0.22 * _vessels(rng) * lungs
    attenuation += _patches(recipe.patches, x, y, rng) * np.clip(lungs * 1.2, 0.0, 1.0)
    film = 1.0 - np.exp(-1.05 * np.clip(attenuation, 0.0, None))
    film = film * 0.93 + 0.02 + 0.006 * _blur(rng.standard_normal((SIDE, SIDE)), 1.0) / 0.28
    film = np.clip(film, 0.0, 1.0)
    levels = np.round(film * (GRAY_LEVELS - 1)) * (255.0 / (GRAY_LEVELS - 1))
    gray = levels.astype(np.uint8)
    cv2.putText(gray, "SYNTHETIC", (12, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.42, 150, 1, cv2.LINE_AA)
    return gray


def write_samples(folder: Path = FOLDER) -> list[Path]:
    """Draw every film of `RECIPES` into a folder as 8-bit gray PNG and return the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for recipe in RECIPES:
        path = folder / f"{recipe.name}.png"
        Image.fromarray(draw_film(recipe), mode="L").save(path, optimize=True)
        paths.append(path)
    return paths


def write_boxes(folder: Path = FOLDER) -> Path:
    """Write where the patches of each film lie, in the columns of RSNA's label file, and return the path."""
    lines = ["patientId,x,y,width,height,Target"]
    for recipe in RECIPES:
        for patch in recipe.patches:
            x, y, width, height = patch_box(recipe, patch)
            lines.append(f"{recipe.name},{x:.0f},{y:.0f},{width:.0f},{height:.0f},1")
    path = folder / "boxes.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def patch_box(recipe: Recipe, patch: Patch) -> tuple[float, float, float, float]:
    """Return x, y, width and height, in pixels, of the box around where a patch has more than half its strength."""
    shift = 0.015 * np.random.default_rng(recipe.seed).standard_normal()
    reach = np.log(2) ** (1 / 2.4)
    half = SIDE / 2
    centre_x, centre_y = half * (1 + (patch.x - shift) * recipe.breadth), half * (1 + patch.y)
    radius_x, radius_y = half * reach * patch.width * recipe.breadth, half * reach * patch.height
    return centre_x - radius_x, centre_y - radius_y, 2 * radius_x, 2 * radius_y


def _blur(plane: Plane, sigma: float) -> Plane:
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), sigma), dtype=np.float64)


def _soft(distance: Plane, edge: float) -> Plane:
    """1 inside (distance below 1), 0 outside, with an edge this soft."""
    return np.asarray(1.0 / (1.0 + np.exp(np.clip((distance - 1.0) / edge, -40, 40))), dtype=np.float64)


def _body(x: Plane, y: Plane) -> Plane:
    chest = _soft((np.abs(x) / 0.90) ** 4 + (np.abs(y - 0.55) / 1.35) ** 6, 0.10)
    neck = _soft((np.abs(x) / 0.26) ** 4 + (np.abs(y + 1.0) / 0.50) ** 4, 0.12)
    shoulders = _soft((np.abs(x) / 1.05) ** 4 + (np.abs(y + 0.28) / 0.46) ** 4, 0.16)
    return np.maximum(np.maximum(chest, neck), 0.92 * shoulders)


def _lungs(x: Plane, y: Plane) -> Plane:
    right = _lung(-x, y, bottom=0.50)
    left = _lung(x, y, bottom=0.60)
    return np.maximum(right, left)


def _lung(x: Plane, y: Plane, *, bottom: float) -> Plane:
    dome = bottom + 0.55 * (x - 0.40) ** 2 / 0.30 + 0.10 * (x - 0.40)
    rise = np.clip((y + 0.78) / 1.25, 0.0, 1.3)
    outer = 0.34 + 0.44 * np.sqrt(rise + 1e-9) * (1.0 - 0.14 * rise)
    inner = 0.13 + 0.05 * rise
    middle, half = (outer + inner) / 2.0, (outer - inner) / 2.0
    across = _soft((np.abs(x - middle) / np.maximum(half, 0.02)) ** 3, 0.16)
    top = 1.0 / (1.0 + np.exp(-(y + 0.74) / 0.030))
    base = 1.0 / (1.0 + np.exp((y - dome) / 0.016))
    return np.asarray(across * top * base, dtype=np.float64)


def _spine(x: Plane, y: Plane) -> Plane:
    discs = 0.86 + 0.14 * np.cos(2.0 * np.pi * (y + 0.1) / 0.19)
    return np.asarray(np.exp(-((np.abs(x) / 0.105) ** 4)) * discs, dtype=np.float64)


def _heart(x: Plane, y: Plane) -> Plane:
    tilt = 0.42
    across = (x - 0.12) * np.cos(tilt) + (y - 0.24) * np.sin(tilt)
    along = -(x - 0.12) * np.sin(tilt) + (y - 0.24) * np.cos(tilt)
    muscle = _soft((across / 0.36) ** 2 + (along / 0.30) ** 2, 0.11)
    arch = _soft(((x - 0.12) / 0.10) ** 2 + ((y + 0.28) / 0.10) ** 2, 0.25)
    hila = _soft(((np.abs(x) - 0.20) / 0.085) ** 2 + ((y + 0.02) / 0.15) ** 2, 0.5)
    return np.clip(muscle + 0.55 * arch + 0.35 * hila, 0.0, 1.2)


def _bones(breadth: float) -> Plane:
    scale = 4
    canvas = np.zeros((SIDE * scale, SIDE * scale), dtype=np.float32)
    for number in range(9):
        start = -0.74 + 0.145 * number
        reach = min(0.45 + 0.060 * number, 0.80) * breadth
        back = np.linspace(0.0, 1.0, 60)
        sideways = 0.10 + (reach - 0.10) * np.sin(back * np.pi / 2.0)
        down = start - 0.055 * np.sin(back * np.pi) + 0.21 * back**2.2
        _stroke(canvas, sideways, down, width=0.050, value=0.62)
        front = np.linspace(0.0, 1.0, 60)
        sideways = reach - (reach - 0.24) * front**1.3
        down = start + 0.21 + 0.20 * front
        _stroke(canvas, sideways, down, width=0.040, value=0.26)
    collar = np.linspace(0.0, 1.0, 60)
    bend = -0.60 - 0.17 * collar + 0.07 * np.sin(collar * 6)
    _stroke(canvas, 0.07 + 0.72 * collar, bend, width=0.062, value=1.0)
    blade = np.linspace(0.0, 1.0, 40)
    _stroke(canvas, 0.70 + 0.12 * blade, -0.62 + 0.62 * blade, width=0.045, value=0.45)
    small = cv2.resize(canvas, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float64)
    filled = _blur(small, 1.1)
    rim = np.clip(filled - _blur(small, 3.0), 0.0, None)
    return np.asarray(filled + 0.9 * rim, dtype=np.float64)


def _stroke(canvas: NDArray[np.float32], sideways: Plane, down: Plane, *, width: float, value: float) -> None:
    side = canvas.shape[0]
    layer = np.zeros_like(canvas)
    for sign in (-1.0, 1.0):
        points = np.stack([(sign * sideways + 1.0) / 2.0 * side, (down + 1.0) / 2.0 * side], axis=1)
        cv2.polylines(layer, [points.astype(np.int32)], False, value, max(1, int(width / 2.0 * side)), cv2.LINE_AA)
    canvas += layer


def _vessels(rng: np.random.Generator) -> Plane:
    canvas = np.zeros((SIDE, SIDE), dtype=np.float32)
    for sign in (-1.0, 1.0):
        for _ in range(16):
            _branch(canvas, sign * 0.18, 0.0, angle=rng.uniform(-1.25, 1.35), sign=sign, width=3.4, rng=rng)
    return _blur(canvas.astype(np.float64), 1.2)


def _branch(
    canvas: NDArray[np.float32],
    x: float,
    y: float,
    *,
    angle: float,
    sign: float,
    width: float,
    rng: np.random.Generator,
) -> None:
    while width > 0.7:
        step = rng.uniform(0.05, 0.09)
        angle += 0.16 * rng.standard_normal()
        ahead_x, ahead_y = x + sign * np.cos(angle) * step, y + np.sin(angle) * step
        ends = [(int((px + 1) / 2 * SIDE), int((py + 1) / 2 * SIDE)) for px, py in ((x, y), (ahead_x, ahead_y))]
        cv2.line(canvas, ends[0], ends[1], 0.25 + 0.18 * width, max(1, round(width)), cv2.LINE_AA)
        x, y, width = ahead_x, ahead_y, width * 0.83
        if width > 1.1 and rng.random() < 0.45:
            turn = float(rng.choice([-0.7, 0.7]))
            _branch(canvas, x, y, angle=angle + turn, sign=sign, width=width * 0.75, rng=rng)


def _patches(patches: tuple[Patch, ...], x: Plane, y: Plane, rng: np.random.Generator) -> Plane:
    cloud = _blur(rng.standard_normal((SIDE, SIDE)), 9.0)
    fleece = np.clip(1.0 + 0.40 * cloud / cloud.std(), 0.25, 1.8)
    total = np.zeros_like(x)
    for patch in patches:
        far = ((x - patch.x) / patch.width) ** 2 + ((y - patch.y) / patch.height) ** 2
        total += patch.strength * np.exp(-(far**1.2)) * fleece
    return total


if __name__ == "__main__":
    for written in write_samples():
        print(f"{written.name}: {written.stat().st_size / 1024:.0f} KB")
    print(write_boxes().name)
