"""The scores that come with a checkpoint: its validation and test films, without the films."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Literal

from model.calibration import at_temperature
from model.checkpoint import SCORES, SHIPPED, read_card
from model.errors import CheckpointError
from model.scores import ScoreTable, read_scores


def shipped_scores(split: Literal["val", "test"], folder: Path = SHIPPED) -> ScoreTable:
    """Return the scores of the films of one split, calibrated, as the app would show them.

    Raises
    ------
    CheckpointError
        If they are missing or damaged.
    """
    path = folder / SCORES
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(
            f"{path.name} is missing beside the checkpoint; restore it with git checkout, or make it with "
            "python -m model.card."
        ) from error
    entry = read_card(folder).get("scores")
    if not isinstance(entry, dict) or entry.get("sha256") != sha256(content).hexdigest():
        raise CheckpointError(
            f"{path.name} is not the file its card was made with; it was changed or cut, restore it with git checkout."
        )
    table = read_scores(content, name=path.name)
    part = table.where(table.attributes["split"] == split)
    known = {name: values for name, values in part.attributes.items() if name != "split"}
    return part.with_attributes(known)


def uncalibrated(table: ScoreTable, temperature: float) -> ScoreTable:
    """Return what the scores were before the temperature."""
    return table.with_scores(at_temperature(table.scores, 1 / temperature))
