"""Real films, where the environment variable PNEUMOSCOPE_DATA names the folder that holds them."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.testing import assert_allclose
from pydicom import dcmread

from model.images import read_radiograph
from tests.real_data import DATA, needs_data

pytestmark = [pytest.mark.data, needs_data]


def found(pattern: str, *, at_least: int) -> list[Path]:
    files = sorted(DATA.glob(pattern))
    if len(files) < at_least:
        pytest.fail(f"PNEUMOSCOPE_DATA has {len(files)} files {pattern}, expected at least {at_least}")
    return files


def test_rsna_dicoms() -> None:
    for path in found("rsna/stage_2_train_images/*.dcm", at_least=5):
        film, stored = read_radiograph(path), dcmread(path)
        decoded = stored.pixel_array.astype(float)
        assert film.format == "DICOM"
        assert film.original_size == (1024, 1024)
        assert_allclose(film.pixels, (decoded - decoded.min()) / np.ptp(decoded), atol=1e-6)
        assert film.metadata["View position"] in ("AP", "PA")
        assert film.metadata["Sex"] in ("F", "M")
        assert film.metadata["Age"] == f"{int(stored.PatientAge)} years"
        assert film.metadata["Body part"] == "CHEST"
        assert film.metadata["Modality"] == "CR"
        assert film.metadata["Pixel spacing (mm)"] == round(float(stored.PixelSpacing[0]), 3)
        assert str(stored.PatientID) not in f"{film!r} {dict(film.metadata)} {film.notes}"


def test_chest_xray_jpegs_agree_with_opencv() -> None:
    files = found("chest_xray/train/*/*.jpeg", at_least=1000)[::200] + found("chest_xray/val/*/*.jpeg", at_least=16)
    for path in files:
        film = read_radiograph(path)
        oracle = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION)
        assert oracle is not None
        assert film.original_size == oracle.shape
        assert_allclose(film.pixels, oracle / 255, atol=1.5 / 255)
        assert film.notes == ()
