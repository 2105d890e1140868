"""A data set and a network that train in seconds, and a train.py that is ended at a chosen moment.

    python -m tests.unit.tiny MOMENT ARGUMENTS-OF-TRAIN.PY

Time counts calls here instead of seconds, so that a state is saved after every third step and every epoch.
"""

from __future__ import annotations

import itertools
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from model.batches import film_batch
from model.runs import EVENTS, Run

ROOT = Path(__file__).parents[2]
PATIENTS = 45
SETTINGS: dict[str, Any] = {
    "split": "patient",
    "val_fraction": 0.2,
    "test_fraction": 0.1,
    "seed": 3,
    "weights": "random",
    "base_width": 0.0625,
    "width": 16,
    "copies": 4,
    "head_epochs": 2,
    "head_batch": 8,
    "head_rate": 0.01,
    "stages": ((32, 2.0),),
    "batch": 8,
    "rate": 0.001,
    "save_minutes": 0.04,
}

PATCH = pytest.MonkeyPatch()

Arrays = dict[str, NDArray[Any]]


def arguments(films: Path, folder: Path) -> list[str]:
    """Return the command line that starts a run with these settings."""
    flags = ["--data-dir", str(films), "--run", str(folder)]
    for name, value in SETTINGS.items():
        text = ",".join(f"{size}:{epochs}" for size, epochs in value) if name == "stages" else str(value)
        flags += [f"--{name.replace('_', '-')}", text]
    return flags


def ended(moment: str, given: list[str]) -> subprocess.CompletedProcess[str]:
    """Start or resume a run in a process of its own, which ends at this moment."""
    command = [sys.executable, "-m", "tests.unit.tiny", moment, *given]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1200, check=False)


def stored(path: Path) -> tuple[Arrays, dict[str, Any]]:
    """Read a checkpoint by numpy alone."""
    with np.load(path, allow_pickle=False) as file:
        arrays = {key: file[key] for key in file.files}
    return arrays, json.loads(arrays.pop("__meta__").tobytes())


def steps_of(run: Run) -> list[tuple[int, int, int]]:
    """Return (phase, epoch, step) of every step in the log, in its order."""
    return [(e["phase"], e["epoch"], e["step"]) for e in run.events() if e["event"] == "step"]


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _at_step(phase: int, step: int, act: Callable[[Run], None]) -> None:
    plain = Run.log

    def log(run: Run, kind: str, **values: Any) -> None:
        if (kind, values.get("phase"), values.get("step")) == ("step", phase, step):
            act(run)
        plain(run, kind, **values)

    PATCH.setattr(Run, "log", log)


def _in_features() -> None:
    make, calls = film_batch, itertools.count(1)

    def made(*given: Any, **options: Any) -> Any:
        if next(calls) == 19:
            _kill()
        return make(*given, **options)

    PATCH.setattr("model.features.film_batch", made)


def _half_a_line(run: Run) -> None:
    with (run.folder / EVENTS).open("a") as log:
        log.write('{"event": "step", "ti')
    _kill()


def _half_a_state(run: Run) -> None:
    def savez(stream: Any, **arrays: Any) -> None:
        stream.write(b"PK half a state")
        stream.flush()
        _kill()

    PATCH.setattr(np, "savez", savez)


def _no_room(run: Run) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))


def _kill_between_best_and_state() -> None:
    plain = Run.log

    def log(run: Run, kind: str, **values: Any) -> None:
        if (kind, values.get("phase")) == ("epoch", 2):
            _kill()
        plain(run, kind, **values)

    PATCH.setattr(Run, "log", log)
    PATCH.setattr("model.fitting.time", SimpleNamespace(monotonic=lambda: 0.0))


MOMENTS: dict[str, Callable[[], None]] = {
    "features": _in_features,
    "head": lambda: _at_step(1, 13, _half_a_line),
    "all layers": lambda: _at_step(2, 12, _half_a_state),
    "between best and state": _kill_between_best_and_state,
    "more": lambda: _at_step(3, 6, lambda run: _kill()),
    "ctrl-c": lambda: _at_step(2, 10, lambda run: os.kill(os.getpid(), signal.SIGINT)),
    "disk full": lambda: _at_step(2, 12, _no_room),
}


def _main(moment: str, given: list[str]) -> int:
    import train

    ticks = itertools.count()
    PATCH.setattr("model.fitting.time", SimpleNamespace(monotonic=lambda: float(next(ticks))))
    MOMENTS[moment]()
    return train.main(given)


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1], sys.argv[2:]))
