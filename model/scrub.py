"""The few facts of a DICOM that may be shown; every value must match a known pattern to pass."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from pydicom.dataset import Dataset

from model.dicom_values import numbers, text

SHOWN_TAGS = (
    0x00185101,  # View Position
    0x00100040,  # Patient's Sex
    0x00101010,  # Patient's Age
    0x00080060,  # Modality
    0x00180015,  # Body Part Examined
    0x00280030,  # Pixel Spacing
    0x00181164,  # Imager Pixel Spacing
)
"""The only descriptive elements the parser is ever asked for."""

_VIEWS = frozenset("AP PA LL RL RLD LLD RLO LLO LAO RAO LPO RPO LAT LATERAL".split())
_SEXES = frozenset("MFO")
_MODALITIES = frozenset("CR CT DR DX ES IO MG MR NM OT PT PX RF RG SC US XA XC".split())
_BODY_PARTS = frozenset(
    (
        "ABDOMEN ANKLE ARM BREAST CERVICALSPINE CHEST CHESTABDOMEN CHESTABDPELVIS CLAVICLE CSPINE ELBOW "
        "FEMUR FOOT HAND HEAD HEART HIP HUMERUS KNEE LEG LSPINE LUNG MEDIASTINUM NECK PELVIS RIB RIBS "
        "SHOULDER SKULL SPINE STERNUM THORAX THORACICSPINE TSPINE WHOLEBODY WRIST"
    ).split()
)
_AGE = re.compile(r"([0-9]{1,3})([DWMY]?)")
_AGE_UNITS = {"D": ("day", 365.25), "W": ("week", 52.18), "M": ("month", 12.0), "Y": ("year", 1.0)}
_OLDEST_SHOWN = 89
_SPACING_RANGE_MM = (0.001, 10.0)


def shown_metadata(dataset: Dataset) -> dict[str, str | float]:
    """Keep what may be shown of a data set, and only where its value is one of those expected.

    A name written into "Body Part Examined" is not in the list of body parts and so does not pass; ages over
    89 years are not told apart.

    Parameters
    ----------
    dataset : Dataset
        Any data set.

    Returns
    -------
    dict
        In this order and only where known: "View position", "Sex" (M, F or O), "Age" (for example "34
        years"), "Modality", "Body part" and "Pixel spacing (mm)" (a float, or "0.14 x 0.15" between
        rows and columns where these differ).

    References
    ----------
    DICOM PS3.16 annex L (body parts), PS3.3 C.8.11.3 and C.7.6.3 (views, spacing);
    45 CFR 164.514(b)(2) (ages).
    """
    facts: dict[str, str | float | None] = {
        "View position": _one_of(text(dataset, "ViewPosition"), _VIEWS),
        "Sex": _one_of(text(dataset, "PatientSex"), _SEXES),
        "Age": _age(text(dataset, "PatientAge")),
        "Modality": _one_of(text(dataset, "Modality"), _MODALITIES),
        "Body part": _one_of(text(dataset, "BodyPartExamined"), _BODY_PARTS),
        "Pixel spacing (mm)": _spacing(dataset),
    }
    return {name: value for name, value in facts.items() if value is not None}


def _one_of(value: str, known: Iterable[str]) -> str | None:
    value = value.upper()
    return value if value in known else None


def _age(value: str) -> str | None:
    """Say an Age String in words; bare digits are years, as the RSNA data set writes them."""
    match = _AGE.fullmatch(value.upper())
    if not match:
        return None
    count, (unit, per_year) = int(match[1]), _AGE_UNITS[match[2] or "Y"]
    if count / per_year >= _OLDEST_SHOWN + 1:
        return f"{_OLDEST_SHOWN + 1} years or older"
    return f"{count} {unit}{'' if count == 1 else 's'}"


def _spacing(dataset: Dataset) -> str | float | None:
    low, high = _SPACING_RANGE_MM
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        spacing = numbers(dataset, keyword)
        if len(spacing) == 2 and all(math.isfinite(value) and low <= value <= high for value in spacing):
            rows, columns = (round(value, 3) for value in spacing)
            return rows if rows == columns else f"{rows} x {columns}"
    return None
