"""Films of one's own: a CSV with the columns path and label, and, if there, patient and split."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, cast

from model.datasets.base import SPLITS, Dataset, Example, Split
from model.datasets.gaps import gap_notes
from model.datasets.kinds import Kind
from model.datasets.splits import complete_splits
from model.datasets.tables import rows_of, shortened
from model.errors import DatasetError

_LABELS = {"0": 0, "normal": 0, "1": 1, "pneumonia": 1}
_SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
_KNOWN = ("path", "label", "patient", "split")


def load(
    folder: Path,
    *,
    split: Literal["official", "patient"] = "official",
    val_fraction: float = 0.10,
    test_fraction: float = 0.15,
    seed: int = 0,
) -> Dataset:
    """List the films that a CSV names.

    Parameters
    ----------
    folder : Path
        The CSV, or a folder with exactly one. Its first line names the columns, in any order and case: "path"
        (relative to the CSV, or absolute) and "label" (0, 1, normal or pneumonia); "patient" and "split" (train, val
        or test) if there; every other column becomes an attribute.
    split : {"official", "patient"}
        "official" keeps the column "split"; films without one, or all where there is no such column, are divided by
        patient. "patient" divides everything anew.
    val_fraction, test_fraction : float
        Shares of the films that are divided here.
    seed : int
        Seeds the choice of patients.

    Returns
    -------
    Dataset
        Without a column "patient" every film counts as a patient of its own, which a note says.

    Raises
    ------
    DatasetError
        If the CSV or a column is missing, a label or split is unknown, two rows disagree about a film, or no film is
        there.
    """
    table = _table(folder)
    header, rows = _read(table)
    wanted: dict[Path, Example] = {}
    for line, row in enumerate(rows, start=2):
        values = dict(zip(header, row, strict=True))
        example = _example(table, line, values, split)
        known = wanted.setdefault(example.path, example)
        if (known.label, known.patient, known.split) != (example.label, example.patient, example.split):
            raise DatasetError(f"{table.name}, line {line}, contradicts an earlier line about {values['path']}.")
    there = {path: e for path, e in wanted.items() if path.is_file()}
    missing = tuple(str(path) for path in wanted if path not in there)
    if not there:
        raise DatasetError(
            f"None of the {len(wanted):,} films in {table.name} was found; its paths are taken relative to "
            f"{table.parent}."
        )
    dealt = complete_splits(list(there.values()), val_fraction=val_fraction, test_fraction=test_fraction, seed=seed)
    notes = [] if "patient" in header else ["no column patient: every film counts as a patient of its own"]
    notes += gap_notes(missing=missing, listed=len(wanted), unlabelled=_unlabelled(wanted))
    return Dataset(
        name="csv",
        source=f"the films listed in {table.name}",
        licence="not stated in the list",
        citation="not stated in the list",
        population="not stated in the list",
        examples=tuple(sorted(dealt, key=lambda e: e.path)),
        labelled=dict(Counter("pneumonia" if e.label else "normal" for e in wanted.values())),
        missing=missing,
        notes=tuple(notes),
    )


def _unlabelled(listed: Mapping[Path, Example]) -> list[str]:
    """Films that lie beside the listed ones and are not in the list."""
    endings = {path.suffix.lower() for path in listed}
    homes = {path.parent for path in listed}
    beside = (p for home in homes if home.is_dir() for p in home.iterdir() if not p.name.startswith("."))
    return [str(p) for p in beside if p.suffix.lower() in endings and p not in listed and p.is_file()]


def _table(folder: Path) -> Path:
    if folder.is_file():
        return folder
    tables = sorted(p for p in folder.glob("*.csv") if not p.name.startswith(".")) if folder.is_dir() else []
    if len(tables) != 1:
        shown = f"{len(tables)} ({shortened([p.name for p in tables])})" if tables else "none"
        raise DatasetError(f"Expected one CSV in {folder}, found {shown}; give --data-dir the path of the CSV itself.")
    return tables[0]


def _read(table: Path) -> tuple[list[str], list[tuple[str, ...]]]:
    try:
        text = table.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{table} cannot be read as UTF-8 text ({error}).") from error
    first, _, rest = text.partition("\n")
    header = [column.strip() for column in next(csv.reader([first], delimiter=max(",;\t", key=first.count)), [])]
    lowered = [column.lower() for column in header]
    twice = [column for column, times in Counter(lowered).items() if times > 1]
    if twice:
        raise DatasetError(f"{table.name} has the column {twice[0]!r} twice; keep one.")
    absent = [name for name in ("path", "label") if name not in lowered]
    if absent:
        shown = ", ".join(header) or "nothing"
        raise DatasetError(
            f"{table.name} has no column {' and no column '.join(absent)}; its first line says: {shown}."
        )
    names = [low if low in _KNOWN else column for low, column in zip(lowered, header, strict=True)]
    delimiter = max(",;\t", key=first.count)
    return names, list(rows_of(delimiter.join(names) + "\n" + rest, names, name=table.name))


def _example(table: Path, line: int, values: dict[str, str], split: str) -> Example:
    label = _LABELS.get(values["label"].lower().removesuffix(".0"))
    if label is None:
        raise DatasetError(
            f"{table.name}, line {line}, says label {values['label']!r}; expected 0, 1, normal or pneumonia."
        )
    said = values.get("split", "").lower()
    if said and said not in _SPLITS:
        raise DatasetError(f"{table.name}, line {line}, says split {said!r}; expected {', '.join(SPLITS)}.")
    path = table.parent / values["path"]
    patient = values.get("patient", path.as_posix())
    if not values["path"] or not patient:
        raise DatasetError(f"{table.name}, line {line}, has an empty {'path' if not values['path'] else 'patient'}.")
    return Example(
        path=path,
        label=label,
        patient=patient,
        split=cast(Split, _SPLITS[said]) if said and split == "official" else None,
        attributes={name: value for name, value in values.items() if name not in _KNOWN and value},
    )


DATASET = Kind(
    name="csv",
    about="films of your own: a CSV with the columns path, label and, if there, patient and split",
    load=load,
)
