"""Where the real films are: tests that need them say so when they are not there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_PLACE = os.environ.get("PNEUMOSCOPE_DATA", "")
DATA = Path(_PLACE)

needs_data = pytest.mark.skipif(
    not _PLACE,
    reason="REAL FILMS NOT TESTED: set PNEUMOSCOPE_DATA to the folder that holds chest_xray/ and rsna/",
)
