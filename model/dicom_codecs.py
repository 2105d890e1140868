"""One compressed DICOM frame -> stored values, by a decoder chosen beforehand and never by trial."""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import Any

import gdcm
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.utils import pixel_array
from pydicom.uid import JPEG2000TransferSyntaxes, JPEGBaseline8Bit, JPEGExtended12Bit, RLELossless

from model.dicom_layout import Layout
from model.errors import ImageError
from model.headers import FrameHeader, jpeg2000_frame_header, jpeg_frame_header

_END_OF_IMAGE = b"\xff\xd9"


def decode_codestream(dataset: Dataset, codestream: bytes, layout: Layout) -> NDArray[Any]:
    """Decode the first frame of a compressed data set.

    Parameters
    ----------
    dataset : Dataset
        Complete with all elements that `layout` took for granted.
    codestream : bytes
        Its first frame, still encoded.
    layout : Layout
        What the header says.

    Returns
    -------
    ndarray of integers, shape (rows, columns) or (rows, columns, 3)
        Stored values or RGB; of RLE in YBR only the luma.

    Raises
    ------
    ImageError
        If the codestream is cut off, or not of the size the header states.
    Exception
        Whatever the decoder raises on damaged data.

    References
    ----------
    DICOM PS3.5 annex A.4 (encapsulation) and annex G (RLE).
    """
    if layout.syntax == RLELossless:
        return _decode_rle(codestream, layout)
    header = _checked_header(codestream, layout)
    if layout.syntax == JPEGExtended12Bit and header.precision != 8:
        return _decode_jpeg_by_gdcm(codestream, header)
    return pixel_array(dataset, index=0, decoding_plugin=_plugin(layout, header))


def _checked_header(codestream: bytes, layout: Layout) -> FrameHeader:
    """Compare the codestream's own header with the DICOM's."""
    header = (
        jpeg2000_frame_header(codestream)
        if layout.syntax in JPEG2000TransferSyntaxes
        else jpeg_frame_header(codestream)
    )
    stated = (layout.rows, layout.columns, layout.samples)
    if header[:3] != stated or header.precision > layout.allocated:
        raise ImageError(
            f"The header of this DICOM says {layout.columns} x {layout.rows} pixels of {layout.samples} "
            f"sample(s), but its picture says {header.width} x {header.height} of {header.components}; "
            "export it again."
        )
    # GDCM fills what is missing with gray instead of failing. Padding to even length may be 00 or FF.
    if not codestream.rstrip(b"\x00\xff").endswith(_END_OF_IMAGE):
        raise ImageError("The picture in this DICOM is cut off before its end; export or download it again.")
    return header


def _plugin(layout: Layout, header: FrameHeader) -> str:
    if layout.syntax in (JPEGBaseline8Bit, JPEGExtended12Bit):
        return "pillow"
    if layout.syntax in JPEG2000TransferSyntaxes and (
        header.precision <= 8 or (layout.samples == 1 and header.precision <= 16)
    ):
        return "pillow"
    return "gdcm"


def _decode_jpeg_by_gdcm(codestream: bytes, header: FrameHeader) -> NDArray[np.uint16]:
    """Decode 12-bit JPEG, which neither Pillow nor pydicom's own use of GDCM takes."""
    if header.components != 1 or header.precision != 12:
        raise ValueError("only gray 12-bit JPEG is known to be decoded correctly")
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(codestream)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((header.width, header.height, 1))
    image.SetDataElement(element)
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(gdcm.PhotometricInterpretation.MONOCHROME2))
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGExtendedProcess2_4))
    image.SetPixelFormat(gdcm.PixelFormat(1, 16, 12, 11, 0))
    # GDCM hands its bytes over as text, of which each undecodable byte is one escape.
    pixels = image.GetBuffer().encode("utf-8", "surrogateescape")
    return np.frombuffer(pixels, dtype="<u2").reshape(header.height, header.width)


def _decode_rle(encoded: bytes, layout: Layout) -> NDArray[Any]:
    """Decode one RLE Lossless frame; no run is followed past the size that the header states."""
    width = layout.allocated // 8
    count, *offsets = struct.unpack_from("<16I", encoded)
    if width == 0 or count != layout.samples * width:
        raise ValueError("the number of RLE segments does not fit the header")
    bounds = [*offsets[:count], len(encoded)]
    length = layout.rows * layout.columns
    planes = [_unpacked_bits(encoded[start:stop], length) for start, stop in pairwise(bounds)]
    # A sample's bytes come most significant first, each in a segment of its own.
    samples = np.stack(planes, axis=-1).reshape(layout.rows, layout.columns, layout.samples, width)
    values = samples.view(f">u{width}")[..., 0].astype(f"u{width}")
    if layout.signed:
        values = values.view(f"i{width}")
    unused = layout.allocated - layout.stored - layout.spare_low_bits
    stored: NDArray[Any] = np.right_shift(np.left_shift(values, unused), unused)
    # The first sample is all there is of gray, and the luma of YBR.
    return stored if layout.photometric == "RGB" else stored[..., 0]


def _unpacked_bits(segment: bytes, length: int) -> NDArray[np.uint8]:
    unpacked = bytearray()
    position, end = 0, len(segment)
    while len(unpacked) < length and position < end:
        control = segment[position]
        if control < 128:
            unpacked += segment[position + 1 : position + 2 + control]
            position += 2 + control
        else:
            if control > 128:
                unpacked += segment[position + 1 : position + 2] * (257 - control)
            position += 2 - (control == 128)
    if len(unpacked) < length:
        raise ValueError("an RLE segment ends before its plane is full")
    return np.frombuffer(unpacked, dtype=np.uint8, count=length)
