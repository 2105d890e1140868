"""Picture files of every format become the brightness that is in them."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from PIL import Image

from model.images import read_radiograph
from tests.unit.films import exif, png, png_chunk, ramp, saved, shown, smooth, tiff

RGB = np.stack([ramp(), ramp()[::-1], ramp()[:, ::-1]], axis=-1)
ALPHA = ramp()[::-1, ::-1]
LUMA = (0.299 * RGB[..., 0] + 0.587 * RGB[..., 1] + 0.114 * RGB[..., 2]) / 255
TRANSPARENT = "Its transparent parts are shown black."
# What EXIF says about a stored picture, told as the position of its pixel (0, 0) once upright.
UPRIGHT: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: np.transpose,
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).T,
    8: np.rot90,
}


@pytest.mark.parametrize("name", ["PNG", "BMP", "TIFF", "WEBP"])
def test_8_bit_gray_is_divided_by_255(name: str) -> None:
    options: dict[str, Any] = {"lossless": True} if name == "WEBP" else {}
    film = read_radiograph(saved(ramp(), name, **options))
    assert film.format == name
    assert film.original_size == (40, 48)
    assert film.pixels.dtype == np.float32
    # WebP has no gray: it goes through RGB, whose luma may differ in the last bit.
    assert_allclose(film.pixels, ramp() / 255, atol=1e-7)
    assert film.notes == ()
    assert dict(film.metadata) == {}


def test_jpeg_is_read_within_its_loss() -> None:
    film = read_radiograph(saved(smooth(), "JPEG", quality=95))
    assert film.format == "JPEG"
    assert_allclose(film.pixels, smooth() / 255, atol=3 / 255)


@pytest.mark.parametrize("name", ["PNG", "BMP", "TIFF", "WEBP"])
def test_color_becomes_601_luma(name: str) -> None:
    options: dict[str, Any] = {"lossless": True} if name == "WEBP" else {}
    assert_allclose(shown(saved(RGB, name, **options)), LUMA, atol=1e-6)


def test_luma_of_the_primaries_is_that_of_the_standard() -> None:
    picture = np.zeros((32, 32, 3), dtype=np.uint8)
    picture[0, 0], picture[0, 1], picture[0, 2], picture[0, 3] = (
        (255, 0, 0),
        (0, 255, 0),
        (0, 0, 255),
        (255,) * 3,
    )
    assert_allclose(shown(saved(picture, "PNG"))[0, :5], [0.299, 0.587, 0.114, 1.0, 0.0], atol=1e-7)


@pytest.mark.parametrize("name", ["PNG", "TIFF", "WEBP"])
def test_transparency_is_composited_over_black(name: str) -> None:
    options: dict[str, Any] = {"lossless": True, "exact": True} if name == "WEBP" else {}
    film = read_radiograph(saved(np.dstack([RGB, ALPHA]), name, **options))
    assert_allclose(film.pixels, LUMA * ALPHA / 255, atol=1e-6)
    assert film.notes == (TRANSPARENT,)


def test_opaque_alpha_changes_nothing_and_says_nothing() -> None:
    film = read_radiograph(saved(np.dstack([RGB, np.full_like(ALPHA, 255)]), "PNG"))
    assert_allclose(film.pixels, LUMA, atol=1e-6)
    assert film.notes == ()


@pytest.mark.parametrize("bits", [8, 16])
def test_gray_with_alpha(bits: int) -> None:
    top = 2**bits - 1
    gray, alpha = ramp(top=top, dtype="u2"), ramp(top=top, dtype="u2")[::-1]
    pixels = shown(png(np.dstack([gray, alpha]), color_type=4, bits=bits))
    assert_allclose(pixels, (gray / top) * (alpha / top), atol=1e-6)


def test_palette_is_looked_up() -> None:
    indices = np.arange(32 * 32, dtype=np.uint8).reshape(32, 32) % 3
    image = Image.frombytes("P", (32, 32), indices.tobytes())
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    for name in ("PNG", "BMP", "TIFF"):
        file = BytesIO()
        image.save(file, name)
        assert_allclose(shown(file.getvalue()), np.array([0.299, 0.587, 0.114])[indices], atol=1e-6, err_msg=name)


def test_transparent_palette_entry_is_black() -> None:
    indices = np.arange(32 * 32, dtype=np.uint8).reshape(32, 32) % 3
    image = Image.frombytes("P", (32, 32), indices.tobytes())
    image.putpalette([255, 255, 255, 128, 128, 128, 51, 51, 51])
    file = BytesIO()
    image.save(file, "PNG", transparency=0)
    film = read_radiograph(file.getvalue())
    assert_allclose(film.pixels, np.array([0, 128 / 255, 0.2])[indices], atol=1e-6)
    assert film.notes == (TRANSPARENT,)


@pytest.mark.parametrize("bits", [8, 16])
def test_transparent_gray_level_is_black(bits: int) -> None:
    top = 2**bits - 1
    gray = ramp(top=top, dtype="u2")
    film = read_radiograph(png(gray, color_type=0, bits=bits, chunks=((b"tRNS", int(gray[3, 5]).to_bytes(2, "big")),)))
    assert_allclose(film.pixels, np.where(gray == gray[3, 5], 0, gray / top), atol=1e-6)
    assert film.notes == (TRANSPARENT,)


def test_1_bit_is_black_and_white() -> None:
    bits = (ramp() % 3 == 0).astype(np.uint8)
    for file in (
        png(bits, color_type=0, bits=1),
        saved(bits * 255, "TIFF", mode="1"),
        saved(bits * 255, "BMP", mode="1"),
    ):
        assert_array_equal(shown(file), bits)


def test_cmyk_jpeg() -> None:
    picture = Image.fromarray(smooth()).convert("RGB").convert("CMYK")
    file = BytesIO()
    picture.save(file, "JPEG", quality=98)
    assert_allclose(shown(file.getvalue()), smooth() / 255, atol=4 / 255)


@pytest.mark.parametrize("depth", [1, 3, 4])
@pytest.mark.parametrize("extension", [".png", ".tiff"])
def test_16_bits_keep_their_full_depth(extension: str, depth: int) -> None:
    gray = ramp(top=65535, dtype="u2")
    color = np.stack([gray, gray[::-1], gray[:, ::-1], gray[::-1, ::-1]][:depth], axis=-1)
    encoded = cv2.imencode(extension, color.squeeze())[1].tobytes()
    blue_first = color.astype(float) / 65535
    expected = blue_first[..., 0]
    if depth > 1:
        expected = blue_first[..., :3] @ [0.114, 0.587, 0.299]
    if depth == 4:
        expected = expected * blue_first[..., 3]
    assert_allclose(shown(encoded), expected, atol=1e-6)


def test_16_bit_color_with_a_transparent_color() -> None:
    color = np.stack([ramp(top=65535, dtype="u2")] * 3, axis=-1)
    key = b"".join(int(value).to_bytes(2, "big") for value in color[7, 9])
    pixels = shown(png(color, color_type=2, bits=16, chunks=((b"tRNS", key),)))
    assert pixels[7, 9] == 0
    assert_allclose(np.delete(pixels, 7, 0), np.delete(color[..., 0] / 65535, 7, 0), atol=1e-6)


@pytest.mark.parametrize(("top", "bits"), [(255, 8), (256, 9), (1023, 10), (4095, 12)])
def test_16_bit_files_of_fewer_bits_use_their_own_scale_and_say_so(top: int, bits: int) -> None:
    gray = ramp(top=top, dtype="u2")
    for file in (png(gray, color_type=0, bits=16), tiff(gray)):
        film = read_radiograph(file)
        assert_allclose(film.pixels, gray / (2**bits - 1), atol=1e-6)
        assert film.notes == (f"Its 16-bit values stay below {2**bits:,}, so they were read as {bits}-bit values.",)


def test_16_bits_above_12_are_divided_by_65535() -> None:
    gray = ramp(top=4096, dtype="u2")
    film = read_radiograph(png(gray, color_type=0, bits=16))
    assert_allclose(film.pixels, gray / 65535, atol=1e-7)
    assert film.notes == ()


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_tiff_in_which_white_is_zero(dtype: str) -> None:
    values = (ramp() / 255).astype("f4") if dtype == "f4" else ramp(top=np.iinfo(dtype).max, dtype=dtype)
    expected = 1 - (values if dtype == "f4" else values / np.iinfo(dtype).max)
    file = tiff(values, photometric=0, sample_format=3 if dtype == "f4" else 1)
    assert_allclose(shown(file), expected, atol=1e-6)


def test_float_tiff_within_0_and_1_is_kept() -> None:
    values = (ramp() / 300).astype("f4")
    film = read_radiograph(tiff(values, sample_format=3))
    assert_array_equal(film.pixels, values)
    assert film.notes == ()


@pytest.mark.parametrize(
    ("values", "sample_format"),
    [
        ((ramp() * 4.0 - 300).astype("f4"), 3),
        ((ramp() * 16.0).astype("f4"), 3),
        ((ramp() / 255 - 0.25).astype("f4"), 3),
        ((ramp() * 4.0 - 300).astype("f8"), 3),
        (ramp(top=4000, dtype="i2") - np.int16(2000), 2),
        (ramp(top=100_000, dtype="i4") - 50_000, 2),
        (ramp(top=2**32 - 1, dtype="u4"), 1),
        (ramp(top=250, dtype="i2").astype("i1"), 2),
    ],
    ids=["float32", "float above 1", "float below 0", "float64", "int16", "int32", "uint32", "int8"],
)
def test_measurements_are_stretched_between_their_own_ends(values: NDArray[Any], sample_format: int) -> None:
    film = read_radiograph(tiff(values, sample_format=sample_format))
    low, high = float(values.min()), float(values.max())
    assert_allclose(film.pixels, (values.astype(float) - low) / (high - low), atol=1e-6)
    assert film.notes == (
        "Its values have no fixed scale, so they were stretched from their own darkest to brightest.",
    )


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_float_color_tiff(dtype: str, orientation: int) -> None:
    film = read_radiograph(tiff((RGB / 255).astype(dtype), photometric=2, sample_format=3, orientation=orientation))
    assert film.original_size == (40, 48)
    assert_allclose(film.pixels, UPRIGHT[orientation](LUMA), atol=1e-6)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_compressed_tiff(compression: str) -> None:
    assert_allclose(shown(saved(ramp(), "TIFF", compression=compression)), ramp() / 255, atol=1e-7)


def test_signed_8_bit_floor() -> None:
    """-128 is the darkest value an 8-bit signed TIFF can hold, and 127 the brightest."""
    values = (ramp().astype("i2") - 128).astype("i1")
    assert_allclose(shown(tiff(values, sample_format=2)), ramp() / 255, atol=1e-6)


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation_is_undone(name: str, orientation: int) -> None:
    options: dict[str, Any] = {"exif": exif(orientation)}
    if name == "TIFF":
        options = {"tiffinfo": {274: orientation}}
    elif name == "JPEG":
        options |= {"exif": b"Exif\0\0" + exif(orientation), "quality": 100}
    elif name == "WEBP":
        options |= {"lossless": True}
    film = read_radiograph(saved(smooth(), name, **options))
    assert film.original_size == (64, 80)
    assert_allclose(film.pixels, UPRIGHT[orientation](smooth()) / 255, atol=2 / 255)
    assert film.pixels.flags.c_contiguous


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_16_bit_color_tiff_is_turned_once(orientation: int) -> None:
    color = np.stack([ramp(top=65535, dtype="u2")] * 3, axis=-1)
    film = read_radiograph(tiff(color, photometric=2, orientation=orientation))
    assert film.original_size == (40, 48)
    assert_allclose(film.pixels, UPRIGHT[orientation](color[..., 0]) / 65535, atol=1e-6)


@pytest.mark.parametrize("block", [b"", b"II*\0", exif(0), exif(9), b"MM\0*\xff\xff\xff\xff", b"garbage"])
def test_damaged_orientation_counts_as_upright(block: bytes) -> None:
    gray = ramp()
    assert_allclose(shown(png(gray, color_type=0, chunks=((b"eXIf", block),))), gray / 255, atol=1e-7)


def test_gamma_and_profiles_are_ignored() -> None:
    plain = png(ramp(), color_type=0)
    tagged = png(ramp(), color_type=0, chunks=((b"gAMA", (45455).to_bytes(4, "big")), (b"iCCP", b"x\0\0garbage")))
    assert_array_equal(shown(plain), shown(tagged))


def test_first_page_of_a_tiff_with_a_note() -> None:
    film = read_radiograph(tiff(ramp(), pages=3))
    assert_allclose(film.pixels, ramp() / 255, atol=1e-7)
    assert film.notes == ("This file holds 3 pages; the first one is shown.",)


@pytest.mark.parametrize("name", ["PNG", "WEBP"])
def test_first_frame_of_an_animation_with_a_note(name: str) -> None:
    frames = [Image.fromarray(picture).convert("RGB") for picture in (ramp(), 255 - ramp())]
    file = BytesIO()
    options: dict[str, Any] = {"lossless": True} if name == "WEBP" else {}
    frames[0].save(file, name, save_all=True, append_images=frames[1:], **options)
    film = read_radiograph(file.getvalue())
    assert_allclose(film.pixels, ramp() / 255, atol=1e-6)
    assert film.notes == ("This file holds 2 frames; the first one is shown.",)


def test_bmp_whose_alpha_was_never_filled_is_opaque() -> None:
    blue_first = np.dstack([RGB[..., ::-1], np.zeros_like(ALPHA)])[::-1]
    masks = b"".join(mask.to_bytes(4, "little") for mask in (0xFF0000, 0xFF00, 0xFF, 0xFF000000))
    header = (108).to_bytes(4, "little") + (48).to_bytes(4, "little") + (40).to_bytes(4, "little")
    header += (1).to_bytes(2, "little") + (32).to_bytes(2, "little") + (3).to_bytes(4, "little")
    header += (len(blue_first.tobytes())).to_bytes(4, "little") + bytes(16) + masks + bytes(108 - 56)
    start = 14 + len(header)
    size = start + blue_first.nbytes
    file = b"BM" + size.to_bytes(4, "little") + bytes(4) + start.to_bytes(4, "little") + header
    assert_allclose(shown(file + blue_first.tobytes()), LUMA, atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.uint16]),
        st.tuples(st.integers(32, 40), st.integers(32, 40), st.sampled_from([1, 3, 4])),
    ).filter(lambda a: np.ptp(a[..., :3].max(axis=2) * (a[..., -1] > 0)) > 0)
)
def test_any_png_is_within_0_and_1_and_agrees_with_opencv(array: NDArray[Any]) -> None:
    data = cv2.imencode(".png", array.squeeze())[1].tobytes()
    film = read_radiograph(data)
    assert film.pixels.shape == array.shape[:2]
    assert 0 <= film.pixels.min() < film.pixels.max() <= 1
    top = np.iinfo(array.dtype).max
    if film.notes and "read as" in film.notes[0]:
        top = 2 ** max(8, int(array.max()).bit_length()) - 1
    decoded = np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED), dtype=float)
    decoded = decoded.reshape(array.shape)
    expected = decoded[..., 0] if array.shape[2] == 1 else decoded[..., :3] @ [0.114, 0.587, 0.299]
    if array.shape[2] == 4:
        expected = expected * decoded[..., 3] / top
    assert_allclose(film.pixels, expected / top, atol=1e-6)


def test_png_chunk_helper_writes_what_pillow_reads() -> None:
    assert png_chunk(b"IEND", b"") == bytes.fromhex("0000000049454e44ae426082")
