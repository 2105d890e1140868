"""Projections of CT scans: sums worked out by hand, every way a scan may lie in its files, and broken ones."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from model.errors import DatasetError
from model.projections import WATER, Scan, line_integrals, main, project, read_scan
from model.views import views_in

Volume = NDArray[np.float32]


def body() -> Volume:
    """A block of water, 10 slices of 20 x 30, in air; bone in its upper right front corner makes all sides differ."""
    volume = np.full((16, 40, 50), -1000, dtype=np.float32)
    volume[3:13, 10:30, 10:40] = 0
    volume[3:6, 10:14, 10:18] = 1000
    return volume


def scan(volume: Volume, spacing: tuple[float, float, float] = (2, 1, 1)) -> Scan:
    return Scan(hounsfield=volume, spacing=spacing)


def test_water_weakens_by_its_thickness() -> None:
    front = line_integrals(scan(body()), 0)
    assert front.shape == (round(20 * 1.3), round(30 * 1.3)), "10 slices of 2 mm and 30 columns of 1 mm"
    assert front[-8:, -15:] == pytest.approx(20 * WATER, rel=1e-5)
    assert front[:4, :8] == pytest.approx(24 * WATER, rel=1e-5), "4 mm of bone count twice"
    side = line_integrals(scan(body()), 90)
    assert side.shape == (round(20 * 1.3), round(20 * 1.3))
    assert np.median(side) == pytest.approx(30 * WATER, rel=1e-3)


def test_the_person_turns_as_asked() -> None:
    front, back = (line_integrals(scan(body()), degrees) for degrees in (0, 180))
    assert back == pytest.approx(front[:, ::-1], abs=0.02)
    left, right = (line_integrals(scan(body()), degrees) for degrees in (90, -90))
    assert left == pytest.approx(right[:, ::-1], abs=0.02)
    assert abs(left[0, 2] - left[0, -3]) > 5 * WATER, "bone lies at one end"


def test_wide_and_deep_pixels_become_square() -> None:
    assert line_integrals(scan(body(), (2, 1, 2)), 0).shape == (round(20 * 1.3), round(60 * 1.3))
    assert line_integrals(scan(body(), (2, 3, 3)), 0)[-3:, -3:] == pytest.approx(60 * WATER, rel=1e-5)


def test_the_table_is_left_out() -> None:
    volume = body()
    volume[:, 36, :] = 500
    assert line_integrals(scan(volume), 0) == pytest.approx(line_integrals(scan(body()), 0))


def test_lungs_inside_the_body_stay_dark_and_still_count() -> None:
    volume = body()
    volume[5:11, 15:25, 24:34] = -900
    assert line_integrals(scan(volume), 0)[13, 24] == pytest.approx((10 + 10 * 0.1) * WATER, rel=1e-4)
    film = project(scan(volume), 0)
    assert film.dtype == np.uint8
    assert film[13, 24] < film[24, 24] < film[1, 1]


def written(folder: Path, volume: Volume, *, flips: tuple[int, int] = (1, 1), series: str | None = None) -> Path:
    """Write a scan as CT slices in no order, with rows and columns running as `flips` says."""
    folder.mkdir(exist_ok=True)
    series = series or generate_uid()
    for number, one in enumerate(volume):
        ds = Dataset()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = CTImageStorage
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = generate_uid()
        ds.SeriesInstanceUID = series
        ds.ImageOrientationPatient = [flips[1], 0, 0, 0, flips[0], 0]
        ds.ImagePositionPatient = [0, 0, 100 - 2.5 * number]
        ds.PixelSpacing = [1.5, 1.25]
        ds.Rows, ds.Columns = one.shape
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
        ds.RescaleSlope, ds.RescaleIntercept = 1, -1024
        ds.PixelData = (one[:: flips[0], :: flips[1]] + 1024).astype("<u2").tobytes()
        ds.save_as(folder / f"{(number * 7) % 97:03d}.dcm", enforce_file_format=True)
    return folder


@pytest.mark.parametrize("flips", [(1, 1), (-1, -1), (-1, 1), (1, -1)])
def test_slices_are_put_in_order_and_the_right_way_round(tmp_path: Path, flips: tuple[int, int]) -> None:
    read = read_scan(written(tmp_path / "ct", body(), flips=flips))
    assert (read.hounsfield == body()).all()
    assert read.spacing == pytest.approx((2.5, 1.5, 1.25))


@pytest.mark.parametrize("axes", ["LPS", "RAS", "LAI", "RPS"])
def test_nifti_files_are_turned_to_the_same_scan(tmp_path: Path, axes: str) -> None:
    canonical = nibabel.Nifti1Image(body()[::-1, ::-1, ::-1].transpose(2, 1, 0), np.diag([1.25, 1.5, 2.5, 1]))
    turn = nibabel.orientations.ornt_transform(
        nibabel.orientations.axcodes2ornt("RAS"), nibabel.orientations.axcodes2ornt(axes)
    )
    path = tmp_path / "ct.nii.gz"
    nibabel.save(canonical.as_reoriented(turn), path)
    read = read_scan(path)
    assert (read.hounsfield == body()).all()
    assert read.spacing == pytest.approx((2.5, 1.5, 1.25))


def test_large_slices_are_made_smaller(tmp_path: Path) -> None:
    read = read_scan(written(tmp_path / "ct", np.kron(body(), np.ones((1, 12, 12), np.float32))))
    assert max(read.hounsfield.shape[1:]) == 256
    assert read.spacing[2] * read.hounsfield.shape[2] == pytest.approx(1.25 * 600)


def nothing(folder: Path) -> Path:
    return folder


def two_series(folder: Path) -> Path:
    written(folder, body()[:4])
    for path in folder.iterdir():
        path.rename(folder / f"other {path.name}")
    return written(folder, body()[:4])


def from_the_side(folder: Path) -> Path:
    written(folder, body()[:4])
    for path in folder.iterdir():
        from pydicom import dcmread

        one = dcmread(path)
        one.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
        one.save_as(path)
    return folder


def single(folder: Path) -> Path:
    return written(folder, body()[:1])


def text(folder: Path) -> Path:
    (folder / "scan.nii").write_text("no scan", encoding="utf-8")
    return folder / "scan.nii"


def moving(folder: Path) -> Path:
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 4, 4, 2), np.float32), np.eye(4)), folder / "moving.nii")
    return folder / "moving.nii"


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (nothing, "of 0 series"),
        (two_series, "of 2 series"),
        (from_the_side, "not axial"),
        (single, "1 slice"),
        (text, "no NIfTI file"),
        (moving, "4 dimensions"),
    ],
)
def test_what_is_no_scan_gets_one_sentence(
    make: object, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    path = make(folder)  # type: ignore[operator]
    assert main([str(tmp_path / "out"), "--chest", str(path)]) == 1
    told = capsys.readouterr().err
    assert sentence in told and told.count("\n") == 1


def test_nothing_but_air_is_no_body() -> None:
    with pytest.raises(DatasetError, match="nothing but air"):
        line_integrals(scan(np.full((4, 20, 20), -1000, np.float32)), 0)


def test_the_command_makes_what_the_card_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chest, leg = written(tmp_path / "chest", body()), written(tmp_path / "leg", body()[:, 5:35])
    out = tmp_path / "views"
    assert main([str(out), "--chest", str(chest), str(chest), "--other", str(leg)]) == 0
    views = views_in(out)
    assert {view.person for view in views} == {"chest 1", "chest 2", "other 1"}
    counts = {kind: sum(view.kind == kind for view in views) for kind in ("frontal", "side", "other")}
    assert counts == {"frontal": 8, "side": 12, "other": 8}
    with Image.open(out / "chest 1" / "frontal +000.png") as picture:
        assert (np.asarray(picture) == project(scan(body(), (2.5, 1.5, 1.25)), 0)).all()
    assert main([str(out), "--chest", str(chest)]) == 1
    assert "is there already" in capsys.readouterr().err
