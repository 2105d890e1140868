"""Pictures that are no chest films, and films the wrong way round: to learn them apart, and to count mistakes."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_sample_images

from model.augment import PRESETS, augment
from model.decoding import MIN_SIDE, gray_from_channels
from model.errors import DatasetError, ImageError
from model.films import Films
from model.images import read_radiograph
from model.novelty import COMPONENTS, POSES, Novelty, Place, Pose, stretched
from model.predict import find_films
from model.preprocess import to_grid
from model.stress import CONDITIONS, stressed

Film = NDArray[np.float32]
Extract = Callable[[list[Film]], NDArray[np.float32]]
"""Gray films on the network's grid -> their pooled features, shape (n, features)."""

SLACK = 1.4
"""The limit, as a multiple of the distance that one validation film in 200 exceeds. The room is for other hospitals'
films and adults': the farthest of six adults' films lay at 1.2, the nearest of some eighty other pictures at 1.46."""

_AS_THEY_ARE = 1200
_PER_CONDITION = 100
_PER_AUGMENTATION = 400
_PER_POSE = 500
_AUGMENTATIONS = ("mixed", "robust")
_FARTHEST = 99.5

POSED: Mapping[Pose, Callable[[Film], Film]] = MappingProxyType(
    {
        "upright": lambda film: film,
        "inverted": lambda film: 1 - film,
        "quarter left": lambda film: np.rot90(film, 1),
        "quarter right": lambda film: np.rot90(film, 3),
        "half turn": lambda film: np.rot90(film, 2),
    }
)
"""What turns an upright film into each pose; "quarter left" brings the head to the left."""


def reference_features(train: Films, extract: Extract, *, seed: int = 0) -> dict[Pose, NDArray[np.float32]]:
    """Return the features of films that the network was trained on, in every pose.

    Parameters
    ----------
    train : Films
        Films the network was trained on.
    extract : callable
        See `Extract`.
    seed : int
        Seeds the choice of films.

    Returns
    -------
    dict of pose to ndarray of float32, shape (n, features)
        Upright ones as they are and changed, those of other poses only turned or inverted.
    """
    rng = np.random.default_rng(seed)
    return {pose: extract(list(_reference(train, pose, rng))) for pose in POSES}


def fit_novelty(reference: Mapping[Pose, NDArray[np.float32]], known: NDArray[np.float32]) -> Novelty:
    """Learn where the features of chest films lie.

    Parameters
    ----------
    reference : Mapping of pose to ndarray
        As `reference_features` gives them.
    known : ndarray of float32, shape (n, features)
        Features of upright films the network was not trained on; they set the limit.
    """
    upright = stretched(reference["upright"])
    spread = upright.std(axis=0)
    scale = spread + 1e-3 * upright.std()
    places = {
        pose: Place.of(stretched(values) / scale, components=min(COMPONENTS, len(values) - 2))
        for pose, values in reference.items()
    }
    plain = Novelty(scale=scale, places=places, limit=1.0)
    limit = SLACK * float(np.percentile(plain.distances(known)[:, 0], _FARTHEST))
    return Novelty(scale=scale, places=places, limit=limit)


def _reference(films: Films, pose: Pose, rng: np.random.Generator) -> Iterator[Film]:
    if pose != "upright":
        for k in _some(films, _PER_POSE, rng):
            yield np.ascontiguousarray(POSED[pose](films.gray(k)))
        return
    for k in _some(films, _AS_THEY_ARE, rng):
        yield films.gray(k)
    for condition in list(CONDITIONS)[1:]:
        for k in _some(films, _PER_CONDITION, rng):
            yield stressed(films.gray(k), condition)
    for name in _AUGMENTATIONS:
        for k in _some(films, _PER_AUGMENTATION, rng):
            yield augment(films.gray(k), PRESETS[name], rng)


def _some(films: Films, count: int, rng: np.random.Generator) -> list[int]:
    return [int(k) for k in rng.permutation(len(films))[:count]]


def photographs() -> list[tuple[str, NDArray[np.uint8]]]:
    """Return pictures that libraries bring along and that are no chest films.

    Returns
    -------
    list of (str, ndarray of uint8, shape (height, width, 3))
        Those of scikit-learn, and those of scikit-image where it is installed; RGB.
    """
    found = [(f"scikit-learn {k}", np.asarray(image)) for k, image in enumerate(load_sample_images().images)]
    library = importlib.util.find_spec("skimage")
    if library is None or library.origin is None:
        return found
    folder = Path(library.origin).parent / "data"
    for path in sorted(p for p in folder.iterdir() if p.suffix in (".png", ".jpg")):
        with Image.open(path) as image:
            if min(image.size) >= MIN_SIDE:
                found.append((f"scikit-image {path.stem}", np.asarray(image.convert("RGB"))))
    return found


def pictures_in(folder: Path) -> dict[str, list[Film]]:
    """Read pictures of other kinds that someone has collected, one kind in each folder.

    Parameters
    ----------
    folder : Path
        Holds a folder for each kind, named after it, with pictures and folders of pictures.

    Returns
    -------
    dict of str to list of ndarray of float32, shape (224, 224)
        Kind -> its pictures as gray films on the network's grid, 0..1. What their files say besides is left aside.

    Raises
    ------
    DatasetError
        If there is no such folder, it holds no folders, or one of its files cannot be read.
    """
    kinds = sorted(kind for kind in folder.iterdir() if kind.is_dir()) if folder.is_dir() else []
    if not kinds:
        raise DatasetError(f"{folder} holds no folders; give one that holds a folder of pictures for each kind.")
    return {kind.name: [_picture(path, wrong) for path, wrong in find_films([kind])] for kind in kinds}


