"""Phase 1's shortcut: the frozen base sees every augmented copy once, and its pooled features are kept on disk."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from model.augment import Augmentation
from model.batches import film_batch
from model.cache import atomic_path
from model.films import Films
from model.runs import writing

Extract = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def cached_features(
    path: Path,
    films: Films,
    extract: Extract,
    *,
    copies: int,
    width: int,
    size: int,
    how: Augmentation,
    seed: int,
    batch: int = 16,
    stop: Callable[[], bool] = lambda: False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> NDArray[np.float32] | None:
    """Return the base's features of several copies of every film, computing only what is not on disk yet.

    Parameters
    ----------
    path : Path
        The cache file; a small JSON file beside it counts the rows that are finished, so that a killed run goes on.
    films : Films
        n films.
    extract : callable
        (b, size, size, 1) float32 -> (b, width) float32.
    copies : int
        Copies per film; the first one is not augmented.
    width : int
        Features per film.
    size : int
        Side of the base's input in pixels.
    how : Augmentation
        Applied to every copy but the first.
    seed : int
        Together with copy and film it fixes each augmented copy.
    batch : int
        Films per forward pass.
    stop : callable
        Asked between batches; True ends the work, which goes on at the next call.
    progress : callable
        Told (rows done, rows in all).

    Returns
    -------
    ndarray of float32, shape (copies, n, width), or None
        Memory-mapped, read-only. None if `stop` ended the work.
    """
    total = copies * len(films)
    count = path.with_suffix(".count.json")
    with writing(path), path.open("r+b" if path.exists() else "w+b") as rows:
        done, start = _taken_up(rows, count, shape=(total, width))
        while done < total:
            if stop():
                _keep(rows, count, done)
                return None
            chosen = np.arange(done, min(done + batch, total))
            films_of_batch = film_batch(
                films,
                chosen % len(films),
                size=size,
                hows=[how if row >= len(films) else None for row in chosen],
                seeds=[(seed, 1, int(row)) for row in chosen],
            )
            rows.seek(start + done * width * 4)
            rows.write(np.ascontiguousarray(extract(films_of_batch), dtype="<f4").tobytes())
            done = int(chosen[-1]) + 1
            if done == total or (done // batch) % 16 == 0:
                _keep(rows, count, done)
            progress(done, total)
    return np.asarray(np.load(path, mmap_mode="r"), dtype=np.float32).reshape(copies, len(films), width)


def _taken_up(rows: BinaryIO, count: Path, *, shape: tuple[int, int]) -> tuple[int, int]:
    """Return the rows that are finished and where in the file row 0 starts; a file that does not fit is begun anew.

    The file is written like any other and not through a memory map, where a full disk kills the process.
    """
    try:
        np.lib.format.read_magic(rows)
        found, start = np.lib.format.read_array_header_1_0(rows), rows.tell()
        done = int(json.loads(count.read_text())["rows"])
        if found == (shape, False, np.dtype("<f4")) and rows.seek(0, os.SEEK_END) >= start + done * shape[1] * 4:
            return done, start
    except (OSError, ValueError, KeyError):
        pass
    count.unlink(missing_ok=True)
    rows.seek(0)
    rows.truncate()
    np.lib.format.write_array_header_1_0(rows, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return 0, rows.tell()


def _keep(rows: BinaryIO, count: Path, done: int) -> None:
    rows.flush()
    os.fsync(rows.fileno())
    with atomic_path(count) as temporary:
        temporary.write_text(json.dumps({"rows": done}))
