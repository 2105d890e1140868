"""Teachers: networks of this project whose mean answer to a film is part of what another one learns towards.

The mean of several networks' logits often ranks films better than any of them, and a network that learns to answer
like them may keep a part of that in one (Hinton, Vinyals, Dean 2015, "Distilling the Knowledge in a Neural Network",
arXiv:1503.02531).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import tensorflow as tf

from model.errors import RunError
from model.trained import Trained, trained_in
from model.vgg16 import Precision, build_classifier, logits_model


def teacher_in(folder: Path, *, fingerprint: str) -> Trained:
    """Return the network in a folder as a teacher; parameters and errors as of `model.trained.trained_in`.

    Raises
    ------
    RunError
        If it has a Flatten head, too, which fits one size of film only.
    """
    found = trained_in(folder, fingerprint=fingerprint)
    if found.architecture["head"] != "average":
        raise RunError(
            f"The teacher in {folder} has a Flatten head, which fits one size of film only; choose another."
        )
    return found


def mean_answer(teachers: Sequence[Trained], precision: Precision) -> Callable[[tf.Tensor], tf.Tensor]:
    """Return what asks all teachers.

    Returns
    -------
    callable
        Films (batch, size, size, 1) -> probabilities (batch, 2), the softmax of the mean of the teachers' logits.

    Raises
    ------
    CheckpointError, RunError
        If one of them is gone, damaged or replaced.
    """
    networks = [_network(teacher, precision) for teacher in teachers]

    def answer(films: tf.Tensor) -> tf.Tensor:
        return tf.nn.softmax(tf.add_n([network(films, training=False) for network in networks]) / len(networks))

    return answer


def _network(teacher: Trained, precision: Precision) -> keras.Model:
    arrays = teacher.weights()
    model = build_classifier(**teacher.architecture, input_size=None, precision=precision, seed=None)
    for variable in model.weights:
        variable.assign(arrays[variable.path])
    return logits_model(model)
