"""From film indices to a network batch: augment, standardize, resize; the same seeds give the same batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from model.augment import Augmentation, augment
from model.films import Films
from model.preprocess import standardize, to_grid
from model.stress import stressed


def film_batch(
    films: Films,
    indices: NDArray[np.int64],
    *,
    size: int,
    hows: Sequence[Augmentation | None],
    seeds: Sequence[tuple[int, ...]],
    condition: str = "as it is",
) -> NDArray[np.float32]:
    """Return a batch of network inputs.

    Parameters
    ----------
    films : Films
        Where the films are.
    indices : ndarray of int64, shape (b,)
        Which ones.
    size : int
        Side of the network's input in pixels.
    hows : sequence of Augmentation or None, length b
        How each film may be changed; None leaves it as it is.
    seeds : sequence of tuple of int, length b
        What fixes each film's chance, independent of the films around it.
    condition : str
        A key of `model.stress.CONDITIONS`, what every film has met before anything else.

    Returns
    -------
    ndarray of float32, shape (b, size, size, 1)
        Standardized gray in 0..1.
    """
    batch = np.empty((len(indices), size, size, 1), dtype=np.float32)
    for row, (index, how, seed) in enumerate(zip(indices, hows, seeds, strict=True)):
        film = stressed(films.gray(int(index)), condition)
        if how is not None:
            film = augment(film, how, np.random.default_rng(seed))
        batch[row, :, :, 0] = to_grid(standardize(film), size=size)
    return batch
