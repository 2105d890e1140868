"""Decoded films on disk, keyed by what is in their files: a second epoch, run or program never decodes them again."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from model.cache import exclusive
from model.errors import DatasetError
from model.preprocess import INPUT_SIZE, VERSION

FILE = "films.sqlite"

# To be raised when `model.films` keeps more about a film than before.
_FACTS = 2
_BYTES = INPUT_SIZE * INPUT_SIZE
_PATIENCE_SECONDS = 60.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS films (
    number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, grid BLOB NOT NULL, facts TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS sources (
    source TEXT PRIMARY KEY, film INTEGER NOT NULL REFERENCES films (number)
) WITHOUT ROWID;
"""

Grid = NDArray[np.uint8]


class FilmCache:
    """A file that keeps films on the network's grid.

    Several processes and threads may fill and read it at once: SQLite's transactions keep every film whole, whoever
    is killed. A film is found by where it lies and what its file looks like from outside (size, time of change), and
    kept once for each content (SHA-256), however many places it is in.

    Parameters
    ----------
    folder : Path
        Where the file ``films.sqlite`` is or will be.

    Raises
    ------
    DatasetError
        If the folder cannot be written, or the file there is no such cache.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._own = threading.local()
        try:
            # Two connections that change the journal of one file at once do not wait for each other, whatever the
            # timeout: one of them is told that the database is locked.
            with exclusive(folder), self._told():
                database = self._database()
                database.execute("PRAGMA journal_mode = WAL")
                with database:
                    database.executescript(_SCHEMA)
        except OSError as error:
            raise DatasetError(
                f"The cache folder {folder} cannot be written ({error.strerror}); give another one with --cache."
            ) from error

    def number_of(self, source: str) -> int | None:
        """Return the number of a film by where it lies, or None if it was never stored.

        Parameters
        ----------
        source : str
            Place, size and time of change of the film's file.
        """
        with self._told():
            row = self._database().execute("SELECT film FROM sources WHERE source = ?", (_key(source),)).fetchone()
        return None if row is None else int(row[0])

    def store(self, source: str, *, digest: str, grid: Grid, facts: Mapping[str, str]) -> int:
        """Keep a film, and return its number.

        Parameters
        ----------
        source : str
            See `number_of`.
        digest : str
            SHA-256 of the film's file: the same film in two places is kept once.
        grid : ndarray of uint8, shape (224, 224)
            The film.
        facts : dict
            What its file says, see `model.films.facts_of`.

        Raises
        ------
        DatasetError
            If the disk is full or the file is damaged; everything stored before stays.
        """
        key = _key(digest)
        with self._told():
            database = self._database()
            with database:
                database.execute(
                    "INSERT OR IGNORE INTO films (key, grid, facts) VALUES (?, ?, ?)",
                    (key, np.ascontiguousarray(grid).tobytes(), json.dumps(dict(facts), sort_keys=True)),
                )
                number = int(database.execute("SELECT number FROM films WHERE key = ?", (key,)).fetchone()[0])
                database.execute("INSERT OR REPLACE INTO sources (source, film) VALUES (?, ?)", (_key(source), number))
        return number

    def grid(self, number: int) -> Grid:
        """Return a film, shape (224, 224), uint8.

        Raises
        ------
        DatasetError
            If it is not there any more.
        """
        with self._told():
            row = self._database().execute("SELECT grid FROM films WHERE number = ?", (number,)).fetchone()
        if row is None or len(row[0]) != _BYTES:
            raise DatasetError(f"Film {number} is gone from the cache {self.path}; start again to fill it anew.")
        return np.frombuffer(row[0], np.uint8).reshape(INPUT_SIZE, INPUT_SIZE)

    def facts(self, number: int) -> dict[str, str]:
        """Return what a film's file says."""
        with self._told():
            row = self._database().execute("SELECT facts FROM films WHERE number = ?", (number,)).fetchone()
        return dict(json.loads(row[0])) if row else {}

    def count(self) -> int:
        """Return how many films are kept."""
        with self._told():
            return int(self._database().execute("SELECT COUNT(*) FROM films").fetchone()[0])

    def _database(self) -> sqlite3.Connection:
        if not hasattr(self._own, "database"):
            self._own.database = sqlite3.connect(self.path, timeout=_PATIENCE_SECONDS)
            # A power cut may lose the last films stored, never the file: they are decoded again.
            self._own.database.execute("PRAGMA synchronous = NORMAL")
        database: sqlite3.Connection = self._own.database
        return database

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise DatasetError(
                f"The cache {self.path} cannot be used ({error}); free some space or give another folder with --cache."
            ) from error
        except sqlite3.DatabaseError as error:
            raise DatasetError(f"{self.path} is no cache of films or damaged ({error}); delete it.") from error


def _key(text: str) -> str:
    return f"{VERSION}:{_FACTS}:{text}"


class StoredGrids:
    """Films of a cache in an order of one's own, read when they are asked for: memory stays small for any number.

    Parameters
    ----------
    cache : FilmCache
        Where they are.
    numbers : ndarray of int64, shape (n,)
        Which ones.
    """

    def __init__(self, cache: FilmCache, numbers: NDArray[np.int64]) -> None:
        self._cache, self._numbers = cache, numbers

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> Grid: ...

    @overload
    def __getitem__(self, index: NDArray[np.int64]) -> StoredGrids: ...

    def __getitem__(self, index: int | NDArray[np.int64]) -> Grid | StoredGrids:
        """Return one film, shape (224, 224), or some of them, still on disk."""
        if isinstance(index, np.ndarray):
            return StoredGrids(self._cache, self._numbers[index])
        return self._cache.grid(int(self._numbers[index]))
