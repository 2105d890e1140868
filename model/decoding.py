"""What every decoder shares: the size limits, the decoded film and the conversion to gray."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import PIL
import pydicom
from numpy.typing import NDArray

from model.errors import ImageError

MAX_BYTES = 200 * 1024 * 1024
"""Files of this many bytes or more are refused."""

MAX_PIXELS = 64_000_000
"""Pictures of more pixels than this are refused before they are decoded."""

MIN_SIDE = 32
"""Pictures whose shorter side has fewer pixels than this are refused."""

ACCEPTED = "PNG, JPEG, BMP, TIFF, WebP or DICOM"
"""The accepted formats, as error sentences name them."""

_ROWS_AT_ONCE = 256

# Log records of these two quote values of the file they are about, which may identify a person. Their other
# loggers inherit the level. pydicom's first one gets a filter too, for pydicom may set its level again.
for _library in (pydicom, PIL):
    logging.getLogger(_library.__name__).setLevel(logging.CRITICAL + 1)
logging.getLogger(pydicom.__name__).addFilter(lambda record: False)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class DecodedFilm:
    """What a decoder hands back.

    Attributes
    ----------
    pixels : ndarray of float32, shape (height, width)
        Brightness in 0..1, 0 being black on the display.
    original_size : tuple of int
        (height, width) as stored in the file, before any rotation.
    metadata : Mapping
        Allow-listed facts, keyed by names for people.
    notes : tuple of str
        Sentences for the reader.
    colored : float
        Share of the picture that is clearly colored, 0..1.
    """

    pixels: NDArray[np.float32]
    original_size: tuple[int, int]
    metadata: Mapping[str, str | float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    colored: float = 0.0


def check_size(height: int, width: int) -> None:
    """Refuse a picture by the size its header states, before anything is decoded.

    Parameters
    ----------
    height, width : int
        Pixels, as stated by the header.

    Raises
    ------
    ImageError
        If a side is shorter than `MIN_SIDE` or there are more than `MAX_PIXELS` pixels.
    """
    if min(height, width) < MIN_SIDE:
        raise ImageError(
            f"This picture is {width:,} x {height:,} pixels, but a film has at least {MIN_SIDE} on each "
            "side; choose the full-size picture."
        )
    if height * width > MAX_PIXELS:
        raise ImageError(
            f"This picture is {width:,} x {height:,} pixels, more than the {MAX_PIXELS // 1_000_000} "
            "million that can be read; export it at a smaller size."
        )


def gray_from_channels(channels: NDArray[Any], *, full_scale: float) -> NDArray[np.float32]:
    """Convert gray, gray+alpha, RGB or RGB+alpha to brightness, composited over black.

    Parameters
    ----------
    channels : ndarray of an unsigned integer type, shape (H, W) or (H, W, 1..4)
        Channels in the order gray, gray+alpha, RGB or RGBA.
    full_scale : float
        The stored value that means 1.

    Returns
    -------
    ndarray of float32, shape (H, W)
        0..1: 0.299 R + 0.587 G + 0.114 B (luma of ITU-R BT.601), times alpha.
    """
    scale = np.float32(full_scale)
    if channels.ndim == 2:
        whole: NDArray[np.float32] = np.divide(channels, scale, dtype=np.float32)
        return whole
    depth = channels.shape[2]
    luma = np.array([0.299, 0.587, 0.114] if depth > 2 else [1.0], dtype=np.float32)
    gray = np.empty(channels.shape[:2], dtype=np.float32)
    # Row bands keep the float copy of a four-channel picture small beside the picture itself.
    for top in range(0, len(gray), _ROWS_AT_ONCE):
        rows = slice(top, top + _ROWS_AT_ONCE)
        band = np.divide(channels[rows], scale, dtype=np.float32)
        gray[rows] = band[..., : len(luma)] @ luma
        if depth in (2, 4):
            gray[rows] *= band[..., -1]
    return np.minimum(gray, np.float32(1), out=gray)


@contextmanager
def quiet_decoders() -> Iterator[None]:
    """Keep the warnings of Pillow and pydicom to ourselves: they quote values of the file."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"(pydicom|PIL)(\.|$)")
        yield
