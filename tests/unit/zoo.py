"""Small image classifiers built in every way people build them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

SHAPE = (32, 32, 1)
layers = keras.layers


def _base(channels: int = 1, name: str = "base") -> keras.Model:
    film = keras.Input((32, 32, channels))
    x = layers.Conv2D(6, 3, padding="same", activation="relu", name="first")(film)
    x = layers.MaxPooling2D(2, name="pool")(x)
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="last")(x)
    return keras.Model(film, x, name=name)


def flat() -> keras.Model:
    base = _base()
    x = layers.GlobalAveragePooling2D()(base.output)
    return keras.Model(base.input, layers.Dense(2, activation="softmax")(x))


def nested() -> keras.Model:
    film = keras.Input(SHAPE)
    x = layers.GlobalAveragePooling2D()(_base()(film))
    return keras.Model(film, layers.Dense(2, activation="softmax")(x))


def twice_nested() -> keras.Model:
    inner = keras.Sequential([keras.Input(SHAPE), _base(), layers.GlobalAveragePooling2D()], name="inner")
    film = keras.Input(SHAPE)
    return keras.Model(film, layers.Dense(2, activation="softmax")(inner(film)))


def sequential() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input(SHAPE),
            layers.Conv2D(6, 3, padding="same", activation="relu", name="first"),
            layers.MaxPooling2D(2, name="pool"),
            layers.Conv2D(8, 3, padding="same", activation="relu", name="last"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2, activation="softmax"),
        ]
    )


def sequential_around_functional() -> keras.Model:
    return keras.Sequential(
        [keras.Input(SHAPE), _base(), layers.GlobalAveragePooling2D(), layers.Dense(2), layers.Softmax()]
    )


def without_input_layer() -> keras.Model:
    model = keras.Sequential([_base(), layers.Flatten(), layers.Dense(2, activation="softmax")])
    model(np.zeros((1, *SHAPE), np.float32))
    return model


def one_sigmoid() -> keras.Model:
    base = _base()
    x = layers.GlobalMaxPooling2D()(base.output)
    return keras.Model(base.input, layers.Dense(1, activation="sigmoid")(x))


def one_sigmoid_as_a_layer() -> keras.Model:
    base = _base()
    x = layers.Dense(1)(layers.GlobalAveragePooling2D()(base.output))
    return keras.Model(base.input, layers.Activation("sigmoid")(x))


def one_logit() -> keras.Model:
    base = _base()
    return keras.Model(base.input, layers.Dense(1)(layers.GlobalAveragePooling2D()(base.output)))


def two_logits() -> keras.Model:
    base = _base()
    return keras.Model(base.input, layers.Dense(2)(layers.GlobalAveragePooling2D()(base.output)))


def softmax_as_a_function() -> keras.Model:
    base = _base()
    x = layers.Dense(2)(layers.GlobalAveragePooling2D()(base.output))
    return keras.Model(base.input, keras.ops.softmax(x))


def three_classes() -> keras.Model:
    base = _base()
    x = layers.GlobalAveragePooling2D()(base.output)
    return keras.Model(base.input, layers.Dense(3, activation="softmax")(x))


def residual() -> keras.Model:
    film = keras.Input(SHAPE)
    x = layers.Rescaling(1.0)(film)
    x = layers.Conv2D(8, 5, strides=2, use_bias=False, name="first")(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    y = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    y = layers.Conv2D(8, 1, groups=2, name="last")(y)
    x = layers.Add()([x, y])
    return keras.Model(film, layers.Dense(2, activation="softmax")(layers.GlobalAveragePooling2D()(x)))


def operators() -> keras.Model:
    film = keras.Input(SHAPE)
    x = layers.Conv2D(6, 3, padding="same", name="first")(film * 2.0 - 1.0)
    x = keras.ops.relu(x)
    x = layers.Conv2D(6, 3, padding="same", activation="relu", name="last")(x) + x
    return keras.Model(film, layers.Dense(2, activation="softmax")(layers.GlobalAveragePooling2D()(x)))


def shared_layer() -> keras.Model:
    film = keras.Input(SHAPE)
    conv = layers.Conv2D(1, 3, padding="same", activation="relu", name="first")
    x = layers.Conv2D(8, 3, activation="relu", name="last")(conv(conv(film)))
    return keras.Model(film, layers.Dense(2, activation="softmax")(layers.GlobalAveragePooling2D()(x)))


def three_gray_channels() -> keras.Model:
    film = keras.Input((32, 32, 3))
    x = layers.GlobalAveragePooling2D()(_base(3)(film))
    return keras.Model(film, layers.Dense(2, activation="softmax")(x))


def half_precision() -> keras.Model:
    film = keras.Input(SHAPE)
    x = layers.Conv2D(6, 3, padding="same", activation="relu", dtype="mixed_bfloat16", name="first")(film)
    x = layers.Conv2D(6, 3, padding="same", activation="relu", dtype="mixed_bfloat16", name="last")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(film, layers.Dense(2, activation="softmax", dtype="float32")(x))


@keras.saving.register_keras_serializable(package="tests")
class Subclassed(keras.Model):
    """A network that is a Python class."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.first = layers.Conv2D(6, 3, padding="same", activation="relu", name="first")
        self.last = layers.Conv2D(8, 3, strides=2, activation="relu", name="last")
        self.pool = layers.GlobalAveragePooling2D()
        self.answer = layers.Dense(2, activation="softmax")

    def call(self, film: Any) -> Any:
        return self.answer(self.pool(self.last(self.first(film))))


