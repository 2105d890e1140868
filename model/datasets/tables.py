"""Reading a source's CSV files: the columns that are needed, and a sentence when one is not there."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from model.errors import DatasetError

_MAX_FIELD = 1 << 20


def rows_of(text: str, needed: Sequence[str], *, name: str, optional: Sequence[str] = ()) -> Iterator[tuple[str, ...]]:
    """Return the wanted columns of a CSV, row by row.

    Parameters
    ----------
    text : str
        The file's text; the first line names the columns. Commas, semicolons or tabs between them.
    needed : sequence of str
        Columns that must be there.
    name : str
        The file's name, for messages.
    optional : sequence of str
        Columns that may be there; "" where they are not.

    Yields
    ------
    tuple of str
        The needed and then the optional columns of one row, without spaces around them. Empty lines are left out.

    Raises
    ------
    DatasetError
        If the file is empty, lacks a column or a row is too short.
    """
    first = text.split("\n", maxsplit=1)[0]
    delimiter = max(",;\t", key=first.count)
    csv.field_size_limit(_MAX_FIELD)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        header = [column.strip() for column in next(reader, [])]
        absent = [column for column in needed if column not in header]
        if absent:
            shown = ", ".join(header[:12]) or "nothing"
            raise DatasetError(f"{name} has no column {' and no column '.join(absent)}; its first line says: {shown}.")
        columns = [header.index(column) if column in header else -1 for column in (*needed, *optional)]
        last = max(columns[: len(needed)])
        for row in reader:
            if not row:
                continue
            if len(row) <= last:
                raise DatasetError(
                    f"{name}, line {reader.line_num}, has {len(row)} fields, but its first line {len(header)}; "
                    "the file may be cut off, download it again."
                )
            yield tuple(row[k].strip() if 0 <= k < len(row) else "" for k in columns)
    except csv.Error as error:
        raise DatasetError(f"{name} is no CSV file ({error}); download it again.") from error


def shortened(names: Sequence[str], *, most: int = 3) -> str:
    """Return the first names of a list for a sentence, with an ellipsis where there are more."""
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
