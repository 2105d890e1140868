"""The display pipeline of a DICOM, step by step, with values computed by hand and by pydicom."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut

from model.dicom_display import Window
from model.errors import ImageError
from model.images import read_radiograph
from tests.unit.films import dataset_of, dicom, ramp, shown, written

BYTES = ramp()
STRETCHED = BYTES / 255


def spread(*values: int, dtype: str = "u2") -> NDArray[Any]:
    """Lay these stored values along the first row of a film whose other rows hold only the first one."""
    film = np.full((32, max(32, len(values))), values[0], dtype=dtype)
    film[0, : len(values)] = values
    return film


def item(descriptor: list[int], data: list[int] | bytes) -> Dataset:
    """One item of a LUT sequence."""
    table = Dataset()
    table.add_new(0x00283002, "US" if descriptor[1] >= 0 else "SS", descriptor)
    table.add_new(0x00283006, "OW" if isinstance(data, bytes) else "US", data)
    return table


def test_without_a_window_values_run_from_minimum_to_maximum() -> None:
    film = read_radiograph(dicom(spread(300, 100, 200, 500)))
    assert_allclose(film.pixels[0, :4], [0.5, 0, 0.25, 1], atol=1e-7)
    assert film.format == "DICOM"
    assert film.original_size == (32, 32)
    assert film.notes == ()


@pytest.mark.parametrize(
    ("function", "values", "expected"),
    [
        # c = 100, w = 51: black up to 74.5, white above 124.5, ((x - 99.5) / 50 + 0.5) between.
        ("LINEAR", (0, 74, 75, 100, 124, 125, 300), (0, 0, 0.01, 0.51, 0.99, 1, 1)),
        # Black up to 74.5, white above 125.5, ((x - 100) / 51 + 0.5) between.
        ("LINEAR_EXACT", (0, 74, 75, 100, 125, 126), (0, 0, 0.5 / 51, 0.5, 50.5 / 51, 1)),
        # 1 / (1 + exp(-4 (x - 100) / 51)): a quarter of the width from the center is exp(-1).
        ("SIGMOID", (0, 100, 151), (1 / (1 + np.exp(400 / 51)), 0.5, 1 / (1 + np.exp(-4)))),
    ],
)
def test_window_functions(function: str, values: tuple[int, ...], expected: tuple[float, ...]) -> None:
    film = dicom(spread(*values), WindowCenter=100, WindowWidth=51, VOILUTFunction=function)
    assert_allclose(shown(film)[0, : len(values)], expected, atol=1e-6)


def test_a_window_without_function_is_linear() -> None:
    assert_allclose(
        shown(dicom(spread(75, 100, 200), WindowCenter=100, WindowWidth=51))[0, :3],
        [0.01, 0.51, 1],
        atol=1e-6,
    )


def test_linear_window_of_width_1_is_a_step() -> None:
    # The step of width 1 lies at c - 0.5: up to 99.5 is black, above it white.
    assert_array_equal(shown(dicom(spread(99, 100, 101), WindowCenter=100, WindowWidth=1))[0, :3], [0, 1, 1])


def test_exact_window_may_be_narrower_than_1() -> None:
    film = dicom(spread(99, 100, 101), WindowCenter=100, WindowWidth=0.5, VOILUTFunction="LINEAR_EXACT")
    assert_allclose(shown(film)[0, :3], [0, 0.5, 1], atol=1e-7)


def test_sigmoid_far_from_its_center_does_not_overflow() -> None:
    window = Window(center=0.0, width=1e-6, function="SIGMOID")
    assert_array_equal(window.brightness(np.array([-1e6, 0, 1e6])), [0, 0.5, 1])


@pytest.mark.parametrize(
    ("width", "function"),
    [(0.5, "LINEAR"), (0, "LINEAR"), (-5, "LINEAR"), (0, "LINEAR_EXACT"), (-1, "SIGMOID")],
)
def test_invalid_window_gives_way_to_the_full_range_with_a_note(width: float, function: str) -> None:
    film = read_radiograph(dicom(BYTES, WindowCenter=100, WindowWidth=width, VOILUTFunction=function))
    assert_allclose(film.pixels, STRETCHED, atol=1e-6)
    assert film.notes == ("Its display window is not valid, so the full range of its values is shown.",)


def test_window_that_shows_nothing_gives_way_with_a_note() -> None:
    film = read_radiograph(dicom(BYTES, WindowCenter=9000, WindowWidth=10))
    assert_allclose(film.pixels, STRETCHED, atol=1e-6)
    assert film.notes == (
        "Its display window shows nothing of the picture, so the full range of its values is shown.",
    )


def test_first_of_several_windows_with_a_note() -> None:
    film = read_radiograph(dicom(spread(75, 100, 200), WindowCenter=[100, 5], WindowWidth=[51, 2]))
    assert_allclose(film.pixels[0, :3], [0.01, 0.51, 1], atol=1e-6)
    assert film.notes == ("It offers 2 display windows; the first one is used.",)


@pytest.mark.parametrize("lone", [{"WindowCenter": 100}, {"WindowWidth": 51}])
def test_half_a_window_is_none(lone: dict[str, Any]) -> None:
    assert_allclose(shown(dicom(BYTES, **lone)), STRETCHED, atol=1e-6)


def test_rescale_comes_before_the_window() -> None:
    # Stored 50, 60, 70 are -100, -120, -140 in modality values; c = -120, w = 41 spans -140.5 to -100.5.
    film = dicom(spread(50, 60, 70), RescaleSlope=-2, RescaleIntercept=0, WindowCenter=-120, WindowWidth=41)
    assert_allclose(shown(film)[0, :3], [1, (-120 + 120.5) / 40 + 0.5, (-140 + 120.5) / 40 + 0.5], atol=1e-6)


def test_negative_slope_without_window_reverses_the_range() -> None:
    assert_allclose(shown(dicom(BYTES, RescaleSlope=-3, RescaleIntercept=7)), 1 - STRETCHED, atol=1e-6)


def test_modality_table_wins_over_rescale() -> None:
    # Entries for stored 10, 11, 12; lower and higher values take the ends.
    table = item([3, 10, 16], [500, 100, 300])
    film = dicom(spread(0, 10, 11, 12, 99), ModalityLUTSequence=[table], RescaleSlope=5, RescaleIntercept=1)
    assert_allclose(shown(film)[0, :5], [1, 1, 0, 0.5, 0.5], atol=1e-7)


def test_voi_table_wins_over_window() -> None:
    # 12-bit outputs for modality values 100, 101, 102.
    table = item([3, 100, 12], [0, 2048, 4095])
    film = read_radiograph(
        dicom(spread(0, 100, 101, 102, 999), VOILUTSequence=[table, table], WindowCenter=1, WindowWidth=2)
    )
    assert_allclose(film.pixels[0, :5], [0, 0, 2048 / 4095, 1, 1], atol=1e-6)
    assert film.notes == ("It offers 2 display lookup tables; the first one is used.",)


def test_voi_table_may_start_below_zero() -> None:
    table = item([3, -1, 8], [0, 51, 255])
    film = dicom(spread(-5, -1, 0, 1, dtype="i2"), VOILUTSequence=[table])
    assert_allclose(shown(film)[0, :4], [0, 0, 0.2, 1], atol=1e-6)


def test_8_bit_table_packed_two_to_a_word() -> None:
    # 0x3300 holds entries 0x00 and 0x33 (51), 0xFF66 holds 0x66 (102) and 0xFF.
    for data in ([0x3300, 0xFF66], bytes([0x00, 0x33, 0x66, 0xFF])):
        film = dicom(spread(0, 1, 2, 3), VOILUTSequence=[item([4, 0, 8], data)])
        assert_allclose(shown(film)[0, :4], [0, 0.2, 0.4, 1], atol=1e-6)


def test_table_of_65536_entries_is_written_as_0() -> None:
    entries = np.arange(65536, dtype="<u2")[::-1].tobytes()
    film = dicom(spread(0, 65535, 13107), VOILUTSequence=[item([0, 0, 16], entries)])
    assert_allclose(shown(film)[0, :3], [1, 0, 0.8], atol=1e-6)


@pytest.mark.parametrize(
    "table", [item([5, 0, 8], [0, 255]), item([2, 0, 40], [0, 255]), item([2, 0], [0, 255]), Dataset()]
)
def test_invalid_tables_are_refused(table: Dataset) -> None:
    for keyword, name in (("ModalityLUTSequence", "modality"), ("VOILUTSequence", "display")):
        elements: dict[str, Any] = {keyword: [table]}
        with pytest.raises(ImageError, match=f"{name} lookup table is not valid"):
            read_radiograph(dicom(BYTES, **elements))


def test_invalid_rescale_is_refused() -> None:
    with pytest.raises(ImageError, match="rescale"):
        read_radiograph(dicom(BYTES, RescaleSlope=0, RescaleIntercept=1))


def test_monochrome1_is_inverted_last() -> None:
    window: dict[str, Any] = {"WindowCenter": 100, "WindowWidth": 51}
    values = spread(0, 75, 100, 125)
    expected = 1 - shown(dicom(values, **window))
    film = dicom(values, PhotometricInterpretation="MONOCHROME1", **window)
    assert_allclose(shown(film), expected, atol=1e-7)
    assert_allclose(shown(film)[0, :4], [1, 0.99, 0.49, 0], atol=1e-6)


def test_presentation_shape_never_inverts_a_second_time() -> None:
    film = dicom(BYTES, PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE")
    assert_allclose(shown(film), 1 - STRETCHED, atol=1e-6)
    assert read_radiograph(film).notes == ()


def test_contradicting_presentation_shape_gets_a_note() -> None:
    film = read_radiograph(dicom(BYTES, PresentationLUTShape="INVERSE"))
    assert_allclose(film.pixels, STRETCHED, atol=1e-6)
    assert film.notes == (
        "It contradicts itself about which end is black; its photometric interpretation was followed.",
    )


@pytest.mark.parametrize(("kind", "ends"), [("MONOCHROME2", (0, 1)), ("MONOCHROME1", (1, 0))])
def test_padding_does_not_count_and_is_black(kind: str, ends: tuple[int, int]) -> None:
    values = spread(100, 300, 200, 4000, dtype="u2")
    film = dicom(values, PixelPaddingValue=4000, PhotometricInterpretation=kind)
    assert_allclose(shown(film)[0, :4], [ends[0], ends[1], 0.5, 0], atol=1e-7)


@pytest.mark.parametrize(("value", "limit"), [(1000, 2000), (2000, 1000)])
def test_padding_range_includes_both_ends(value: int, limit: int) -> None:
    film = dicom(spread(100, 999, 1000, 1500, 2000), PixelPaddingValue=value, PixelPaddingRangeLimit=limit)
    assert_allclose(shown(film)[0, :5], [0, 1, 0, 0, 0], atol=1e-7)
    inverted = dicom(
        spread(100, 999, 1000, 1500, 2000, 2001),
        PixelPaddingValue=value,
        PixelPaddingRangeLimit=limit,
        PhotometricInterpretation="MONOCHROME1",
    )
    assert_allclose(shown(inverted)[0, :6], [1, (2001 - 999) / 1901, 0, 0, 0, 0], atol=1e-6)


def test_padding_written_with_the_wrong_sign() -> None:
    values = spread(0, 100, 50, -2000, dtype="i2")
    film = dicom(values, PixelPaddingValue=DataElement(0x00280120, "US", 65536 - 2000))
    assert_allclose(shown(film)[0, :4], [0, 1, 0.5, 0], atol=1e-7)


def test_negative_padding_of_unsigned_values() -> None:
    film = dicom(spread(0, 100, 50, 65535), PixelPaddingValue=DataElement(0x00280120, "SS", -1))
    assert_allclose(shown(film)[0, :4], [0, 1, 0.5, 0], atol=1e-7)


def test_padding_under_a_window_is_black_too() -> None:
    film = dicom(spread(10, 20, 4000), PixelPaddingValue=4000, WindowCenter=15.5, WindowWidth=11)
    assert_allclose(shown(film)[0, :3], [0, 1, 0], atol=1e-6)


def test_12_in_16_bits_ignores_what_lies_above() -> None:
    values = spread(0, 4095, 1365)
    overlaid = values | np.uint16(0xA000)
    expected = shown(dicom(values, BitsStored=12))
    assert_allclose(expected[0, :3], [0, 1, 1 / 3], atol=1e-7)
    assert_array_equal(shown(dicom(overlaid, BitsStored=12)), expected)


def test_12_in_16_signed_bits_are_extended() -> None:
    values = spread(-2048, 2047, 0, dtype="i2")
    unextended = (values.view("u2") & np.uint16(0x0FFF)).view("i2")
    assert_allclose(shown(dicom(unextended, BitsStored=12))[0, :3], [0, 1, 2048 / 4095], atol=1e-6)


def test_12_bits_in_the_upper_end_of_16() -> None:
    values = spread(0, 4095, 1365) << np.uint16(4)
    window: dict[str, Any] = {"WindowCenter": 2048, "WindowWidth": 4096}
    film = dicom(values, BitsStored=12, HighBit=15, **window)
    assert_allclose(shown(film)[0, :3], [0, 1, 1365 / 4095], atol=1e-6)


def test_high_bit_that_the_values_disprove_is_ignored() -> None:
    values = spread(1, 4095, 1365)
    for high_bit in (15, 3, 99):
        film = dicom(values, BitsStored=12, HighBit=high_bit)
        assert_allclose(shown(film)[0, :3], [0, 1, 1364 / 4094], atol=1e-6)


def test_first_frame_with_a_note() -> None:
    film = read_radiograph(dicom(np.stack([BYTES, BYTES // 2, 255 - BYTES])))
    assert_allclose(film.pixels, STRETCHED, atol=1e-6)
    assert film.notes == ("This file holds 3 frames; the first one is shown.",)


@pytest.mark.parametrize("planar", [0, 1])
def test_rgb_capture_becomes_luma(planar: int) -> None:
    color = np.stack([BYTES, BYTES[::-1], BYTES[:, ::-1]], axis=-1)
    raw = np.moveaxis(color, -1, 0) if planar else color
    film = dicom(color, pixel_data=raw.tobytes(), PlanarConfiguration=planar)
    assert_allclose(shown(film), color @ [0.299, 0.587, 0.114] / 255, atol=1e-6)


def test_ybr_capture_becomes_luma() -> None:
    ybr = np.stack([BYTES, np.full_like(BYTES, 128), np.full_like(BYTES, 128)], axis=-1)
    film = dicom(ybr, PhotometricInterpretation="YBR_FULL")
    assert_allclose(shown(film), STRETCHED, atol=1.5 / 255)


def test_palette_capture_is_looked_up() -> None:
    colors = {"Red": [65535, 0, 0], "Green": [0, 65535, 0], "Blue": [0, 0, 65535]}
    elements: dict[str, Any] = {}
    for name, entries in colors.items():
        elements[f"{name}PaletteColorLookupTableDescriptor"] = [3, 0, 16]
        elements[f"{name}PaletteColorLookupTableData"] = np.array(entries, "<u2").tobytes()
    film = dicom(spread(0, 1, 2, dtype="u1"), PhotometricInterpretation="PALETTE COLOR", **elements)
    assert_allclose(shown(film)[0, :3], [0.299, 0.587, 0.114], atol=1e-6)


@pytest.mark.parametrize("dtype", ["u4", "i4"])
def test_32_bit_values(dtype: str) -> None:
    values = spread(0, 3_000_000, 750_000, 9, dtype=dtype)
    film = dicom(values, PixelPaddingValue=9, PhotometricInterpretation="MONOCHROME1")
    assert_allclose(shown(film)[0, :4], [1, 0, 0.75, 0], atol=1e-6)


def test_float_pixels() -> None:
    values = (ramp() * 0.25 - 3).astype("f4")
    film = dataset_of(values)
    del film.BitsStored, film.HighBit, film.PixelRepresentation
    film.FloatPixelData = values.tobytes()
    assert_allclose(shown(written(film)), STRETCHED, atol=1e-6)
    values[3, 3] = np.nan
    film.FloatPixelData = values.tobytes()
    with pytest.raises(ImageError, match="NaN"):
        read_radiograph(written(film))


STORED = hnp.arrays(st.sampled_from(["u1", "i1", "u2", "i2"]), st.just((32, 32))).filter(lambda a: a.min() != a.max())


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(
    stored=STORED,
    slope=st.sampled_from([1.0, -1.0, 0.25, -3.5]),
    intercept=st.sampled_from([0.0, -1024.0, 17.5]),
    center=st.floats(-3000, 3000),
    width=st.floats(1, 6000),
    function=st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID"]),
)
def test_any_window_agrees_with_pydicom(
    stored: NDArray[Any], slope: float, intercept: float, center: float, width: float, function: str
) -> None:
    elements: dict[str, Any] = {
        "RescaleSlope": slope,
        "RescaleIntercept": intercept,
        "WindowCenter": round(center, 3),
        "WindowWidth": round(width, 3),
        "VOILUTFunction": function,
    }
    oracle = dataset_of(stored, **elements)
    with np.errstate(over="ignore"):
        windowed = apply_voi_lut(apply_modality_lut(stored, oracle), oracle)
    # pydicom maps to the range of the stored type after rescaling; both ends are brought to 0 and 1.
    low, high = (
        (0, 2**oracle.BitsStored - 1)
        if oracle.PixelRepresentation == 0
        else (-(2 ** (oracle.BitsStored - 1)), 2 ** (oracle.BitsStored - 1) - 1)
    )
    low, high = low * slope + intercept, high * slope + intercept
    expected = (windowed - low) / (high - low)
    assume(np.ptp(expected) > 1e-5)
    assert_allclose(shown(dicom(stored, **elements)), expected, atol=1e-5)
