"""Scores as they are made, one line per film, so that an evaluation that was stopped goes on where it was."""

from __future__ import annotations

import errno
import json
import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from model.cache import atomic_path
from model.errors import EvaluationError

FILE = "scores.partial.jsonl"
LOCK = ".lock"

Answer = tuple[float, str]
"""A score in 0..1, and why it should not be trusted, or nothing."""


class ScoreLog:
    """The lines of one evaluation; open it with `opened`.

    Parameters
    ----------
    path : Path
        Of the file.
    key : str
        Names network and films. Lines of another key are not gone on with.
    """

    def __init__(self, path: Path, key: str) -> None:
        self._path = path
        self.answers = _read(path, key)
        with writing(path), atomic_path(path) as temporary:
            # Written anew, so that the file ends with a whole line whatever it ended with.
            temporary.write_text(_lines([{"key": key}]) + _lines(_numbered(self.answers)), encoding="utf-8")

    def add(self, answers: Sequence[Answer]) -> None:
        """Append the answers for the next films."""
        with writing(self._path), self._path.open("a", encoding="utf-8") as stream:
            stream.write(_lines(_numbered(answers, start=len(self.answers))))
        self.answers += answers

    def remove(self) -> None:
        """Delete the file, when everything it was for is written."""
        self._path.unlink(missing_ok=True)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Make a folder and keep it to this process; the lock goes with its holder, even by ``kill -9``.

    Raises
    ------
    EvaluationError
        If another process writes there, or it cannot be written.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        stream = (folder / LOCK).open("a")
    with stream:
        if sys.platform != "win32":
            import fcntl

            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise EvaluationError(
                    f"Another evaluation is writing into {folder}; wait for it, or choose another --out."
                ) from error
        yield


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a failed write inside the block into a sentence.

    Raises
    ------
    EvaluationError
        In place of an OSError.
    """
    try:
        yield
    except OSError as error:
        why = "the disk is full" if error.errno == errno.ENOSPC else error.strerror or str(error)
        raise EvaluationError(f"{path} cannot be written: {why}; make room or choose another --out.") from error


def _read(path: Path, key: str) -> list[Answer]:
    """Return the answers that an earlier, stopped command gave for the very same films, up to the first odd line."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
        if json.loads(lines[0]) != {"key": key}:
            return []
    except (OSError, ValueError, RecursionError):
        return []
    answers: list[Answer] = []
    # What follows the last line feed was being written when the command was stopped.
    for place, line in enumerate(lines[1:-1]):
        answer = _answer(line, place)
        if answer is None:
            break
        answers.append(answer)
    return answers


def _answer(line: str, place: int) -> Answer | None:
    try:
        number, score, kind = json.loads(line)
    except (ValueError, TypeError, RecursionError):
        return None
    is_score = isinstance(score, float | int) and math.isfinite(score) and 0 <= score <= 1
    return (float(score), kind) if number == place and is_score and isinstance(kind, str) else None


def _numbered(answers: Sequence[Answer], *, start: int = 0) -> list[list[float | int | str]]:
    return [[number, score, kind] for number, (score, kind) in enumerate(answers, start=start)]


def _lines(values: Sequence[object]) -> str:
    return "".join(json.dumps(value) + "\n" for value in values)
