"""Safe access to the values of a DICOM data set: a damaged value is absent, never quoted in an error."""

from __future__ import annotations

from typing import Any

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from model.errors import ImageError


def text(dataset: Dataset, keyword: str) -> str:
    """Return the first value of an element as stripped text, "" where it is absent or damaged."""
    value = _first(_value(dataset, keyword))
    return "" if value is None else str(value).strip(" \0")


def numbers(dataset: Dataset, keyword: str) -> list[float]:
    """Return all values of a numeric element, an empty list where it is absent or damaged."""
    value = _value(dataset, keyword)
    values = value if isinstance(value, (MultiValue, list, tuple)) else [value]
    try:
        return [float(number) for number in values]
    except (TypeError, ValueError, OverflowError):
        return []


def whole(dataset: Dataset, keyword: str, default: int | None = None) -> int:
    """Return the first value of an integer element.

    Parameters
    ----------
    dataset : Dataset
        Where to look.
    keyword : str
        The element's DICOM keyword.
    default : int, optional
        What an absent or damaged element means; without it that is an error.

    Raises
    ------
    ImageError
        If there is no such integer and no default.
    """
    values = numbers(dataset, keyword)
    if values and values[0].is_integer():
        return int(values[0])
    if default is None:
        raise ImageError(f"This DICOM has no valid {keyword}, so its picture cannot be laid out; export it again.")
    return default


def items(dataset: Dataset, keyword: str) -> list[Dataset]:
    """Return the items of a sequence, an empty list where it is absent or damaged."""
    value = _value(dataset, keyword)
    try:
        return [item for item in value if isinstance(item, Dataset)]
    except TypeError:
        return []


def _value(dataset: Dataset, keyword: str) -> Any:
    # pydicom converts a value when it is first asked for, and a damaged one may raise nearly anything.
    try:
        return dataset.get(keyword)
    except Exception:
        return None


def _first(value: Any) -> Any:
    if isinstance(value, (MultiValue, list, tuple)):
        return value[0] if len(value) else None
    return value
