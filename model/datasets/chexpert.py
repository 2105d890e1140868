"""CheXpert: ``train.csv`` and ``valid.csv`` with the folders they name; frontal films only."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Literal

from model.datasets.base import Dataset, Example, Split
from model.datasets.gaps import gap_notes
from model.datasets.kinds import Kind, Option
from model.datasets.places import find_place
from model.datasets.splits import complete_splits, split_by_patient
from model.datasets.tables import rows_of
from model.errors import DatasetError

TABLES: dict[str, Split] = {"train.csv": "train", "valid.csv": "val", "test.csv": "test"}

_COLUMNS = ("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", "No Finding", "Pneumonia")
_SAID = {"": None, "1": "yes", "0": "no", "-1": "uncertain"}


def load(
    folder: Path,
    *,
    split: Literal["official", "patient"] = "official",
    val_fraction: float = 0.10,
    test_fraction: float = 0.15,
    seed: int = 0,
    negatives: Literal["normal", "all"] = "normal",
    uncertain: Literal["ignore", "zero", "one"] = "ignore",
) -> Dataset:
    """List the frontal films of CheXpert whose labels answer the question.

    Parameters
    ----------
    folder : Path
        Holds ``train.csv`` and perhaps ``valid.csv`` and ``test.csv``, with ``train/`` and so on; or an archive with
        them. The first part of the paths in the tables (``CheXpert-v1.0-small/``) is not looked at.
    split : {"official", "patient"}
        "official" keeps the tables as splits and makes those that are absent out of ``train.csv``, by patient.
        "patient" divides everything anew.
    val_fraction, test_fraction : float
        Shares of the films that go to a split made here.
    seed : int
        Seeds the choice of patients.
    negatives : {"normal", "all"}
        What label 0 is: films with "No Finding", or all that are not called pneumonia.
    uncertain : {"ignore", "zero", "one"}
        What becomes of films whose pneumonia is marked uncertain (-1): left out, label 0 (whatever `negatives` says),
        or label 1. The paper calls these U-Ignore, U-Zeros and U-Ones.

    Returns
    -------
    Dataset
        Attributes: "class" ("pneumonia", "uncertain", "no finding" or "other"), "age" in years, "sex", "view" (AP or
        PA). `labelled` counts all frontal films by class.

    Raises
    ------
    DatasetError
        If a table or a column is missing, a label is unknown, rows disagree, or no film is there.

    References
    ----------
    Irvin et al. (2019), AAAI, arXiv:1901.07031.
    """
    place = find_place(folder, "train.csv")
    counts: Counter[str] = Counter()
    found: dict[str, Example] = {}
    lateral: set[str] = set()
    for table, home in TABLES.items():
        if not place.holds(table):
            continue
        for path, sex, age, side, view, healthy, pneumonia in rows_of(place.text(table), _COLUMNS, name=table):
            name, patient = _named(path, table)
            if side != "Frontal":
                lateral.add(name)
                continue
            kind = _kind(pneumonia, healthy, of=name, table=table)
            facts = {"class": kind, "age": age, "sex": sex, "view": view}
            if name in found:
                if found[name].attributes["class"] != kind:
                    raise DatasetError(f"The tables say two things about {name}; download them again.")
                continue
            counts[kind] += 1
            found[name] = Example(
                path=Path(name),
                label=_label(kind, negatives, uncertain),
                patient=patient,
                split=home,
                attributes={key: value for key, value in facts.items() if value},
                loader=place.loader,
            )
    wanted = {name: e for name, e in found.items() if e.label >= 0}
    there = place.films_below(tuple(Path(table).stem for table in TABLES), ".jpg")
    missing = tuple(sorted(wanted.keys() - there.keys()))
    examples = [replace(e, path=there[name]) for name, e in wanted.items() if name in there]
    if not examples:
        raise DatasetError(
            f"None of the {len(wanted):,} frontal films that the tables list was found; expected "
            f"{next(iter(wanted), 'train/...')} and so on in {place.root}."
        )
    deal = complete_splits if split == "official" else split_by_patient
    dealt = deal(examples, val_fraction=val_fraction, test_fraction=test_fraction, seed=seed)
    gaps = gap_notes(missing=missing, listed=len(wanted), unlabelled=there.keys() - found.keys() - lateral)
    return Dataset(
        name="chexpert",
        source="Stanford AIMI, CheXpert",
        licence="Stanford University Dataset Research Use Agreement: non-commercial research",
        citation="Irvin et al.: CheXpert: A Large Chest Radiograph Dataset with Uncertainty Labels and Expert "
        "Comparison, AAAI 2019",
        population="adults, one hospital in Stanford, frontal films; labels mined from reports, uncertain ones "
        f"{'left out' if uncertain == 'ignore' else f'read as {uncertain}'}; label 0 is "
        + ("no finding" if negatives == "normal" else "everything without pneumonia"),
        not_meant_for=("other hospitals: all its films come from one, and a model usually loses accuracy elsewhere",),
        examples=tuple(sorted(dealt, key=lambda e: e.path)),
        labelled=dict(counts),
        missing=missing,
        notes=((f"{len(lateral):,} lateral films are left out",) if lateral else ()) + gaps,
    )


def _named(path: str, table: str) -> tuple[str, str]:
    parts = PurePosixPath(path).parts
    homes = [k for k, part in enumerate(parts) if part in ("train", "valid", "test")]
    patients = [part for part in parts if part.startswith("patient")]
    if not homes or not patients or ".." in parts:
        raise DatasetError(f"{table} names a film {path!r}; expected .../train/patient00001/study1/view1_frontal.jpg.")
    return "/".join(parts[homes[0] :]), patients[0]


def _kind(pneumonia: str, healthy: str, *, of: str, table: str) -> str:
    said = []
    for column, value in (("Pneumonia", pneumonia), ("No Finding", healthy)):
        key = value.removesuffix(".0")
        if key not in _SAID:
            raise DatasetError(f"{table} says {column} {value!r} for {of}; expected 1.0, 0.0, -1.0 or nothing.")
        said.append(_SAID[key])
    if said[0] in ("yes", "uncertain"):
        return "pneumonia" if said[0] == "yes" else "uncertain"
    return "no finding" if said[1] == "yes" else "other"


def _label(kind: str, negatives: str, uncertain: str) -> int:
    if kind == "uncertain":
        return {"ignore": -1, "zero": 0, "one": 1}[uncertain]
    if kind == "pneumonia":
        return 1
    return 0 if kind == "no finding" or negatives == "all" else -1


DATASET = Kind(
    name="chexpert",
    about="CheXpert: train.csv and valid.csv with the folders they name",
    load=load,
    options={
        "negatives": Option(about="what label 0 is: healthy films only, or all others", choices=("normal", "all")),
        "uncertain": Option(
            about="what becomes of films marked as uncertain: left out, label 0, or label 1",
            choices=("ignore", "zero", "one"),
        ),
    },
)
