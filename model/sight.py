"""Everything a network did with one film: its answer, every map of every layer, and every heatmap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from model.explain.cam import Heatmap, heatmap
from model.graph import Kind
from model.novelty import Doubt

Side = Literal["yes", "no"]
Map = NDArray[np.float32]


def given_to(convolution: str) -> str:
    """Return the key of `Sight.maps` for what a convolution is given, where that is no layer's map."""
    return f"input of {convolution}"


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What the network says about one film.

    Attributes
    ----------
    probability : float
        Of "yes" (pneumonia), 0..1.
    logits : tuple of float
        The scores of the classes before the softmax.
    threshold : float
        From which probability on the verdict is "yes".
    verdict : str
        What the side is called on which the probability lies: "normal" or "pneumonia" for our own networks.
    seconds : float
        Preprocessing and network, without waiting for a turn.
    sides : tuple of str
        What "no" and "yes" are called.
    doubt : Doubt or None
        Why all this should not be trusted, where something speaks against it.
    """

    probability: float
    logits: tuple[float, ...]
    threshold: float
    verdict: str
    seconds: float
    sides: tuple[str, str] = ("normal", "pneumonia")
    doubt: Doubt | None = None

    @property
    def is_yes(self) -> bool:
        """Whether the probability reaches the threshold."""
        return self.probability >= self.threshold


@dataclass(frozen=True, kw_only=True)
class LayerFacts:
    """One layer whose output is a stack of maps.

    Attributes
    ----------
    name : str
        Of the layer; see `model.graph.Step`.
    kind : {"convolution", "pooling"}
        What it does.
    size : tuple of int
        (height, width) of each map.
    channels : int
        How many maps there are.
    """

    name: str
    kind: Kind
    size: tuple[int, int]
    channels: int


def deepest(layers: Sequence[LayerFacts]) -> LayerFacts:
    """Return the convolution nearest to the answer that still has places to tell apart.

    Some networks end in a convolution over a single cell; a heatmap of that is one number.
    """
    convolutions = [layer for layer in layers if layer.kind == "convolution"]
    return next((layer for layer in reversed(convolutions) if layer.size > (1, 1)), convolutions[-1])


@dataclass(frozen=True, eq=False, kw_only=True)
class Sight:
    """One traced pass.

    Attributes
    ----------
    prediction : Prediction
        The answer.
    film : ndarray of float32, shape (height, width, channels)
        The network's input.
    layers : tuple of LayerFacts
        Convolutions and poolings in the order in which the film meets them.
    maps : Mapping of str to ndarray of float32, shape (height, width, channels)
        The raw output of each layer; 60 MB for VGG16. Empty where they were not kept. Where a layer is given
        something that is no layer's map, that is here too, under `given_to`.
    pushes : Mapping of str to ndarray of float32, shape (channels,)
        For each layer, feature times gradient summed over the map: how much each channel raises (or, negative,
        lowers) the log odds of "yes", to first order.
    summed : Mapping of (method, layer, side) to ndarray of float32, shape (height, width)
        What the Grad-CAM family adds up, before negative values are cut off.
    """

    prediction: Prediction
    film: Map
    layers: tuple[LayerFacts, ...]
    maps: Mapping[str, Map]
    pushes: Mapping[str, Map]
    summed: Mapping[tuple[str, str, Side], Map]

    @property
    def nbytes(self) -> int:
        """How much memory the arrays take."""
        arrays = [self.film, *self.maps.values(), *self.pushes.values(), *self.summed.values()]
        return sum(array.nbytes for array in arrays)

    @property
    def convolutions(self) -> tuple[LayerFacts, ...]:
        """The layers that a heatmap can be read from."""
        return tuple(layer for layer in self.layers if layer.kind == "convolution")

    @property
    def deepest(self) -> LayerFacts:
        """See `deepest`."""
        return deepest(self.layers)

    def layer(self, name: str) -> LayerFacts:
        """Return the facts about one layer.

        Raises
        ------
        KeyError
            If there is no such layer.
        """
        for facts in self.layers:
            if facts.name == name:
                return facts
        raise KeyError(name)

    def heatmap(self, method: str, layer: str, side: Side = "yes") -> Heatmap:
        """Return the heatmap of a method of `model.explain.cam.CAM_METHODS` at a convolution.

        Raises
        ------
        KeyError
            If there is no such method or convolution.
        """
        return heatmap(self.summed[method, layer, side], layer=layer)
