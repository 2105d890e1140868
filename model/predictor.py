"""From a film to a prediction and its heatmap: two traced functions, built once, served in turn."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from model.checkpoint import Checkpoint, load_checkpoint
from model.explain.gradcam import Heatmap, grad_cam
from model.fifo import FifoLock
from model.images import Radiograph
from model.preprocess import INPUT_SIZE, preprocess
from model.vgg16 import CLASSES, CONV_NAMES

LAST_CONV = CONV_NAMES[-1]
Verdict = Literal["normal", "pneumonia"]

__all__ = ["LAST_CONV", "Explanation", "Heatmap", "Prediction", "Predictor", "Verdict"]


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What the network says about one film.

    Attributes
    ----------
    probability : float
        Of pneumonia, 0..1.
    logits : tuple of float
        The scores of `model.vgg16.CLASSES` before the softmax.
    threshold : float
        From which probability on the verdict is pneumonia.
    verdict : {"normal", "pneumonia"}
        The side of the threshold.
    seconds : float
        Preprocessing and network, without waiting for a turn.
    """

    probability: float
    logits: tuple[float, float]
    threshold: float
    verdict: Verdict
    seconds: float


@dataclass(frozen=True, eq=False, kw_only=True)
class Explanation:
    """A prediction and where in the film it comes from."""

    prediction: Prediction
    heatmap: Heatmap


class Predictor:
    """The network behind a queue. Build one per process and share it between threads.

    Parameters
    ----------
    checkpoint : Checkpoint
        As `model.checkpoint.load_checkpoint` gives it.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.threshold = checkpoint.threshold
        self.version = checkpoint.sha256[:12]
        self._queue = FifoLock()
        network = checkpoint.model
        logits = network.get_layer("logits").output
        to_logits = keras.Model(network.input, logits)
        to_both = keras.Model(network.input, [network.get_layer(LAST_CONV).output, logits])
        film = tf.TensorSpec((1, INPUT_SIZE, INPUT_SIZE, 1), tf.float32)
        self._logits = tf.function(lambda x: to_logits(x, training=False), input_signature=[film])

        def explained(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            with tf.GradientTape() as tape:
                tape.watch(x)
                features, scores = to_both(x, training=False)
                # The log-odds: a softmax does not change when both logits rise, so neither logit alone is evidence.
                score = scores[:, CLASSES.index("pneumonia")] - scores[:, CLASSES.index("normal")]
            return scores, features, tape.gradient(score, features)

        self._explained = tf.function(explained, input_signature=[film])

    @classmethod
    def shipped(cls) -> Predictor:
        """Load the checkpoint that comes with the project.

        Raises
        ------
        CheckpointError
            If it is missing or damaged.
        """
        return cls(load_checkpoint())

    @property
    def queue_length(self) -> int:
        """How many films wait for their turn at this moment."""
        return self._queue.waiting

    def warm_up(self) -> None:
        """Trace and run both functions once, so that the first film is as fast as the next."""
        nothing = np.zeros((1, INPUT_SIZE, INPUT_SIZE, 1), dtype=np.float32)
        with self._queue:
            self._logits(tf.constant(nothing))
            self._explained(tf.constant(nothing))

    def predict(self, film: Radiograph) -> Prediction:
        """Return the prediction for one film."""
        with self._queue:
            began = time.perf_counter()
            scores = self._logits(self._input(film)).numpy()
            return self._prediction(scores[0], time.perf_counter() - began)

    def explain(self, film: Radiograph) -> Explanation:
        """Return the prediction for one film and the last convolution's Grad-CAM for the log-odds of pneumonia."""
        with self._queue:
            began = time.perf_counter()
            scores, features, gradients = self._explained(self._input(film))
            heatmap = grad_cam(features.numpy()[0], gradients.numpy()[0], layer=LAST_CONV)
            prediction = self._prediction(scores.numpy()[0], time.perf_counter() - began)
        return Explanation(prediction=prediction, heatmap=heatmap)

    def _input(self, film: Radiograph) -> tf.Tensor:
        return tf.constant(preprocess(film.pixels)[None])

    def _prediction(self, logits: NDArray[np.float32], seconds: float) -> Prediction:
        normal, pneumonia = float(logits[0]), float(logits[1])
        probability = float(1 / (1 + np.exp(np.float64(normal) - np.float64(pneumonia))))
        return Prediction(
            probability=probability,
            logits=(normal, pneumonia),
            threshold=self.threshold,
            verdict="pneumonia" if probability >= self.threshold else "normal",
            seconds=seconds,
        )