def _picture(path: Path, wrong: str | None) -> Film:
    try:
        if wrong is None:
            return to_grid(read_radiograph(path).pixels)
    except ImageError as error:
        wrong = str(error)
    raise DatasetError(f"{path} is no picture that can be counted: {wrong}")


def as_film(picture: NDArray[np.uint8]) -> Film:
    """Return a picture, RGB, as the gray film on the network's grid that its file would become."""
    return to_grid(gray_from_channels(picture, full_scale=255.0))


def drawings(count: int, *, seed: int = 0) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Draw cartoons, pages of text, charts and sketches.

    Parameters
    ----------
    count : int
        How many.
    seed : int
        Of the drawings.

    Yields
    ------
    tuple of (str, ndarray of uint8, shape (height, width, 3))
        What it is, and the picture, RGB.
    """
    rng = np.random.default_rng(seed)
    kinds = (_cartoon, _page_of_text, _chart, _sketch)
    for k in range(count):
        draw = kinds[k % len(kinds)]
        yield draw.__name__.removeprefix("_").replace("_", " "), draw(rng)


def _paper(color: Any, rng: np.random.Generator) -> NDArray[np.uint8]:
    return np.full((int(rng.integers(300, 700)), int(rng.integers(300, 800)), 3), color, dtype=np.uint8)


def _point(picture: NDArray[np.uint8], rng: np.random.Generator) -> tuple[int, int]:
    return int(rng.integers(picture.shape[1])), int(rng.integers(picture.shape[0]))


def _color(rng: np.random.Generator, low: int = 0, high: int = 256) -> tuple[int, int, int]:
    red, green, blue = (int(value) for value in rng.integers(low, high, 3))
    return red, green, blue


def _cartoon(rng: np.random.Generator) -> NDArray[np.uint8]:
    picture = _paper(_color(rng, 120), rng)
    for _ in range(int(rng.integers(4, 14))):
        place, size = _point(picture, rng), int(rng.integers(20, 140))
        shape = int(rng.integers(3))
        if shape == 0:
            cv2.circle(picture, place, size, _color(rng), -1)
            cv2.circle(picture, place, size, (0, 0, 0), 4)
        elif shape == 1:
            cv2.rectangle(picture, place, (place[0] + size, place[1] + size // 2), _color(rng), -1)
        else:
            cv2.line(picture, place, _point(picture, rng), (0, 0, 0), 6)
    return _gray_by_chance(picture, rng)


def _page_of_text(rng: np.random.Generator) -> NDArray[np.uint8]:
    ink, ground = ((0, 0, 0), (255, 255, 255)) if rng.random() < 0.5 else ((235, 235, 235), (20, 20, 20))
    picture = _paper(ground, rng)
    letters = list("abcdefghijklmnopqrstuvwxyz     ")
    size = float(rng.uniform(0.4, 1.2))
    for row in range(30, picture.shape[0], int(34 * size) + 6):
        words = "".join(rng.choice(letters, 70))
        cv2.putText(picture, words, (15, row), int(rng.integers(4)), size, ink, 1 + int(size > 0.8))
    return picture


def _chart(rng: np.random.Generator) -> NDArray[np.uint8]:
    picture = _paper((255, 255, 255), rng)
    height, width = picture.shape[:2]
    bars = int(rng.integers(4, 12))
    for k in range(bars):
        left = 40 + k * (width - 60) // bars
        top = int(rng.integers(30, height - 40))
        cv2.rectangle(picture, (left, top), (left + (width - 80) // (2 * bars), height - 30), _color(rng, 0, 200), -1)
    cv2.line(picture, (30, height - 30), (width - 10, height - 30), (0, 0, 0), 2)
    cv2.line(picture, (30, 10), (30, height - 30), (0, 0, 0), 2)
    return _gray_by_chance(picture, rng)


def _sketch(rng: np.random.Generator) -> NDArray[np.uint8]:
    ink, ground = ((0, 0, 0), (255, 255, 255)) if rng.random() < 0.5 else ((255, 255, 255), (0, 0, 0))
    picture = _paper(ground, rng)
    height, width = picture.shape[:2]
    middle = width // 2
    thick = int(rng.integers(2, 8))
    if rng.random() < 0.5:
        cv2.circle(picture, (middle, height // 4), height // 9, ink, thick)
        cv2.line(picture, (middle, height * 13 // 36), (middle, height * 2 // 3), ink, thick)
        for side in (-1, 1):
            cv2.line(picture, (middle, height * 2 // 3), (middle + side * width // 8, height - 20), ink, thick)
            cv2.line(picture, (middle, height * 4 // 9), (middle + side * width // 6, height // 2), ink, thick)
    else:
        roof, floor = height // 3, height - 30
        cv2.rectangle(picture, (middle - width // 5, roof), (middle + width // 5, floor), ink, thick)
        cv2.line(picture, (middle - width // 5, roof), (middle, 20), ink, thick)
        cv2.line(picture, (middle, 20), (middle + width // 5, roof), ink, thick)
        cv2.rectangle(picture, (middle - 20, floor - height // 5), (middle + 20, floor), ink, thick)
    return picture


def _gray_by_chance(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Half of the colored pictures become gray, so that color is not what gives them away."""
    if rng.random() < 0.5:
        return picture
    gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    return np.repeat(gray[:, :, None], 3, axis=2).astype(np.uint8)
