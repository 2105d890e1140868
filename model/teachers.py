"""Teachers: networks of this project whose mean answer to a film is part of what another one learns towards.

The mean of several networks' logits often ranks films better than any of them, and a network that learns to answer
like them may keep a part of that in one (Hinton, Vinyals, Dean 2015, "Distilling the Knowledge in a Neural Network",
arXiv:1503.02531).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from model.cache import file_digest
from model.checkpoint import CARD, load_checkpoint, read_card
from model.commands import commands_of
from model.errors import DatasetError, RunError
from model.runs import BEST, Run
from model.settings import TrainingConfig, architecture_of
from model.vgg16 import Precision, build_classifier, logits_model


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """A trained network and where it comes from.

    Attributes
    ----------
    folder : Path
        A checkpoint or a run.
    sha256 : str
        Of its weight file.
    command : str
        The command lines that trained it.
    fingerprint : str
        Of the films it was trained on and of how they were split.
    architecture : dict
        Keyword arguments of `model.vgg16.build_classifier`.
    """

    folder: Path
    sha256: str
    command: str
    fingerprint: str
    architecture: dict[str, Any]

    def network(self, precision: Precision) -> keras.Model:
        """Return the network, uncalibrated: film (batch, size, size, 1) -> logits (batch, 2)."""
        model = build_classifier(**self.architecture, input_size=None, precision=precision, seed=None)
        if (self.folder / CARD).exists():
            trained = load_checkpoint(self.folder, calibrated=False).model
            arrays = {v.path: np.array(v.numpy()) for v in trained.weights}
        else:
            arrays, _ = Run(self.folder).load_best()
        for variable in model.weights:
            variable.assign(arrays[variable.path])
        return logits_model(model)


def teacher_in(folder: Path, *, fingerprint: str) -> Teacher:
    """Return the teacher in a folder.

    Parameters
    ----------
    folder : Path
        A checkpoint with its card, or a run with its best weights.
    fingerprint : str
        Of the data set its student learns from.

    Raises
    ------
    CheckpointError, RunError
        If there is neither in the folder, or it has a Flatten head, which fits one size of film only.
    DatasetError
        If it was trained on other films or another split: it may have learned films that are held out here.
    """
    found = _checkpoint(folder) if (folder / CARD).exists() else _run(folder)
    if found.architecture["head"] != "average":
        raise RunError(
            f"The teacher in {folder} has a Flatten head, which fits one size of film only; choose another."
        )
    if found.fingerprint != fingerprint:
        raise DatasetError(
            f"The teacher in {folder} was trained on other films or another split, so that films held out here may be "
            "among those it has learned; use the data, --split, --seed and shares it was trained with."
        )
    return found


def mean_answer(teachers: Sequence[Teacher], precision: Precision) -> Callable[[tf.Tensor], tf.Tensor]:
    """Return what asks all teachers.

    Returns
    -------
    callable
        Films (batch, size, size, 1) -> probabilities (batch, 2), the softmax of the mean of the teachers' logits.
    """
    networks = [teacher.network(precision) for teacher in teachers]

    def answer(films: tf.Tensor) -> tf.Tensor:
        return tf.nn.softmax(tf.add_n([network(films, training=False) for network in networks]) / len(networks))

    return answer


def _checkpoint(folder: Path) -> Teacher:
    card = read_card(folder)
    if not {"data", "command", "architecture"} <= card.keys():
        raise RunError(f"The card in {folder} does not say how it was trained; make it with python -m model.card.")
    return Teacher(
        folder=folder,
        sha256=card["weights"]["sha256"],
        command=card["command"],
        fingerprint=card["data"]["fingerprint"],
        architecture=dict(card["architecture"]),
    )


def _run(folder: Path) -> Teacher:
    run = Run(folder)
    run.load_best()
    return Teacher(
        folder=folder,
        sha256=file_digest(folder / BEST),
        command=commands_of(run),
        fingerprint=run.config["data"]["fingerprint"],
        architecture=architecture_of(TrainingConfig.from_json(run.config)),
    )
