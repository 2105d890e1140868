"""Grad-CAM: where a layer's features speak for a class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_NOTHING = 1e-4


@dataclass(frozen=True, eq=False, kw_only=True)
class Heatmap:
    """A class activation map.

    Attributes
    ----------
    values : ndarray of float32, shape (height, width)
        In 0..1, divided by `maximum`; all zeros where nothing speaks for the class.
    maximum : float
        The largest value before the division, in logits; what "1" means.
    layer : str
        The convolution it belongs to.
    """

    values: NDArray[np.float32]
    maximum: float
    layer: str

    @property
    def has_evidence(self) -> bool:
        """Whether any place speaks for the class; without it there is nothing to show."""
        return self.maximum > 0


def grad_cam(features: NDArray[np.float32], gradients: NDArray[np.float32], *, layer: str) -> Heatmap:
    """Weight each feature map by the mean gradient of a score, add up, keep what is positive.

    Parameters
    ----------
    features, gradients : ndarray of float32, shape (height, width, channels)
        A convolution's output for one film, and the gradient of a logit (or of a difference of two) by it.
    layer : str
        The convolution's name.

    Returns
    -------
    Heatmap
        With `maximum` 0 and all zeros where the sum is nowhere positive by more than rounding (1e-4 of its largest
        magnitude).

    References
    ----------
    Selvaraju et al. (2017), "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization",
    arXiv:1610.02391, equations 1 and 2.
    """
    weights = gradients.mean(axis=(0, 1))
    signed = features @ weights
    summed = np.maximum(signed, 0)
    maximum = float(summed.max())
    if not maximum > _NOTHING * float(np.abs(signed).max()):
        return Heatmap(values=np.zeros(summed.shape, dtype=np.float32), maximum=0.0, layer=layer)
    return Heatmap(values=np.asarray(summed / maximum, dtype=np.float32), maximum=maximum, layer=layer)
