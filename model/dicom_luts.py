"""The lookup tables inside a DICOM (Modality LUT and VOI LUT sequences)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from model.dicom_values import numbers
from model.errors import ImageError


@dataclass(frozen=True, eq=False, kw_only=True)
class LookupTable:
    """One lookup table (PS3.3 C.11.1.1 and C.11.2.1.1).

    Attributes
    ----------
    first : int
        The input value that is mapped to the first entry.
    entries : ndarray of float64, shape (n,)
        Output values.
    full_scale : float
        The output value that means 1: the largest of the table's stated bit depth.
    """

    first: int
    entries: NDArray[np.float64]
    full_scale: float

    def outputs(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Look values up; those before the first or after the last entry take that entry."""
        positions = np.clip(np.floor(values) - self.first, 0, len(self.entries) - 1)
        outputs: NDArray[np.float64] = self.entries[positions.astype(np.intp)]
        return outputs

    def brightness(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Look values up and scale the outputs to 0..1."""
        return np.clip(self.outputs(values) / self.full_scale, 0.0, 1.0)


def lookup_table(item: Dataset, *, name: str) -> LookupTable:
    """Read the table in one item of a Modality LUT or VOI LUT sequence.

    Parameters
    ----------
    item : Dataset
        With LUT Descriptor (0028,3002) and LUT Data (0028,3006).
    name : str
        What to call it in an error.

    Returns
    -------
    LookupTable
        With as many entries as the descriptor states (0 stands for 65,536).

    Raises
    ------
    ImageError
        If descriptor and data are absent, contradict each other or are not allowed.
    """
    descriptor = [int(value) for value in numbers(item, "LUTDescriptor")]
    if len(descriptor) == 3:
        count, first, bits = descriptor[0] % 65536 or 65536, descriptor[1], descriptor[2]
        entries = _entries(item, count=count, bits=bits)
        if entries is not None:
            return LookupTable(first=first, entries=entries, full_scale=float(2**bits - 1))
    raise ImageError(f"This DICOM's {name} lookup table is not valid; export the film again.")


def _entries(item: Dataset, *, count: int, bits: int) -> NDArray[np.float64] | None:
    if not 8 <= bits <= 16:
        return None
    data = item.get("LUTData")
    if isinstance(data, (bytes, bytearray)):
        order = "<" if item.original_encoding[1] is not False else ">"
        words = bits > 8 or len(data) >= 2 * count
        raw = np.frombuffer(data[: len(data) // 2 * 2] if words else data, dtype=f"{order}u2" if words else "u1")
        values = raw.astype(np.float64)
    else:
        values = np.array(numbers(item, "LUTData"), dtype=np.float64) % 65536
        if bits == 8 and len(values) == (count + 1) // 2 and count > 1:
            # Two 8-bit entries share a word, the first one in its low byte.
            values = np.stack([values % 256, values // 256], axis=-1).ravel()
    return values[:count] if len(values) >= count else None
