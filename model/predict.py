"""Read films from the command line, one JSON line each.

    python -m model.predict film.png
    python -m model.predict folder-of-films --json results.jsonl

A folder is searched with all its subfolders, in alphabetical order; hidden files and folders are left out. A line
holds ``path``,``sha256``, ``probability`` (of pneumonia, 0..1), ``verdict``, ``threshold``, ``milliseconds``
(reading and predicting) and, for a film on which nothing should be trusted, ``doubt``; or it has ``path`` and
``error``. The exit status is 1 if any film failed.

Not for clinical use.
"""

import argparse
import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TextIO

from model.cache import atomic_path
from model.errors import PneumoscopeError
from model.images import Radiograph, read_radiograph

if TYPE_CHECKING:
    from model.predictor import Prediction

Line = dict[str, str | float]
"""What one line of output says."""


class Reader(Protocol):
    """Whatever predicts; `model.predictor.Predictor` does."""

    def predict(self, film: Radiograph) -> "Prediction":
        """Return the prediction for one film."""


def main(arguments: Sequence[str] | None = None, *, load: Callable[[Path | None], Reader] | None = None) -> int:
    """Print one JSON line per film.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command line without the program's name; that of the process by default.
    load : callable, optional
        Makes the network from the folder of a checkpoint, or from None for the shipped one.

    Returns
    -------
    int
        0 if every film was read, 1 if any failed, 130 after Ctrl-C.
    """
    options = _parser().parse_args(arguments)
    try:
        with _lines_file(options.json) as copy:
            reader = (load or _load)(options.checkpoint)
            return int(_print_lines(options.paths, reader=reader, copy=copy))
    except PneumoscopeError as error:
        print(error, file=sys.stderr)
    except BrokenPipeError:
        # Whoever read our output has gone, as `head` does; keep Python from complaining about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        print(f"{options.json} cannot be written ({error.strerror or error}).", file=sys.stderr)
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130
    return 1


def find_films(paths: Sequence[Path]) -> Iterator[tuple[Path, str | None]]:
    """List the files to read.

    Parameters
    ----------
    paths : sequence of Path
        Files, taken as they are, and folders, searched to the bottom in alphabetical order without hidden files
        and folders and without following links to folders.

    Yields
    ------
    tuple of (Path, str or None)
        A file and None, or a path that leads nowhere and the sentence that says why.
    """
    for path in paths:
        if path.is_dir():
            found = False
            for film in _walk(path):
                found = True
                yield film
            if not found:
                yield path, "This folder holds no files."
        elif path.is_file():
            yield path, None
        elif path.exists():
            yield path, "This is neither a file nor a folder."
        else:
            yield path, "There is no such file or folder."


def _walk(folder: Path) -> Iterator[tuple[Path, str | None]]:
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        yield folder, f"This folder cannot be read ({error.strerror or error})."
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            if not entry.is_symlink():
                yield from _walk(entry)
        elif entry.is_file():
            yield entry, None
        elif entry.is_symlink():
            yield entry, "This link leads nowhere."


def _print_lines(paths: Sequence[Path], *, reader: Reader, copy: TextIO | None) -> bool:
    failed = False
    for path, problem in find_films(paths):
        line: Line = {"path": str(path), "error": problem} if problem else _line(path, reader=reader)
        failed = failed or "error" in line
        encoded = json.dumps(line)
        print(encoded, flush=True)
        if copy is not None:
            copy.write(encoded + "\n")
    return failed


def _line(path: Path, *, reader: Reader) -> Line:
    begun = time.perf_counter()
    try:
        film = read_radiograph(path)
        prediction = reader.predict(film)
    except PneumoscopeError as error:
        return {"path": str(path), "error": str(error)}
    except OSError as error:
        return {"path": str(path), "error": f"This file cannot be read ({error.strerror or error})."}
    except MemoryError:
        return {"path": str(path), "error": "This file needs more memory than there is."}
    except Exception as error:  # One strange film must not end the reading of the others.
        return {"path": str(path), "error": f"This file could not be read ({type(error).__name__}: {error})."}
    return {
        "path": str(path),
        "sha256": film.sha256,
        "probability": round(float(prediction.probability), 6),
        "verdict": prediction.verdict,
        "threshold": float(prediction.threshold),
        "milliseconds": round(1000 * (time.perf_counter() - begun), 1),
        **({"doubt": prediction.doubt.because} if prediction.doubt is not None else {}),
    }


@contextlib.contextmanager
def _lines_file(target: Path | None) -> Iterator[TextIO | None]:
    if target is None:
        yield None
        return
    with atomic_path(target) as temporary, temporary.open("w", encoding="utf-8") as stream:
        yield stream


def _load(folder: Path | None) -> Reader:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from model.checkpoint import load_checkpoint
    from model.classifier import Classifier
    from model.predictor import Predictor

    return Predictor(Classifier.of(load_checkpoint(folder))) if folder is not None else Predictor.shipped()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m model.predict",
        description="Read chest X-rays and print one JSON line each. Not for clinical use.",
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a film, or a folder of films")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the lines to FILE, whole or not at all")
    parser.add_argument("--checkpoint", type=Path, metavar="FOLDER", help="another network than the shipped one")
    return parser


if __name__ == "__main__":
    sys.exit(main())
