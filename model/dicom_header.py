"""Bytes of a DICOM file -> a data set of only the elements that are needed, in bounded memory."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO

from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filereader import read_dataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from model.decoding import MAX_BYTES
from model.errors import ImageError
from model.scrub import SHOWN_TAGS

_PICTURE_TAGS = (
    0x00280002,  # Samples per Pixel
    0x00280004,  # Photometric Interpretation
    0x00280006,  # Planar Configuration
    0x00280008,  # Number of Frames
    0x00280010,  # Rows
    0x00280011,  # Columns
    0x00280100,  # Bits Allocated
    0x00280101,  # Bits Stored
    0x00280102,  # High Bit
    0x00280103,  # Pixel Representation
    0x00280120,  # Pixel Padding Value
    0x00280121,  # Pixel Padding Range Limit
    0x00281050,  # Window Center
    0x00281051,  # Window Width
    0x00281052,  # Rescale Intercept
    0x00281053,  # Rescale Slope
    0x00281056,  # VOI LUT Function
    0x00281101,  # Red, Green, Blue Palette Color Lookup Table Descriptor and Data, plain and segmented
    0x00281102,
    0x00281103,
    0x00281201,
    0x00281202,
    0x00281203,
    0x00281221,
    0x00281222,
    0x00281223,
    0x00283000,  # Modality LUT Sequence
    0x00283010,  # VOI LUT Sequence
    0x20500020,  # Presentation LUT Shape
    0x7FE00001,  # Extended Offset Table and its lengths
    0x7FE00002,
    0x7FE00008,  # Float Pixel Data
    0x7FE00009,  # Double Float Pixel Data
    0x7FE00010,  # Pixel Data
)
_SEQUENCES = (0x00283000, 0x00283010)
_MAX_SEQUENCE_BYTES = 4 * 1024 * 1024
_MAX_READS = 300_000
_MAX_FRAGMENTS = 200_000
_PIXEL_DATA_MARKS = (b"\xe0\x7f\x10\x00", b"\x7f\xe0\x00\x10")
DAMAGED = "This DICOM is damaged or cut off and cannot be read; export or download it again."


def read_header(data: bytes) -> Dataset:
    """Parse a DICOM file, with or without preamble, as far as a picture needs it.

    Elements that are not needed, private ones and names among them, are skipped and never become values.

    Parameters
    ----------
    data : bytes
        The whole file.

    Returns
    -------
    Dataset
        The elements of `SHOWN_TAGS` and those that describe or hold the picture, with
        `file_meta.TransferSyntaxUID` set; an inflated data set counts as Explicit VR Little Endian.

    Raises
    ------
    ImageError
        If the file is cut off, or far larger or more nested than a film once unpacked.
    Exception
        Whatever the parser raises on damaged data; its text may quote values of the file.
    """
    body, syntax = _file_meta(data)
    if syntax == DeflatedExplicitVRLittleEndian:
        data = _inflated(data[body:])
        dataset, syntax = _parse_explicit(data), ExplicitVRLittleEndian
    else:
        dataset = dcmread(_BoundedReader(data), force=True, specific_tags=[*SHOWN_TAGS, *_PICTURE_TAGS])
        syntax = syntax or _guessed_syntax(dataset)
    if 0x7FE00010 not in dataset and any(mark in data for mark in _PIXEL_DATA_MARKS):
        raise ImageError(DAMAGED)
    _check_amounts(dataset)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    return dataset


class _BoundedReader(BytesIO):
    """A file that gives up after so many reads: each element of a data set takes at least one."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._reads_left = _MAX_READS

    def read(self, size: int | None = -1, /) -> bytes:
        self._reads_left -= 1
        if self._reads_left < 0:
            raise ImageError("This DICOM has more elements than any film; export the film alone.")
        return super().read(size)


def _file_meta(data: bytes) -> tuple[int, UID | None]:
    """Where the data set begins, and the transfer syntax the file states for it (PS3.10, 7.1)."""
    position = 132 if data[128:132] == b"DICM" else 0
    syntax = None
    while data[position : position + 2] == b"\x02\x00" and position + 12 <= len(data):
        element, kind, length = struct.unpack_from("<H2sH", data, position + 2)
        start = position + 8
        if kind in (b"OB", b"UN", b"OW", b"SQ", b"UT"):
            (length,) = struct.unpack_from("<I", data, position + 8)
            start = position + 12
        if element == 0x0010:
            syntax = UID(data[start : start + length].decode("latin-1").rstrip("\0 "))
        position = start + length
    return position, syntax


def _inflated(packed: bytes) -> bytes:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    unpacked = inflater.decompress(packed, MAX_BYTES)
    if not inflater.eof:
        if len(unpacked) < MAX_BYTES:
            raise ImageError(DAMAGED)
        raise ImageError(
            f"This deflated DICOM unpacks to more than {MAX_BYTES // 1024**2} MB, which is more than is "
            "read; export the film alone."
        )
    return unpacked


def _parse_explicit(body: bytes) -> Dataset:
    tags = [*SHOWN_TAGS, *_PICTURE_TAGS]
    return read_dataset(_BoundedReader(body), False, True, specific_tags=tags)


def _guessed_syntax(dataset: Dataset) -> UID:
    implicit, little = dataset.original_encoding
    if implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if little else ExplicitVRBigEndian


def _check_amounts(dataset: Dataset) -> None:
    for tag in _SEQUENCES:
        value = getattr(dataset.get_item(tag), "value", None) if tag in dataset else None
        if isinstance(value, bytes) and len(value) > _MAX_SEQUENCE_BYTES:
            raise ImageError("This DICOM's lookup tables are larger than any film's; export it again.")
    pixels = dataset.get("PixelData")
    if isinstance(pixels, bytes) and pixels.count(b"\xfe\xff\x00\xe0") > _MAX_FRAGMENTS:
        raise ImageError("This DICOM's pixels come in more pieces than any film's; export the first frame alone.")
