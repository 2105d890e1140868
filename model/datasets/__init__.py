"""The data sets `train.py` knows: every file of this package that defines ``DATASET`` is one."""

from __future__ import annotations

import importlib
import pkgutil

from model.datasets.base import SPLITS, Box, Dataset, Example, Split
from model.datasets.kinds import Kind, Option
from model.datasets.splits import check_classes, split_by_patient


def _registered() -> dict[str, Kind]:
    found = {}
    for module in pkgutil.iter_modules(__path__):
        if module.name.startswith("_"):
            continue
        kind = getattr(importlib.import_module(f"{__name__}.{module.name}"), "DATASET", None)
        if isinstance(kind, Kind):
            found[kind.name] = kind
    return dict(sorted(found.items()))


REGISTRY: dict[str, Kind] = _registered()

__all__ = [
    "REGISTRY",
    "SPLITS",
    "Box",
    "Dataset",
    "Example",
    "Kind",
    "Option",
    "Split",
    "check_classes",
    "split_by_patient",
]
