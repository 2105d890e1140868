"""Projections of CT scans: sums worked out by hand, every way a scan may lie in its files, and broken ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from model.errors import DatasetError
from model.projections import WATER, Scan, line_integrals, main, project, read_scan
from model.views import about, views_in

Volume = NDArray[np.float32]
Make = Callable[[Path], Path]


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


def written(folder: Path, volume: Volume, *, flips: tuple[int, int] = (1, 1)) -> Path:
    """Write a scan as CT slices in no order, with rows and columns running as `flips` says."""
    folder.mkdir(exist_ok=True)
    series = generate_uid()
    for number, one in enumerate(volume):
        ds = Dataset()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = CTImageStorage
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = generate_uid()
        ds.SeriesInstanceUID, ds.Modality = series, "CT"
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


def test_a_body_that_fills_the_picture_is_not_made_thinner() -> None:
    volume = body()[:, 10:30, 10:40].copy()
    volume[0] = -1000
    assert line_integrals(scan(volume), 0)[-3:, -3:] == pytest.approx(20 * WATER, rel=1e-5)


def nothing(folder: Path) -> Path:
    return folder


def two_series(folder: Path) -> Path:
    written(folder, body()[:4])
    for path in folder.iterdir():
        path.rename(folder / f"other {path.name}")
    return written(folder, body()[:4])


def changed(*wanted: int, **tags: object) -> Make:
    """Write a scan whose slices of these numbers, or all of them, say something else; None leaves a tag out."""

    def make(folder: Path) -> Path:
        written(folder, body()[:6])
        for path in sorted(folder.iterdir(), key=lambda one: -float(dcmread(one).ImagePositionPatient[2])):
            number = round((100 - float(dcmread(path).ImagePositionPatient[2])) / 2.5)
            one = dcmread(path)
            if wanted and number not in wanted:
                continue
            for name, value in tags.items():
                if value is None:
                    delattr(one, name)
                else:
                    setattr(one, name, value)
            one.save_as(path)
        return folder

    return make


def without_two(folder: Path) -> Path:
    written(folder, body())
    for path in folder.iterdir():
        if 80 < float(dcmread(path).ImagePositionPatient[2]) < 85:
            path.unlink()
    return folder


def single(folder: Path) -> Path:
    return written(folder, body()[:1])


def text(folder: Path) -> Path:
    (folder / "scan.nii").write_text("no scan", encoding="utf-8")
    return folder / "scan.nii"


def nifti(voxels: NDArray[Any], affine: NDArray[np.float64] | None = None) -> Make:
    def make(folder: Path) -> Path:
        nibabel.save(nibabel.Nifti1Image(voxels, np.eye(4) if affine is None else affine), folder / "scan.nii")
        return folder / "scan.nii"

    return make


def unknown_numbers(folder: Path) -> Path:
    path = nifti(np.zeros((4, 4, 4), np.float32))(folder)
    content = bytearray(path.read_bytes())
    content[70:72] = (999).to_bytes(2, "little")
    path.write_bytes(content)
    return path


def damaged(folder: Path) -> Path:
    path = folder / "scan.nii.gz"
    nibabel.save(nibabel.Nifti1Image(body(), np.eye(4)), path)
    content = bytearray(path.read_bytes())
    content[60:90] = b"\xff" * 30
    path.write_bytes(content)
    return path


def cut_short(folder: Path) -> Path:
    path = folder / "scan.nii.gz"
    nibabel.save(nibabel.Nifti1Image(body(), np.eye(4)), path)
    path.write_bytes(path.read_bytes()[:-200])
    return path


def missing(folder: Path) -> Path:
    return folder / "nowhere.nii"


TILTED = np.array([[0.8, -0.6, 0, 0], [0.6, 0.8, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
COLORS = np.zeros((4, 4, 4), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (nothing, "of 0 series"),
        (two_series, "of 2 series"),
        (changed(Modality="MR"), "of 0 series"),
        (changed(ImageOrientationPatient=[0, 1, 0, 0, 0, -1]), "not axial"),
        (changed(2, PixelSpacing=None), "no CT slice that can be used"),
        (changed(2, ImagePositionPatient=None), "no CT slice that can be used"),
        (changed(2, ImageOrientationPatient=[]), "no CT slice that can be used"),
        (changed(PixelSpacing=[0, 0]), "how far apart"),
        (changed(ImagePositionPatient=[0, 0, 7]), "how far apart"),
        (changed(2, PixelData=b"\x00\x01"), "no CT slice that can be used"),
        (without_two, "lie 2.5 to 5 mm apart"),
        (single, "1 x 40 x 50 numbers"),
        (text, "no NIfTI file"),
        (unknown_numbers, "no NIfTI file"),
        (damaged, "no NIfTI file"),
        (cut_short, "no NIfTI file"),
        (missing, "no NIfTI file"),
        (nifti(COLORS), "no NIfTI file"),
        (nifti(np.zeros((4, 4, 4, 2), np.float32)), "4 dimensions"),
        (nifti(np.full((4, 4, 4), -1000, np.float32), TILTED), "not axial"),
        (nifti(np.ones((4, 4, 4), np.float32)), "shows no air"),
    ],
)
def test_what_is_no_scan_gets_one_sentence(
    make: Make, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    path = make(folder)
    assert main([str(tmp_path / "out"), "--chest", str(path)]) == 1
    told = capsys.readouterr().err
    assert sentence in told and told.count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} == {"in"}, "nothing half made is left"


def test_nothing_but_air_is_no_body() -> None:
    with pytest.raises(DatasetError, match="nothing but air"):
        line_integrals(scan(np.full((4, 20, 20), -1000, np.float32)), 0)


def test_the_command_makes_what_the_card_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chest, other = written(tmp_path / "chest", body()), written(tmp_path / "other", body()[:, :, 5:])
    leg = written(tmp_path / "leg", body()[:, 5:35])
    out = tmp_path / "new" / "views"
    assert main([str(out), "--chest", str(chest), str(other), "--other", str(leg)]) == 0
    views = views_in(out)
    assert {view.person for view in views} == {"chest 1", "chest 2", "other 1"}
    counts = {kind: sum(view.kind == kind for view in views) for kind in ("frontal", "side", "other")}
    assert counts == {"frontal": 6, "side": 6, "other": 4}
    assert about(out)["what"] == "projections of CT scans"
    with Image.open(out / "chest 1" / "frontal +000.png") as picture:
        assert (np.asarray(picture) == project(scan(body(), (2.5, 1.5, 1.25)), 0)).all()
    assert main([str(out), "--chest", str(chest)]) == 1
    assert "is there already" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_gets_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    assert main([str(tmp_path / "file" / "out"), "--chest", str(written(tmp_path / "chest", body()))]) == 1
    told = capsys.readouterr().err
    assert "cannot be written" in told and told.count("\n") == 1


def test_nobody_is_taken_for_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chest = written(tmp_path / "chest", body())
    assert main([str(tmp_path / "out"), "--chest", str(chest), str(chest)]) == 1
    assert "is the same scan as" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
