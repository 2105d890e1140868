"""The classifier: Keras' VGG16 without its last four layers, and five layers of ours on top.

The network reads from top to bottom in `build_classifier`: one flat functional graph with Keras' own
layer names, so that any tool that indexes layers by name works on it.
"""

from __future__ import annotations

from typing import Literal

import keras
import numpy as np
from numpy.typing import NDArray

from model.errors import WeightsError

Head = Literal["average", "flatten"]
Precision = Literal["float32", "bfloat16"]

INPUT_SIZE = 224
CLASSES = ("normal", "pneumonia")
BLOCKS: tuple[tuple[int, int], ...] = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
CONV_NAMES: tuple[str, ...] = tuple(
    f"block{block}_conv{conv}" for block, (depth, _) in enumerate(BLOCKS, start=1) for conv in range(1, depth + 1)
)
POOL_NAMES: tuple[str, ...] = tuple(f"block{block}_pool" for block in range(1, len(BLOCKS) + 1))
HEAD_NAMES: tuple[str, ...] = ("head_pool", "head_dense", "head_dropout", "logits", "probabilities")

_IMAGENET_BGR_MEANS = (103.939, 116.779, 123.68)


@keras.saving.register_keras_serializable(package="pneumoscope")
class GrayToImageNet(keras.layers.Layer):  # type: ignore[misc]
    """Turn gray 0..1 into what Keras' VGG16 weights expect: BGR, 0..255, ImageNet means subtracted.

    A gray pixel has blue = green = red, so the three channels differ in the subtracted mean only.

    Notes
    -----
    Input (batch, height, width, 1) float32 in 0..1; output (batch, height, width, 3) float32, about
    -124..152. The means are those of ``keras.applications.vgg16.preprocess_input`` ("caffe" mode).
    """

    elementwise = True

    def call(self, gray: keras.KerasTensor) -> keras.KerasTensor:
        """Scale to 0..255, repeat to three channels and subtract the BGR means."""
        means = keras.ops.convert_to_tensor(_IMAGENET_BGR_MEANS, dtype=self.compute_dtype)
        return gray * 255.0 - means

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return `input_shape` with three channels."""
        return (*input_shape[:-1], 3)


def build_classifier(
    *,
    head: Head = "average",
    width: int = 256,
    dropout: float = 0.5,
    input_size: int | None = INPUT_SIZE,
    base_width: float = 1.0,
    precision: Precision = "float32",
    seed: int | None = 0,
) -> keras.Model:
    """Build the network with untrained weights.

    Parameters
    ----------
    head : {"average", "flatten"}
        What turns block 5's (7, 7, 512) maps into a vector: global average pooling (512 values, any input
        size) or Flatten (25,088 values, fixed input size).
    width : int
        Units of the hidden dense layer.
    dropout : float
        Share of hidden units dropped in training, 0..1.
    input_size : int or None
        Side of the square input in pixels; None leaves it open, for training at several sizes.
    base_width : float
        Multiplies the channel counts of all convolutions; 1.0 is VGG16. Smaller networks exist for tests only
        and cannot take ImageNet's weights.
    precision : {"float32", "bfloat16"}
        What the convolutions multiply. With bfloat16 their weights are still kept in float32 (mixed precision), and
        the preprocessing and the head stay in float32: gray levels and log odds need more than 8 bits.
    seed : int or None
        Seeds the initial weights and the dropout; None leaves all weights zero, to be filled from a file.

    Returns
    -------
    keras.Model
        Input (batch, size, size, 1) float32 gray in 0..1; output (batch, 2) probabilities of `CLASSES`.
        The layer before it, "logits", holds the unnormalised scores.

    Raises
    ------
    ValueError
        If Flatten is asked for without a fixed input size.

    References
    ----------
    Simonyan, Zisserman (2015), "Very Deep Convolutional Networks for Large-Scale Image Recognition",
    arXiv:1409.1556, configuration D.
    Micikevicius et al. (2018), "Mixed Precision Training", arXiv:1710.03740.
    """
    if head == "flatten" and input_size is None:
        raise ValueError("A Flatten head needs a fixed input_size, received None; use head='average' instead.")
    layers = keras.layers
    fresh = (
        "zeros" if seed is None else keras.initializers.GlorotUniform(seed=seed * 1000 + k)
        for k in range(len(CONV_NAMES) + 2)
    )

    of_base = "float32" if precision == "float32" else f"mixed_{precision}"

    film = keras.Input((input_size, input_size, 1), name="film")
    x = GrayToImageNet(name="imagenet_preprocessing")(film)
    for block, (depth, channels) in enumerate(BLOCKS, start=1):
        for conv in range(1, depth + 1):
            x = layers.Conv2D(
                max(1, round(channels * base_width)),
                3,
                padding="same",
                activation="relu",
                kernel_initializer=next(fresh),
                dtype=of_base,
                name=f"block{block}_conv{conv}",
            )(x)
        x = layers.MaxPooling2D(2, strides=2, dtype=of_base, name=f"block{block}_pool")(x)

    pool = layers.Flatten if head == "flatten" else layers.GlobalAveragePooling2D
    x = pool(name="head_pool")(x)
    x = layers.Dense(width, activation="relu", kernel_initializer=next(fresh), name="head_dense")(x)
    x = layers.Dropout(dropout, seed=seed, name="head_dropout")(x)
    x = layers.Dense(len(CLASSES), kernel_initializer=next(fresh), name="logits")(x)
    return keras.Model(film, layers.Softmax(name="probabilities")(x), name="pneumoscope_vgg16")


def load_base_weights(model: keras.Model, weights: dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]) -> None:
    """Put ImageNet's kernels and biases into the 13 convolutions.

    Parameters
    ----------
    model : keras.Model
        As built by `build_classifier` with ``base_width=1``.
    weights : dict
        Layer name -> (kernel (3, 3, in, out), bias (out,)), as `model.imagenet.imagenet_weights` gives.

    Raises
    ------
    WeightsError
        If a layer is missing from `weights` or a shape differs.
    """
    for name in CONV_NAMES:
        layer = model.get_layer(name)
        if name not in weights:
            raise WeightsError(f"The weights hold no layer {name}; expected all of {', '.join(CONV_NAMES)}.")
        kernel, bias = weights[name]
        if kernel.shape != tuple(layer.kernel.shape):
            raise WeightsError(
                f"The kernel of {name} has shape {kernel.shape}, the network expects {tuple(layer.kernel.shape)}; "
                "use the weights of VGG16 without its top."
            )
        layer.set_weights([kernel, bias])


def split_at_pool(model: keras.Model) -> tuple[keras.Model, keras.Model]:
    """Return the base up to "head_pool" and the head from there to the logits, sharing `model`'s weights.

    Parameters
    ----------
    model : keras.Model
        As built by `build_classifier`.

    Returns
    -------
    base : keras.Model
        Film (batch, size, size, 1) -> pooled features (batch, features).
    head : keras.Model
        Pooled features -> logits (batch, 2).
    """
    pooled = model.get_layer("head_pool").output
    features = keras.Input(tuple(pooled.shape[1:]), name="features")
    x = features
    for name in ("head_dense", "head_dropout", "logits"):
        x = model.get_layer(name)(x)
    return keras.Model(model.input, pooled, name="base"), keras.Model(features, x, name="head")


def logits_model(model: keras.Model) -> keras.Model:
    """Return `model` cut before its softmax: film -> logits (batch, 2), sharing all weights."""
    return keras.Model(model.input, model.get_layer("logits").output, name="logits_of_" + model.name)
