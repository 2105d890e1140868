"""A predictor for tests of the pages: instant, counted, and as sure as a test wants it to be.

Its answers follow the film's brightness, so a test can make a film of any probability.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from model.images import Radiograph


@dataclass(frozen=True)
class StandInPrediction:
    """Same fields as ``model.predictor.Prediction``."""

    probability: float
    logits: tuple[float, float]
    threshold: float
    verdict: str
    seconds: float


@dataclass(frozen=True)
class StandInHeatmap:
    """Same fields as ``model.predictor.Heatmap``."""

    values: NDArray[np.float32]
    maximum: float
    layer: str

    @property
    def has_evidence(self) -> bool:
        """Whether anything speaks for pneumonia."""
        return self.maximum > 0.0


@dataclass(frozen=True)
class StandInExplanation:
    """Same fields as ``model.predictor.Explanation``."""

    prediction: StandInPrediction
    heatmap: StandInHeatmap


@dataclass
class StandInPredictor:
    """Counts its calls; the probability is the film's mean gray value."""

    version: str = "0123456789ab"
    threshold: float = 0.4
    queue_length: int = 0
    delay: float = 0.0
    calls: list[tuple[str, str]] = field(default_factory=list)
    before: Callable[[], None] = lambda: None

    def predict(self, film: Radiograph) -> StandInPrediction:
        """Answer and count."""
        self.calls.append(("predict", film.sha256))
        return self._judge(film)

    def explain(self, film: Radiograph) -> StandInExplanation:
        """Answer and count; a film without any white has no positive evidence."""
        self.calls.append(("explain", film.sha256))
        down, across = np.mgrid[0:14, 0:14]
        values = np.exp(-(((down - 9) / 2.6) ** 2 + ((across - 4) / 2.2) ** 2)).astype(np.float32)
        maximum = 2.5 if float(film.pixels.max()) > 0.5 else 0.0
        heatmap = StandInHeatmap(values=values * (maximum > 0), maximum=maximum, layer="block5_conv3")
        return StandInExplanation(prediction=self._judge(film), heatmap=heatmap)

    def _judge(self, film: Radiograph) -> StandInPrediction:
        self.before()
        time.sleep(self.delay)
        probability = float(film.pixels.mean())
        return StandInPrediction(
            probability=probability,
            logits=(0.0, float(np.log(max(probability, 1e-9) / max(1 - probability, 1e-9)))),
            threshold=self.threshold,
            verdict="pneumonia" if probability >= self.threshold else "normal",
            seconds=0.3125,
        )
