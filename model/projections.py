"""Chests from all sides: CT scans added up along parallel rays, as an X-ray film adds up what lies in its beam.

    python -m model.projections OUT --chest SCAN SCAN ... --other SCAN ...

A scan is a folder of one series of axial CT slices in DICOM, or a NIfTI file (for which nibabel must be installed),
each of another person. Each becomes a folder of OUT with a picture for each angle. `python -m model.card --views OUT`
learns from them to tell frontal chests from chests seen from the side and from other parts of the body; what is added
to the file about.txt there is repeated on the card.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.errors import InvalidDicomError
from pydicom.pixels.processing import apply_modality_lut
from scipy import ndimage

from model.errors import DatasetError, PneumoscopeError
from model.views import ABOUT

Floats = NDArray[np.float32]

WATER = 0.019
"""How much a millimetre of water weakens X-rays of about 75 keV, 1/mm (NIST XCOM: .0206 at 60 keV, .0184 at 80)."""
ANGLES = {"frontal": (0, 10, -10), "side": (75, 90, 105)}
"""Kind of view of a chest -> degrees that the body is turned about its long axis; 0 looks from the front. From half a
turn further parallel rays give the mirror image, which is no other view."""
ANGLES_OF_OTHERS = (0, 45, 90, 135)

_MOST_COLUMNS = 256
_BODY = -400.0
_AIR = -500.0
_CLOSED = 2
_PIXELS_PER_MM = 1.3
_LEAST = 0.15
_TAILS = (2.0, 99.5)
_UPRIGHT = 0.9
_UNEVEN = 0.2


@dataclass(frozen=True, eq=False, kw_only=True)
class Scan:
    """A CT scan.

    Attributes
    ----------
    hounsfield : ndarray of float32, shape (slices, rows, columns)
        CT numbers, air -1000 and water 0. The first slice is the topmost, the first row the foremost, and the first
        column lies on the person's right.
    spacing : tuple of float
        Between slices, rows and columns, mm.
    """

    hounsfield: Floats
    spacing: tuple[float, float, float]

    @cached_property
    def weakening(self) -> Floats:
        """How much each place weakens X-rays, 1/mm; nothing outside the largest part that hangs together.

        That leaves out the table, where it does not touch the body.
        """
        padded = np.pad(self.hounsfield > _BODY, ((0, 0), (_CLOSED, _CLOSED), (_CLOSED, _CLOSED)))
        parts, count = ndimage.label(padded)
        if not count:
            return np.zeros_like(self.hounsfield)
        largest = parts == 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))
        whole = [ndimage.binary_fill_holes(ndimage.binary_closing(one, iterations=_CLOSED)) for one in largest]
        body = np.stack(whole)[:, _CLOSED:-_CLOSED, _CLOSED:-_CLOSED]
        return np.where(body, np.maximum(self.hounsfield / 1000 + 1, 0) * WATER, 0).astype(np.float32)


def read_scan(path: Path) -> Scan:
    """Read a folder of axial DICOM slices or a NIfTI file.

    Raises
    ------
    DatasetError
        If it holds no CT scan, or one that cannot be used.
    """
    scan = _from_slices(path) if path.is_dir() else _from_nifti(path)
    shape = " x ".join(str(side) for side in scan.hounsfield.shape)
    if scan.hounsfield.ndim != 3 or min(scan.hounsfield.shape) < 2:
        raise DatasetError(f"{path} holds {shape} numbers; a scan has slices, rows and columns, at least two of each.")
    if not min(scan.spacing) > 0:
        raise DatasetError(f"{path} does not say how far apart its slices, rows and columns are.")
    if not float(scan.hounsfield.min()) < _AIR:
        raise DatasetError(f"{path} shows no air, whose CT number is -1000; give a CT scan as it was taken.")
    return scan


def line_integrals(scan: Scan, degrees: float) -> Floats:
    """Return how much parallel rays are weakened on their way through a body, as natural logarithms.

    Parameters
    ----------
    scan : Scan
        Of what; see `Scan.weakening`.
    degrees : float
        How far the body is turned about its long axis before it is looked at from the front.

    Returns
    -------
    ndarray of float32, shape (height, width)
        On square pixels, cut to where the body is.
    """
    down, deep, wide = scan.spacing
    weakening = scan.weakening
    if deep != wide:
        weakening = ndimage.zoom(weakening, (1, 1, wide / deep), order=1, mode="nearest", grid_mode=True)
    if degrees:
        weakening = ndimage.rotate(weakening, degrees, axes=(1, 2), order=1)
    sums = (weakening.sum(axis=1) * deep).astype(np.float32)
    rows, columns = np.where(sums > _LEAST)
    if not len(rows):
        raise DatasetError("a scan shows nothing but air; give one of a body")
    cut = sums[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    return np.asarray(cv2.resize(cut, None, fx=deep * _PIXELS_PER_MM, fy=down * _PIXELS_PER_MM), dtype=np.float32)


def project(scan: Scan, degrees: float) -> NDArray[np.uint8]:
    """Return the film that a scan would give, shape (height, width); what weakens most is white."""
    sums = line_integrals(scan, degrees)
    low, high = np.percentile(sums, _TAILS)
    return np.asarray(np.rint(np.clip((sums - low) / max(high - low, 1e-6), 0, 1) * 255), dtype=np.uint8)


@dataclass(frozen=True, eq=False, kw_only=True)
class _Slice:
    height: float
    series: str
    turned: tuple[float, float]
    spacing: tuple[float, float]
    hounsfield: Floats


def _from_slices(folder: Path) -> Scan:
    slices = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        try:
            ds = pydicom.dcmread(path)
        except (InvalidDicomError, OSError):
            continue
        if ds.get("Modality") == "CT" and "PixelData" in ds:
            slices.append(_slice(path, ds))
    series = {one.series for one in slices}
    if len(series) != 1:
        raise DatasetError(f"{folder} holds CT slices of {len(series)} series; give a folder with the slices of one.")
    first = slices[0]
    if min(abs(side) for side in first.turned) < _UPRIGHT:
        raise DatasetError(f"the slices in {folder} are not axial; give a series that is.")
    slices.sort(key=lambda one: -one.height)
    apart = -np.diff([one.height for one in slices])
    if len(apart) and not apart.max() - apart.min() <= _UNEVEN * np.median(apart):
        raise DatasetError(
            f"the slices in {folder} lie {apart.min():g} to {apart.max():g} mm apart; give a series without gaps."
        )
    if len({one.hounsfield.shape for one in slices}) > 1:
        raise DatasetError(f"the slices in {folder} are of several sizes; give a series of one.")
    right, back = (int(np.sign(side)) for side in first.turned)
    return Scan(
        hounsfield=np.ascontiguousarray(np.stack([one.hounsfield for one in slices])[..., ::back, ::right]),
        spacing=(float(np.median(apart)) if len(apart) else 0.0, *first.spacing),
    )


def _slice(path: Path, ds: pydicom.Dataset) -> _Slice:
    try:
        right, _, _, _, back, _ = (float(value) for value in ds.ImageOrientationPatient)
        small = _small(apply_modality_lut(ds.pixel_array, ds))
        tall, wide = (float(value) * ds.Columns / small.shape[1] for value in ds.PixelSpacing)
        return _Slice(
            height=float(ds.ImagePositionPatient[2]),
            series=str(ds.get("SeriesInstanceUID")),
            turned=(right, back),
            spacing=(tall, wide),
            hounsfield=small,
        )
    except (AttributeError, TypeError, ValueError, IndexError, RuntimeError, NotImplementedError) as error:
        raise DatasetError(f"{path} is no CT slice that can be used ({error}).") from error


def _from_nifti(path: Path) -> Scan:
    try:
        import nibabel
    except ImportError:
        raise DatasetError(f"{path}: NIfTI files need nibabel; install it with pip install nibabel.") from None
    failures = (nibabel.filebasedimages.ImageFileError, nibabel.spatialimages.HeaderDataError)
    try:
        image = nibabel.as_closest_canonical(nibabel.load(path))  # type: ignore[no-untyped-call]
        voxels = np.asarray(image.dataobj, dtype=np.float32)
        axes = np.abs(image.affine[:3, :3]) / np.linalg.norm(image.affine[:3, :3], axis=0)
        sizes = [float(value) for value in image.header.get_zooms()]
    except (OSError, ValueError, TypeError, EOFError, zlib.error, *failures) as error:
        raise DatasetError(f"{path} is no NIfTI file that can be read ({error}).") from error
    if voxels.ndim != 3:
        raise DatasetError(f"{path} has {voxels.ndim} dimensions; a scan has three.")
    if not np.diag(axes).min() >= _UPRIGHT:
        raise DatasetError(f"the slices in {path} are not axial; give a scan that is.")
    # Canonical: the first axis runs from the person's left to the right, the second from back to front, the third up.
    wide, tall, apart = sizes
    volume = np.stack([_small(one) for one in voxels.transpose(2, 1, 0)[::-1, ::-1, ::-1]])
    shrunk = voxels.shape[0] / volume.shape[2]
    return Scan(hounsfield=volume, spacing=(apart, tall * shrunk, wide * shrunk))


def _small(one: NDArray[np.generic]) -> Floats:
    if one.ndim != 2:
        raise ValueError(f"it has {one.ndim} dimensions, where a slice has two")
    floats = np.ascontiguousarray(one, dtype=np.float32)
    share = _MOST_COLUMNS / floats.shape[1]
    if share < 1:
        floats = np.asarray(cv2.resize(floats, None, fx=share, fy=share, interpolation=cv2.INTER_AREA), np.float32)
    return floats


def _written(scan: Scan, folder: Path, kind: str, angles: Sequence[int]) -> None:
    for degrees in angles:
        done, content = cv2.imencode(".png", project(scan, degrees))
        assert done
        (folder / f"{kind} {degrees:+04d}.png").write_bytes(content.tobytes())


def _all_projected(out: Path, chests: Sequence[Path], others: Sequence[Path]) -> None:
    known: dict[str, Path] = {}
    for name, paths in (("chest", chests), ("other", others)):
        for number, path in enumerate(paths, start=1):
            scan = read_scan(path)
            digest = hashlib.sha256(scan.hounsfield.tobytes()).hexdigest()
            if digest in known:
                raise DatasetError(f"{path} is the same scan as {known[digest]}; give each person once.")
            known[digest] = path
            folder = out / f"{name} {number}"
            folder.mkdir(parents=True)
            for kind, angles in (ANGLES if name == "chest" else {"other": ANGLES_OF_OTHERS}).items():
                _written(scan, folder, kind, angles)
            print(f"{folder.name}: {path.name}, {len(list(folder.iterdir()))} pictures", flush=True)
    (out / ABOUT).write_text("projections of CT scans\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m model.projections", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, help="a new folder for the pictures")
    parser.add_argument("--chest", type=Path, nargs="+", default=[], metavar="SCAN", help="scans of chests")
    parser.add_argument("--other", type=Path, nargs="+", default=[], metavar="SCAN", help="scans of other parts")
    options = parser.parse_args(arguments)
    if not options.chest and not options.other:
        parser.error("give scans after --chest or --other")
    try:
        if options.out.exists():
            raise DatasetError(f"{options.out} is there already; give a new folder.")
        options.out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=options.out.parent, prefix=".projections-") as beside:
            _all_projected(Path(beside) / "all", options.chest, options.other)
            (Path(beside) / "all").rename(options.out)
    except PneumoscopeError as error:
        print(f"model.projections: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"model.projections: {options.out} cannot be written ({error}); give another folder.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
