"""Score many films with one traced network, in a way that goes on after an interruption."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tqdm import tqdm

from model.cache import atomic_path
from model.datasets import Split
from model.films import Films
from model.novelty import LAYERS
from model.preprocess import standardize
from model.stress import stressed
from model.vgg16 import logits_model

Film = NDArray[np.float32]
Change = Callable[[Film, int], Film]

_BATCH = 8


def under(condition: str) -> Change:
    """Return what a condition of `model.stress` does to a film."""
    return lambda film, index: stressed(film, condition)


def probabilities_of(
    model: keras.Model, *, batch: int = _BATCH
) -> Callable[[Films, Change, str], NDArray[np.float64]]:
    """Return a function that scores many films with one traced network.

    Parameters
    ----------
    model : keras.Model
        The whole classifier.
    batch : int
        Films per pass.

    Returns
    -------
    callable
        (films, change, title) -> probability of pneumonia of each film, float64 in 0..1, shape (n,). `change` gets a
        film (224, 224) in 0..1 and its index and returns the film to judge; `title` names the progress bar.
    """
    network = logits_model(model)
    forward = tf.function(
        lambda x: tf.nn.softmax(tf.cast(network(x, training=False), tf.float64)), reduce_retracing=True
    )

    def score(films: Films, change: Change, title: str) -> NDArray[np.float64]:
        found = np.empty(len(films))
        for start in tqdm(range(0, len(films), batch), desc=title, unit="batch", mininterval=1):
            chosen = range(start, min(start + batch, len(films)))
            inputs = np.stack([standardize(change(films.gray(k), k))[:, :, None] for k in chosen])
            found[chosen] = forward(tf.constant(inputs)).numpy()[:, 1]
        return found

    return score


def features_of(model: keras.Model, *, batch: int = _BATCH) -> Callable[[Sequence[Film]], NDArray[np.float32]]:
    """Return a function that reads what `model.novelty` needs from many films.

    Returns
    -------
    callable
        Gray films (224, 224) in 0..1, not standardized -> the mean of each map of `model.novelty.LAYERS`, float32,
        shape (n, features).
    """
    layers = keras.Model(model.input, [model.get_layer(name).output for name in LAYERS])
    forward = tf.function(lambda x: _pooled(layers(x, training=False)), reduce_retracing=True)

    def read(films: Sequence[Film]) -> NDArray[np.float32]:
        found = []
        for start in tqdm(range(0, len(films), batch), desc="features", unit="batch", mininterval=1):
            inputs = np.stack([standardize(film)[:, :, None] for film in films[start : start + batch]])
            found.append(forward(tf.constant(inputs)).numpy())
        return np.concatenate(found)

    return read


def answers_of(model: keras.Model) -> Callable[[Sequence[Film]], tuple[NDArray[np.float64], NDArray[np.float32]]]:
    """Return a function that reads probabilities and features in one pass.

    Returns
    -------
    callable
        Gray films, not standardized -> probability of pneumonia, float64, shape (n,), and what `features_of` gives.
    """
    outputs = [model.get_layer("logits").output, *(model.get_layer(name).output for name in LAYERS)]
    layers = keras.Model(model.input, outputs)

    def answer(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        logits, *maps = layers(x, training=False)
        return tf.nn.softmax(tf.cast(logits, tf.float64))[:, 1], _pooled(maps)

    forward = tf.function(answer, reduce_retracing=True)

    def read(films: Sequence[Film]) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        inputs = np.stack([standardize(film)[:, :, None] for film in films])
        probabilities, pooled = forward(tf.constant(inputs))
        return probabilities.numpy(), pooled.numpy()

    return read


def _pooled(maps: Sequence[tf.Tensor]) -> tf.Tensor:
    """Return the mean of each map of several layers, shape (batch, features)."""
    return tf.concat([tf.reduce_mean(one, axis=(1, 2)) for one in maps], axis=1)


class Scorer:
    """Probabilities as the network was trained to give them, kept on disk as they are made.

    Parameters
    ----------
    folder : Path
        Where they are kept; it should belong to these very weights.
    model : keras.Model
        The whole classifier, not calibrated.
    """

    def __init__(self, folder: Path, model: keras.Model) -> None:
        self.folder = folder
        self.model = model
        self.folder.mkdir(parents=True, exist_ok=True)
        self._forward = probabilities_of(model)

    def scores(self, split: Split, films: Films, name: str) -> NDArray[np.float64]:
        """Return the probabilities of pneumonia of the films of a split under a condition, float64, shape (n,)."""
        stored = self.folder / f"{split}-{name.replace(' ', '_').replace('%', 'percent')}-{len(films)}.npy"
        if stored.exists():
            return np.asarray(np.load(stored, allow_pickle=False), dtype=np.float64)
        found = self._forward(films, under(name), f"{split}, {name}")
        with atomic_path(stored) as temporary, temporary.open("wb") as stream:
            np.save(stream, found)
        return found
