"""Kermany's children: ``train/ val/ test/``, each with ``NORMAL/`` and ``PNEUMONIA/``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from model.datasets.base import SPLITS, Dataset, Example, Split
from model.datasets.kinds import Kind
from model.datasets.splits import complete_splits
from model.errors import DatasetError

_CLASSES = {"NORMAL": 0, "PNEUMONIA": 1}
_SUFFIXES = {".jpeg", ".jpg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".dcm"}
_SICK = re.compile(r"^(person\d+)_(virus|bacteria)_\d+", re.IGNORECASE)
_WELL = re.compile(r"^((?:NORMAL2-)?IM-\d+)", re.IGNORECASE)


def load(
    folder: Path,
    *,
    split: Literal["official", "patient"] = "official",
    val_fraction: float = 0.10,
    test_fraction: float = 0.15,
    seed: int = 0,
) -> Dataset:
    """List the films of a Kermany folder.

    Parameters
    ----------
    folder : Path
        Holds ``train/`` and perhaps ``val/`` and ``test/``, each with ``NORMAL/`` and ``PNEUMONIA/``.
    split : {"official", "patient"}
        "official" keeps the folders as they are and makes those that are absent out of ``train/``, by patient.
        "patient" divides the films of ``train/`` anew and leaves the other folders unused, for an evaluation
        larger than the 16 official validation films.
    val_fraction, test_fraction : float
        Shares of the films of ``train/`` that go to a split made here.
    seed : int
        Seeds the choice of patients.

    Returns
    -------
    Dataset
        Labels 0 normal, 1 pneumonia; ``attributes["cause"]`` is "bacteria" or "virus" where the name says so.

    Raises
    ------
    DatasetError
        If the folder or a class is missing or empty, or a patient is in two splits.

    References
    ----------
    Kermany et al. (2018), Cell 172:1122-1131, doi:10.1016/j.cell.2018.02.010; data doi:10.17632/rscbjbr9sj.
    """
    folder = _resolved(folder)
    if split == "patient":
        found: dict[Split, list[Example]] = {"train": _films_of(folder / "train")}
    else:
        found = {name: _films_of(folder / name) for name in SPLITS if (folder / name).is_dir()}
    films = [e for own in found.values() for e in own]
    examples = complete_splits(films, val_fraction=val_fraction, test_fraction=test_fraction, seed=seed)
    return Dataset(
        name="chest_xray",
        source="Mendeley Data, doi:10.17632/rscbjbr9sj (Guangzhou Women and Children's Medical Center)",
        licence="CC BY 4.0",
        citation="Kermany, Zhang, Goldbaum: Labeled Optical Coherence Tomography (OCT) and Chest X-Ray Images for "
        "Classification (2018); Kermany et al., Cell 172:1122-1131 (2018)",
        population="children aged 1 to 5, one hospital in Guangzhou, frontal films",
        people="children",
        not_meant_for=(
            "adults: it was trained on children aged one to five",
            "other hospitals: all its films come from one, and a model usually loses accuracy elsewhere",
        ),
        examples=tuple(sorted(examples, key=lambda e: e.path)),
    )


def patient_of(path: Path) -> str:
    """Return the patient a Kermany file name stands for; any other name stands for itself.

    ``person63_bacteria_306.jpeg`` is patient ``person63``; ``NORMAL2-IM-1427-0001.jpeg`` is ``NORMAL2-IM-1427``,
    who is another person than ``IM-1427``.
    """
    match = _SICK.match(path.name) or _WELL.match(path.name)
    return match.group(1) if match else path.stem


def _resolved(folder: Path) -> Path:
    if not folder.is_dir():
        raise DatasetError(f"There is no folder {folder}; give the one that holds train/NORMAL and train/PNEUMONIA.")
    inner = folder / "chest_xray"
    if not (folder / "train").is_dir() and (inner / "train").is_dir():
        folder = inner
    for name in _CLASSES:
        if not (folder / "train" / name).is_dir():
            raise DatasetError(f"{folder} holds no train/{name} folder; expected train/NORMAL and train/PNEUMONIA.")
    return folder


def _films_of(folder: Path) -> list[Example]:
    split: Split = "train" if folder.name == "train" else "val" if folder.name == "val" else "test"
    films = []
    for name, label in _CLASSES.items():
        paths = sorted(p for p in (folder / name).glob("*") if p.suffix.lower() in _SUFFIXES and p.name[0] != ".")
        if not paths:
            raise DatasetError(f"{folder / name} holds no films; expected .jpeg, .png or .dcm files there.")
        for path in paths:
            sick = _SICK.match(path.name)
            films.append(
                Example(
                    path=path,
                    label=label,
                    patient=patient_of(path),
                    split=split,
                    attributes={"cause": sick.group(2).lower()} if sick else {},
                )
            )
    return films


DATASET = Kind(
    name="chest_xray",
    about="Kermany's children: train/ val/ test/, each with NORMAL/ and PNEUMONIA/",
    load=load,
)
