"""PneumoniaMNIST: one ``.npz`` of 28, 64, 128 or 224 pixels, fetched from its own address where it is not there."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from model.datasets.base import Dataset, Example, Split
from model.datasets.kinds import Kind, Option
from model.datasets.splits import split_by_patient
from model.download import download
from model.errors import ArtifactError, DatasetError, ImageError
from model.images import Radiograph

ADDRESS = "https://zenodo.org/records/10519652/files/"
MD5 = {
    "224": "d6a3c71de1b945ea11211b03746c1fe1",
    "128": "05b46931834c231683c68f40c47b2971",
    "64": "8f4eceb4ccffa70c672198ea285246c6",
    "28": "28209eda62fecd6e6a2d98b1501bb15f",
}
SPLITS: tuple[Split, ...] = ("train", "val", "test")

_MOST_BYTES = 600_000_000
_LIKE = "NAME_images of uint8, shape (n, size, size), and NAME_labels of 0 and 1, for NAME train, val and test"


@dataclass(frozen=True)
class ArrayLoader:
    """Films that are rows of the arrays in an ``.npz``: ``FILE/train/12``.

    Attributes
    ----------
    file : Path
        The ``.npz``.
    """

    file: Path

    def read(self, path: Path) -> Radiograph:
        """Return one row as a film.

        Raises
        ------
        ImageError
            If the file or the row is not there.
        """
        try:
            images, _ = _arrays(*_identity(self.file))[path.parent.name]
            gray = images[int(path.name)]
        except (DatasetError, OSError, KeyError, ValueError, IndexError) as error:
            raise ImageError(f"{path.name} of {path.parent.name} cannot be read from {self.file.name}.") from error
        return Radiograph(
            pixels=gray.astype(np.float32) / np.float32(255),
            original_size=(gray.shape[0], gray.shape[1]),
            format="NPZ",
            sha256=hashlib.sha256(gray.tobytes()).hexdigest(),
        )

    def stamp(self, path: Path) -> str:
        """Return the size of the whole file in bytes."""
        return str(self.file.stat().st_size)

    def source(self, path: Path) -> str:
        """Return the row, and the file's size and time of change."""
        found = self.file.stat()
        return f"{path.absolute()} {found.st_size} {found.st_mtime_ns}"


def load(
    folder: Path,
    *,
    split: Literal["official", "patient"] = "official",
    val_fraction: float = 0.10,
    test_fraction: float = 0.15,
    seed: int = 0,
    size: str = "224",
) -> Dataset:
    """List the films of PneumoniaMNIST.

    Parameters
    ----------
    folder : Path
        Holds the ``.npz``, is the ``.npz``, or is where to put it: a file that is missing is fetched from
        zenodo.org/records/10519652 and used only if its MD5 is the published one.
    split : {"official", "patient"}
        "official" keeps its own splits. "patient" divides anew, but by film: it does not say whose films are whose.
    val_fraction, test_fraction : float
        Shares of the films, for a division made here.
    seed : int
        Seeds that division.
    size : {"224", "128", "64", "28"}
        Side of the films in pixels.

    Returns
    -------
    Dataset
        Children's films of Kermany's set, cropped to their middle square.

    Raises
    ------
    DatasetError
        If the file is not there and cannot be fetched (the sentence says which file to put where), or is none of
        PneumoniaMNIST's.

    References
    ----------
    Yang et al. (2023), Scientific Data 10:41, doi:10.1038/s41597-022-01721-8.
    """
    file = _file(folder, size)
    try:
        arrays = _arrays(*_identity(file))
    except OSError as error:
        raise DatasetError(f"{file} cannot be read ({error}).") from error
    loader = ArrayLoader(file)
    examples = [
        Example(path=file / name / str(row), label=int(label), patient=f"{name}-{row}", split=name, loader=loader)
        for name in SPLITS
        for row, label in enumerate(arrays[name][1])
    ]
    if split == "patient":
        examples = list(split_by_patient(examples, val_fraction=val_fraction, test_fraction=test_fraction, seed=seed))
    return Dataset(
        name="pneumoniamnist",
        source=f"MedMNIST v2, {file.name}, doi:10.5281/zenodo.10519652",
        licence="CC BY 4.0",
        citation="Yang et al.: MedMNIST v2, Scientific Data 10 (2023); films: Kermany et al., Cell 172 (2018)",
        population="children aged 1 to 5, one hospital in Guangzhou, frontal films of "
        f"{arrays['train'][0].shape[1]} px",
        not_meant_for=(
            "adults: it was trained on children aged one to five",
            "Kermany's films as an outside test: they are the same",
        ),
        examples=tuple(sorted(examples, key=lambda e: e.path)),
        notes=("the source does not say which films are of one child: every film counts as a patient of its own",),
    )


def _file(folder: Path, size: str) -> Path:
    name = "pneumoniamnist.npz" if size == "28" else f"pneumoniamnist_{size}.npz"
    if folder.is_file():
        return folder
    file = folder / name
    if file.is_file():
        return file
    try:
        return download(ADDRESS + name, file, digest=MD5[size], algorithm="md5", max_bytes=_MOST_BYTES)
    except ArtifactError as error:
        raise DatasetError(
            f"{name} is not in {folder} and could not be fetched ({error}) Put the file there by hand; it is on "
            f"{ADDRESS}{name}."
        ) from error
    except OSError as error:
        raise DatasetError(f"{name} cannot be put into {folder} ({error.strerror or error}).") from error


def _identity(file: Path) -> tuple[Path, int, int]:
    found = file.stat()
    return file, found.st_size, found.st_mtime_ns


@lru_cache(maxsize=1)
def _arrays(file: Path, size: int, changed: int) -> dict[str, tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            return {name: _checked(stored[f"{name}_images"], stored[f"{name}_labels"]) for name in SPLITS}
    except (KeyError, ValueError, EOFError, TypeError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        raise DatasetError(f"{file} is no PneumoniaMNIST ({error}); expected {_LIKE}.") from error


def _checked(images: NDArray[Any], labels: NDArray[Any]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    labels = labels.reshape(-1)
    square = images.ndim == 3 and images.shape[1] == images.shape[2] and images.dtype == np.uint8
    if not square or len(images) != len(labels) or not _binary(labels.tolist()):
        raise ValueError(f"images of {images.dtype}, shape {images.shape}, with {len(labels)} labels")
    return images, labels.astype(np.uint8)


def _binary(labels: Iterable[Any]) -> bool:
    return set(labels) <= {0, 1}


DATASET = Kind(
    name="pneumoniamnist",
    about="PneumoniaMNIST: its .npz, fetched where it is not there",
    load=load,
    options={"size": Option(about="side of the films in pixels", choices=("224", "128", "64", "28"))},
)
