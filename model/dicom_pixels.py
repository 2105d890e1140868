"""The first frame of a DICOM as stored values or RGB."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import pixel_array
from pydicom.uid import RLELossless

from model.dicom_codecs import decode_codestream
from model.dicom_layout import NATIVE_SYNTAXES, Layout
from model.errors import ImageError


def decode_first_frame(dataset: Dataset, layout: Layout) -> NDArray[Any]:
    """Decode the first frame and no other.

    Parameters
    ----------
    dataset : Dataset
        With pixels.
    layout : Layout
        What `read_layout` made of it.

    Returns
    -------
    ndarray, shape (rows, columns) or (rows, columns, 3)
        Stored values, integers of the signedness and at least the width that the header states, or floats;
        for color captures unsigned RGB whose full scale is that of `color_full_scale`.

    Raises
    ------
    ImageError
        If the encoded pixels are damaged, cut off or not those the header describes.

    References
    ----------
    DICOM PS3.5, 8.1.1 (unused bits), annex A.4 (encapsulation), annex G (RLE).
    """
    _complete(dataset, layout)
    frame: NDArray[Any]
    try:
        if layout.syntax in NATIVE_SYNTAXES:
            frame = pixel_array(dataset, index=0)
        else:
            frame = decode_codestream(dataset, _first_frame_bytes(dataset, layout), layout)
        if layout.photometric == "PALETTE COLOR":
            return apply_color_lut(frame, dataset)
    except (ImageError, MemoryError):
        raise
    except Exception as error:
        raise ImageError(
            f"The pixels of this DICOM could not be decoded as {layout.syntax_name}; the file is "
            "damaged, so export it again."
        ) from error
    return _lowered(frame, layout) if _keeps_spare_bits(layout) else frame


def color_full_scale(frame: NDArray[Any], layout: Layout) -> float:
    """Return the stored value that means full brightness in a decoded color frame."""
    if layout.photometric == "PALETTE COLOR":
        return float(np.iinfo(frame.dtype).max)
    return float(2 ** min(layout.stored, 8 * frame.dtype.itemsize) - 1)


def _keeps_spare_bits(layout: Layout) -> bool:
    """Whether values may sit in the upper bits of their samples: no JPEG codec leaves them there."""
    return layout.spare_low_bits > 0 and layout.syntax in (*NATIVE_SYNTAXES, RLELossless)


def _complete(dataset: Dataset, layout: Layout) -> None:
    """Write what the layout took for granted back into the data set, whose decoder takes nothing so."""
    dataset.SamplesPerPixel = layout.samples
    dataset.PhotometricInterpretation = layout.photometric
    dataset.PixelRepresentation = int(layout.signed)
    # The decoder keeps the low bits of a sample; values in the upper bits are lowered afterwards.
    dataset.BitsStored = layout.stored + (layout.spare_low_bits if _keeps_spare_bits(layout) else 0)
    dataset.NumberOfFrames = layout.frames
    if layout.samples == 3 and "PlanarConfiguration" not in dataset:
        dataset.PlanarConfiguration = 0


def _lowered(frame: NDArray[Any], layout: Layout) -> NDArray[Any]:
    """Undo High Bit > Bits Stored - 1, unless the values fit where the header says they are not."""
    if not np.issubdtype(frame.dtype, np.integer):
        return frame
    span = 1 << layout.stored
    lowest = -(span // 2) if layout.signed else 0
    if lowest <= int(frame.min()) and int(frame.max()) < lowest + span:
        return frame
    lowered: NDArray[Any] = np.right_shift(frame, layout.spare_low_bits)
    return lowered


def _first_frame_bytes(dataset: Dataset, layout: Layout) -> bytes:
    offsets = None
    if "ExtendedOffsetTable" in dataset and "ExtendedOffsetTableLengths" in dataset:
        offsets = (dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths)
    return get_frame(dataset.PixelData, 0, number_of_frames=layout.frames, extended_offsets=offsets)
