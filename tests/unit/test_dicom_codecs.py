"""Every transfer syntax gives back the values that went in, whoever encoded them."""

import struct
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.pixels.processing import apply_modality_lut
from pydicom.pixels.utils import pixel_array
from pydicom.uid import (
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from model.errors import ImageError
from model.images import read_radiograph
from tests.unit.films import (
    coded_dicom,
    dicom,
    jpeg2000_stream,
    jpeg_stream,
    ramp,
    shown,
    smooth,
    tiff,
)

NATIVE = [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian]
PACKED = [*NATIVE, DeflatedExplicitVRLittleEndian, RLELossless]
BY_GDCM = [JPEGLossless, JPEGLosslessSV1, JPEGLSLossless, JPEGLSNearLossless]
LOSSY = [JPEGBaseline8Bit, JPEGExtended12Bit, JPEG2000]
COLOR = np.stack([smooth(), 255 - smooth(), smooth()[::-1]], axis=-1)
LUMA = COLOR @ [0.299, 0.587, 0.114] / 255
FULL: dict[str, Any] = {"WindowCenter": 128, "WindowWidth": 256}


def name_of(value: object) -> str:
    return value.name if isinstance(value, UID) else str(value)


def displayed(dataset: Dataset) -> NDArray[Any]:
    """Show the first frame of a data set with pydicom's decoder and the LINEAR formula of PS3.3."""
    stored = pixel_array(dataset, index=0)
    values = apply_modality_lut(stored, dataset).astype(float)
    shown_ones = stored != dataset.get("PixelPaddingValue", 1 << 40)
    if "WindowCenter" in dataset:
        center, width = (
            float(np.atleast_1d(dataset[keyword].value)[0]) for keyword in ("WindowCenter", "WindowWidth")
        )
        expected = np.clip((values - (center - 0.5)) / (width - 1) + 0.5, 0, 1)
    else:
        expected = (values - values[shown_ones].min()) / np.ptp(values[shown_ones])
    return np.where(shown_ones, expected, 0)


def stretched(values: NDArray[Any]) -> NDArray[Any]:
    low, high = float(values.min()), float(values.max())
    return (values.astype(float) - low) / (high - low)


@pytest.mark.parametrize("syntax", [*PACKED, *BY_GDCM], ids=name_of)
@pytest.mark.parametrize(
    ("values", "stored"),
    [
        (ramp(), 8),
        (ramp(top=4095, dtype="u2"), 12),
        (ramp(top=65535, dtype="u2"), 16),
        (ramp(top=4000, dtype="i2") - np.int16(2000), 16),
    ],
    ids=["8 bits", "12 bits", "16 bits", "signed"],
)
def test_gray_comes_back_exactly(syntax: UID, values: NDArray[Any], stored: int) -> None:
    build = coded_dicom if syntax in BY_GDCM else dicom
    film = build(values, syntax=syntax, BitsStored=stored)
    assert dcmread_syntax(film) == syntax
    assert_allclose(shown(film), stretched(values), atol=1e-6)


@pytest.mark.parametrize("values", [smooth(), ramp(top=4095, dtype="u2"), ramp(top=65535, dtype="u2")])
def test_lossless_jpeg_2000_comes_back_exactly(values: NDArray[Any]) -> None:
    assert_allclose(shown(coded_dicom(values, JPEG2000Lossless)), stretched(values), atol=1e-6)


@pytest.mark.parametrize("syntax", LOSSY, ids=name_of)
def test_lossy_gray_comes_back_nearly(syntax: UID) -> None:
    film = coded_dicom(smooth(), syntax, **FULL)
    assert_allclose(shown(film), smooth() / 255, atol=3.5 / 255)


@pytest.mark.parametrize("syntax", [*PACKED, *BY_GDCM, *LOSSY, JPEG2000Lossless], ids=name_of)
def test_color_comes_back_as_luma(syntax: UID) -> None:
    film = dicom(COLOR, syntax=syntax) if syntax in PACKED else coded_dicom(COLOR, syntax)
    assert_allclose(shown(film), LUMA, atol=(3 / 255 if syntax in LOSSY else 1e-6))


def test_rle_in_ybr_is_its_luma() -> None:
    ybr = np.stack([ramp(), np.full_like(ramp(), 90), np.full_like(ramp(), 200)], axis=-1)
    film = dicom(ybr, syntax=RLELossless, PhotometricInterpretation="YBR_FULL")
    assert_allclose(shown(film), ramp() / 255, atol=1e-6)


def test_rle_of_a_palette_and_of_values_in_upper_bits() -> None:
    elements: dict[str, Any] = {}
    for name in ("Red", "Green", "Blue"):
        elements[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        elements[f"{name}PaletteColorLookupTableData"] = (np.arange(256, dtype="<u2")[::-1] * 257).tobytes()
    film = dicom(ramp(), syntax=RLELossless, PhotometricInterpretation="PALETTE COLOR", **elements)
    assert_allclose(shown(film), 1 - ramp() / 255, atol=1e-6)
    upper = ramp(top=4095, dtype="u2") << np.uint16(4)
    window: dict[str, Any] = {"WindowCenter": 2048, "WindowWidth": 4096}
    film = dicom(upper, syntax=RLELossless, BitsStored=12, HighBit=15, **window)
    assert_allclose(shown(film), ramp(top=4095, dtype="u2") / 4095, atol=1e-6)


def test_rle_runs_literals_and_no_operations() -> None:
    """PS3.5 G.3.1: n < 128 copies n + 1 bytes, n > 128 repeats one byte 257 - n times, 128 does nothing."""
    plane = bytes([7] * 100 + [1, 2, 3]) + bytes(32 * 32 - 103)
    runs = bytes([257 - 100, 7, 128, 2, 1, 2, 3]) + bytes([129, 0] * 7 + [257 - (921 - 7 * 128), 0])
    frame = struct.pack("<16I", 1, 64, *[0] * 14) + runs + bytes(len(runs) % 2)
    film = dicom(np.frombuffer(plane, "u1").reshape(32, 32), syntax=RLELossless, pixel_data=encapsulate([frame]))
    assert_allclose(shown(film).ravel(), np.frombuffer(plane, "u1") / 7, atol=1e-6)


@pytest.mark.parametrize("syntax", NATIVE, ids=name_of)
def test_bare_data_set_without_preamble(syntax: UID) -> None:
    film = read_radiograph(dicom(ramp(), syntax=syntax, preamble=False))
    assert film.format == "DICOM"
    assert_allclose(film.pixels, ramp() / 255, atol=1e-6)


def test_file_meta_without_preamble() -> None:
    pixel_data = encapsulate([jpeg2000_stream(ramp(top=999, dtype="u2"))])
    bare = dicom(ramp(top=999, dtype="u2"), syntax=JPEG2000Lossless, pixel_data=pixel_data)[132:]
    assert bare.startswith(b"\x02\x00")
    assert_allclose(shown(bare), ramp(top=999, dtype="u2") / 999, atol=1e-6)


def test_preamble_may_start_like_a_tiff() -> None:
    film = bytearray(dicom(ramp()))
    film[:128] = tiff(255 - ramp())[:128]
    assert read_radiograph(bytes(film)).format == "DICOM"


@pytest.mark.parametrize("table", ["basic", "extended", "none"])
def test_first_of_several_compressed_frames(table: str) -> None:
    streams = [jpeg_stream(smooth()), jpeg_stream(255 - smooth())]
    elements: dict[str, Any] = {"NumberOfFrames": 2, **FULL}
    if table == "extended":
        pixel_data, offsets, lengths = encapsulate_extended(streams)
        elements |= {"ExtendedOffsetTable": offsets, "ExtendedOffsetTableLengths": lengths}
    else:
        pixel_data = encapsulate(streams, has_bot=table == "basic")
    film = read_radiograph(dicom(smooth(), syntax=JPEGBaseline8Bit, pixel_data=pixel_data, **elements))
    assert_allclose(film.pixels, smooth() / 255, atol=3.5 / 255)
    assert film.notes == ("This file holds 2 frames; the first one is shown.",)


def test_only_the_first_frame_is_decoded() -> None:
    streams = [jpeg_stream(smooth()), b"\xff\xd8 not a picture"]
    film = dicom(smooth(), syntax=JPEGBaseline8Bit, pixel_data=encapsulate(streams), NumberOfFrames=2)
    assert shown(film).shape == smooth().shape


def test_a_frame_in_several_fragments() -> None:
    pixel_data = encapsulate([jpeg_stream(smooth())], fragments_per_frame=3)
    film = dicom(smooth(), syntax=JPEGBaseline8Bit, pixel_data=pixel_data, **FULL)
    assert_allclose(shown(film), smooth() / 255, atol=3.5 / 255)


def test_12_bit_jpeg_of_another_maker() -> None:
    """The bundled film is 12-bit JPEG Extended; the two values are those its makers state."""
    path = get_testdata_file("JPGExtended.dcm", download=False)
    film = read_radiograph(str(path))
    stored = dcmread(str(path))
    assert film.original_size == (stored.Rows, stored.Columns) == (1024, 256)
    assert_allclose(film.pixels[420, 140] / film.pixels[230, 120], 244 / 95, rtol=1e-6)


@pytest.mark.parametrize(
    "name",
    [
        "CT_small.dcm",
        "MR_small.dcm",
        "MR_small_RLE.dcm",
        "MR_small_bigendian.dcm",
        "MR_small_implicit.dcm",
        "MR_small_jp2klossless.dcm",
        "MR_small_jpeg_ls_lossless.dcm",
        "693_J2KI.dcm",
        "JPEG2000.dcm",
        "image_dfl.dcm",
    ],
)
def test_gray_films_of_other_makers_agree_with_pydicom(name: str) -> None:
    path = str(get_testdata_file(name, download=False))
    assert_allclose(read_radiograph(path).pixels, displayed(dcmread(path)), atol=1e-6)


@pytest.mark.parametrize(
    "name",
    [
        "SC_rgb_dcmtk_+eb+cr.dcm",
        "SC_rgb_dcmtk_+eb+cy+s2.dcm",
        "SC_rgb_jls_lossy_sample.dcm",
        "SC_rgb_jpeg_gdcm.dcm",
        "SC_rgb_rle.dcm",
        "SC_rgb_rle_16bit_2frame.dcm",
        "SC_rgb_rle_32bit.dcm",
        "SC_ybr_full_422_uncompressed.dcm",
        "examples_ybr_color.dcm",
        "examples_jpeg2k.dcm",
    ],
)
def test_color_films_of_other_makers_agree_with_pydicom(name: str) -> None:
    path = str(get_testdata_file(name, download=False))
    color = pixel_array(path, index=0)
    expected = color @ np.array([0.299, 0.587, 0.114]) / np.iinfo(color.dtype).max
    assert_allclose(read_radiograph(path).pixels, expected, atol=1 / 255)


def test_unsigned_values_in_a_signed_codestream_are_not_shifted() -> None:
    path = str(get_testdata_file("J2K_pixelrep_mismatch.dcm", download=False))
    assert_allclose(read_radiograph(path).pixels, displayed(dcmread(path)), atol=1e-6)


@pytest.mark.parametrize(
    ("uid", "name"),
    [
        ("1.2.840.10008.1.2.4.201", "High-Throughput JPEG 2000"),
        ("1.2.840.10008.1.2.4.100", "MPEG2"),
        ("1.2.840.10008.1.2.4.107", "HEVC"),
        ("1.2.3.4.5", "an encoding that is not in the standard"),
    ],
)
def test_unsupported_codecs_are_named(uid: str, name: str) -> None:
    film = dicom(ramp(), syntax=JPEGBaseline8Bit, pixel_data=encapsulate([jpeg_stream(ramp())]))
    old = str(JPEGBaseline8Bit).encode()
    start = film.index(old) - 8
    padded = uid.encode() + b"\0" * (len(uid) % 2)
    element = film[start : start + 6] + struct.pack("<H", len(padded)) + padded
    changed = film[:start] + element + film[start + 8 + len(old) :]
    with pytest.raises(ImageError, match=name):
        read_radiograph(changed)


def test_codestream_of_another_size_is_refused() -> None:
    film = coded_dicom(smooth(), JPEGBaseline8Bit, Rows=48)
    with pytest.raises(ImageError, match="48"):
        read_radiograph(film)


def test_rows_written_as_text_are_read_or_refused_without_quoting_them() -> None:
    film = dicom(ramp(), Rows=DataElement(0x00280010, "LO", "DOE^JANE"))
    with pytest.raises(ImageError, match="no valid Rows") as refused:
        read_radiograph(film)
    assert "DOE" not in str(refused.value)


def test_same_film_in_every_lossless_syntax_is_the_same_picture() -> None:
    values = ramp(top=4095, dtype="u2")
    pictures = [shown(dicom(values, syntax=syntax, BitsStored=12)) for syntax in PACKED]
    for picture in pictures[1:]:
        assert_array_equal(picture, pictures[0])


def dcmread_syntax(film: bytes) -> UID:
    return UID(dcmread(BytesIO(film)).file_meta.TransferSyntaxUID)
