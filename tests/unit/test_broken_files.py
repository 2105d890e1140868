"""Whatever is dropped gives a film or one sentence: never another error, a hang or a flood of memory."""

import json
import re
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from model.errors import ImageError
from model.images import MAX_BYTES, MIN_SIDE, Radiograph, read_radiograph
from tests.unit.films import (
    coded_dicom,
    dataset_of,
    dicom,
    jpeg2000_stream,
    jpeg_stream,
    png,
    png_chunk,
    ramp,
    saved,
    smooth,
    tiff,
    written,
)

COLOR = np.stack([smooth(), 255 - smooth(), smooth()[::-1]], axis=-1)


def sentence_about(source: bytes | Path | str) -> str:
    """Read what cannot be read and return the sentence, after checking that it is exactly one."""
    with pytest.raises(ImageError) as refused:
        read_radiograph(source)
    text = str(refused.value)
    assert re.fullmatch(r"(This|There|The) [^\n]{20,260}[^.]\.", text), text
    assert not re.search(r"[.!?] [A-Z]", text), f"more than one sentence: {text}"
    assert "Error" not in text and "<" not in text
    return text


def outcome(data: bytes) -> Radiograph | str:
    """Read a file that may or may not be readable: the film or the sentence."""
    try:
        return read_radiograph(data)
    except ImageError as error:
        return str(error)


def films() -> dict[str, bytes]:
    """One small file of every format and codec."""
    gray, wide = smooth(), ramp(top=4095, dtype="u2")
    window: dict[str, Any] = {"WindowCenter": 2000, "WindowWidth": 3000, "BitsStored": 12}
    return {
        "PNG": saved(COLOR, "PNG"),
        "PNG 16": png(wide, color_type=0, bits=16),
        "PNG 16 RGB": png(COLOR.astype("u2") * 257, color_type=2, bits=16),
        "JPEG": saved(gray, "JPEG"),
        "JPEG progressive": saved(COLOR, "JPEG", progressive=True),
        "BMP": saved(COLOR, "BMP"),
        "TIFF": tiff(gray),
        "TIFF LZW": saved(COLOR, "TIFF", compression="tiff_lzw"),
        "TIFF deflated": saved(gray, "TIFF", compression="tiff_adobe_deflate"),
        "TIFF JPEG": saved(gray, "TIFF", compression="jpeg"),
        "TIFF float": tiff((gray / 255).astype("f8"), sample_format=3),
        "WebP": saved(COLOR, "WEBP"),
        "WebP lossless": saved(COLOR, "WEBP", lossless=True),
        "implicit": dicom(wide, syntax=ImplicitVRLittleEndian, **window),
        "explicit": dicom(wide, syntax=ExplicitVRLittleEndian, **window),
        "big endian": dicom(wide, syntax=ExplicitVRBigEndian, **window),
        "bare": dicom(wide, preamble=False, **window),
        "deflated": dicom(wide, syntax=DeflatedExplicitVRLittleEndian, **window),
        "RLE": dicom(wide, syntax=RLELossless, **window),
        "DICOM RGB": dicom(COLOR),
        "DICOM JPEG": coded_dicom(COLOR, JPEGBaseline8Bit),
        "DICOM JPEG lossless": coded_dicom(wide, JPEGLosslessSV1, BitsStored=12),
        "DICOM JPEG-LS": coded_dicom(wide, JPEGLSLossless, BitsStored=12),
        "DICOM JPEG 2000": coded_dicom(gray, JPEG2000Lossless),
    }


FILMS = films()


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "empty"),
        (b"A short letter about a film.\n" * 9, "text"),
        ("Ein Brief über einen Film.\n".encode() * 500, "text"),
        (b"<!DOCTYPE html><html></html>", "web page"),
        (b'<?xml version="1.0"?><svg/>', "SVG, XML"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", "PDF"),
        (b"PK\x03\x04" + bytes(40), "ZIP"),
        (b"GIF89a" + bytes(40), "GIF"),
        (bytes(4) + b"ftypheic" + bytes(40), "HEIC"),
        (bytes(4) + b"ftypisom" + bytes(40), "video"),
        (jpeg2000_stream(ramp()), "bare JPEG 2000"),
        (b"\x1f\x8b\x08" + bytes(40), "gzip"),
        (bytes(range(256)), "unknown kind"),
        (bytes(4096), "unknown kind"),
        (b"BM is how this note begins, and it goes on for a while.", "text"),
        (b"\x08\x00 an odd beginning of some text", "unknown kind"),
    ],
)
def test_what_is_no_film_is_named(data: bytes, what: str) -> None:
    text = sentence_about(data)
    assert what in text
    assert "PNG, JPEG, BMP, TIFF, WebP or DICOM" in text


