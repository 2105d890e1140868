"""A training run on disk: one folder with its config, its event log and its checkpoints.

Nothing in the folder is ever half written: arrays go to a temporary file that replaces the old one, and an
event line cut by a kill is dropped when the run is opened again.
"""

from __future__ import annotations

import errno
import json
import os
import platform
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.cache import atomic_path, sweep_temporaries
from model.errors import RunError

CONFIG = "config.json"
EVENTS = "events.jsonl"
STATE = "state.npz"
BEST = "best.npz"
LOCK = ".lock"

_META = "__meta__"
_LIBRARIES = ("tensorflow", "keras", "numpy", "opencv-python", "scikit-learn", "pydicom", "pillow")


class Run:
    """One run folder.

    Parameters
    ----------
    folder : Path
        An existing run; make a new one with `Run.create`.

    Raises
    ------
    RunError
        If the folder holds no readable config.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            self.config: dict[str, Any] = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise self._not_a_run() from error
        if not isinstance(self.config, dict):
            raise self._not_a_run()

    def _not_a_run(self) -> RunError:
        return RunError(
            f"{self.folder} is not a training run ({CONFIG} is missing or unreadable); "
            "give the folder that train.py printed when it started."
        )

    @classmethod
    def create(cls, folder: Path, config: Mapping[str, Any]) -> Run:
        """Make a new run folder with its config, library versions and git revision.

        Raises
        ------
        RunError
            If the folder exists and is not empty, or cannot be written.
        """
        if folder.exists() and not folder.is_dir():
            raise RunError(f"{folder} is a file, a run needs a folder; choose another --run.")
        if folder.exists() and any(folder.iterdir()):
            raise RunError(
                f"{folder} is not empty; choose another --run folder, or continue it with --resume {folder}."
            )
        record = {**config, "environment": environment()}
        with writing(folder / CONFIG), atomic_path(folder / CONFIG) as temporary:
            temporary.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        return cls(folder)

    def amend(self, changes: Mapping[str, Any]) -> None:
        """Change entries of the config, atomically."""
        record = {**self.config, **changes}
        with writing(self.folder / CONFIG), atomic_path(self.folder / CONFIG) as temporary:
            temporary.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        self.config = record

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep the folder to this process; the lock goes with its holder, even by ``kill -9``.

        Raises
        ------
        RunError
            If another process is training this run.
        """
        with writing(self.folder / LOCK):
            stream = (self.folder / LOCK).open("a")
        with stream:
            if sys.platform != "win32":
                import fcntl

                try:
                    fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as error:
                    raise RunError(f"Another train.py is at work on {self.folder}; wait for it or stop it.") from error
            yield

    def log(self, kind: str, **values: Any) -> None:
        """Append one event, a JSON object with "event" and "time" (UTC, ISO 8601)."""
        event = {"event": kind, "time": datetime.now(UTC).isoformat(timespec="milliseconds"), **values}
        with writing(self.folder / EVENTS), (self.folder / EVENTS).open("a", encoding="utf-8") as log:
            log.write(json.dumps(event) + "\n")

    def events(self) -> list[dict[str, Any]]:
        """Return all whole events; a last line that is still being written is left out."""
        path = self.folder / EVENTS
        if not path.exists():
            return []
        lines = path.read_text(encoding="utf-8").split("\n")
        return [json.loads(line) for line in lines[:-1] if line]

    def save_state(self, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> None:
        """Write the state to resume from, atomically, with the length of the event log at this moment."""
        log = self.folder / EVENTS
        length = log.stat().st_size if log.exists() else 0
        if length:
            with writing(log), log.open("rb+") as written:
                os.fsync(written.fileno())
        self._save(STATE, arrays, {**meta, "events_bytes": length})

    def load_state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]] | None:
        """Return the saved state and cut the event log back to it, or None where no state was saved yet."""
        sweep_temporaries(self.folder)
        if not (self.folder / STATE).exists():
            self._cut_events(0)
            return None
        arrays, meta = self._load(STATE)
        self._cut_events(int(meta["events_bytes"]))
        return arrays, meta

    def peek_progress(self) -> dict[str, Any] | None:
        """Return where the saved state is, changing nothing, or None where no state was saved yet."""
        return self._load(STATE)[1]["progress"] if (self.folder / STATE).exists() else None

    def save_best(self, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> None:
        """Write the best weights so far, atomically."""
        self._save(BEST, arrays, meta)

    def load_best(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Return the best weights so far.

        Raises
        ------
        RunError
            If the run has none yet.
        """
        if not (self.folder / BEST).exists():
            raise RunError(f"{self.folder} holds no trained weights yet; continue it with --resume {self.folder}.")
        return self._load(BEST)

    def _save(self, name: str, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> None:
        packed = np.frombuffer(json.dumps(dict(meta)).encode(), dtype=np.uint8)
        payload: dict[str, Any] = {**arrays, _META: packed}
        with (
            writing(self.folder / name),
            atomic_path(self.folder / name) as temporary,
            temporary.open("wb") as stream,
        ):
            np.savez(stream, **payload)

    def _load(self, name: str) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        try:
            with (self.folder / name).open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
                arrays = {key: stored[key] for key in stored.files}
            meta = json.loads(arrays.pop(_META).tobytes())
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise RunError(
                f"{self.folder / name} cannot be read ({type(error).__name__}); "
                "the file was damaged after it was written, start a new run."
            ) from error
        return arrays, meta

    def _cut_events(self, length: int) -> None:
        path = self.folder / EVENTS
        if path.exists() and path.stat().st_size > length:
            with path.open("r+b") as log:
                log.truncate(length)


def environment() -> dict[str, Any]:
    """Return what a later reader needs to repeat the run: library versions, Python, machine, git revision."""
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "libraries": {name: version(name) for name in _LIBRARIES},
        "git": git_revision(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def git_revision() -> str:
    """Return the project's commit, with "+changes" where the tree differs from it, or "unknown"."""
    root = Path(__file__).resolve().parent
    try:
        answers = [
            subprocess.run(["git", *command], cwd=root, capture_output=True, text=True, timeout=10, check=True).stdout
            for command in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        ]
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return answers[0].strip() + ("+changes" if answers[1].strip() else "")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a failed write inside the block into a sentence that names `path` and says how to go on.

    Raises
    ------
    RunError
        In place of an OSError, a full disk among them.
    """
    try:
        yield
    except OSError as error:
        why = "the disk is full" if error.errno == errno.ENOSPC else error.strerror or str(error)
        raise RunError(
            f"{path} could not be written: {why}; what was saved before is whole, "
            f"make room and continue with --resume {path.parent}."
        ) from error
