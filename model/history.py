"""How a training run went, epoch by epoch, read from its folder while it may still be written."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from model.runs import CONFIG, EVENTS, Run

MEASURES = MappingProxyType(
    {
        "loss": "Loss",
        "accuracy": "Accuracy",
        "val_auroc": "AUROC",
        "val_looks_loss": "Loss over four looks",
    }
)
"""What can be drawn; "loss" and "accuracy" have a validation twin, ``val_loss`` and ``val_accuracy``."""

_MARKS = ("phase", "epoch", "val_loss")
_QUIET_S = 900
_STEPS_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class History:
    """A run so far.

    Attributes
    ----------
    name : str
        What it is called.
    epochs : tuple of Mapping
        One for each finished epoch, in order: "phase", "size" and the measures that were written down.
    best : int or None
        The place of the epoch whose weights were kept; None of a mean of several networks' weights.
    fine_tuned_from : int or None
        The place of the first epoch in which every layer was trained.
    state : str
        "finished", "stopped", "running" or "silent" (neither ended nor heard of for a quarter of an hour).
    doing : str
        What it was doing last, in a few words; empty where it has ended.
    damaged : int
        Lines in the middle of its log that could not be read.
    """

    name: str
    epochs: tuple[Mapping[str, Any], ...]
    best: int | None
    fine_tuned_from: int | None
    state: str
    doing: str = ""
    damaged: int = 0

    def values(self, measure: str) -> tuple[list[int], list[float]]:
        """Return the numbers of the epochs (from 1) that have a measure, and the measure."""
        found = [
            (place, value)
            for place, epoch in enumerate(self.epochs, start=1)
            if (value := _number(epoch, measure)) is not None
        ]
        return [place for place, _ in found], [value for _, value in found]

    def twins(self, measure: str) -> tuple[tuple[str, str, Literal["dotted", "solid"]], ...]:
        """Return the keys of a measure for training and validation, what they are called, and their line styles."""
        if measure.startswith("val_"):
            return ((measure, "validation", "solid"),)
        return ((measure, "training", "dotted"), (f"val_{measure}", "validation", "solid"))

    def kept(self, measure: str) -> tuple[int, float] | None:
        """Return the epoch (from 1) whose weights were kept, and the validation measure there."""
        key = self.twins(measure)[-1][0]
        value = None if self.best is None else _number(self.epochs[self.best], key)
        return None if value is None or self.best is None else (self.best + 1, value)


def find_runs(folder: Path) -> list[Path]:
    """Return the run folders in a folder, the newest first."""
    try:
        inside = list(folder.iterdir())
    except OSError:
        return []
    runs = [path for path in inside if _is_run(path)]
    return sorted(runs, key=_changed, reverse=True)


def read_history(folder: Path) -> History:
    """Read a run's folder, at whatever moment.

    A last line that is still being written is left out, and so is a line that was damaged.

    Raises
    ------
    RunError
        If it is no run.
    """
    Run(folder)
    events, damaged = _events(folder / EVENTS)
    epochs = tuple(e for e in events if e.get("event") == "epoch")
    ended = {e["event"] for e in events[-1:] if e.get("event") in ("finished", "stopped")}
    quiet = time.time() - _changed(folder) > _QUIET_S
    state = next(iter(ended), "silent" if quiet else "running")
    return History(
        name=folder.name,
        epochs=epochs,
        best=_best(epochs),
        fine_tuned_from=_first_fine_tuned(epochs),
        state=state,
        doing="" if ended else _doing(events),
        damaged=damaged,
    )


def history_on_card(card: Mapping[str, Any], *, name: str) -> History:
    """Return what a checkpoint's card tells about its training; the epochs of phase 1 are not on it."""
    training = card.get("training")
    told = training if isinstance(training, Mapping) else {}
    listed, best = told.get("epochs"), told.get("best")
    epochs = tuple(e for e in listed if isinstance(e, dict)) if isinstance(listed, list) else ()
    marks = [best.get(key) for key in _MARKS] if isinstance(best, Mapping) else None
    kept = [place for place, epoch in enumerate(epochs) if [epoch.get(key) for key in _MARKS] == marks]
    return History(
        name=name,
        epochs=epochs,
        best=kept[-1] if kept else None,
        fine_tuned_from=_first_fine_tuned(epochs),
        state="finished",
    )


def _is_run(path: Path) -> bool:
    try:
        return (path / CONFIG).is_file()
    except OSError:
        return False


def _events(log: Path) -> tuple[list[dict[str, Any]], int]:
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return [], 0
    found, damaged = [], 0
    for line in lines[:-1]:
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            event = None
        if isinstance(event, dict):
            found.append(event)
        elif line.strip():
            damaged += 1
    return found, damaged


def _best(epochs: Sequence[Mapping[str, Any]]) -> int | None:
    kept = [place for place, epoch in enumerate(epochs) if epoch.get("best")]
    return kept[-1] if kept else None


def _first_fine_tuned(epochs: Sequence[Mapping[str, Any]]) -> int | None:
    return next((place for place, epoch in enumerate(epochs) if (_number(epoch, "phase") or 1) > 1), None)


def _doing(events: Sequence[Mapping[str, Any]]) -> str:
    steps = [e for e in events[-_STEPS_SHOWN:] if e.get("event") == "step" and _number(e, "loss") is not None]
    if not steps:
        return "reading films" if events else "starting"
    last = steps[-1]
    mean = sum(_number(e, "loss") or 0.0 for e in steps) / len(steps)
    return f"phase {last.get('phase')}, epoch {last.get('epoch')}, step {last.get('step')}, loss {mean:.3f}"


def _number(event: Mapping[str, Any], key: str) -> float | None:
    value = event.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _changed(folder: Path) -> float:
    for name in (EVENTS, CONFIG):
        try:
            return (folder / name).stat().st_mtime
        except OSError:
            continue
    return 0.0
