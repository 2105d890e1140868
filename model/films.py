"""The films of a data set, decoded once and kept as small gray pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.cache import cache_dir
from model.datasets.base import Example
from model.errors import DatasetError, ImageError
from model.film_cache import FilmCache, StoredGrids
from model.images import Radiograph
from model.novelty import plain_doubt
from model.preprocess import INPUT_SIZE, to_grid

MAX_UNREADABLE = 0.01
MOST_IN_MEMORY = 10_000

# Under this name a cache keeps `Films.doubts` among the facts.
_DOUBT = "doubt"
_FACTS = {"age": "Age", "sex": "Sex", "view": "View position"}


@dataclass(frozen=True, eq=False, kw_only=True)
class Films:
    """Decoded films in the order of their examples.

    Attributes
    ----------
    grids : ndarray of uint8, shape (n, 224, 224), or StoredGrids
        Gray on the network's grid, not standardized; 8 bit is what the films of public sets hold. In memory, or in
        a cache on disk.
    examples : tuple of Example
        The n examples that could be read; a DICOM's age in years ("age"), "sex" and "view" are among their
        attributes, unless the source says something else.
    unreadable : tuple of (Path, str)
        The files left out, with the sentence that says why.
    doubts : tuple of str
        What speaks against each film before any network has seen it (see `model.novelty.plain_doubt`), or nothing;
        empty where that was not asked.
    """

    grids: NDArray[np.uint8] | StoredGrids
    examples: tuple[Example, ...]
    unreadable: tuple[tuple[Path, str], ...]
    doubts: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.examples)

    @property
    def labels(self) -> NDArray[np.int64]:
        """Labels, shape (n,): 0 normal, 1 pneumonia."""
        return np.array([e.label for e in self.examples], dtype=np.int64)

    @property
    def patients(self) -> NDArray[np.str_]:
        """Patients, shape (n,)."""
        return np.array([e.patient for e in self.examples], dtype=np.str_)

    def gray(self, index: int) -> NDArray[np.float32]:
        """Return one film, shape (224, 224), float32 in 0..1."""
        return np.asarray(self.grids[index], dtype=np.float32) / np.float32(255)

    def some(self, chosen: NDArray[np.int64]) -> Films:
        """Return a part of the films, in the order of `chosen`."""
        return Films(
            grids=self.grids[chosen],
            examples=tuple(self.examples[k] for k in chosen),
            unreadable=(),
            doubts=tuple(self.doubts[k] for k in chosen) if self.doubts else (),
        )


def read_films(
    examples: Sequence[Example],
    *,
    cache: FilmCache | None = None,
    threads: int = 4,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Films:
    """Decode films in parallel; leave out, count and name those that cannot be read.

    Parameters
    ----------
    examples : sequence of Example
        What to read.
    cache : FilmCache, optional
        Take from it what it holds, and keep there what it does not; the films then stay on disk. Without one they are
        decoded anew and kept in memory (50 kB each).
    threads : int
        Decoders at work at the same time.
    progress : callable
        Told (films done, films in all) after each film.

    Returns
    -------
    Films
        All that could be read.

    Raises
    ------
    DatasetError
        If more than 1 % of the files cannot be read.
    """
    kept: list[Example] = []
    unreadable: list[tuple[Path, str]] = []
    doubts: list[str] = []
    grids = None if cache else np.empty((len(examples), INPUT_SIZE, INPUT_SIZE), dtype=np.uint8)
    numbers = np.empty(len(examples), dtype=np.int64)
    with _hasty(ThreadPoolExecutor(threads)) as pool:
        results = pool.map(lambda example: _attempt(example, cache), examples)
        for done, (example, result) in enumerate(zip(examples, results, strict=True), start=1):
            if isinstance(result, str):
                unreadable.append((example.path, result))
            else:
                where, told = result
                facts = dict(told)
                doubts.append(facts.pop(_DOUBT, ""))
                if grids is None:
                    numbers[len(kept)] = where
                else:
                    grids[len(kept)] = where
                kept.append(replace(example, attributes={**facts, **example.attributes}) if facts else example)
            progress(done, len(examples))
    if len(unreadable) > MAX_UNREADABLE * len(examples):
        shown = "; ".join(f"{path.name}: {why}" for path, why in unreadable[:3])
        raise DatasetError(
            f"{len(unreadable)} of {len(examples)} films cannot be read, more than the 1 % that is tolerated "
            f"({shown}); repair or remove them and start again."
        )
    if cache:
        stored = StoredGrids(cache, numbers[: len(kept)])
        return Films(grids=stored, examples=tuple(kept), unreadable=tuple(unreadable), doubts=tuple(doubts))
    return Films(
        grids=np.asarray(grids)[: len(kept)], examples=tuple(kept), unreadable=tuple(unreadable), doubts=tuple(doubts)
    )


def cache_for(count: int, folder: str = "") -> FilmCache | None:
    """Return the cache for a data set: the one asked for, or our own for sets too large for memory.

    Parameters
    ----------
    count : int
        Films of the data set; up to 10,000 (half a gigabyte) stay in memory.
    folder : str
        Where the cache is wanted, whatever the count; empty for no wish.

    Raises
    ------
    DatasetError
        If the folder cannot be used.
    """
    if not folder and count <= MOST_IN_MEMORY:
        return None
    return FilmCache(Path(folder) if folder else cache_dir() / "films")


@contextmanager
def _hasty(pool: ThreadPoolExecutor) -> Iterator[ThreadPoolExecutor]:
    """End a pool without doing what is still to do when something went wrong."""
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _attempt(example: Example, cache: FilmCache | None) -> tuple[NDArray[np.uint8] | int, Mapping[str, str]] | str:
    try:
        source = example.loader.source(example.path) if cache else ""
        number = cache.number_of(source) if cache else None
        if cache and number is not None:
            return number, cache.facts(number)
        film = example.loader.read(example.path)
    except (ImageError, OSError) as error:
        return str(error)
    grid, doubt = np.rint(to_grid(film.pixels) * 255).astype(np.uint8), plain_doubt(film)
    facts = facts_of(film) | ({} if doubt is None else {_DOUBT: doubt.kind})
    if cache:
        return cache.store(source, digest=film.sha256, grid=grid, facts=facts), facts
    return grid, facts


def facts_of(film: Radiograph) -> dict[str, str]:
    """Return what a film's own file says about "age" (years), "sex" and "view", as an example's attributes."""
    told = {name: str(film.metadata[shown]) for name, shown in _FACTS.items() if shown in film.metadata}
    if "age" in told:
        told["age"] = told["age"].removesuffix("s").removesuffix(" year")
    return told
