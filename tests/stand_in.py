"""A predictor for tests of the pages: instant, counted, and as sure as a test wants it to be.

Its answers follow the film's brightness, so a test can make a film of any probability. Its maps are those of a small
network, but have the layers and the arithmetic of a real one.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np

from model.checkpoint import Checkpoint
from model.classifier import Classifier
from model.images import Radiograph
from model.predictor import Predictor
from model.sight import Prediction, Sight
from model.vgg16 import CONV_NAMES, build_classifier


@cache
def small_predictor() -> Predictor:
    """Return a predictor with VGG16's layers and a sixteenth of its channels."""
    network = build_classifier(base_width=1 / 16, width=8, seed=2)
    predictor = Predictor(Classifier.of(Checkpoint(model=network, card={}, threshold=0.4, sha256="0123456789ab")))
    predictor.warm_up()
    # As the app does, or every run of a page ends in a walk through all of TensorFlow.
    gc.collect()
    gc.freeze()
    return predictor


@dataclass
class StandInPredictor:
    """Counts its calls; the probability is the film's mean gray value."""

    version: str = "0123456789ab"
    threshold: float = 0.4
    queue_length: int = 0
    delay: float = 0.0
    calls: list[tuple[str, str]] = field(default_factory=list)
    before: Callable[[], None] = lambda: None

    def __getattr__(self, name: str) -> Any:
        """Whatever else is asked for is the small network's."""
        return getattr(small_predictor(), name)

    def predict(self, film: Radiograph) -> Prediction:
        """Answer and count."""
        self.calls.append(("predict", film.sha256))
        return self._judge(film)

    def explain(self, film: Radiograph, *, keep_maps: bool = True) -> Sight:
        """Answer and count; a film without any white has no positive evidence in the last layer."""
        self.calls.append(("explain", film.sha256))
        prediction = self._judge(film)
        sight = small_predictor().explain(film, keep_maps=keep_maps)
        down, across = np.mgrid[0:14, 0:14]
        blob = 2.5 * np.exp(-(((down - 9) / 2.6) ** 2 + ((across - 4) / 2.2) ** 2)).astype(np.float32)
        shown = blob if float(film.pixels.max()) > 0.5 else -blob
        summed = dict(sight.summed)
        summed["grad-cam", CONV_NAMES[-1], "yes"] = shown
        summed["grad-cam", CONV_NAMES[-1], "no"] = -shown
        return replace(sight, prediction=prediction, summed=summed)

    def _judge(self, film: Radiograph) -> Prediction:
        self.before()
        time.sleep(self.delay)
        probability = float(film.pixels.mean())
        return Prediction(
            probability=probability,
            logits=(0.0, float(np.log(max(probability, 1e-9) / max(1 - probability, 1e-9)))),
            threshold=self.threshold,
            verdict="pneumonia" if probability >= self.threshold else "normal",
            seconds=0.3125,
        )
