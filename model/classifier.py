"""A classifier as the app sees it: a network, how a film becomes its input, and what its answers are called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray

from model.checkpoint import Checkpoint
from model.novelty import Novelty
from model.preprocess import INPUT_SIZE, preprocess
from model.vgg16 import CLASSES

Prepare = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True, eq=False, kw_only=True)
class Classifier:
    """Any network that tells one side from another.

    The network may have two classes or many. The question is always a yes or no: is it one of the `positive`
    classes? Everything that explains an answer explains the log odds of that question.

    Attributes
    ----------
    model : keras.Model
        Input (batch, height, width, channels) float32; output (batch, classes), or (batch, 1) for one sigmoid.
    prepare : callable
        Gray film (height, width) float32 in 0..1 of any size -> one input of `model`.
    input_shape : tuple of int
        (height, width, channels) of that input.
    classes : tuple of str
        What the outputs are called; two for a network with one sigmoid.
    positive : tuple of int
        Which of them count as "yes".
    threshold : float
        Probability from which the answer is yes, 0..1.
    version : str
        Names the weights; pictures are remembered by it.
    black : float
        What black is in an input.
    novelty : Novelty or None
        What tells films from other pictures, where it is known.
    """

    model: keras.Model
    prepare: Prepare
    input_shape: tuple[int, int, int]
    classes: tuple[str, ...]
    positive: tuple[int, ...]
    threshold: float
    version: str
    black: float = 0.0
    novelty: Novelty | None = None

    @property
    def sides(self) -> tuple[str, str]:
        """What "no" and "yes" are called."""
        negative = [name for k, name in enumerate(self.classes) if k not in self.positive]
        return " or ".join(negative), " or ".join(self.classes[k] for k in self.positive)

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> Classifier:
        """Return the classifier in one of our own checkpoints."""
        return cls(
            model=checkpoint.model,
            prepare=preprocess,
            input_shape=(INPUT_SIZE, INPUT_SIZE, 1),
            classes=CLASSES,
            positive=(CLASSES.index("pneumonia"),),
            threshold=checkpoint.threshold,
            version=checkpoint.sha256[:12],
            novelty=checkpoint.novelty,
        )
