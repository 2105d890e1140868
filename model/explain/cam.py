"""The Grad-CAM family: where a layer's features speak for a class.

Each method is a way of weighting the features; everything else they share. They work on tensors, also while a
``tf.function`` is traced, and on arrays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

_NOTHING = 1e-4


@dataclass(frozen=True, eq=False, kw_only=True)
class Heatmap:
    """A map of evidence.

    Attributes
    ----------
    values : ndarray of float32, shape (height, width)
        In 0..1, divided by `maximum`; all zeros where nothing speaks for the class.
    maximum : float
        The largest value before the division, in logits; what "1" means.
    layer : str
        The layer it was read from; "film" for methods that look at the input.
    """

    values: NDArray[np.float32]
    maximum: float
    layer: str

    @property
    def has_evidence(self) -> bool:
        """Whether any place speaks for the class; without it there is nothing to show."""
        return self.maximum > 0


class CamMethod:
    """One member of the family: a name, a source, and its weights."""

    key: str
    name: str
    source: str
    about: str

    def weights(self, features: Any, gradients: Any) -> Any:
        """Return what the features are multiplied by before they are added up over the channels.

        Parameters
        ----------
        features, gradients : tensor of float32, shape (height, width, channels)
            A convolution's output for one film, and the gradient of a score by it.

        Returns
        -------
        tensor of float32, shape (channels,) or (height, width, channels)
            One weight per channel, or one per place and channel.
        """
        raise NotImplementedError

    def summed(self, features: Any, gradients: Any) -> Any:
        """Return the weighted sum of the features, shape (height, width), before anything negative is cut off."""
        weights = self.weights(features, gradients)
        if len(weights.shape) == 1:
            return tf.tensordot(features, weights, 1)
        return tf.reduce_sum(features * weights, axis=-1)


class GradCam(CamMethod):
    """Weights: the mean gradient of each channel."""

    key = "grad-cam"
    name = "Grad-CAM"
    source = "Selvaraju et al. 2017, arXiv:1610.02391, equations 1 and 2"
    about = (
        "Asks of each channel, on average over the film, whether more of it would raise the score, and adds up the "
        "channels with that as their weight."
    )

    def weights(self, features: Any, gradients: Any) -> Any:
        """Return the mean over places, shape (channels,)."""
        return tf.reduce_mean(gradients, axis=(0, 1))


class GradCamPlusPlus(CamMethod):
    """Weights: a mean of the positive gradients of each channel."""

    key = "grad-cam++"
    name = "Grad-CAM++"
    source = "Chattopadhyay et al. 2018, arXiv:1710.11063, equation 19, for the exponential of the score"
    about = (
        "Like Grad-CAM, but counts only rises and lets a small region of a channel weigh as much as a large one, so "
        "that several separate spots all show."
    )

    def weights(self, features: Any, gradients: Any) -> Any:
        """Return the sum over places of the rises, weighted to a sum of 1 per channel, shape (channels,)."""
        squared = gradients * gradients
        total = tf.reduce_sum(features, axis=(0, 1))
        shares = tf.math.divide_no_nan(squared, 2 * squared + squared * gradients * total)
        # Where the gradient falls the denominator passes through zero; the authors' code leaves those places out too.
        shares = tf.where(gradients > 0, shares, 0.0)
        shares = tf.math.divide_no_nan(shares, tf.reduce_sum(shares, axis=(0, 1)))
        return tf.reduce_sum(shares * tf.nn.relu(gradients), axis=(0, 1))


class LayerCam(CamMethod):
    """Weights: the positive gradient of each place itself."""

    key = "layer-cam"
    name = "LayerCAM"
    source = "Jiang et al. 2021, doi:10.1109/TIP.2021.3089943, equations 5 and 6"
    about = "Weights every place by its own rise and ignores falls: sharp also in early layers."

    def weights(self, features: Any, gradients: Any) -> Any:
        """Return the gradients above zero, shape (height, width, channels)."""
        return tf.nn.relu(gradients)


class HiResCam(CamMethod):
    """Weights: the gradient of each place itself."""

    key = "hires-cam"
    name = "HiResCAM"
    source = "Draelos and Carin 2020, arXiv:2011.08891, equation 4"
    about = (
        "Weights every place by its own gradient, falls included. Where only linear layers follow, what it shows adds "
        "up to the score itself."
    )

    def weights(self, features: Any, gradients: Any) -> Any:
        """Return the gradients as they are, shape (height, width, channels)."""
        return gradients


CAM_METHODS: Mapping[str, CamMethod] = MappingProxyType(
    {method.key: method for method in (GradCam(), GradCamPlusPlus(), LayerCam(), HiResCam())}
)
"""The family by key."""


def heatmap(summed: NDArray[np.float32], *, layer: str) -> Heatmap:
    """Keep what is positive and scale it to 1.

    Parameters
    ----------
    summed : ndarray of float32, shape (height, width)
        Evidence for a class, negative where something speaks against it.
    layer : str
        Where it was read.

    Returns
    -------
    Heatmap
        With `maximum` 0 and all zeros where nothing is positive by more than rounding (1e-4 of the largest
        magnitude): no evidence is a result, and noise is not stretched into one.
    """
    positive = np.maximum(summed, 0)
    maximum = float(positive.max())
    if not maximum > _NOTHING * float(np.abs(summed).max()):
        return Heatmap(values=np.zeros(summed.shape, dtype=np.float32), maximum=0.0, layer=layer)
    return Heatmap(values=np.asarray(positive / maximum, dtype=np.float32), maximum=maximum, layer=layer)
