"""The data sets `train.py` knows, by the name it takes on the command line."""

from __future__ import annotations

from collections.abc import Callable

from model.datasets import chest_xray
from model.datasets.base import SPLITS, Dataset, Example, Split, check_splits, split_by_patient

REGISTRY: dict[str, Callable[..., Dataset]] = {"chest_xray": chest_xray.load}

__all__ = ["REGISTRY", "SPLITS", "Dataset", "Example", "Split", "check_splits", "split_by_patient"]
