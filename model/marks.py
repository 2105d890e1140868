"""Boxes that people drew around findings, from a CSV."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import PurePath

from model.datasets.base import Box
from model.datasets.tables import rows_of
from model.errors import DatasetError

_NAMES = ("patientId", "Image Index", "path", "file", "image", "name")
_ENDINGS = ("png", "jpg", "jpeg", "bmp", "tif", "tiff", "webp", "dcm", "dicom")
_MOST_ROWS = 200_000


def read_boxes(text: str, *, name: str) -> dict[str, tuple[Box, ...]]:
    """Return the boxes of a CSV by the name of their film.

    Parameters
    ----------
    text : str
        The file. Its columns are x, y, width and height in pixels of the film, and one that names the film: patientId
        (as in RSNA's ``stage_2_train_labels.csv``), "Image Index", path, file, image or name. Rows without a box,
        which is how RSNA writes healthy films, are passed over.
    name : str
        The file's name, for messages.

    Returns
    -------
    dict of str to tuple of Box
        By file name without folders and extension.

    Raises
    ------
    DatasetError
        If a column is missing, a number is none, or there are more than 200,000 rows.
    """
    first = text.lstrip("\ufeff").split("\n", maxsplit=1)[0]
    column = next((known for known in _NAMES if known in [part.strip() for part in _split(first)]), None)
    if column is None:
        raise DatasetError(f"{name} has no column that names the film; expected one of {', '.join(_NAMES)}.")
    found: dict[str, list[Box]] = {}
    rows = rows_of(text.lstrip("\ufeff"), (column, "x", "y", "width", "height"), name=name)
    for number, (film, *numbers) in enumerate(rows):
        if number >= _MOST_ROWS:
            raise DatasetError(f"{name} has more than {_MOST_ROWS:,} rows; keep those of the films you look at.")
        if any(numbers):
            found.setdefault(_stem(film), []).append(_box(numbers, film, name))
    return {film: tuple(boxes) for film, boxes in found.items()}


def boxes_for(film: str, boxes: Mapping[str, Sequence[Box]]) -> tuple[Box, ...]:
    """Return the boxes of a film by the name of its file."""
    return tuple(boxes.get(_stem(film), ()))


def _box(numbers: Sequence[str], film: str, name: str) -> Box:
    try:
        x, y, width, height = (float(number) for number in numbers)
    except ValueError:
        x = math.nan
        y = width = height = math.nan
    if not all(map(math.isfinite, (x, y, width, height))) or width <= 0 or height <= 0:
        raise DatasetError(
            f"{name} has the box {', '.join(numbers)} for {film}; expected four numbers, the last two above 0."
        )
    return Box(x=x, y=y, width=width, height=height)


def _stem(film: str) -> str:
    """Return a file's name without folders and without the extension of a film; other dots belong to the name."""
    name = PurePath(film).name
    stem, dot, ending = name.rpartition(".")
    return stem if dot and ending.lower() in _ENDINGS else name


def _split(line: str) -> list[str]:
    return line.split(max(",;\t", key=line.count))
