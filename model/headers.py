"""Looks at the structure of a picture file before a decoder sees it, so that no header can exhaust memory."""

from __future__ import annotations

import struct
from typing import NamedTuple

from model.errors import ImageError

_MAX_JPEG_SEGMENTS = 5_000
_MAX_JPEG_SCANS = 100
_MAX_PNG_CHUNKS = 300_000
_MAX_TIFF_PAGES = 1_000
_MAX_TIFF_ENTRIES = 65_535
_MAX_TIFF_TAG_BYTES = 32 * 1024 * 1024

_TIFF_TYPE_SIZES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
_TIFF_SUBDIRECTORIES = (34665, 34853, 40965)
_ORIENTATION = 0x0112
_BITS_PER_SAMPLE, _SAMPLES, _SAMPLE_FORMAT, _FLOAT = 258, 277, 339, 3


class FrameHeader(NamedTuple):
    """What a JPEG, JPEG-LS or JPEG 2000 codestream says about itself; `precision` is in bits per sample."""

    height: int
    width: int
    components: int
    precision: int


def jpeg_frame_header(data: bytes) -> FrameHeader:
    """Read the frame header (SOF marker) of a JPEG or JPEG-LS codestream.

    Parameters
    ----------
    data : bytes
        The codestream, from its SOI marker on.

    Returns
    -------
    FrameHeader
        As stated by the first SOF marker.

    Raises
    ------
    ImageError
        If there is none, or far more segments or scans than any camera writes (a decoder would take
        memory or minutes for each).

    References
    ----------
    ITU-T T.81, B.2.2; ITU-T T.87, C.2.2.
    """
    position = 2
    if data.count(b"\xff\xda") > _MAX_JPEG_SCANS:
        raise ImageError(
            f"This JPEG has more than {_MAX_JPEG_SCANS} scans, which no film needs; export it again as a plain JPEG."
        )
    header: FrameHeader | None = None
    for _ in range(_MAX_JPEG_SEGMENTS):
        while data[position : position + 2] == b"\xff\xff":
            position += 1
        if position + 4 > len(data) or data[position] != 0xFF:
            break
        marker = data[position + 1]
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:
            position += 2
            continue
        if marker in (0xDA, 0xD9):
            if header is None:
                break
            return header
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        is_frame = (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)) or marker == 0xF7
        if is_frame and header is None and position + 10 <= len(data):
            precision, height, width, components = struct.unpack_from(">BHHB", data, position + 4)
            header = FrameHeader(height, width, components, precision)
        position += 2 + max(length, 2)
    raise ImageError("This JPEG is damaged or cut off before its picture begins; export it again.")


def jpeg2000_frame_header(data: bytes) -> FrameHeader:
    """Read the size marker (SIZ) of a JPEG 2000 codestream, bare or inside a JP2 file.

    Parameters
    ----------
    data : bytes
        The codestream.

    Returns
    -------
    FrameHeader
        The picture area, the number of components and the first component's precision.

    Raises
    ------
    ImageError
        If there is no size marker.

    References
    ----------
    ITU-T T.800, A.5.1.
    """
    start = data.find(b"\xff\x4f\xff\x51")
    if start < 0 or start + 45 > len(data):
        raise ImageError("This JPEG 2000 picture is damaged or cut off before it begins; export it again.")
    right, bottom, left, top = struct.unpack_from(">4I", data, start + 8)
    (components,) = struct.unpack_from(">H", data, start + 40)
    return FrameHeader(bottom - top, right - left, components, (data[start + 42] & 0x7F) + 1)


def check_png_chunks(data: bytes) -> None:
    """Refuse a PNG of absurdly many chunks.

    Parameters
    ----------
    data : bytes
        The whole file.

    Raises
    ------
    ImageError
        If there are more than 300,000.
    """
    position, chunks = 8, 0
    while position + 12 <= len(data):
        position += 12 + int.from_bytes(data[position : position + 4], "big")
        chunks += 1
        if chunks > _MAX_PNG_CHUNKS:
            raise ImageError("This PNG is made of more chunks than any picture needs; export it again.")


def webp_size(data: bytes) -> tuple[int, int]:
    """Read the canvas size of a WebP file.

    Parameters
    ----------
    data : bytes
        The whole file.

    Returns
    -------
    tuple of int
        (height, width).

    Raises
    ------
    ImageError
        If the file ends before its size, or starts with an unknown chunk.

    References
    ----------
    RFC 9649, sections 2.5 to 2.7.
    """
    kind = data[12:16]
    if len(data) >= 30:
        if kind == b"VP8X":
            return int.from_bytes(data[27:30], "little") + 1, int.from_bytes(data[24:27], "little") + 1
        if kind == b"VP8L":
            bits = int.from_bytes(data[21:25], "little")
            return ((bits >> 14) & 0x3FFF) + 1, (bits & 0x3FFF) + 1
        if kind == b"VP8 ":
            width, height = struct.unpack_from("<HH", data, 26)
            return height & 0x3FFF, width & 0x3FFF
    raise ImageError("This WebP file is damaged or cut off before its picture begins; export it again.")


