"""Any file -> `Radiograph`: gray pixels in 0..1 and nothing that identifies a person."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from model.decoding import MAX_BYTES, MAX_PIXELS, MIN_SIDE, DecodedFilm, quiet_decoders
from model.dicom import decode_dicom
from model.errors import ImageError
from model.formats import detect_format
from model.raster import decode_raster

__all__ = ["MAX_BYTES", "MAX_PIXELS", "MIN_SIDE", "Radiograph", "read_radiograph"]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Radiograph:
    """One film, ready to be shown and preprocessed; nothing in it can be changed.

    Attributes
    ----------
    pixels : ndarray of float32, shape (height, width)
        Brightness in 0..1, C-contiguous and read-only; 0 is black on the display, after orientation.
    original_size : tuple of int
        (height, width) as stored in the file, before the EXIF orientation was applied.
    format : str
        "DICOM", "PNG", "JPEG", "BMP", "TIFF" or "WEBP".
    metadata : Mapping from str to str or float
        Read-only. At most "View position", "Sex", "Age", "Modality", "Body part" and "Pixel spacing (mm)".
    sha256 : str
        Hexadecimal SHA-256 of the file's bytes.
    notes : tuple of str
        Sentences for the reader, about what was chosen on the way.
    colored : float
        Share of the picture that was clearly colored before it became gray, 0..1.
    """

    pixels: NDArray[np.float32]
    original_size: tuple[int, int]
    format: str
    metadata: Mapping[str, str | float] = field(default_factory=dict)
    sha256: str
    notes: tuple[str, ...] = ()
    colored: float = 0.0

    def __post_init__(self) -> None:
        """Freeze what the constructor was given."""
        object.__setattr__(self, "pixels", _frozen(self.pixels))
        object.__setattr__(self, "metadata", MappingProxyType(dict(self.metadata)))
        object.__setattr__(self, "notes", tuple(self.notes))

    def __repr__(self) -> str:
        """Name the film without its pixels or metadata, so that a log line gives nothing away."""
        height, width = self.pixels.shape
        return f"<Radiograph {self.format} {width} x {height} sha256 {self.sha256[:12]}>"

    def __reduce__(self) -> tuple[Callable[..., Radiograph], tuple[object, ...]]:
        """Pickle and copy through the constructor, which freezes the pixels again."""
        return _rebuild, (
            np.array(self.pixels),
            self.original_size,
            self.format,
            dict(self.metadata),
            self.sha256,
            self.notes,
            self.colored,
        )


def read_radiograph(source: bytes | Path | str) -> Radiograph:
    """Read one film from a file or from a file's bytes.

    The format is told by the bytes, never by the name. Gray is scaled by the full range of its bit
    depth, color becomes ITU-R BT.601 luma, transparency is composited over black, ICC profiles and gamma
    are ignored; see `model.dicom` for what is done to a DICOM. Of several frames or pages only the first
    one is decoded.

    Parameters
    ----------
    source : bytes, Path or str
        The whole file, or where it lies.

    Returns
    -------
    Radiograph
        Independent of `source`: no reference to the file's bytes is kept.

    Raises
    ------
    ImageError
        If there is no such file, or it is none of the formats, damaged, too large, too small, or of one
        single shade. The text is one sentence for a person.
    """
    data = _read_bytes(source)
    name = detect_format(data)
    try:
        with quiet_decoders():
            film = decode_dicom(data) if name == "DICOM" else decode_raster(data, name=name)
    except MemoryError as error:
        raise ImageError("This picture needs more memory than there is; export it at a smaller size.") from error
    _refuse_constant(film)
    return Radiograph(
        pixels=film.pixels,
        original_size=film.original_size,
        format=name,
        metadata=film.metadata,
        sha256=hashlib.sha256(data).hexdigest(),
        notes=film.notes,
        colored=film.colored,
    )


def _read_bytes(source: bytes | Path | str) -> bytes:
    if isinstance(source, (bytes, bytearray, memoryview)):
        _refuse_large(source.nbytes if isinstance(source, memoryview) else len(source))
        return bytes(source)
    path = Path(source)
    try:
        if not path.is_file():
            what = "a folder" if path.is_dir() else "no file"
            raise ImageError(f"There is {what} at this path, but one film is expected; check the path.")
        _refuse_large(path.stat().st_size)
        with path.open("rb") as file:
            data = file.read(MAX_BYTES)
    except (OSError, ValueError) as error:
        raise ImageError("This file cannot be opened; check its path and whether it may be read.") from error
    _refuse_large(len(data))
    return data


def _refuse_large(size: int) -> None:
    if size >= MAX_BYTES:
        raise ImageError(
            f"This file has {size / 1024**2:,.0f} MB, but only files under {MAX_BYTES // 1024**2} MB "
            "are read; export the film at a smaller size."
        )


def _refuse_constant(film: DecodedFilm) -> None:
    if film.pixels.min() == film.pixels.max():
        raise ImageError(
            "This picture is blank (every pixel has the same shade), so there is no film to read in it; "
            "choose another file."
        )


def _frozen(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    if pixels.ndim != 2 or pixels.dtype != np.float32:
        raise ValueError(f"pixels must be a (height, width) array of float32, got {pixels.shape} {pixels.dtype}")
    # An array over `bytes` can never be made writeable again, whatever flags are set.
    return np.frombuffer(pixels.tobytes(), dtype=np.float32).reshape(pixels.shape)


def _rebuild(
    pixels: NDArray[np.float32],
    original_size: tuple[int, int],
    name: str,
    metadata: Mapping[str, str | float],
    sha256: str,
    notes: tuple[str, ...],
    colored: float,
) -> Radiograph:
    return Radiograph(
        pixels=pixels,
        original_size=original_size,
        format=name,
        metadata=metadata,
        sha256=sha256,
        notes=notes,
        colored=colored,
    )
