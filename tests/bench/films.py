"""Large films that all differ, made from the drawn samples: turned, stretched, exposed and grained by a number."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit

from tests.app_server import ROOT
from tests.unit.films import dicom, jpeg_stream

_SAMPLES = ROOT / "assets" / "samples"
_QUALITY = 85
_GRAIN = 3.0


def film_pixels(number: int, *, width: int = 1024, height: int = 1024) -> NDArray[np.uint8]:
    """Draw film `number`, shape (height, width), 8-bit gray; two numbers never give the same film."""
    rng = np.random.default_rng(number)
    samples = _samples()
    sample = samples[number % len(samples)]
    side = sample.shape[0]
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), rng.uniform(-8, 8), rng.uniform(1.0, 1.2))
    turned = cv2.warpAffine(sample, turn, (side, side), borderMode=cv2.BORDER_REPLICATE)
    enlarged = cv2.resize(turned, (width, height), interpolation=cv2.INTER_CUBIC)
    exposed = np.clip(enlarged, 0, 1) ** np.float32(rng.uniform(0.7, 1.4))
    grain = rng.normal(0, _GRAIN, exposed.shape)
    return np.asarray(np.rint(np.clip(255 * exposed + grain, 0, 255)), dtype=np.uint8)


def jpeg_dicom(number: int) -> bytes:
    """Write film `number` as a 1024 x 1024 DICOM with 8-bit JPEG baseline pixels."""
    pixels = film_pixels(number)
    stream = jpeg_stream(pixels, quality=_QUALITY)
    return dicom(pixels, syntax=JPEGBaseline8Bit, pixel_data=encapsulate([stream]), Modality="CR", ViewPosition="PA")


def jpeg(number: int) -> bytes:
    """Write film `number` as a JPEG of its own size, 900 to 1400 pixels a side."""
    width, height = np.random.default_rng((number, 1)).integers(900, 1401, 2)
    return jpeg_stream(film_pixels(number, width=int(width), height=int(height)), quality=_QUALITY)


@cache
def _samples() -> tuple[NDArray[np.float32], ...]:
    read = (cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in sorted(_SAMPLES.glob("*.png")))
    return tuple(np.asarray(film, dtype=np.float32) / np.float32(255) for film in read)
