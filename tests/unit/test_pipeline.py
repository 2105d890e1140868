"""Batches made ahead: their order, their number in memory, and what becomes of errors."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from model.errors import DatasetError
from model.pipeline import Batch, batches


def _batch(step: int) -> Batch:
    return np.full((2, 3), step, np.float32), np.array([step, -step]), np.ones(2, np.float32)


def test_batches_come_in_the_order_of_their_steps_whoever_is_first() -> None:
    rng = np.random.default_rng(0)
    waits = rng.uniform(0, 0.02, 30)

    def make(step: int) -> Batch:
        time.sleep(waits[step])
        return _batch(step)

    seen = list(batches(make, first=4, end=30, parallel=4))
    assert [int(inputs[0, 0]) for inputs, _, _ in seen] == list(range(4, 30))
    for step, (inputs, labels, weights) in enumerate(seen, start=4):
        assert inputs.shape == (2, 3) and inputs.dtype == np.float32
        assert labels.tolist() == [step, -step] and labels.dtype == np.int64
        assert weights.dtype == np.float32
    assert list(batches(make, first=5, end=5)) == []


def test_several_are_made_at_once_but_only_so_many_ahead() -> None:
    made, at_once, lock = [0], [0, 0], threading.Lock()

    def make(step: int) -> Batch:
        with lock:
            at_once[0] += 1
            at_once[1] = max(at_once)
        time.sleep(0.01)
        with lock:
            at_once[0] -= 1
            made[0] += 1
        return _batch(step)

    for used, _ in enumerate(batches(make, first=0, end=60, parallel=2, ahead=2), start=1):
        time.sleep(0.02)
        assert made[0] <= used + 2 * 2 + 2
    assert made[0] == 60 and at_once[1] == 2


def test_an_error_comes_as_itself_when_its_step_has_come() -> None:
    def make(step: int) -> Batch:
        if step == 3:
            raise DatasetError("Film 3 is gone.")
        return _batch(step)

    coming = batches(make, first=0, end=9)
    assert [int(next(coming)[0][0, 0]) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(DatasetError, match="Film 3 is gone"):
        next(coming)


def test_leaving_early_leaves_nothing_running() -> None:
    made: list[int] = []

    def make(step: int) -> Batch:
        made.append(step)
        return _batch(step)

    for inputs, _, _ in batches(make, first=0, end=1000):
        if inputs[0, 0] == 5:
            break
    time.sleep(0.2)
    so_far = len(made)
    time.sleep(0.2)
    assert len(made) == so_far < 20
