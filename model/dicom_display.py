"""Stored values of a gray DICOM -> brightness, in the order the standard sets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from model.dicom_luts import LookupTable, lookup_table
from model.dicom_values import items, numbers, text
from model.errors import ImageError

Extent = tuple[float, float]

_ROWS_AT_ONCE = 256
_INVALID_WINDOW = "Its display window is not valid, so the full range of its values is shown."
_EMPTY_WINDOW = "Its display window shows nothing of the picture, so the full range of its values is shown."
_CONTRADICTION = "It contradicts itself about which end is black; its photometric interpretation was followed."


@dataclass(frozen=True, kw_only=True)
class Window:
    """A VOI window in modality values (PS3.3 C.11.2.1.2 and C.11.2.1.3)."""

    center: float
    width: float
    function: str = "LINEAR"

    @property
    def valid(self) -> bool:
        """Whether the standard allows this width for this function."""
        smallest_is_allowed = self.width >= 1 if self.function == "LINEAR" else self.width > 0
        return bool(np.isfinite(self.center) and np.isfinite(self.width)) and smallest_is_allowed

    def brightness(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map modality values to 0..1.

        Parameters
        ----------
        values : ndarray of float64
            Modality values.

        Returns
        -------
        ndarray of float64
            LINEAR: 0 up to c - 0.5 - (w - 1) / 2, 1 above c - 0.5 + (w - 1) / 2, a straight line between;
            LINEAR_EXACT: the same with c and w in place of c - 0.5 and w - 1;
            SIGMOID: 1 / (1 + exp(-4 (x - c) / w)).
        """
        if self.function == "SIGMOID":
            # The same curve as the standard's, written so that no exponential can overflow.
            return 0.5 + 0.5 * np.tanh(2 * (values - self.center) / self.width)
        center, width = self.center, self.width
        if self.function == "LINEAR":
            center, width = center - 0.5, width - 1
        if width == 0:
            return (values > center).astype(np.float64)
        return np.clip((values - center) / width + 0.5, 0.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class DisplayRules:
    """Everything that turns stored values into brightness.

    Attributes
    ----------
    modality : Callable
        Stored values -> modality values, both float64.
    voi : LookupTable, Window or None
        Modality values -> 0..1; None stretches the values that occur from their minimum to their maximum.
    inverted : bool
        Whether the smallest values are shown white (MONOCHROME1).
    padding : tuple of int or None
        First and last stored value that mean "no picture here".
    """

    modality: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    voi: LookupTable | Window | None
    inverted: bool
    padding: tuple[int, int] | None

    def is_padding(self, stored: NDArray[Any]) -> NDArray[np.bool_]:
        """Mark the stored values that are padding."""
        if self.padding is None:
            return np.zeros(stored.shape, dtype=np.bool_)
        first, last = self.padding
        return np.asarray((stored >= first) & (stored <= last))

    def brightness(self, stored: NDArray[Any], extent: Extent) -> NDArray[np.float32]:
        """Map stored values to brightness, one by one.

        Parameters
        ----------
        stored : ndarray
            Stored values of any shape.
        extent : tuple of float
            Smallest and largest modality value that occurs; only used without a VOI.

        Returns
        -------
        ndarray of float32
            0..1 in the shape of `stored`; 0 where it is padding.
        """
        values = self.modality(stored.astype(np.float64))
        if self.voi is None:
            low, high = extent
            shown = np.clip((values - low) / ((high - low) or 1.0), 0.0, 1.0)
        else:
            shown = self.voi.brightness(values)
        if self.inverted:
            shown = 1.0 - shown
        shown[self.is_padding(stored)] = 0.0
        return shown.astype(np.float32)


def display_rules(dataset: Dataset, *, signed: bool, allocated: int) -> tuple[DisplayRules, tuple[str, ...]]:
    """Collect the display rules of a gray data set.

    A VOI LUT Sequence wins over a window, and the first of several counts. A window that the standard does
    not allow is left out with a note. Polarity follows Photometric Interpretation alone: in the
    images that carry it, Presentation LUT Shape INVERSE says the same thing once more (PS3.3 C.8.11.3), so
    it is never applied on top.

    Parameters
    ----------
    dataset : Dataset
        From `model.dicom_header.read_header`.
    signed : bool
        Whether stored values are two's complement.
    allocated : int
        Bits per sample.

    Returns
    -------
    tuple
        The rules, and notes for the reader.

    Raises
    ------
    ImageError
        If a lookup table or the rescale is not valid.
    """
    voi, notes = _voi(dataset)
    inverted = text(dataset, "PhotometricInterpretation") == "MONOCHROME1"
    if not inverted and text(dataset, "PresentationLUTShape") == "INVERSE":
        notes += (_CONTRADICTION,)
    rules = DisplayRules(
        modality=_modality(dataset),
        voi=voi,
        inverted=inverted,
        padding=_padding(dataset, signed=signed, allocated=allocated),
    )
    return rules, notes


def display_pixels(stored: NDArray[Any], rules: DisplayRules) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Turn the stored values of one frame into brightness.

    Parameters
    ----------
    stored : ndarray of integers or floats, shape (rows, columns)
        Stored values.
    rules : DisplayRules
        How to show them. A VOI that leaves one single shade is replaced by the full range, with a note.

    Returns
    -------
    tuple
        Brightness as float32 (rows, columns) in 0..1, and notes for the reader.

    Raises
    ------
    ImageError
        If floats are not finite.
    """
    pixels = _apply(stored, rules)
    if rules.voi is not None and pixels.min() == pixels.max() and stored.min() != stored.max():
        return _apply(stored, replace(rules, voi=None)), (_EMPTY_WINDOW,)
    return pixels, ()


def _apply(stored: NDArray[Any], rules: DisplayRules) -> NDArray[np.float32]:
    if stored.dtype.itemsize <= 2 and np.issubdtype(stored.dtype, np.integer):
        return _apply_by_table(stored, rules)
    return _apply_by_bands(stored, rules)


def _apply_by_table(stored: NDArray[Any], rules: DisplayRules) -> NDArray[np.float32]:
    """Compute each possible stored value once: exact, and far cheaper than each pixel on its own."""
    code = np.dtype(f"u{stored.dtype.itemsize}")
    codes = np.ascontiguousarray(stored).view(code)
    possible = np.arange(2 ** (8 * code.itemsize), dtype=code).view(stored.dtype)
    extent = (0.0, 1.0)
    if rules.voi is None:
        occurs = cv2.calcHist([codes], [0], None, [len(possible)], [0, len(possible)]).ravel() > 0
        extent = _extent(rules.modality(possible[occurs & ~rules.is_padding(possible)].astype(np.float64)))
    return np.asarray(cv2.LUT(codes, rules.brightness(possible, extent)), dtype=np.float32)


def _apply_by_bands(stored: NDArray[Any], rules: DisplayRules) -> NDArray[np.float32]:
    bands = [slice(top, top + _ROWS_AT_ONCE) for top in range(0, len(stored), _ROWS_AT_ONCE)]
    extents = []
    for rows in bands:
        values = rules.modality(stored[rows][~rules.is_padding(stored[rows])].astype(np.float64))
        if not np.isfinite(values).all():
            raise ImageError(
                "This DICOM holds values that are not numbers (NaN or infinity), but brightness is "
                "expected; export it again."
            )
        if values.size:
            extents.append(_extent(values))
    extent = (min(low for low, _ in extents), max(high for _, high in extents)) if extents else (0.0, 1.0)
    return np.concatenate([rules.brightness(stored[rows], extent) for rows in bands])


def _extent(values: NDArray[np.float64]) -> Extent:
    return (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)


def _modality(dataset: Dataset) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """PS3.3 C.11.1: a Modality LUT Sequence, or else slope and intercept, or else nothing."""
    if sequence := items(dataset, "ModalityLUTSequence"):
        return lookup_table(sequence[0], name="modality").outputs
    slope, intercept = (
        (numbers(dataset, keyword) or [default])[0]
        for keyword, default in (("RescaleSlope", 1.0), ("RescaleIntercept", 0.0))
    )
    if slope == 0 or not (np.isfinite(slope) and np.isfinite(intercept)):
        raise ImageError(
            "This DICOM's rescale slope and intercept are not valid, so its values mean nothing; export it again."
        )
    return lambda stored: stored * slope + intercept


def _voi(dataset: Dataset) -> tuple[LookupTable | Window | None, tuple[str, ...]]:
    """PS3.3 C.11.2: a VOI LUT Sequence wins over a window; the first of several counts."""
    if sequence := items(dataset, "VOILUTSequence"):
        table = lookup_table(sequence[0], name="display")
        return table, _choice_note(len(sequence), "display lookup tables")
    centers, widths = numbers(dataset, "WindowCenter"), numbers(dataset, "WindowWidth")
    if not centers or not widths:
        return None, ()
    function = text(dataset, "VOILUTFunction")
    known = function if function in ("LINEAR_EXACT", "SIGMOID") else "LINEAR"
    window = Window(center=centers[0], width=widths[0], function=known)
    if not window.valid:
        return None, (_INVALID_WINDOW,)
    return window, _choice_note(min(len(centers), len(widths)), "display windows")


def _choice_note(count: int, what: str) -> tuple[str, ...]:
    return (f"It offers {count} {what}; the first one is used.",) if count > 1 else ()


def _padding(dataset: Dataset, *, signed: bool, allocated: int) -> tuple[int, int] | None:
    """PS3.3 C.7.5.1.1.2: one value, or the range between it and the limit, both included."""
    bounds = []
    for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit"):
        if values := numbers(dataset, keyword):
            # Writers disagree about the sign of this element, so it is brought to that of the pixels.
            value = int(values[0]) % (1 << allocated)
            bounds.append(value - (1 << allocated) if signed and value >= 1 << (allocated - 1) else value)
    if "PixelPaddingValue" not in dataset or not bounds:
        return None
    return min(bounds), max(bounds)
