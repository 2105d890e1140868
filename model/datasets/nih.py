"""NIH ChestX-ray14: ``Data_Entry_2017*.csv``, the official lists and ``images_*/`` as they unpack."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Literal

from model.datasets.base import Box, Dataset, Example, Split
from model.datasets.gaps import clipped_box, gap_notes
from model.datasets.kinds import Kind, Option
from model.datasets.places import Place, find_place
from model.datasets.splits import complete_splits, split_by_patient
from model.datasets.tables import rows_of
from model.errors import DatasetError

ENTRIES = ("Data_Entry_2017_v2020.csv", "Data_Entry_2017.csv")
BOXES = "BBox_List_2017.csv"
LISTS: dict[str, Split] = {"train_val_list.txt": "train", "test_list.txt": "test"}
FOLDERS = ("images_*/images", "images_*", "images")

FINDINGS = frozenset(
    "Atelectasis Cardiomegaly Consolidation Edema Effusion Emphysema Fibrosis Hernia Infiltration Mass Nodule "
    "Pleural_Thickening Pneumonia Pneumothorax".split()
)
HEALTHY = "No Finding"

_SIDE = 1024
_COLUMNS = ("Image Index", "Finding Labels", "Patient ID")
_MORE_COLUMNS = ("Patient Age", "Patient Gender", "Patient Sex", "View Position")


def load(
    folder: Path,
    *,
    split: Literal["official", "patient"] = "official",
    val_fraction: float = 0.10,
    test_fraction: float = 0.15,
    seed: int = 0,
    negatives: Literal["normal", "all"] = "normal",
) -> Dataset:
    """List the films of ChestX-ray14 whose labels answer the question.

    Parameters
    ----------
    folder : Path
        Holds the table of entries, ``train_val_list.txt``, ``test_list.txt`` and the images in ``images_*/images/``,
        ``images_*/`` or ``images/``; or an archive with all of that.
    split : {"official", "patient"}
        "official" keeps the test list, and takes the validation films out of the other list by patient. "patient"
        divides everything anew.
    val_fraction, test_fraction : float
        Shares of the films that go to a split made here.
    seed : int
        Seeds the choice of patients.
    negatives : {"normal", "all"}
        What label 0 is: films with "No Finding", or all that do not name pneumonia.

    Returns
    -------
    Dataset
        Label 1 where "Pneumonia" is among the labels, which were mined from reports and are often wrong. Boxes are
        those that radiologists drew for pneumonia (120 films of the whole set have some), in pixels of the
        1024 x 1024 films. Attributes: "class", "age" in years, "sex", "view".

    Raises
    ------
    DatasetError
        If a table, list or column is missing, a label is unknown, rows disagree, or no film is there.

    References
    ----------
    Wang et al. (2017), CVPR, doi:10.1109/CVPR.2017.369.
    """
    place, table = _place(folder)
    listed = _listed(place) if split == "official" else {}
    boxes, clipped = _boxes(place)
    films: dict[str, Path] = {}
    for pattern in FOLDERS:
        films |= place.films(pattern, ".png", ".jpg", ".jpeg")
    found: dict[str, Example] = {}
    counts: Counter[str] = Counter()
    named: set[str] = set()
    for name, labels, patient, age, gender, sex, view in rows_of(
        place.text(table), _COLUMNS, name=table, optional=_MORE_COLUMNS
    ):
        label = _label(labels, negatives, of=name, table=table)
        named.add(name)
        if name in found and (found[name].attributes["class"], found[name].patient) != (labels, patient):
            raise DatasetError(f"{table} says two things about {name}; download it again.")
        counts["Pneumonia" if label == 1 else HEALTHY if labels == HEALTHY else "other findings"] += name not in found
        if label is None:
            continue
        if split == "official" and name not in listed:
            raise DatasetError(
                f"{name} is in none of {' and '.join(LISTS)}; download them again or use --split patient."
            )
        facts = {"class": labels, "age": age.lstrip("0").rstrip("Y"), "sex": sex or gender, "view": view}
        found[name] = Example(
            path=films.get(name, place.root / name),
            label=label,
            patient=patient,
            split=listed.get(name),
            boxes=boxes.get(name, ()) if label else (),
            attributes={key: value for key, value in facts.items() if value},
            loader=place.loader,
        )
    missing = tuple(sorted(found.keys() - films.keys()))
    examples = [e for name, e in found.items() if name in films]
    if not examples:
        raise DatasetError(
            f"None of the {len(found):,} films that {table} lists was found; expected images_001/images/*.png and so "
            f"on in {place.root}."
        )
    official = split == "official"
    deal = complete_splits if official else split_by_patient
    dealt = deal(examples, val_fraction=val_fraction, test_fraction=0.0 if official else test_fraction, seed=seed)
    return Dataset(
        name="nih",
        source="NIH Clinical Center, ChestX-ray14",
        licence="no restriction; the NIH Clinical Center and the paper must be named",
        citation="Wang et al.: ChestX-ray8: Hospital-scale Chest X-ray Database and Benchmarks, CVPR 2017",
        population="adults and children, one hospital in Bethesda, frontal films; labels mined from reports; label 0 "
        f"is {'no finding' if negatives == 'normal' else 'everything without pneumonia'}",
        not_meant_for=(
            "other hospitals: all its films come from one, and a model usually loses accuracy elsewhere",
            "RSNA's challenge as an outside test: its films are the same",
        ),
        examples=tuple(sorted(dealt, key=lambda e: e.path)),
        labelled=dict(counts),
        missing=missing,
        notes=gap_notes(missing=missing, listed=len(found), unlabelled=films.keys() - named, clipped=clipped),
    )


def _place(folder: Path) -> tuple[Place, str]:
    for name in ENTRIES[:-1]:
        try:
            return find_place(folder, name), name
        except DatasetError:
            continue
    return find_place(folder, ENTRIES[-1]), ENTRIES[-1]


def _listed(place: Place) -> dict[str, Split]:
    homes: dict[str, Split] = {}
    for name, split in LISTS.items():
        if not place.holds(name):
            raise DatasetError(f"{place.root} lacks {name}; put it there or use --split patient.")
        for film in place.text(name).split():
            if homes.setdefault(film, split) != split:
                raise DatasetError(f"{film} is in both {' and '.join(LISTS)}; download them again.")
    return homes


def _boxes(place: Place) -> tuple[dict[str, tuple[Box, ...]], list[str]]:
    found: dict[str, tuple[Box, ...]] = {}
    clipped: list[str] = []
    if not place.holds(BOXES):
        return found, clipped
    for name, finding, *numbers in rows_of(
        place.text(BOXES), ("Image Index", "Finding Label", "Bbox [x", "y", "w", "h]"), name=BOXES
    ):
        if finding != "Pneumonia":
            continue
        try:
            x, y, width, height = (float(number) for number in numbers)
        except ValueError as error:
            raise DatasetError(f"{BOXES} has a box for {name} that is no four numbers: {numbers}.") from error
        box = Box(x=x, y=y, width=width, height=height)
        whole = clipped_box(box, side=_SIDE)
        if whole != box:
            clipped.append(name)
        if whole:
            found[name] = (*found.get(name, ()), whole)
    return found, clipped


def _label(labels: str, negatives: str, *, of: str, table: str) -> int | None:
    named = set(labels.split("|"))
    unknown = named - FINDINGS - {HEALTHY}
    if unknown:
        raise DatasetError(f"{table} says {', '.join(sorted(unknown))!r} for {of}, which is none of its 14 findings.")
    if "Pneumonia" in named:
        return 1
    return 0 if negatives == "all" or named == {HEALTHY} else None


DATASET = Kind(
    name="nih",
    about="NIH ChestX-ray14: the table of entries, the official lists and images_*/",
    load=load,
    options={
        "negatives": Option(about="what label 0 is: healthy films only, or all others", choices=("normal", "all"))
    },
)
