"""The films of a data set, decoded once and kept as small gray pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.datasets.base import Example
from model.errors import DatasetError, ImageError
from model.images import Radiograph
from model.preprocess import INPUT_SIZE, to_grid

MAX_UNREADABLE = 0.01

_FACTS = {"age": "Age", "sex": "Sex", "view": "View position"}


@dataclass(frozen=True, eq=False, kw_only=True)
class Films:
    """Decoded films in the order of their examples.

    Attributes
    ----------
    grids : ndarray of uint8, shape (n, 224, 224)
        Gray on the network's grid, not standardized; 8 bit is what the films of public sets hold.
    examples : tuple of Example
        The n examples that could be read; a DICOM's age in years ("age"), "sex" and "view" are among their
        attributes, unless the source says something else.
    unreadable : tuple of (Path, str)
        The files left out, with the sentence that says why.
    """

    grids: NDArray[np.uint8]
    examples: tuple[Example, ...]
    unreadable: tuple[tuple[Path, str], ...]

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


def read_films(
    examples: Sequence[Example],
    *,
    threads: int = 4,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Films:
    """Decode films in parallel; leave out, count and name those that cannot be read.

    Parameters
    ----------
    examples : sequence of Example
        What to read.
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

    def attempt(example: Example) -> tuple[NDArray[np.uint8], dict[str, str]] | str:
        try:
            film = example.loader.read(example.path)
        except (ImageError, OSError) as error:
            return str(error)
        return np.rint(to_grid(film.pixels) * 255).astype(np.uint8), facts_of(film)

    grids = np.empty((len(examples), INPUT_SIZE, INPUT_SIZE), dtype=np.uint8)
    kept: list[Example] = []
    unreadable: list[tuple[Path, str]] = []
    with ThreadPoolExecutor(threads) as pool:
        for done, (example, result) in enumerate(zip(examples, pool.map(attempt, examples), strict=True), start=1):
            if isinstance(result, str):
                unreadable.append((example.path, result))
            else:
                grids[len(kept)], facts = result
                kept.append(replace(example, attributes={**facts, **example.attributes}) if facts else example)
            progress(done, len(examples))
    if len(unreadable) > MAX_UNREADABLE * len(examples):
        shown = "; ".join(f"{path.name}: {why}" for path, why in unreadable[:3])
        raise DatasetError(
            f"{len(unreadable)} of {len(examples)} films cannot be read, more than the 1 % that is tolerated "
            f"({shown}); repair or remove them and start again."
        )
    return Films(grids=grids[: len(kept)], examples=tuple(kept), unreadable=tuple(unreadable))


def facts_of(film: Radiograph) -> dict[str, str]:
    """Return what a film's own file says about "age" (years), "sex" and "view", as an example's attributes."""
    told = {name: str(film.metadata[shown]) for name, shown in _FACTS.items() if shown in film.metadata}
    if "age" in told:
        told["age"] = told["age"].removesuffix("s").removesuffix(" year")
    return told
