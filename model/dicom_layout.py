"""What a DICOM header says about its pixels, checked before any of them is decoded."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.uid import (
    JPEG2000,
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEG2000TransferSyntaxes,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from model.decoding import check_size
from model.dicom_values import text, whole
from model.errors import ImageError

NATIVE_SYNTAXES = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian)
_JPEG = (
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
)
_SUPPORTED = frozenset((*NATIVE_SYNTAXES, *_JPEG, JPEG2000, JPEG2000Lossless, RLELossless))
_MONOCHROME = ("MONOCHROME1", "MONOCHROME2")
_JPEG2000_COLOR = ("YBR_ICT", "YBR_RCT")
_COLOR = ("RGB", "YBR_FULL", "YBR_FULL_422", *_JPEG2000_COLOR)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How a DICOM lays out its pixels (PS3.3 C.7.6.3), checked against what can be read.

    Attributes
    ----------
    rows, columns, samples, frames : int
        Size of the picture; samples per pixel are 1 or 3.
    allocated, stored : int
        Bits per sample in the file, and how many of them mean something.
    spare_low_bits : int
        Meaningless bits below the value, where an old file keeps its value in the upper bits.
    signed : bool
        Whether samples are two's complement.
    photometric : str
        Photometric Interpretation.
    syntax : UID
        Transfer syntax.
    """

    rows: int
    columns: int
    samples: int
    frames: int
    allocated: int
    stored: int
    spare_low_bits: int
    signed: bool
    photometric: str
    syntax: UID

    @property
    def syntax_name(self) -> str:
        """The transfer syntax's name in the standard, or a word for one that is not in it."""
        known = self.syntax.is_transfer_syntax and self.syntax.name != str(self.syntax)
        return self.syntax.name if known else "an encoding that is not in the standard"


def read_layout(dataset: Dataset) -> Layout:
    """Check everything a header says about its pixels, before any of them is decoded.

    Parameters
    ----------
    dataset : Dataset
        From `model.dicom_header.read_header`.

    Returns
    -------
    Layout
        Consistent, of a supported encoding and within the limits of `model.decoding`.

    Raises
    ------
    ImageError
        If there are no pixels, or the header is incomplete, contradicts itself, or states a picture that is
        too large, too small or encoded in a way that cannot be read.
    """
    if not any(keyword in dataset for keyword in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        raise ImageError(
            "This DICOM holds no pixels (it may be a report or a directory), but a film is "
            "expected; choose the file with the picture."
        )
    allocated = whole(dataset, "BitsAllocated")
    stored = whole(dataset, "BitsStored", allocated)
    high_bit = whole(dataset, "HighBit", stored - 1)
    layout = Layout(
        rows=whole(dataset, "Rows"),
        columns=whole(dataset, "Columns"),
        samples=whole(dataset, "SamplesPerPixel", 1),
        frames=max(1, whole(dataset, "NumberOfFrames", 1)),
        allocated=allocated,
        stored=stored,
        spare_low_bits=high_bit + 1 - stored if stored <= high_bit < allocated else 0,
        signed=whole(dataset, "PixelRepresentation", 0) == 1,
        photometric=text(dataset, "PhotometricInterpretation") or "MONOCHROME2",
        syntax=UID(dataset.file_meta.TransferSyntaxUID),
    )
    check_size(layout.rows, layout.columns)
    _check_samples(layout)
    if layout.syntax not in _SUPPORTED:
        raise ImageError(
            f"This DICOM is encoded as {layout.syntax_name}, which cannot be read here; export "
            "it uncompressed, or as JPEG, JPEG-LS or JPEG 2000."
        )
    if layout.syntax in NATIVE_SYNTAXES and "PixelData" in dataset:
        _check_length(dataset, layout)
    return layout


def _check_samples(layout: Layout) -> None:
    kinds = _COLOR if layout.samples == 3 else (*_MONOCHROME, "PALETTE COLOR")
    coded_as_stated = layout.syntax in JPEG2000TransferSyntaxes or layout.photometric not in _JPEG2000_COLOR
    if layout.samples not in (1, 3) or layout.photometric not in kinds or not coded_as_stated:
        raise ImageError(
            "This DICOM uses a color space that cannot be read here, but gray, RGB, YBR or palette color "
            "is expected; export it as gray."
        )
    widths = (8, 16, 32) if layout.samples == 3 else (1, 8, 16, 32, 64)
    if layout.allocated not in widths or not 1 <= layout.stored <= layout.allocated:
        raise ImageError(
            f"This DICOM says that {layout.stored} of {layout.allocated} bits per pixel are used, but "
            "up to 8 of 8, 16 of 16 or 32 of 32 are expected; export it again."
        )


def _check_length(dataset: Dataset, layout: Layout) -> None:
    value = dataset.PixelData
    samples = 2 if layout.photometric == "YBR_FULL_422" else layout.samples
    expected = math.ceil(layout.rows * layout.columns * samples * layout.allocated * layout.frames / 8)
    actual = len(value) if isinstance(value, (bytes, bytearray)) else 0
    if actual not in (expected, expected + expected % 2):
        raise ImageError(
            f"This DICOM holds {actual:,} bytes of pixels where its header calls for {expected:,}; it is "
            "damaged or cut off, so export it again."
        )
