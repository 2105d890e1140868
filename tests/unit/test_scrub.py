"""Nothing that identifies a person leaves a DICOM, however it is smuggled in."""

import logging
import pickle
import traceback
import warnings
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import config
from pydicom._dicom_dict import DicomDictionary
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
)

from model.errors import ImageError
from model.images import Radiograph, read_radiograph
from model.scrub import shown_metadata
from tests.unit.films import coded_dicom, dataset_of, dicom, ramp, saved, smooth, written

# Each stands for something that tells who a person is: a name, a number, a birthday, an address.
SECRETS = ("MUSTERFRAU", "4711081542", "19440229", "1.2.999.4711")
BY_KIND = {"UI": "1.2.999.4711", "DA": "19440229", "DT": "19440229", "TM": "194402", "IS": "471108154"}
TEXT_KINDS = ("AE", "AS", "CS", "DA", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT")
ALLOWED = {"View position", "Sex", "Age", "Modality", "Body part", "Pixel spacing (mm)"}


def smuggled(tag: int, kind: str, value: Any) -> DataElement:
    """An element that the standard would not allow."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return DataElement(tag, kind, value, validation_mode=config.IGNORE)


def stuffed(*, but: tuple[int, ...] = ()) -> Dataset:
    """An image whose every text element of the dictionary, and some private ones, name a person."""
    dataset = dataset_of(ramp())
    for tag, (kind, *_) in DicomDictionary.items():
        if kind not in TEXT_KINDS or tag in but or tag >> 16 in (0x0000, 0x0002, 0xFFFE):
            continue
        if tag not in dataset:
            dataset.add(smuggled(tag, kind, BY_KIND.get(kind, "MUSTERFRAU^ERIKA 4711081542")))
    for element, value in ((0x00091001, "MUSTERFRAU"), (0x00111001, "4711081542"), (0x7FE11010, "19440229")):
        dataset.add_new(element & 0xFFFF0000 | 0x10, "LO", "MAKER OF MUSTERFRAU")
        dataset.add_new(element, "LO", value)
    nested = Dataset()
    nested.PatientName = "MUSTERFRAU^ERIKA"
    dataset.add_new(0x00081140, "SQ", [nested])
    return dataset


def bytes_of(dataset: Dataset, **options: Any) -> bytes:
    """Write a data set that breaks the standard's rules about values."""
    dataset.PixelData = ramp().tobytes()
    dataset["PixelData"].VR = "OW"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return written(dataset, **options)


def everything_said_by(film: Radiograph) -> str:
    """All that can be read out of a film, its pickle included."""
    public = [getattr(film, name) for name in dir(film) if not name.startswith("_") and name != "pixels"]
    return f"{film!r} {film!s} {film} {public} {pickle.dumps(film)!r} {vars(film)}"


# Specific Character Set decides how names are decoded, and the elements of the picture must stay readable.
NEEDED = (0x00080005, 0x00280008, 0x00281050, 0x00281051, 0x00281056)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_a_film_stuffed_with_names_gives_none_away(
    syntax: Any, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    data = bytes_of(stuffed(but=NEEDED), syntax=syntax)
    for secret in SECRETS:
        assert data.count(secret.encode()) > 3
    with caplog.at_level(logging.DEBUG):
        film = read_radiograph(data)
    said = everything_said_by(film) + caplog.text + "".join(capfd.readouterr())
    for secret in SECRETS:
        assert secret not in said
    assert dict(film.metadata) == {}
    assert film.notes == ()


@pytest.mark.parametrize(
    "broken",
    [
        {"Rows": DataElement(0x00280010, "LO", "MUSTERFRAU")},
        {"BitsAllocated": DataElement(0x00280100, "LO", "MUSTERFRAU")},
        {"PhotometricInterpretation": smuggled(0x00280004, "CS", "MUSTERFRAU")},
        {"RescaleSlope": smuggled(0x00281053, "LO", "MUSTERFRAU"), "RescaleIntercept": 0},
        {"WindowCenter": smuggled(0x00281050, "LO", "MUSTERFRAU"), "WindowWidth": 7},
        {"PixelPaddingValue": smuggled(0x00280120, "LO", "MUSTERFRAU")},
        {"NumberOfFrames": smuggled(0x00280008, "LO", "MUSTERFRAU")},
        {"VOILUTSequence": smuggled(0x00283010, "LO", "MUSTERFRAU")},
        {"VOILUTFunction": smuggled(0x00281056, "CS", "MUSTERFRAU")},
        {"PresentationLUTShape": smuggled(0x20500020, "CS", "MUSTERFRAU")},
        {"SpecificCharacterSet": smuggled(0x00080005, "CS", "ISO_IR 100")},
        {"PixelData": DataElement(0x7FE00010, "LO", "MUSTERFRAU")},
    ],
    ids=lambda broken: next(iter(broken)),
)
def test_names_in_the_picture_elements_are_not_quoted(
    broken: dict[str, DataElement], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    dataset = dataset_of(ramp(), **broken)
    if "PixelData" not in broken:
        dataset.PixelData = ramp().tobytes()
        dataset["PixelData"].VR = "OW"
    data = written(dataset).replace(b"ISO_IR 100", b"MUSTERFRAU")
    assert b"MUSTERFRAU" in data
    with caplog.at_level(logging.DEBUG):
        try:
            said = everything_said_by(read_radiograph(data))
        except ImageError as error:
            said = "".join(traceback.format_exception(error)).replace(__file__, "")
    assert "MUSTERFRAU" not in said + caplog.text + "".join(capfd.readouterr())


def test_names_in_picture_files_are_not_kept(caplog: pytest.LogCaptureFixture) -> None:
    tags = {270: "MUSTERFRAU", 315: "MUSTERFRAU", 33432: "MUSTERFRAU"}
    data = saved(ramp(), "TIFF", tiffinfo=tags)
    assert data.count(b"MUSTERFRAU") == 3
    with caplog.at_level(logging.DEBUG):
        film = read_radiograph(data)
    assert "MUSTERFRAU" not in everything_said_by(film) + caplog.text


@pytest.mark.parametrize("syntax", [JPEGBaseline8Bit, JPEG2000Lossless, JPEGLSLossless])
def test_decoders_log_nothing(syntax: UID, caplog: pytest.LogCaptureFixture) -> None:
    good = coded_dicom(smooth(), syntax)
    at = len(good) - 700
    broken = good[:at] + bytes(300) + good[at + 300 :]
    with caplog.at_level(logging.DEBUG), suppress(ImageError):
        read_radiograph(broken)
    assert caplog.records == []


def test_what_may_be_shown_is_shown() -> None:
    film = read_radiograph(
        dicom(
            ramp(),
            ViewPosition="PA",
            PatientSex="F",
            PatientAge="034Y",
            Modality="DX",
            BodyPartExamined="CHEST",
            PixelSpacing=[0.143, 0.143],
        )
    )
    assert dict(film.metadata) == {
        "View position": "PA",
        "Sex": "F",
        "Age": "34 years",
        "Modality": "DX",
        "Body part": "CHEST",
        "Pixel spacing (mm)": 0.143,
    }
    assert list(film.metadata) == list(dict(film.metadata))


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("034Y", "34 years"),
        ("001Y", "1 year"),
        ("010M", "10 months"),
        ("003W", "3 weeks"),
        ("001D", "1 day"),
        ("51", "51 years"),
        ("089Y", "89 years"),
        ("090Y", "90 years or older"),
        ("155Y", "90 years or older"),
        ("999M", "999 months"),
        ("999W", "999 weeks"),
        ("ERIKA", None),
        ("034Y ERIKA", None),
        ("4711081542", None),
        ("34 years", None),
        ("", None),
        ("-05Y", None),
        ("٣٤Y", None),
    ],
)
def test_ages(stored: str, shown: str | None) -> None:
    dataset = Dataset()
    dataset.add(smuggled(0x00101010, "LO", stored))
    assert shown_metadata(dataset).get("Age") == shown


@pytest.mark.parametrize(
    ("keyword", "tag", "name", "good"),
    [
        ("ViewPosition", 0x00185101, "View position", "LATERAL"),
        ("PatientSex", 0x00100040, "Sex", "O"),
        ("Modality", 0x00080060, "Modality", "CR"),
        ("BodyPartExamined", 0x00180015, "Body part", "CHEST"),
    ],
)
def test_only_known_terms_pass(keyword: str, tag: int, name: str, good: str) -> None:
    for value in ("MUSTERFRAU", "CHEST MUSTERFRAU", "CHEST_4711", "X", ""):
        dataset = Dataset()
        dataset.add(smuggled(tag, "LO", value))
        assert shown_metadata(dataset) == {}
    dataset = Dataset()
    setattr(dataset, keyword, good)
    assert shown_metadata(dataset) == {name: good}


@pytest.mark.parametrize(
    ("spacing", "shown"),
    [
        ([0.143, 0.143], 0.143),
        ([0.14, 0.15], "0.14 x 0.15"),
        ([0.14300000012, 0.143], 0.143),
        ([4711081542, 4711081542], None),
        ([0.5], None),
        ([0, 0], None),
        ([-0.1, 0.1], None),
    ],
)
def test_spacing(spacing: list[float], shown: object) -> None:
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        dataset = Dataset()
        setattr(dataset, keyword, spacing)
        assert shown_metadata(dataset).get("Pixel spacing (mm)") == shown


def test_spacing_in_the_patient_wins_over_that_on_the_detector() -> None:
    dataset = Dataset()
    dataset.PixelSpacing, dataset.ImagerPixelSpacing = [0.2, 0.2], [0.3, 0.3]
    assert shown_metadata(dataset) == {"Pixel spacing (mm)": 0.2}


@given(st.text(max_size=20), st.text(max_size=20))
def test_no_text_whatever_passes_unless_it_is_a_known_term(first: str, second: str) -> None:
    dataset = Dataset()
    for tag in (0x00185101, 0x00100040, 0x00101010, 0x00080060, 0x00180015):
        dataset.add(smuggled(tag, "LO", [first, second]))
    facts = shown_metadata(dataset)
    assert set(facts) <= ALLOWED
    for value in facts.values():
        assert str(value).replace(" ", "").isalnum()
        assert str(value).isascii()
        assert len(str(value)) <= 17


def test_repr_shows_neither_pixels_nor_facts() -> None:
    film = read_radiograph(dicom(ramp(), PatientSex="F"))
    assert repr(film) == f"<Radiograph DICOM 48 x 40 sha256 {film.sha256[:12]}>"
    assert "array" not in repr(film)
    assert np.array_repr(film.pixels[:1]) not in repr(film)
