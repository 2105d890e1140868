"""Numbers for a component: one piece of bytes with a header that says what lies where."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ALIGN = 8


def pack(header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return a header and arrays as bytes; ``assets/unpack.js`` reads them without copying.

    Parameters
    ----------
    header : Mapping
        Anything JSON can hold.
    arrays : Mapping of str to ndarray
        Little-endian float32, int32 or uint8 in the result, as the arrays' own kinds suggest.

    Returns
    -------
    bytes
        Four bytes of length of the JSON, the JSON, and the arrays, each at a multiple of eight.
    """
    parts: list[bytes] = []
    places: dict[str, dict[str, Any]] = {}
    offset = 0
    for name, array in arrays.items():
        kind = {"f": "float32", "i": "int32", "u": "uint8", "b": "uint8"}[array.dtype.kind]
        raw = np.ascontiguousarray(array, dtype=np.dtype(kind).newbyteorder("<")).tobytes()
        raw += bytes(-len(raw) % _ALIGN)
        places[name] = {"kind": kind, "shape": list(array.shape), "offset": offset}
        parts.append(raw)
        offset += len(raw)
    text = json.dumps({**header, "arrays": places}, separators=(",", ":")).encode("utf-8")
    text += b" " * (-(len(text) + 4) % _ALIGN)
    return b"".join([len(text).to_bytes(4, "little"), text, *parts])


def unpack(packed: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return what `pack` was given; for tests and for whoever wants to look."""
    length = int.from_bytes(packed[:4], "little")
    header = json.loads(packed[4 : 4 + length])
    start = 4 + length
    arrays = {}
    for name, place in header.pop("arrays").items():
        count = int(np.prod(place["shape"]))
        flat = np.frombuffer(packed, dtype=place["kind"], count=count, offset=start + place["offset"])
        arrays[name] = flat.reshape(place["shape"])
    return header, arrays
