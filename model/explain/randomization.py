"""Forget what was learned, layer by layer from the top, and see whether the heatmap changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from model.explain.cam import heatmap
from model.explain.faithfulness import enlarged
from model.explain.work import Progress, unwatched
from model.predictor import Predictor
from model.sight import Side

Map = NDArray[np.float32]

_SSIM_SIDE = 112


@dataclass(frozen=True, eq=False, kw_only=True)
class Level:
    """One step of the cascade.

    Attributes
    ----------
    forgotten : str
        The layer that was randomized last, together with all above it; empty for the trained network.
    summed : Mapping of (layer, side) to ndarray of float32, shape (height, width)
        The method's map at each convolution.
    probability : float
        What the network answers now.
    """

    forgotten: str
    summed: dict[tuple[str, Side], Map]
    probability: float


def forget_from_the_top(
    predictor: Predictor, film: Map, *, method: str, seed: int = 0, progress: Progress = unwatched
) -> Iterator[Level]:
    """Randomize the network from its last layer to its first and explain the film at every step.

    The network itself is changed for the time of each single pass, in its turn of the queue, and put right again
    before anyone else is served: no second network is needed. Kernels are drawn anew from a normal distribution of
    He's variance, 2 / fan-in, biases become zero.

    Parameters
    ----------
    predictor : Predictor
        The network.
    film : ndarray of float32, shape (height, width, channels)
        One prepared input.
    method : str
        A key of `model.explain.cam.CAM_METHODS`.
    seed : int
        Of the random weights.
    progress : callable
        Told the share that is done.

    Yields
    ------
    Level
        The trained network first, then one more layer forgotten each time.

    References
    ----------
    Adebayo et al. (2018), "Sanity Checks for Saliency Maps", arXiv:1810.03292, section 3: cascading randomization.
    """
    layers = learned_layers(predictor)
    rng = np.random.default_rng(seed)
    forgotten: list[tuple[Any, NDArray[np.float32]]] = []
    for done, layer in enumerate([None, *reversed(layers)]):
        if layer is not None:
            forgotten += [(variable, _fresh(rng, layer, variable)) for variable in _learned(layer)]
        sight = predictor.explain_changed(film, forgotten)
        summed = {(name, side): value for (key, name, side), value in sight.summed.items() if key == method}
        yield Level(
            forgotten=layer.name if layer is not None else "",
            summed=summed,
            probability=sight.prediction.probability,
        )
        progress((done + 1) / (len(layers) + 1))


def learned_layers(predictor: Predictor) -> list[keras.layers.Layer]:
    """Return the layers with weights, frozen ones too, in the order in which the film meets them, each once."""
    found: dict[int, keras.layers.Layer] = {}
    for node in predictor.nodes:
        if isinstance(node.operation, keras.layers.Layer) and _learned(node.operation):
            found.setdefault(id(node.operation), node.operation)
    return list(found.values())


def similarity(one: Map, other: Map, *, layer: str) -> float:
    """Return the structural similarity of two maps, as they would be shown: negative values cut off, scaled to 1.

    Parameters
    ----------
    one, other : ndarray of float32, shape (height, width)
        What a method added up.
    layer : str
        Where both were read.

    Returns
    -------
    float
        -1..1; 1 for equal maps. Two empty maps are equal; of a map that has gone, nothing is left: 0.

    References
    ----------
    Wang et al. (2004), "Image Quality Assessment", doi:10.1109/TIP.2003.819861, as `tf.image.ssim` computes it.
    """
    found = [heatmap(summed, layer=layer) for summed in (one, other)]
    if found[0].has_evidence != found[1].has_evidence:
        return 0.0
    pictures = [enlarged(m.values, (_SSIM_SIDE, _SSIM_SIDE))[:, :, None] for m in found]
    return float(tf.image.ssim(tf.constant(pictures[0]), tf.constant(pictures[1]), max_val=1.0))


def _learned(layer: keras.layers.Layer) -> list[Any]:
    """Return the numbers that training left in a layer, also in one that was frozen; a dropout's seed is none."""
    return [variable for variable in layer.weights if "seed_generator" not in variable.path]


def _fresh(rng: np.random.Generator, layer: keras.layers.Layer, variable: Any) -> NDArray[np.float32]:
    shape = tuple(variable.shape)
    if len(shape) < 2:
        one = variable.path.rsplit("/", 1)[-1] in ("gamma", "moving_variance")
        return np.full(shape, float(one), np.float32)
    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    fan_in = float(np.prod(shape[:2] if depthwise else shape[:-1]))
    return rng.normal(0, np.sqrt(2 / fan_in), shape).astype(np.float32)
