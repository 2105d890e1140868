"""Scores and labels of many films: what every evaluation is made of, whoever made the scores."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model.cache import atomic_path
from model.errors import EvaluationError
from model.metrics import Labels, Scores

MOST_BYTES = 100_000_000
MOST_ROWS = 1_000_000
MOST_GROUPS = 12
MOST_COLUMNS = 1000
LONGEST_NAME = 300

_COLUMNS = MappingProxyType(
    {
        "label": ("label", "target", "y_true", "y", "truth", "class", "ground_truth"),
        "score": ("score", "probability", "prob", "y_score", "y_prob", "prediction", "p", "pneumonia_probability"),
        "id": ("id", "film", "file", "name", "image", "path", "filename", "image_id"),
        "patient": ("patient", "patient_id", "patientid", "group", "subject", "subject_id"),
    }
)
_WORDS = MappingProxyType(
    {
        **dict.fromkeys(("0", "normal", "negative", "no", "false", "healthy"), 0),
        **dict.fromkeys(("1", "pneumonia", "positive", "yes", "true", "sick", "infected"), 1),
    }
)
_TRAILING_ZEROS = r"^([01])\.0*$"
_DECIMAL_COMMA = r"^([01]),(\d+)$"
_TAKEN = frozenset(usual for names in _COLUMNS.values() for usual in names)
_ZIP = b"PK\x03\x04"
_EXCEL_HINT = "sep="
_USUAL_GROUPS = ("age", "sex", "view", "cause")


@dataclass(frozen=True, eq=False, kw_only=True)
class ScoreTable:
    """Films with what is true of them and what a classifier said.

    Attributes
    ----------
    ids : ndarray of str, shape (n,)
        What the films are called; no two alike.
    labels : ndarray of int64, shape (n,)
        0 normal, 1 pneumonia.
    scores : ndarray of float64, shape (n,)
        Probability of pneumonia in 0..1.
    patients : ndarray of str, shape (n,)
        Whose films they are.
    attributes : Mapping of str to ndarray of str, shape (n,)
        What else is known about each film, for subgroups; empty where it is not known.
    by_patient : bool
        Whether `patients` was given, or each film counts as a patient of its own.
    notes : tuple of str
        Sentences about what was made of the source on the way.
    """

    ids: NDArray[np.str_]
    labels: Labels
    scores: Scores
    patients: NDArray[np.str_]
    attributes: Mapping[str, NDArray[np.str_]] = field(default_factory=dict)
    by_patient: bool = True
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def classes(self) -> int:
        """How many of the two classes are there."""
        return len(np.unique(self.labels))

    @property
    def digest(self) -> str:
        """A name for the content, for what is remembered about it."""
        found = sha256()
        for column in (self.labels, self.scores, self.patients, self.ids, *self.attributes.values()):
            found.update(np.ascontiguousarray(column).tobytes())
        found.update("\n".join(self.attributes).encode())
        return found.hexdigest()[:16]

    def where(self, chosen: NDArray[Any]) -> ScoreTable:
        """Return some of the films, by a mask or by their places."""
        return replace(
            self,
            ids=self.ids[chosen],
            labels=self.labels[chosen],
            scores=self.scores[chosen],
            patients=self.patients[chosen],
            attributes={name: values[chosen] for name, values in self.attributes.items()},
        )

    def with_scores(self, scores: Scores) -> ScoreTable:
        """Return the same films with other scores."""
        return replace(self, scores=scores)

    def with_attributes(self, attributes: Mapping[str, NDArray[np.str_]]) -> ScoreTable:
        """Return the same films with other things known about them."""
        return replace(self, attributes=attributes)


def read_scores(content: bytes, *, name: str = "This table") -> ScoreTable:
    """Read a table of scores: CSV with a header line, or JSON lines as ``python -m model.evaluate`` writes them.

    The columns "label" and "score" (or another usual name for one of them) must be there; "id" and "patient" may be.
    Every further column with 2 to 12 different words, and "age" in years, becomes a subgroup.

    Parameters
    ----------
    content : bytes
        The whole file, UTF-8; at most 100 MB and a million films.
    name : str
        What sentences call it.

    Raises
    ------
    EvaluationError
        If it cannot be read as such a table, a label is not 0 or 1, a score is missing or outside 0..1, or two films
        have one name; one sentence says which and where.
    """
    if len(content) > MOST_BYTES:
        raise EvaluationError(f"{name} has {len(content) / 1e6:,.0f} MB; at most {MOST_BYTES / 1e6:.0f} MB are read.")
    text = _text(content, name)
    if not text.strip():
        raise EvaluationError(f"{name} is empty; a table with the columns label and score is expected.")
    notes: list[str] = []
    if text.lstrip().startswith("["):
        raise EvaluationError(f"{name} is a JSON list; write one object per line, or a CSV.")
    # The index of the frame says in which line of the file each film stands.
    frame = _from_lines(text, name, notes) if text.lstrip().startswith("{") else _from_csv(text, name)
    if len(frame) > MOST_ROWS:
        raise EvaluationError(f"{name} has {len(frame):,} rows; at most {MOST_ROWS:,} are read.")
    if not len(frame):
        raise EvaluationError(f"{name} has a header and no films under it.")
    return _table(frame, name, notes)


def write_scores(path: Path, table: ScoreTable, more: Mapping[str, Sequence[Any]] | None = None) -> None:
    """Write a table as JSON lines, atomically; see `scores_text`."""
    with atomic_path(path) as temporary:
        temporary.write_text(scores_text(table, more), encoding="utf-8")


def scores_text(table: ScoreTable, more: Mapping[str, Sequence[Any]] | None = None) -> str:
    """Return a table as JSON lines; `more` adds columns, and no column takes the place of the four main ones."""
    lines = []
    for k in range(len(table)):
        main: dict[str, Any] = {
            "id": str(table.ids[k]),
            "patient": str(table.patients[k]),
            "label": int(table.labels[k]),
            "score": float(table.scores[k]),
        }
        known = {name: str(values[k]) for name, values in table.attributes.items() if values[k]}
        rest = known | {name: values[k] for name, values in (more or {}).items()}
        # In plain ASCII: names of files may hold what no UTF-8 file can.
        lines.append(json.dumps(main | {name: value for name, value in rest.items() if name.lower() not in _TAKEN}))
    return "\n".join(lines) + "\n"


def _text(content: bytes, name: str) -> str:
    if content.startswith(_ZIP):
        raise EvaluationError(f"{name} is an Excel or zip file; save the table as “CSV UTF-8” and try again.")
    for encoding in ("utf-8-sig", "utf-16") if content[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig",):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        return text.replace("\r\n", "\n").replace("\r", "\n")
    raise EvaluationError(f"{name} is not text in UTF-8; save it as “CSV UTF-8” and try again.")


def _from_lines(text: str, name: str, notes: list[str]) -> pd.DataFrame:
    lines = text.rstrip().split("\n")
    rows: dict[int, dict[str, Any]] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            if number == len(lines) and rows:
                notes.append("The last line is cut off in the middle and was left out.")
                break
            raise EvaluationError(f"{name}, line {number}, is no JSON on a line of its own ({error}).") from error
        if not isinstance(row, dict):
            raise EvaluationError(
                f"{name}, line {number}, holds no JSON object, such as {{“label”: 1, “score”: 0.9}}."
            )
        rows[number] = row
    columns = list(dict.fromkeys(key for row in rows.values() for key in row))
    _refuse_columns(columns, name)
    # Every value as it is written: pandas would make floats of whole numbers where one is missing.
    data = {key: [_written(row.get(key)) for row in rows.values()] for key in columns}
    return pd.DataFrame(data, index=list(rows), dtype=str)


def _written(value: Any) -> str:
    # Half a surrogate pair, which JSON can spell and no file can hold, becomes a question mark.
    return "" if value is None else str(value).encode("utf-8", "replace").decode("utf-8")


def _from_csv(text: str, name: str) -> pd.DataFrame:
    lines = text.split("\n")
    before = next(k for k, line in enumerate(lines) if line.strip())
    if lines[before].lower().startswith(_EXCEL_HINT):
        before += 1
    first = lines[before] if before < len(lines) else ""
    delimiter = max(",;\t", key=first.count)
    try:
        _refuse_columns(next(csv.reader([first], delimiter=delimiter), []), name)
        frame = pd.read_csv(
            io.StringIO("\n".join(lines[before:])),
            sep=delimiter,
            dtype=str,
            keep_default_na=False,
            skipinitialspace=True,
            skip_blank_lines=False,
        )
    except (pd.errors.ParserError, csv.Error) as error:
        said = str(error).strip().split("\n")[0].removeprefix("Error tokenizing data. C error: ")
        raise EvaluationError(f"{name} is no table: {said}.") from error
    if not isinstance(frame.index, pd.RangeIndex):
        raise EvaluationError(f"{name} has rows with more fields than its first line has names; give each a name.")
    frame.index = frame.index + before + 2
    frame = frame.fillna("")
    blank = (frame == "").all(axis=1)
    return frame[~blank] if blank.any() else frame


def _refuse_columns(columns: Sequence[str], name: str) -> None:
    if len(columns) > MOST_COLUMNS:
        raise EvaluationError(f"{name} has {len(columns):,} columns; at most {MOST_COLUMNS} are read.")
    counts = Counter(column.strip().lower() for column in columns)
    twice = sorted(column for column, count in counts.items() if column and count > 1)
    if twice:
        raise EvaluationError(f"{name} has the column “{_short(twice[0])}” twice; keep one.")


def _table(frame: pd.DataFrame, name: str, notes: list[str]) -> ScoreTable:
    frame.columns = [str(column).strip() for column in frame.columns]
    found = {wanted: _column(frame, usual) for wanted, usual in _COLUMNS.items()}
    absent = [wanted for wanted in ("label", "score") if found[wanted] is None]
    if absent:
        shown = ", ".join(frame.columns[:8]) + (", …" if len(frame.columns) > 8 else "")
        raise EvaluationError(
            f"{name} has no column {' and no column '.join(absent)}; its columns are: {shown}. Name the truth “label” "
            "(0 or 1) and the probability “score” (0 to 1)."
        )
    labels = _labels(frame[found["label"]], name)
    scores = _scores(frame[found["score"]], name)
    rows = pd.Series([f"row {k + 1}" for k in range(len(frame))], index=frame.index)
    ids = frame[found["id"]].str.strip() if found["id"] else rows
    ids = ids.where(ids != "", rows)
    repeated = ids[ids.duplicated()]
    if len(repeated):
        lines = ids.index[ids == repeated.iloc[0]].tolist()
        raise EvaluationError(
            f"{name} names {_films(len(set(repeated)))} more than once, first “{_short(repeated.iloc[0])}” in lines "
            f"{lines[0]:,} and {lines[1]:,}; keep one row per film."
        )
    if not found["patient"]:
        notes.append("There is no column “patient”, so each film counts as a patient of its own.")
    patients = frame[found["patient"]].str.strip() if found["patient"] else ids
    unnamed = patients == ""
    patients = patients.where(~unnamed, "film " + ids)
    used = {column for column in found.values() if column}
    for column in (ids, patients):
        long = column.index[column.str.len() > LONGEST_NAME]
        if len(long):
            raise EvaluationError(
                f"{name} has a name of {len(column[long[0]]):,} characters in line {long[0]:,}; at most "
                f"{LONGEST_NAME} are read."
            )
    return ScoreTable(
        ids=_array(ids),
        labels=labels,
        scores=scores,
        patients=_array(patients),
        attributes=_attributes(frame.drop(columns=list(used))),
        by_patient=bool(found["patient"]),
        notes=tuple(notes),
    )


def _column(frame: pd.DataFrame, usual: Sequence[str]) -> str | None:
    lowered = {str(column).lower(): str(column) for column in frame.columns}
    return next((lowered[name] for name in usual if name in lowered), None)


def _labels(column: pd.Series, name: str) -> Labels:
    plain = column.str.strip().str.lower().str.replace(_TRAILING_ZEROS, r"\1", regex=True)
    words = plain.map(_WORDS)
    wrong = column.index[words.isna()]
    if len(wrong):
        raise EvaluationError(
            f"{name} says label “{_short(column[wrong[0]])}” in line {wrong[0]:,}"
            f"{_and_more(len(wrong))}; expected 0 or 1, or normal or pneumonia."
        )
    return np.asarray(words, dtype=np.int64)


def _scores(column: pd.Series, name: str) -> Scores:
    # A decimal comma can only stand here where something else separates the columns.
    written = column.str.strip().str.replace(_DECIMAL_COMMA, r"\1.\2", regex=True)
    numbers = np.asarray(pd.to_numeric(written, errors="coerce"), dtype=np.float64)
    for wrong, what in (
        (np.isnan(numbers), "which is no number"),
        ((numbers < 0) | (numbers > 1), "which lies outside 0 to 1; give probabilities, not logits or percentages"),
    ):
        places = column.index[wrong]
        if len(places):
            raise EvaluationError(
                f"{name} says score “{_short(column[places[0]])}” in line {places[0]:,}"
                f"{_and_more(len(places))}, {what}."
            )
    return numbers


def _attributes(rest: pd.DataFrame) -> dict[str, NDArray[np.str_]]:
    found = {}
    for column in rest.columns:
        values = rest[column].str.strip()
        known = values[values != ""].unique()
        name = str(column).lower() if str(column).lower() in _USUAL_GROUPS else str(column)
        if not name or name.startswith("Unnamed:") or max(map(len, known), default=0) > LONGEST_NAME:
            continue
        if 2 <= len(known) <= MOST_GROUPS or (name == "age" and len(known) > 1):
            found[name] = _array(values)
    return found


def _array(column: pd.Series) -> NDArray[np.str_]:
    return np.asarray(column.to_numpy(dtype=object), dtype=np.str_)


def _and_more(count: int) -> str:
    return f" (and {count - 1:,} more such line{'s' if count > 2 else ''})" if count > 1 else ""


def _films(count: int) -> str:
    return "1 film" if count == 1 else f"{count:,} films"


def _short(text: str, most: int = 40) -> str:
    return text if len(text) <= most else text[:most] + "…"
