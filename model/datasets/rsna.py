"""RSNA Pneumonia Detection Challenge: the Kaggle folder as it unpacks, or still in its zip."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

from model.datasets.base import Box, Dataset, Example
from model.datasets.gaps import clipped_box, gap_notes
from model.datasets.kinds import Kind, Option
from model.datasets.places import Place, find_place
from model.datasets.splits import split_by_patient
from model.datasets.tables import rows_of, shortened
from model.errors import DatasetError

LABELS = "stage_2_train_labels.csv"
CLASSES = "stage_2_detailed_class_info.csv"
IMAGES = "stage_2_train_images"

OPACITY, NORMAL, NEITHER = "Lung Opacity", "Normal", "No Lung Opacity / Not Normal"

_SIDE = 1024


@dataclass
class _Patient:
    target: str
    boxes: list[Box] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Tables:
    """The two tables, joined.

    Attributes
    ----------
    place : Place
        Where they lie.
    patients : Mapping
        What is known of each patient, by the patient's identifier.
    classes : Mapping from str to str
        The source's own class of each patient.
    clipped : tuple of str
        The patient of every box that reached outside its film and was cut.
    """

    place: Place
    patients: Mapping[str, _Patient]
    classes: Mapping[str, str]
    clipped: tuple[str, ...]


def joined(folder: Path) -> Tables:
    """Read both tables and join the rows of each patient.

    Raises
    ------
    DatasetError
        If a table or a column is missing, a row makes no sense, or rows of one patient disagree.
    """
    place = find_place(folder, LABELS)
    patients, clipped = _patients(place)
    return Tables(place=place, patients=patients, classes=_classes(place, patients), clipped=tuple(clipped))


def load(
    folder: Path,
    *,
    split: Literal["official", "patient"] = "official",
    val_fraction: float = 0.10,
    test_fraction: float = 0.15,
    seed: int = 0,
    negatives: Literal["normal", "all"] = "normal",
) -> Dataset:
    """List the films of the challenge's training set, each patient's rows joined into one example.

    Parameters
    ----------
    folder : Path
        Holds ``stage_2_train_labels.csv``, ``stage_2_detailed_class_info.csv`` and ``stage_2_train_images/``, or the
        images in ``stage_2_train_images.zip``, or all of it in one zip; may be that zip itself.
    split : {"official", "patient"}
        Both divide by patient: the challenge keeps the labels of its own test films.
    val_fraction, test_fraction : float
        Shares of the films.
    seed : int
        Seeds the choice of patients.
    negatives : {"normal", "all"}
        What label 0 is: healthy films only ("normal versus opacity", the paper's question), or also those that are
        not normal but show no opacity ("opacity versus everything else", a much harder one).

    Returns
    -------
    Dataset
        Label 1 is lung opacity. ``attributes["class"]`` is the source's own class; boxes are in pixels of the
        1024 x 1024 films. `labelled` counts all patients of the lists, whether their film is there or not, and
        `missing` names those without a film.

    Raises
    ------
    DatasetError
        If a table or a column is missing, a row makes no sense, rows of one patient disagree, or no film is there.

    References
    ----------
    Shih et al. (2019), Radiology: Artificial Intelligence 1(1):e180041, doi:10.1148/ryai.2019180041.
    """
    tables = joined(folder)
    place, patients, classes = tables.place, tables.patients, tables.classes
    films, images = _films(place)
    wanted = [p for p in patients if negatives == "all" or classes[p] != NEITHER]
    examples = [
        Example(
            path=films[patient],
            label=int(patients[patient].target),
            patient=patient,
            boxes=tuple(patients[patient].boxes),
            attributes={"class": classes[patient]},
            loader=images.loader,
        )
        for patient in wanted
        if patient in films
    ]
    missing = tuple(sorted(p for p in wanted if p not in films))
    if not examples:
        raise DatasetError(
            f"None of the {len(wanted):,} labelled films was found; expected {IMAGES}/*.dcm in {place.root} "
            f"(or in {IMAGES}.zip), named by patient."
        )
    dealt = split_by_patient(examples, val_fraction=val_fraction, test_fraction=test_fraction, seed=seed)
    return Dataset(
        name="rsna",
        source="RSNA Pneumonia Detection Challenge 2018 (Kaggle), stage 2 training set; images from NIH ChestX-ray14",
        licence="RSNA's terms of use for the challenge: non-commercial research and education",
        citation="Shih et al.: Augmenting the National Institutes of Health Chest Radiograph Dataset with Expert "
        "Annotations of Possible Pneumonia, Radiology: Artificial Intelligence 1 (2019)",
        population="adults and children, one hospital in Bethesda, frontal films; label 0 is "
        + ("normal only" if negatives == "normal" else "everything without opacity"),
        not_meant_for=(
            "other hospitals: all its films come from one, and a model usually loses accuracy elsewhere",
            "NIH ChestX-ray14 as an outside test: its films are the same",
        ),
        examples=tuple(sorted(dealt, key=lambda e: e.path)),
        labelled=Counter(classes[p] for p in patients),
        missing=missing,
        notes=gap_notes(
            missing=missing,
            listed=len(wanted),
            unlabelled=films.keys() - patients.keys(),
            clipped=tables.clipped,
        ),
    )


def _patients(place: Place) -> tuple[dict[str, _Patient], list[str]]:
    found: dict[str, _Patient] = {}
    clipped: list[str] = []
    torn: list[str] = []
    columns = ("patientId", "x", "y", "width", "height", "Target")
    for patient, *numbers, target in rows_of(place.text(LABELS), columns, name=LABELS):
        if target not in ("0", "1"):
            raise DatasetError(f"{LABELS} says Target {target!r} for {patient}; expected 0 or 1.")
        known = found.setdefault(patient, _Patient(target))
        if known.target != target:
            torn.append(patient)
        if target == "1":
            box = _box(patient, numbers)
            whole = clipped_box(box, side=_SIDE)
            if whole != box:
                clipped.append(patient)
            if whole and whole not in known.boxes:
                known.boxes.append(whole)
    if torn:
        raise DatasetError(
            f"{LABELS} says both 0 and 1 for {len(torn)} patient(s) ({shortened(torn)}); download it again."
        )
    if not found:
        raise DatasetError(f"{LABELS} holds no rows; download it again.")
    return found, clipped


def _box(patient: str, numbers: Sequence[str]) -> Box:
    try:
        x, y, width, height = (float(number) for number in numbers)
    except ValueError as error:
        raise DatasetError(
            f"{LABELS} has a box for {patient} that is no four numbers: {', '.join(numbers)}."
        ) from error
    return Box(x=x, y=y, width=width, height=height)


def _classes(place: Place, patients: Mapping[str, _Patient]) -> dict[str, str]:
    said: dict[str, set[str]] = defaultdict(set)
    for patient, name in rows_of(place.text(CLASSES), ("patientId", "class"), name=CLASSES):
        if name not in (OPACITY, NORMAL, NEITHER):
            raise DatasetError(
                f"{CLASSES} says class {name!r} for {patient}; expected {OPACITY}, {NORMAL} or {NEITHER}."
            )
        said[patient].add(name)
    without = [p for p in patients if p not in said]
    if without:
        raise DatasetError(
            f"{len(without)} patient(s) of {LABELS} have no class in {CLASSES} ({shortened(without)}); "
            "download both again."
        )
    torn = [p for p, known in patients.items() if len(said[p]) > 1 or (OPACITY in said[p]) != (known.target == "1")]
    if torn:
        raise DatasetError(
            f"{LABELS} and {CLASSES} disagree about {len(torn)} patient(s) ({shortened(torn)}); download both again."
        )
    return {patient: next(iter(said[patient])) for patient in patients}


def _films(place: Place) -> tuple[dict[str, Path], Place]:
    images = place
    films = place.films(IMAGES, ".dcm")
    inner = place.root / f"{IMAGES}.zip"
    if not films and inner.is_file():
        images = Place(inner)
        films = images.films("", ".dcm") or images.films(IMAGES, ".dcm")
    return {PurePosixPath(name).stem: path for name, path in films.items()}, images


DATASET = Kind(
    name="rsna",
    about="RSNA Pneumonia Detection Challenge: Kaggle's folder, or its zip",
    load=load,
    options={
        "negatives": Option(
            about="what label 0 is: healthy films only, or all without opacity", choices=("normal", "all")
        )
    },
)