def test_text_renamed_to_png(tmp_path: Path) -> None:
    path = tmp_path / "film.png"
    path.write_text("not a picture at all\n")
    assert sentence_about(path).startswith("This file is text")


def test_missing_file_folder_and_nonsense_path(tmp_path: Path) -> None:
    assert "no file" in sentence_about(tmp_path / "nowhere.png")
    assert "a folder" in sentence_about(tmp_path)
    sentence_about("nul\0byte.png")
    sentence_about("x" * 5000)


@pytest.mark.parametrize("part", [0.3, 0.7, 0.95])
@pytest.mark.parametrize("name", list(FILMS))
def test_truncated_files_are_refused(name: str, part: float) -> None:
    data = FILMS[name]
    text = sentence_about(data[: int(len(data) * part)])
    assert re.search("damaged|cut off|bytes of pixels|no pixels|no valid", text)


def test_picture_cut_off_inside_a_dicom_is_refused() -> None:
    for syntax, stream in (
        (JPEGBaseline8Bit, jpeg_stream(smooth())),
        (JPEG2000Lossless, jpeg2000_stream(smooth())),
    ):
        cut = encapsulate([stream[: len(stream) // 2]])
        assert "cut off" in sentence_about(dicom(smooth(), syntax=syntax, pixel_data=cut))
        mended = encapsulate([stream[: len(stream) // 2] + b"\xff\xd9"])
        said = outcome(dicom(smooth(), syntax=syntax, pixel_data=mended))
        assert isinstance(said, Radiograph) or "could not be decoded as JPEG" in said


def test_dicom_without_pixels() -> None:
    assert "holds no pixels" in sentence_about(written(dataset_of(ramp())))


@pytest.mark.parametrize("keyword", ["Rows", "Columns", "BitsAllocated"])
def test_dicom_without_a_needed_element(keyword: str) -> None:
    data = dicom(ramp())
    tags = {"Rows": b"\x28\0\x10\0US", "Columns": b"\x28\0\x11\0US", "BitsAllocated": b"\x28\0\0\x01US"}
    at = data.index(tags[keyword])
    assert f"no valid {keyword}" in sentence_about(data[:at] + data[at + 10 :])


@pytest.mark.parametrize("change", [-1000, -2, 2, 1000, 40 * 48])
def test_dicom_with_pixels_of_the_wrong_length(change: int) -> None:
    raw = (ramp().tobytes() * 2)[: ramp().size + change]
    for syntax in (ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian):
        text = sentence_about(dicom(ramp(), pixel_data=raw, syntax=syntax))
        assert f"{ramp().size + change:,} bytes" in text
        assert f"{ramp().size:,}" in text


@pytest.mark.parametrize(
    "elements",
    [
        {"SamplesPerPixel": 2},
        {"PhotometricInterpretation": "HSV"},
        {"PhotometricInterpretation": "RGB"},
        {"PhotometricInterpretation": "YBR_ICT", "SamplesPerPixel": 3},
        {"BitsAllocated": 12},
        {"BitsStored": 9},
        {"BitsStored": 0, "HighBit": 0},
    ],
)
def test_dicom_whose_header_contradicts_itself(elements: dict[str, Any]) -> None:
    sentence_about(dicom(ramp(), **elements))


def test_encapsulated_pixels_that_are_none() -> None:
    for syntax in (RLELossless, JPEGBaseline8Bit, JPEG2000Lossless, JPEGLosslessSV1, JPEGLSLossless):
        sentence_about(dicom(ramp(), syntax=syntax, pixel_data=encapsulate([b"nothing at all  " * 9])))


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (31, 31), (31, 4000)])
def test_tiny_pictures_are_refused(shape: tuple[int, int]) -> None:
    picture = ramp(*shape) if shape != (1, 1) else np.zeros((1, 1), np.uint8)
    for data in (*(saved(picture, name) for name in ("PNG", "JPEG", "BMP", "TIFF", "WEBP")), dicom(picture)):
        assert f"{shape[1]:,} x {shape[0]:,} pixels" in sentence_about(data)


def test_the_smallest_film_is_read() -> None:
    assert read_radiograph(saved(ramp(MIN_SIDE, MIN_SIDE), "PNG")).pixels.shape == (32, 32)


@pytest.mark.parametrize("value", [0, 128, 255])
def test_blank_pictures_are_refused(value: int) -> None:
    blank = np.full((64, 64), value, np.uint8)
    window: dict[str, Any] = {"WindowCenter": 128, "WindowWidth": 256}
    for data in (
        *(saved(blank, name) for name in ("PNG", "JPEG", "BMP", "TIFF", "WEBP")),
        dicom(blank),
        dicom(blank, **window),
        dicom(np.dstack([blank] * 3)),
        tiff(np.full((64, 64), value / 255, "f4"), sample_format=3),
        png(np.full((64, 64), value * 257), color_type=0, bits=16),
    ):
        assert "blank" in sentence_about(data)


def test_fully_transparent_picture_is_blank() -> None:
    assert "blank" in sentence_about(saved(np.dstack([COLOR, np.zeros_like(smooth())]), "PNG"))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_floats_that_are_no_numbers_are_refused(value: float, dtype: str) -> None:
    values = (ramp() / 255).astype(dtype)
    values[17, 23] = value
    assert "NaN or infinity" in sentence_about(tiff(values, sample_format=3))


def test_200_mb_are_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "film.png"
    with path.open("wb") as file:
        file.write(saved(ramp(), "PNG"))
        file.truncate(200 * 1024 * 1024)
    start = time.perf_counter()
    assert "200 MB" in sentence_about(path)
    assert time.perf_counter() - start < 0.5
    assert MAX_BYTES == 200 * 1024 * 1024
    assert "200 MB" in sentence_about(bytes(MAX_BYTES))


def huge() -> dict[str, bytes]:
    """Small files whose headers promise more than can be held, or that unpack without end."""
    side = struct.pack("<I", 50_000)
    bmp = saved(ramp(), "BMP")
    jpeg = saved(ramp(), "JPEG")
    sof = jpeg.index(b"\xff\xc0") + 5
    tags = tiff(ramp())
    lying = struct.pack("<HHII", 270, 2, 0x7FFFFFFF, 8)
    endless = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    meta = dicom(ramp(), syntax=DeflatedExplicitVRLittleEndian)
    head = meta[: 144 + struct.unpack_from("<I", meta, 140)[0]]
    private = struct.pack("<HH2sHI", 0x0009, 0x1010, b"OB", 0, 1 << 30)
    bomb = endless.compress(private)
    for _ in range(16):
        bomb += endless.compress(bytes(1 << 24))
    webp = b"VP8X" + struct.pack("<I", 10) + bytes(4) + (16382).to_bytes(3, "little") * 2 + bytes(4)
    stream = bytearray(jpeg2000_stream(ramp()))
    at = stream.index(b"\xff\x51") + 6
    stream[at : at + 8] = struct.pack(">II", 60_000, 60_000)
    frame = struct.pack("<16I", 1, 64, *[0] * 14) + b"\x81\x00" * 3_000_000
    return {
        "PNG": png(ramp(), color_type=2, size=(50_000, 50_000)),
        "PNG chunks": png(ramp(), color_type=0)[:33] + png_chunk(b"abCd", b"") * 400_000,
        "BMP": bmp[:18] + side * 2 + bmp[26:],
        "JPEG": jpeg[:sof] + struct.pack(">HH", 50_000, 50_000) + jpeg[sof + 4 :],
        "JPEG segments": b"\xff\xd8" + b"\xff\xe0\0\x02" * 1_000_000 + jpeg[2:],
        "TIFF": tags.replace(struct.pack("<HHII", 256, 4, 1, 48), struct.pack("<HHII", 256, 4, 1, 9_000_000)),
        "TIFF tags": tags.replace(tags[-ramp().size - 18 - 12 * 6 :][:12], lying, 1) + bytes(1000),
        "WebP": b"RIFF" + struct.pack("<I", 4 + len(webp)) + b"WEBP" + webp,
        "DICOM": dicom(ramp(), Rows=65535, Columns=65535),
        "DICOM deflated": head + bomb + endless.flush(),
        "DICOM RLE": dicom(ramp(), syntax=RLELossless, pixel_data=encapsulate([frame])),
        "DICOM JPEG 2000": dicom(ramp(), syntax=JPEG2000Lossless, pixel_data=encapsulate([bytes(stream)])),
        "DICOM elements": dicom(ramp(), preamble=False)[:-2000] + b"\x09\0\x10\x10LO\0\0" * 700_000,
    }


REASONS = {
    "PNG chunks": "more chunks",
    "JPEG segments": "damaged or cut off",
    "TIFF tags": "more memory",
    "DICOM deflated": "unpacks to more than 200 MB",
    "DICOM RLE": "blank",
    "DICOM JPEG 2000": "60000 x 60000",
    "DICOM elements": "more elements",
}
MEASURED = """
import json, re, sys, time
from pathlib import Path
from model.errors import ImageError
from model.images import read_radiograph

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024

def now():
    return int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024

for path in sorted(Path(sys.argv[1]).iterdir()):
    data = path.read_bytes()
    Path("/proc/self/clear_refs").write_text("5")
    before, start = now(), time.perf_counter()
    try:
        said = repr(read_radiograph(data))
    except ImageError as error:
        said = str(error)
    print(json.dumps([path.name, len(data), peak() - before, time.perf_counter() - start, said]))
"""


class Reading(NamedTuple):
    """What it cost to read a file of so many bytes: the growth of peak memory, the time, what came of it."""

    size: int
    megabytes: float
    seconds: float
    said: str


def measured(files: dict[str, bytes], folder: Path) -> dict[str, Reading]:
    """Read files one after the other in a process of their own."""
    for name, data in files.items():
        (folder / name).write_bytes(data)
    command = [sys.executable, "-c", MEASURED, str(folder)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=root, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {name: Reading(*costs) for name, *costs in lines}


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peak memory is read from Linux' /proc")
def test_memory_and_time_stay_bounded(tmp_path: Path) -> None:
    files = {"0 DICOM": FILMS["DICOM JPEG"], "0 PNG": FILMS["PNG"], **huge()}
    files["large"] = saved(np.tile(ramp(500, 500), (6, 10)), "PNG", compress_level=1)
    readings = measured(files, tmp_path)
    assert readings.keys() == files.keys()
    size, megabytes, _, said = readings.pop("large")
    assert "5000 x 3000" in said
    assert megabytes < 3 * size / 1024**2 + 4 * (3000 * 5000 * 4 / 1024**2)
    for name, (size, megabytes, seconds, said) in readings.items():
        if name.startswith("0 "):
            continue
        # A deflated file may unpack to as much as a plain one may hold.
        limit = 40 + 3 * size / 1024**2 + (420 if name == "DICOM deflated" else 0)
        assert megabytes < limit, f"{name}: {megabytes} MB for {size:,} bytes: {said}"
        assert seconds < 30, f"{name}: {seconds} s: {said}"
        assert said.startswith("Th"), f"{name}: {said}"
        assert REASONS.get(name, "export it at a smaller size") in said


@pytest.mark.parametrize("name", list(FILMS))
def test_damaged_files_give_a_film_or_a_sentence(name: str) -> None:
    chance = np.random.default_rng(sum(name.encode()))
    good = FILMS[name]
    read_radiograph(good)
    for number in range(40):
        data = bytearray(good)
        if number % 4 == 0:
            del data[chance.integers(len(data)) :]
        elif number % 4 == 1:
            for at in chance.integers(0, len(data), 12):
                data[at] = chance.integers(256)
        elif number % 4 == 2:
            for at in chance.integers(0, min(len(data), 700), 3):
                data[at] ^= 1 << int(chance.integers(8))
        else:
            at = int(chance.integers(len(data)))
            del data[at : at + int(chance.integers(1, 60))]
        start = time.perf_counter()
        film = outcome(bytes(data))
        if isinstance(film, Radiograph):
            assert film.pixels.min() >= 0
            assert film.pixels.max() <= 1
        else:
            assert re.fullmatch(r"[^\n]+\.", film)
        assert time.perf_counter() - start < 5
