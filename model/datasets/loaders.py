"""How a film is read, wherever a data set keeps it: in a file of its own or inside an archive."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from model.errors import DatasetError, ImageError
from model.images import MAX_BYTES, Radiograph, read_radiograph


class Loader(Protocol):
    """What an example asks of the place its film is in."""

    def read(self, path: Path) -> Radiograph:
        """Return the film.

        Raises
        ------
        ImageError
            If it cannot be read; one sentence says why.
        """

    def stamp(self, path: Path) -> str:
        """Return a short text that changes when the film is replaced, without reading the film.

        Raises
        ------
        OSError
            If the film is gone.
        """

    def source(self, path: Path) -> str:
        """Return the whole place, with a stamp as strict as can be had without reading the film, for a cache.

        Raises
        ------
        OSError
            If the film is gone.
        """


@dataclass(frozen=True)
class FileLoader:
    """Films that are files of their own."""

    def read(self, path: Path) -> Radiograph:
        """Read a file; see `model.images.read_radiograph`."""
        return read_radiograph(path)

    def stamp(self, path: Path) -> str:
        """Return the file's size in bytes: another file of the same name and size goes unseen."""
        return str(path.stat().st_size)

    def source(self, path: Path) -> str:
        """Return path, size and time of change."""
        found = path.stat()
        return f"{path.absolute()} {found.st_size} {found.st_mtime_ns}"


@dataclass(frozen=True)
class ZipLoader:
    """Films inside a zip archive; their path begins with the archive's own.

    Attributes
    ----------
    archive : Path
        The zip file.
    """

    archive: Path

    def read(self, path: Path) -> Radiograph:
        """Read one member, whole or not at all: the archive's checksum is verified."""
        return read_radiograph(read_member(self.archive, self._member(path)))

    def stamp(self, path: Path) -> str:
        """Return the member's size and checksum, as the archive's directory lists them."""
        info = _directory(self.archive).get(self._member(path))
        if info is None:
            raise FileNotFoundError(f"{path} is no longer in its archive")
        return f"{info.file_size}-{info.CRC:08x}"

    def source(self, path: Path) -> str:
        """Return path, size and checksum."""
        return f"{path.absolute()} {self.stamp(path)}"

    def _member(self, path: Path) -> str:
        return path.relative_to(self.archive).as_posix()


FROM_FILES = FileLoader()


def members(archive: Path) -> tuple[str, ...]:
    """Return the paths of all files in a zip archive, in its order.

    Raises
    ------
    DatasetError
        If it is damaged or no zip archive.
    """
    return tuple(_directory(archive))


def read_member(archive: Path, member: str) -> bytes:
    """Return the bytes of one file in a zip archive.

    Raises
    ------
    ImageError
        If it is not there, encrypted, damaged, or larger than `model.images.MAX_BYTES`.
    """
    info = _directory(archive).get(member)
    if info is None:
        raise ImageError(f"{archive.name} holds no {member}.")
    if info.file_size >= MAX_BYTES:
        raise ImageError(
            f"{member} in {archive.name} is {info.file_size / 2**20:,.0f} MB unpacked; "
            f"films have to be smaller than {MAX_BYTES // 2**20} MB."
        )
    try:
        return _opened(*_identity(archive)).read(info)
    except (OSError, RuntimeError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise ImageError(f"{member} in {archive.name} is damaged or locked; download the archive again.") from error


def _directory(archive: Path) -> dict[str, zipfile.ZipInfo]:
    try:
        return _listed(*_identity(archive))
    except (OSError, zipfile.BadZipFile) as error:
        raise DatasetError(f"{archive} is no whole zip archive ({error}); download it again.") from error


def _identity(archive: Path) -> tuple[Path, int, int]:
    found = archive.stat()
    return archive, found.st_size, found.st_mtime_ns


@lru_cache(maxsize=2)
def _opened(archive: Path, size: int, changed: int) -> zipfile.ZipFile:
    return zipfile.ZipFile(archive)


@lru_cache(maxsize=2)
def _listed(archive: Path, size: int, changed: int) -> dict[str, zipfile.ZipInfo]:
    return {info.filename: info for info in _opened(archive, size, changed).infolist() if not info.is_dir()}