class TiffTags:
    """The first directory of a TIFF file or EXIF block, without trusting it.

    Parameters
    ----------
    data : bytes
        The file or block, from its byte order mark on.

    Attributes
    ----------
    firsts : dict of int to int
        Tag -> its first value, of the tags that hold 16- or 32-bit integers.
    pages : int
        Number of directories in the chain, counted up to 1,000.

    Raises
    ------
    ImageError
        If the first directory lies outside the data, or its tags together claim far more bytes than there are.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._order = "<" if data[:2] == b"II" else ">"
        self._big = data[2:4] in (b"+\x00", b"\x00+")
        self.firsts: dict[int, int] = {}
        try:
            first = self._number(8, 8) if self._big else self._number(4, 4)
            claimed, following = self._scan(first, self.firsts)
            claimed += self._claimed_by_subdirectories()
            self.pages = self._count_pages(first, following)
        except (struct.error, OverflowError) as error:
            raise ImageError("This TIFF is damaged or cut off before its picture begins; export it again.") from error
        if claimed > len(data) + _MAX_TIFF_TAG_BYTES:
            raise ImageError("This TIFF's tags claim more memory than any film's; export it again.")

    @property
    def holds_floats_beyond_pillow(self) -> bool:
        """Whether samples are floats of 64 bits, or floats of several colors."""
        floats = self.firsts.get(_SAMPLE_FORMAT) == _FLOAT
        return floats and (self.firsts.get(_BITS_PER_SAMPLE) == 64 or self.firsts.get(_SAMPLES, 1) > 1)

    def _number(self, position: int, size: int) -> int:
        code = {2: "H", 4: "I", 8: "Q"}[size]
        return int(struct.unpack_from(self._order + code, self._data, position)[0])

    def _entries(self, offset: int) -> tuple[int, int, int]:
        """Where the entries of a directory start, how many there are, and the size of each."""
        if self._big:
            return offset + 8, self._number(offset, 8), 20
        return offset + 2, self._number(offset, 2), 12

    def _next(self, offset: int) -> int:
        start, count, size = self._entries(offset)
        end = start + count * size
        return self._number(end, 8 if self._big else 4) if end < len(self._data) else 0

    def _scan(self, offset: int, values: dict[int, int]) -> tuple[int, int]:
        start, count, size = self._entries(offset)
        claimed = 0
        if count > _MAX_TIFF_ENTRIES:
            raise struct.error("directory larger than a plain TIFF can hold")
        for position in range(start, start + count * size, size):
            tag, kind = self._number(position, 2), self._number(position + 2, 2)
            amount = self._number(position + 4, 8 if self._big else 4)
            claimed += amount * _TIFF_TYPE_SIZES.get(kind, 1)
            value = self._first_value(position, kind, amount)
            if value is not None:
                values[tag] = value
        return claimed, self._next(offset)

    def _first_value(self, position: int, kind: int, amount: int) -> int | None:
        """Read the first 16- or 32-bit integer of an entry; None where it has none or points nowhere."""
        if kind not in (3, 4, 13) or not amount:
            return None
        size, room = (2 if kind == 3 else 4), (8 if self._big else 4)
        at = position + (12 if self._big else 8)
        try:
            return self._number(self._number(at, room) if amount * size > room else at, size)
        except struct.error:
            return None

    def _claimed_by_subdirectories(self) -> int:
        claimed, pending = 0, dict(self.firsts)
        for tag in _TIFF_SUBDIRECTORIES:
            if tag in pending:
                try:
                    claimed += self._scan(pending[tag], pending)[0]
                except struct.error:
                    continue
        return claimed

    def _count_pages(self, first: int, following: int) -> int:
        visited, pages = {first}, 1
        while following and following not in visited and pages < _MAX_TIFF_PAGES:
            visited.add(following)
            try:
                following = self._next(following)
            except struct.error:
                break
            pages += 1
        return pages


def exif_orientation(block: bytes) -> int:
    """Read the orientation of an EXIF block.

    Parameters
    ----------
    block : bytes
        The block, with or without its "Exif" prefix; empty where there is none.

    Returns
    -------
    int
        1 to 8 as EXIF defines them; 1 (upright) where the block is absent or damaged.
    """
    block = block.removeprefix(b"Exif\x00\x00")
    if block[:2] not in (b"II", b"MM"):
        return 1
    try:
        value = TiffTags(block).firsts.get(_ORIENTATION, 1)
    except ImageError:
        return 1
    return value if 1 <= value <= 8 else 1
