"""A DICOM file -> gray pixels in 0..1 and the few facts that may be shown."""

from __future__ import annotations

import numpy as np

from model.decoding import DecodedFilm, gray_from_channels
from model.dicom_display import display_pixels, display_rules
from model.dicom_header import DAMAGED, read_header
from model.dicom_layout import read_layout
from model.dicom_pixels import color_full_scale, decode_first_frame
from model.errors import ImageError
from model.scrub import shown_metadata


def decode_dicom(data: bytes) -> DecodedFilm:
    """Decode the first frame of a DICOM file for display.

    Gray goes through the modality LUT or rescale, then the VOI LUT or window, then the inversion of
    MONOCHROME1. Without a VOI LUT or window, the values that occur are stretched from their minimum (0) to
    their maximum (1). Padding pixels do not count for that and are shown black. Color captures become luma.

    Parameters
    ----------
    data : bytes
        The whole file, with or without preamble.

    Returns
    -------
    DecodedFilm
        With the allow-listed metadata of `model.scrub`.

    Raises
    ------
    ImageError
        If the file is damaged, holds no picture, or one that is too large, too small, or encoded in a way
        that cannot be read.

    References
    ----------
    DICOM PS3.3 C.11.1 (modality LUT), C.11.2 (VOI LUT), C.7.6.3.1.2 (photometric interpretation),
    C.7.5.1.1.2 (pixel padding).
    """
    try:
        return _decode(data)
    except (ImageError, MemoryError):
        raise
    except Exception:
        # The cause is dropped on purpose: it may quote values of the file.
        raise ImageError(DAMAGED) from None


def _decode(data: bytes) -> DecodedFilm:
    dataset = read_header(data)
    layout = read_layout(dataset)
    frame = decode_first_frame(dataset, layout)
    notes: tuple[str, ...] = (
        (f"This file holds {layout.frames:,} frames; the first one is shown.",) if layout.frames > 1 else ()
    )
    if layout.samples == 3 or layout.photometric == "PALETTE COLOR":
        unsigned = frame.view(np.dtype(f"u{frame.dtype.itemsize}"))
        pixels = gray_from_channels(unsigned, full_scale=color_full_scale(frame, layout))
    else:
        rules, more = display_rules(dataset, signed=layout.signed, allocated=layout.allocated)
        pixels, last = display_pixels(frame, rules)
        notes += more + last
    return DecodedFilm(
        pixels=pixels,
        original_size=(layout.rows, layout.columns),
        metadata=shown_metadata(dataset),
        notes=notes,
    )
