"""Chests from all sides: CT scans added up along parallel rays, as an X-ray film adds up what lies in its beam.

    python -m model.projections OUT --chest SCAN SCAN ... --other SCAN ...

A scan is a folder of one series of axial DICOM slices, or a NIfTI file (for which nibabel must be installed). Each
becomes a folder of OUT with a picture for each angle. `python -m model.card --views OUT` learns from them to tell
frontal chests from chests seen from the side and from other parts of the body.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.errors import InvalidDicomError
from pydicom.pixels.processing import apply_modality_lut
from scipy import ndimage

from model.cache import atomic_path
from model.errors import DatasetError, PneumoscopeError

Floats = NDArray[np.float32]

WATER = 0.019
"""How much a millimetre of water weakens X-rays of about 75 keV, 1/mm (NIST XCOM: .0206 at 60 keV, .0184 at 80)."""
ANGLES = {"frontal": (0, 10, -10, 180), "side": (75, -75, 90, -90, 105, -105)}
"""Kind of view of a chest -> degrees that the body is turned about its long axis; 0 looks from the front."""
ANGLES_OF_OTHERS = (0, 45, -45, 90, -90, 135, -135, 180)

_MOST_COLUMNS = 256
_BODY = -400.0
_PIXELS_PER_MM = 1.3
_LEAST = 0.15
_TAILS = (2.0, 99.5)
_UPRIGHT = 0.9


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


def read_scan(path: Path) -> Scan:
    """Read a folder of axial DICOM slices or a NIfTI file.

    Raises
    ------
    DatasetError
        If it holds no scan, or one that cannot be used.
    """
    scan = _from_slices(path) if path.is_dir() else _from_nifti(path)
    if min(scan.hounsfield.shape) < 2:
        raise DatasetError(f"{path} holds {scan.hounsfield.shape[0]} slice(s); a scan has at least two.")
    return scan


def line_integrals(scan: Scan, degrees: float) -> Floats:
    """Return how much parallel rays are weakened on their way through a body, as natural logarithms.

    Parameters
    ----------
    scan : Scan
        The table under the body, and whatever else does not touch it, is left out.
    degrees : float
        How far the body is turned about its long axis before it is looked at from the front.

    Returns
    -------
    ndarray of float32, shape (height, width)
        On square pixels, cut to where the body is.
    """
    deep, down = scan.spacing[1], scan.spacing[0]
    weakening = np.where(_body(scan.hounsfield), np.maximum(scan.hounsfield / 1000 + 1, 0) * WATER, 0)
    if scan.spacing[1] != scan.spacing[2]:
        weakening = ndimage.zoom(weakening, (1, 1, scan.spacing[2] / deep), order=1, mode="nearest", grid_mode=True)
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


def _body(hounsfield: Floats) -> NDArray[np.bool_]:
    parts, count = ndimage.label(hounsfield > _BODY)
    if not count:
        return np.zeros(hounsfield.shape, dtype=bool)
    largest = parts == 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))
    return np.stack([ndimage.binary_fill_holes(ndimage.binary_closing(one, iterations=2)) for one in largest])


def _from_slices(folder: Path) -> Scan:
    slices = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        try:
            one = pydicom.dcmread(path)
        except (InvalidDicomError, OSError):
            continue
        if "PixelData" in one and "ImagePositionPatient" in one and "ImageOrientationPatient" in one:
            slices.append(one)
    series = {str(one.get("SeriesInstanceUID")) for one in slices}
    if len(series) != 1:
        raise DatasetError(f"{folder} holds slices of {len(series)} series; give a folder with the slices of one.")
    right, _, _, _, back, _ = (float(value) for value in slices[0].ImageOrientationPatient)
    if min(abs(right), abs(back)) < _UPRIGHT:
        raise DatasetError(f"the slices in {folder} are not axial; give a series that is.")
    slices.sort(key=lambda one: -float(one.ImagePositionPatient[2]))
    try:
        volume = np.stack([_small(apply_modality_lut(one.pixel_array, one)) for one in slices])
    except (AttributeError, ValueError, RuntimeError, NotImplementedError) as error:
        raise DatasetError(f"the slices in {folder} cannot be read ({error}).") from error
    heights = [float(one.ImagePositionPatient[2]) for one in slices]
    shrunk = slices[0].Columns / volume.shape[2]
    tall, wide = (float(value) * shrunk for value in slices[0].PixelSpacing)
    apart = (heights[0] - heights[-1]) / max(len(slices) - 1, 1)
    return Scan(
        hounsfield=np.ascontiguousarray(volume[:, :: int(np.sign(back)), :: int(np.sign(right))]),
        spacing=(apart, tall, wide),
    )


def _from_nifti(path: Path) -> Scan:
    try:
        import nibabel
    except ImportError:
        raise DatasetError(f"{path}: NIfTI files need nibabel; install it with pip install nibabel.") from None
    try:
        image = nibabel.as_closest_canonical(nibabel.load(path))  # type: ignore[no-untyped-call]
        voxels = np.asarray(image.dataobj, dtype=np.float32)
    except (OSError, ValueError, EOFError, nibabel.filebasedimages.ImageFileError) as error:
        raise DatasetError(f"{path} is no NIfTI file that can be read ({error}).") from error
    if voxels.ndim != 3:
        raise DatasetError(f"{path} has {voxels.ndim} dimensions; a scan has three.")
    # Canonical: the first axis runs from the person's left to the right, the second from back to front, the third up.
    wide, tall, apart = (float(value) for value in image.header.get_zooms())
    volume = np.stack([_small(one) for one in voxels.transpose(2, 1, 0)[::-1, ::-1, ::-1]])
    shrunk = voxels.shape[0] / volume.shape[2]
    return Scan(hounsfield=volume, spacing=(apart, tall * shrunk, wide * shrunk))


def _small(one: NDArray[np.generic]) -> Floats:
    floats = np.ascontiguousarray(one, dtype=np.float32)
    share = _MOST_COLUMNS / floats.shape[1]
    if share < 1:
        floats = np.asarray(cv2.resize(floats, None, fx=share, fy=share, interpolation=cv2.INTER_AREA), np.float32)
    return floats


def _written(scan: Scan, folder: Path, kind: str, angles: Sequence[int]) -> None:
    for degrees in angles:
        done, content = cv2.imencode(".png", project(scan, degrees))
        assert done
        with atomic_path(folder / f"{kind} {degrees:+04d}.png") as temporary:
            temporary.write_bytes(content.tobytes())


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
        for name, paths in (("chest", options.chest), ("other", options.other)):
            for number, path in enumerate(paths, start=1):
                scan = read_scan(path)
                folder = options.out / f"{name} {number}"
                folder.mkdir(parents=True)
                for kind, angles in (ANGLES if name == "chest" else {"other": ANGLES_OF_OTHERS}).items():
                    _written(scan, folder, kind, angles)
                print(f"{folder.name}: {path.name}, {len(list(folder.iterdir()))} pictures", flush=True)
        about = f"Projected by python -m model.projections from {len(options.chest)} CT scans of chests and "
        (options.out / "about.txt").write_text(f"{about}{len(options.other)} of other parts.\n", encoding="utf-8")
    except PneumoscopeError as error:
        print(f"model.projections: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
