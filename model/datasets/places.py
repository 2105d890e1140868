"""Where a data set lies: a folder, a zip archive, or a folder that holds the archive as it was downloaded."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from model.datasets.loaders import FROM_FILES, Loader, ZipLoader, members, read_member
from model.errors import DatasetError, ImageError


@dataclass(frozen=True)
class Place:
    """A folder or a zip archive.

    Attributes
    ----------
    root : Path
        The folder or the archive.
    prefix : str
        The folder inside an archive that everything is in, with a slash at its end; empty for none.
    """

    root: Path
    prefix: str = ""

    @property
    def loader(self) -> Loader:
        """How its films are read."""
        return FROM_FILES if self.root.is_dir() else ZipLoader(self.root)

    def holds(self, name: str) -> bool:
        """Tell whether there is such a file."""
        return (self.root / name).is_file() if self.root.is_dir() else self.prefix + name in members(self.root)

    def text(self, name: str) -> str:
        """Return a file's text, without a byte order mark.

        Raises
        ------
        DatasetError
            If it cannot be read or is no UTF-8 text.
        """
        try:
            path = self.root / name
            data = path.read_bytes() if self.root.is_dir() else read_member(self.root, self.prefix + name)
            return data.decode("utf-8-sig")
        except (OSError, ImageError) as error:
            raise DatasetError(f"{name} in {self.root} cannot be read ({error}); download it again.") from error
        except UnicodeDecodeError as error:
            raise DatasetError(f"{name} in {self.root} is no UTF-8 text; download it again.") from error

    def films(self, folder: str, *suffixes: str) -> dict[str, Path]:
        """Return the path of every film straight in a folder, by its file name.

        Parameters
        ----------
        folder : str
            Relative to the place; "" for the place itself. A star stands for any part of a name.
        *suffixes : str
            Lower-case endings, such as ".dcm".

        Returns
        -------
        dict from str to Path
            Hidden files are left out; empty if there is no such folder.
        """
        if self.root.is_dir():
            folders = sorted(self.root.glob(folder)) if folder else [self.root]
            found = [p for inside in folders if inside.is_dir() for p in inside.iterdir()]
        else:
            homes = ((PurePosixPath(m).parent, m) for m in members(self.root))
            pattern = (self.prefix + folder).rstrip("/") or "."
            found = [self.root / m for home, m in homes if fnmatchcase(home.as_posix(), pattern)]
        return {p.name: p for p in found if _is_film(p, suffixes)}

    def films_below(self, folders: Sequence[str], *suffixes: str) -> dict[str, Path]:
        """Return the path of every film anywhere below some folders, by its path relative to the place.

        Parameters
        ----------
        folders : sequence of str
            Relative to the place.
        *suffixes : str
            Lower-case endings, such as ".jpg".

        Returns
        -------
        dict from str to Path
            Hidden files are left out; folders that are not there hold nothing.
        """
        if self.root.is_dir():
            top = self.root
            walks = (os.walk(top / folder, followlinks=True) for folder in folders)
            found = [Path(home, name) for walk in walks for home, _, names in walk for name in names]
        else:
            top = self.root / self.prefix
            starts = tuple(f"{self.prefix}{folder}/" for folder in folders)
            found = [self.root / m for m in members(self.root) if m.startswith(starts)]
        return {p.relative_to(top).as_posix(): p for p in found if _is_film(p, suffixes)}


def _is_film(path: Path, suffixes: Sequence[str]) -> bool:
    return path.suffix.lower() in suffixes and not path.name.startswith(".")


def find_place(where: Path, marker: str) -> Place:
    """Find the folder or archive that holds a certain file.

    Parameters
    ----------
    where : Path
        The folder with that file, an archive with it, or a folder with such an archive.
    marker : str
        The file's name.

    Returns
    -------
    Place
        Inside an archive the file may be in a folder of its own, which becomes the prefix.

    Raises
    ------
    DatasetError
        If it is in none of them; the sentence says where was looked.
    """
    if not where.exists():
        raise DatasetError(f"There is no {where}; give the folder or the zip archive that holds {marker}.")
    if (where / marker).is_file():
        return Place(where)
    archives = [where] if where.is_file() else sorted(where.glob("*.zip"))
    for archive in archives:
        found = [m for m in members(archive) if m == marker or m.endswith(f"/{marker}")]
        if found:
            shortest = min(found, key=len)
            return Place(archive, shortest.removesuffix(marker))
    looked = f", nor do its {len(archives)} zip archive(s)" if archives and where.is_dir() else ""
    raise DatasetError(f"{where} does not hold {marker}{looked}; give the folder it was unpacked to.")
