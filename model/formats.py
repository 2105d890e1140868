"""Tells what kind of file some bytes are, by the bytes alone."""

from __future__ import annotations

import re
import struct

from model.decoding import ACCEPTED
from model.errors import ImageError

_BMP_HEADER_SIZES = frozenset({12, 16, 40, 52, 56, 64, 108, 124})

_FOREIGN = (
    (b"%PDF-", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive (or an Office document)"),
    (b"PK\x05\x06", "a ZIP archive"),
    (b"GIF87a", "a GIF picture"),
    (b"GIF89a", "a GIF picture"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "a bare JPEG 2000 picture"),
    (b"\xff\x4f\xff\x51", "a bare JPEG 2000 picture"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL picture"),
    (b"8BPS", "a Photoshop document"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
)

_VALUE_REPRESENTATIONS = frozenset(
    re.findall("..", "AEASATCSDADSDTFLFDISLOLTOBODOFOLOWOVPNSHSLSQSSSTSVTMUCUIULUNURUSUTUV")
)


def detect_format(data: bytes) -> str:
    """Tell the format of a file by its first bytes.

    Parameters
    ----------
    data : bytes
        The whole file.

    Returns
    -------
    str
        "DICOM", "PNG", "JPEG", "BMP", "TIFF" or "WEBP".

    Raises
    ------
    ImageError
        If it is none of these; the sentence says what it is instead where that is cheap to tell.
    """
    if not data:
        raise ImageError(f"This file is empty, but a film is expected: {ACCEPTED}; choose another file.")
    # A DICOM preamble may itself start like a TIFF, so the DICOM mark is looked for first.
    if data[128:132] == b"DICM" or _starts_like_bare_dicom(data):
        return "DICOM"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data[:4] in (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"):
        return "TIFF"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[:2] == b"BM" and len(data) >= 18 and struct.unpack_from("<I", data, 14)[0] in _BMP_HEADER_SIZES:
        return "BMP"
    raise ImageError(
        f"This file is {_foreign_kind(data)}, but a film is expected: {ACCEPTED}; export the picture as one of these."
    )


def _starts_like_bare_dicom(data: bytes) -> bool:
    """Whether a data set without preamble starts here: a first element of group 0002 or 0008 that fits."""
    if len(data) < 8:
        return False
    if data[4:6].decode("latin-1") in _VALUE_REPRESENTATIONS:
        return data[:2] in (b"\x02\x00", b"\x08\x00", b"\x00\x08") and _fits(data, data[:2] == b"\x00\x08")
    group, _, length = struct.unpack_from("<HHI", data)
    return bool(group == 0x0008 and length % 2 == 0 and 8 + length <= len(data))


def _fits(data: bytes, big_endian: bool) -> bool:
    long_form = data[4:6] in (b"OB", b"OW", b"SQ", b"UN", b"UT", b"UC", b"UR", b"OD", b"OF", b"OL", b"OV")
    if long_form:
        return len(data) >= 12
    return 8 + int(struct.unpack_from(">H" if big_endian else "<H", data, 6)[0]) <= len(data)


def _foreign_kind(data: bytes) -> str:
    for magic, kind in _FOREIGN:
        if data.startswith(magic):
            return kind
    if data[4:8] == b"ftyp":
        return "a HEIC or AVIF picture" if data[8:12] in (b"heic", b"heix", b"mif1", b"avif") else "a video"
    start = data[:4096]
    if re.match(rb"\s*<(\?xml|svg|!doctype|html)", start, re.IGNORECASE):
        return "an SVG, XML or web page"
    try:
        text = start.decode("utf-8", errors="strict" if len(data) <= 4096 else "ignore")
    except UnicodeDecodeError:
        return "of an unknown kind"
    return "text" if all(letter.isprintable() or letter.isspace() for letter in text) else "of an unknown kind"
