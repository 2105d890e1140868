"""The cache folder, and the three habits that keep it sound: hashes, atomic writes, one writer at a time."""

import contextlib
import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

_CHUNK = 1 << 20


def cache_dir() -> Path:
    """Return the folder that keeps everything fetched.

    Returns
    -------
    Path
        ``$PNEUMOSCOPE_CACHE`` where set, else ``$XDG_CACHE_HOME/pneumoscope``, else
        ``~/.cache/pneumoscope``. The folder need not exist yet.

    References
    ----------
    XDG Base Directory Specification, `XDG_CACHE_HOME`: a relative path in the variable is to be ignored.
    """
    own = os.environ.get("PNEUMOSCOPE_CACHE")
    if own:
        return Path(own).expanduser()
    xdg = os.environ.get("XDG_CACHE_HOME")
    if xdg and Path(xdg).is_absolute():
        return Path(xdg) / "pneumoscope"
    return Path.home() / ".cache" / "pneumoscope"


def file_digest(path: Path, *, algorithm: str = "sha256") -> str:
    """Return the hex digest of a file's bytes, read a piece at a time.

    Parameters
    ----------
    path : Path
        The file to read.
    algorithm : str
        A name that :func:`hashlib.new` knows.

    Returns
    -------
    str
        Lower-case hexadecimal digits.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as stream:
        while piece := stream.read(_CHUNK):
            digest.update(piece)
    return digest.hexdigest()


@contextlib.contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Give a temporary path beside `target` that becomes `target` when the block ends well.

    A reader sees the old file or the new one, never a part of it. After a kill at any moment at most a file
    named ``.NAME.*.tmp`` stays behind; :func:`sweep_temporaries` removes it.

    Parameters
    ----------
    target : Path
        Where the finished file goes; its folder is made if absent.

    Yields
    ------
    Path
        An empty file in the same folder, to be written by the caller.

    Raises
    ------
    OSError
        If the folder cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        _flush_to_disk(temporary)
        temporary.chmod(0o644)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def sweep_temporaries(folder: Path) -> None:
    """Remove what killed writers left in `folder`.

    Only call it while holding :func:`exclusive` on that folder, or a live writer may lose its file.

    Parameters
    ----------
    folder : Path
        The folder to tidy, not its subfolders.
    """
    for leftover in folder.glob(".*.tmp"):
        leftover.unlink(missing_ok=True)


@contextlib.contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Let one process at a time work in `folder`; the others wait.

    The operating system drops the lock when its holder ends, even by ``kill -9``. Where the platform has no
    ``flock`` (Windows) nothing is locked: atomic writes still keep every file whole.

    Parameters
    ----------
    folder : Path
        The folder to guard; made if absent.

    Yields
    ------
    None
        While the lock is held.

    Raises
    ------
    OSError
        If the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a") as stream:
        if sys.platform != "win32":
            import fcntl

            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _flush_to_disk(path: Path) -> None:
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())