def subclassed() -> keras.Model:
    model = Subclassed()
    model(np.zeros((1, *SHAPE), np.float32))
    return model


def pooled_after_relu() -> keras.Model:
    film = keras.Input(SHAPE)
    x = layers.Conv2D(6, 3, padding="same", name="first")(film)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.MaxPooling2D(3, strides=2, padding="same", name="pool")(layers.ZeroPadding2D(1)(x))
    x = layers.Dropout(0.2)(layers.Conv2D(6, 3, activation="relu", name="middle")(x))
    x = layers.Conv2D(8, 3, activation=layers.LeakyReLU(0.2), name="last")(x)
    x = layers.AveragePooling2D(3, strides=1, padding="same", name="mean")(x)
    x = layers.Conv2D(4, 1, name="one_cell")(layers.GlobalAveragePooling2D(keepdims=True)(x))
    return keras.Model(film, layers.Dense(2, activation="softmax")(layers.Flatten()(x)))


def probabilities_and_then_nothing() -> keras.Model:
    base = _base()
    x = layers.Dense(2, activation="softmax")(layers.GlobalAveragePooling2D()(base.output))
    x = layers.Activation("linear", dtype="float32")(layers.Reshape((2,))(layers.Dropout(0.1)(x)))
    return keras.Model(base.input, x)


def mean_of_two_answers() -> keras.Model:
    base = _base()
    x = layers.GlobalAveragePooling2D()(base.output)
    heads = [layers.Dense(2, activation="softmax")(x) for _ in range(2)]
    return keras.Model(base.input, layers.Average()(heads))


def augmented() -> keras.Model:
    film = keras.Input(SHAPE)
    x = layers.RandomZoom(0.1)(layers.RandomFlip("horizontal")(film))
    x = layers.Conv2D(6, 3, activation="relu", name="first")(x)
    x = layers.Conv2D(8, 3, activation="relu", name="last")(layers.LayerNormalization()(x))
    return keras.Model(film, layers.Dense(2, activation="softmax")(layers.GlobalAveragePooling2D()(x)))


ZOO: dict[str, Callable[[], keras.Model]] = {
    build.__name__: build
    for build in (
        flat,
        nested,
        twice_nested,
        sequential,
        sequential_around_functional,
        without_input_layer,
        one_sigmoid,
        one_sigmoid_as_a_layer,
        one_logit,
        two_logits,
        softmax_as_a_function,
        three_classes,
        residual,
        operators,
        shared_layer,
        three_gray_channels,
        half_precision,
        subclassed,
        pooled_after_relu,
        probabilities_and_then_nothing,
        mean_of_two_answers,
        augmented,
    )
}


def build(name: str) -> keras.Model:
    """Build one of the zoo with the same weights each time."""
    keras.utils.set_random_seed(7)
    model = ZOO[name]()
    rng = np.random.default_rng(3)
    for weight in model.weights:
        spread = 0.4 if len(weight.shape) > 1 else 0.1
        fresh = rng.normal(0, spread, weight.shape)
        weight.assign(np.abs(fresh) + 0.5 if "variance" in weight.path else fresh)
    return model
