"""Networks this project has trained, as a new run meets them: a checkpoint with its card, or a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.cache import file_digest
from model.checkpoint import CARD, WEIGHTS, load_checkpoint, read_card
from model.commands import commands_of
from model.errors import DatasetError, RunError
from model.runs import BEST, CONFIG, Run
from model.settings import TrainingConfig, architecture_of


@dataclass(frozen=True, eq=False, kw_only=True)
class Trained:
    """A trained network and where it comes from.

    Attributes
    ----------
    folder : Path
        A checkpoint or a run.
    sha256 : str
        Of its weight file.
    command : str
        The command lines that trained it.
    architecture : Mapping
        Keyword arguments of `model.vgg16.build_classifier`.
    best : Mapping
        What is known of its weights: "val_loss", "size", ...
    epochs : sequence of Mapping
        The events of its epochs of phase 2.
    head_epochs : int
        How many epochs phase 1 took.
    look_split : Mapping or None
        What its card says about a look never seen.
    """

    folder: Path
    sha256: str
    command: str
    architecture: Mapping[str, Any]
    best: Mapping[str, Any]
    epochs: Sequence[Mapping[str, Any]]
    head_epochs: int
    look_split: Mapping[str, Any] | None = None

    def weights(self) -> dict[str, NDArray[np.float32]]:
        """Return its weights by the path of their variable, as they were trained: uncalibrated, float32.

        Raises
        ------
        CheckpointError, RunError
            If they are gone or damaged, or are no longer those of `sha256`.
        """
        file = WEIGHTS if (self.folder / CARD).exists() else BEST
        if (self.folder / file).exists() and file_digest(self.folder / file) != self.sha256:
            raise RunError(
                f"The network in {self.folder} is not the one this run was made for; put that one back, or begin a "
                "new run."
            )
        if file == WEIGHTS:
            return {v.path: np.array(v.numpy()) for v in load_checkpoint(self.folder, calibrated=False).model.weights}
        return Run(self.folder).load_best()[0]


def trained_in(folder: Path, *, fingerprint: str) -> Trained:
    """Return the trained network in a folder.

    Parameters
    ----------
    folder : Path
        A checkpoint with its card, or a run with its best weights.
    fingerprint : str
        Of the data set a new run learns from.

    Raises
    ------
    CheckpointError, RunError
        If there is neither in the folder, or the card does not say how the network was trained.
    DatasetError
        If it was trained on other films or another split: it may have learned films that are held out here.
    """
    if (folder / CARD).exists():
        found, films = _checkpoint(folder)
    elif (folder / CONFIG).exists():
        found, films = _run(folder)
    else:
        raise RunError(
            f"{folder} holds neither a checkpoint with its {CARD} nor a run with its {CONFIG}; give the folder of a "
            "trained network."
        )
    if films != fingerprint:
        raise DatasetError(
            f"The network in {folder} was trained on other films or another split, so that films held out here may be "
            "among those it has learned; use the data, --split, --seed and shares it was trained with."
        )
    return found


def training_of(run: Run) -> dict[str, Any]:
    """Return what a card says of a run's training: "best", "epochs" of phase 2 and "head_epochs", in all.

    Those of what it started from come first.

    Raises
    ------
    RunError
        If the run has no best weights yet.
    """
    before = run.config.get("started_from", {})
    epochs = [event for event in run.events() if event["event"] == "epoch"]
    return {
        "best": run.load_best()[1],
        "epochs": before.get("epochs", []) + [e for e in epochs if e["phase"] > 1],
        "head_epochs": before.get("head_epochs", 0) + sum(e["phase"] == 1 for e in epochs),
    }


def _checkpoint(folder: Path) -> tuple[Trained, str]:
    card = read_card(folder)
    training = card.get("training", {})
    if not ({"data", "command"} <= card.keys() and {"best", "epochs", "head_epochs"} <= training.keys()):
        raise RunError(f"The card in {folder} does not say how it was trained; make it with python -m model.card.")
    found = Trained(
        folder=folder,
        sha256=load_checkpoint(folder, calibrated=False).sha256,
        command=card["command"],
        architecture=card["architecture"],
        best=training["best"],
        epochs=training["epochs"],
        head_epochs=training["head_epochs"],
        look_split=card.get("look_split"),
    )
    return found, card["data"]["fingerprint"]


def _run(folder: Path) -> tuple[Trained, str]:
    run = Run(folder)
    training = training_of(run)
    found = Trained(
        folder=folder,
        sha256=file_digest(folder / BEST),
        command=commands_of(run),
        architecture=architecture_of(TrainingConfig.from_json(run.config)),
        look_split=run.config.get("started_from", {}).get("look_split"),
        **training,
    )
    return found, run.config["data"]["fingerprint"]
