"""Batches made ahead and in parallel by `tf.data`, in a fixed order, never more of them than memory has room for."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

Batch = tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]

PARALLEL = 2
AHEAD = 2


def batches(
    make: Callable[[int], Batch], *, first: int, end: int, parallel: int = PARALLEL, ahead: int = AHEAD
) -> Iterator[Batch]:
    """Make the batches of some steps ahead of time.

    Parameters
    ----------
    make : callable
        From a step to its inputs, labels (int64) and loss weights; called by several threads at once, for a step
        exactly once. What it returns may depend on the step alone, so that the order of the calls does not matter.
    first, end : int
        The steps from `first` up to but without `end`.
    parallel : int
        Batches being made at the same time.
    ahead : int
        Batches that may wait to be used.

    Yields
    ------
    tuple of ndarray
        The batches, in the order of their steps whatever the order they were finished in. At most
        ``2 * parallel + ahead`` of them exist at any time.

    Raises
    ------
    Exception
        Whatever `make` raises, when its step's turn has come.
    """
    failed: dict[int, BaseException] = {}
    empty: Batch = (np.zeros(0, np.float32), np.zeros(0, np.int64), np.zeros(0, np.float32))

    def attempt(step: NDArray[np.int64]) -> Batch:
        try:
            inputs, labels, weights = make(int(step))
        except BaseException as error:
            failed[int(step)] = error
            return empty
        return inputs, np.asarray(labels, np.int64), np.asarray(weights, np.float32)

    options = tf.data.Options()
    options.deterministic = True
    options.autotune.enabled = False
    steps = (
        tf.data.Dataset.range(first, end)
        .map(
            lambda step: tf.numpy_function(attempt, [step], (tf.float32, tf.int64, tf.float32), stateful=False),
            num_parallel_calls=parallel,
            deterministic=True,
        )
        .prefetch(ahead)
        .with_options(options)
    )
    for step, batch in enumerate(steps.as_numpy_iterator(), start=first):
        if step in failed:
            raise failed[step]
        yield batch
