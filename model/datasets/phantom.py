"""Synthetic chests, drawn when they are read: nothing to download, with the truth about every opacity."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from model.datasets.base import Box, Dataset, Example
from model.datasets.kinds import Kind, Option
from model.datasets.splits import split_by_patient
from model.errors import DatasetError, ImageError
from model.images import Radiograph
from model.phantom import VERSION, draw_phantom, phantom_truth

_NAME = re.compile(r"chest-(\d+)-(normal|pneumonia)(-corner)?")
_MOST = 1_000_000


@dataclass(frozen=True)
class PhantomLoader:
    """Films that are drawn from their name: ``chest-12-pneumonia-corner``."""

    def read(self, path: Path) -> Radiograph:
        """Draw the film.

        Raises
        ------
        ImageError
            If the name is none of a phantom's.
        """
        match = _NAME.fullmatch(path.name)
        if match is None:
            raise ImageError(f"{path.name} names no phantom; expected a name like chest-12-pneumonia.")
        phantom = draw_phantom(int(match[1]), sick=match[2] == "pneumonia", corner=bool(match[3]))
        return Radiograph(
            pixels=phantom.film,
            original_size=(phantom.film.shape[0], phantom.film.shape[1]),
            format="synthetic",
            sha256=hashlib.sha256(phantom.film.tobytes()).hexdigest(),
            notes=("This film is synthetic: it was drawn by a program and shows nobody.",),
        )

    def stamp(self, path: Path) -> str:
        """Return the version of the drawing."""
        return VERSION

    def source(self, path: Path) -> str:
        """Return the version of the drawing and the name."""
        return f"{VERSION} {path.name}"


def load(
    folder: Path,
    *,
    split: Literal["official", "patient"] = "official",
    val_fraction: float = 0.10,
    test_fraction: float = 0.15,
    seed: int = 0,
    films: str = "",
    shortcut: str = "",
) -> Dataset:
    """List synthetic chests, half of them with opacities.

    Parameters
    ----------
    folder : Path
        Not used: nothing is on disk.
    split : {"official", "patient"}
        Both divide at random; each film is a patient of its own.
    val_fraction, test_fraction : float
        Shares of the films.
    seed : int
        Which chests, and who is trained on.
    films : str
        How many, 1,000 if left out.
    shortcut : str
        A probability p, 0..1: plant a bright square in the upper left corner of this share of the films with
        pneumonia, and of 1 - p of the others. At 1 the corner gives the label away, at 0.5 it says nothing; left out,
        there is none. The films of the test split get it with p = 0.5, so that who relies on it is found out.

    Returns
    -------
    Dataset
        Boxes are in pixels of the 320 x 320 films; `model.phantom.draw_phantom` gives the masks. Attributes: "corner"
        is "yes" or "no" where a shortcut was planted.

    Raises
    ------
    DatasetError
        If the number or the probability makes no sense.
    """
    count, p = _count(films), _probability(shortcut)
    chests = [
        Example(path=Path(VERSION) / f"chest-{seed * _MOST + k}-{'pneumonia' if k % 2 else 'normal'}", label=k % 2,
                patient=f"chest-{seed * _MOST + k}", loader=PhantomLoader())
        for k in range(count)
    ]  # fmt: skip
    dealt = split_by_patient(chests, val_fraction=val_fraction, test_fraction=test_fraction, seed=seed)
    return Dataset(
        name="phantom",
        source=f"synthetic chests drawn by this program ({VERSION})",
        licence="that of this program",
        citation="none: the films are of nobody",
        population="synthetic chests, films of nobody"
        + (f" with a planted shortcut, p = {p:g}" if p is not None else ""),
        people="synthetic chests",
        not_meant_for=("real films of any kind: it was trained on drawings",),
        examples=tuple(sorted((_finished(e, p) for e in dealt), key=lambda e: e.path)),
        labelled={"normal": count - count // 2, "pneumonia": count // 2},
    )


def _finished(example: Example, p: float | None) -> Example:
    number = int(example.patient.removeprefix("chest-"))
    boxes = phantom_truth(number, sick=True).boxes if example.label else ()
    done = replace(example, boxes=tuple(Box(x=x, y=y, width=width, height=height) for x, y, width, height in boxes))
    if p is None:
        return done
    share = 0.5 if example.split == "test" else p if example.label else 1 - p
    corner = bool(np.random.default_rng((number, 3)).random() < share)
    path = done.path.with_name(f"{done.path.name}-corner") if corner else done.path
    return replace(done, path=path, attributes={"corner": "yes" if corner else "no"})


def _count(films: str) -> int:
    if not films:
        return 1000
    if not films.isascii() or not films.isdigit() or not 8 <= int(films) <= _MOST:
        raise DatasetError(f"--films is {films!r}; give a whole number from 8 to {_MOST:,}.")
    return int(films)


def _probability(shortcut: str) -> float | None:
    if not shortcut:
        return None
    try:
        p = float(shortcut)
    except ValueError:
        p = -1.0
    if not 0 <= p <= 1:
        raise DatasetError(f"--shortcut is {shortcut!r}; give a probability from 0 to 1.")
    return p


DATASET = Kind(
    name="phantom",
    about="synthetic chests with known opacities, drawn on the way: nothing to download",
    load=load,
    options={
        "films": Option(about="how many, 1,000 if left out"),
        "shortcut": Option(about="plant a corner marker that goes with the label with this probability"),
    },
)
