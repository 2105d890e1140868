"""The network: its layers, its names, its preprocessing and its two halves."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from model.errors import WeightsError
from model.vgg16 import (
    CONV_NAMES,
    HEAD_NAMES,
    POOL_NAMES,
    GrayToImageNet,
    build_classifier,
    load_base_weights,
    logits_model,
    split_at_pool,
)


@pytest.fixture(scope="module")
def small() -> keras.Model:
    return build_classifier(base_width=1 / 16, width=8, input_size=64, seed=3)


@pytest.fixture(scope="module")
def full() -> keras.Model:
    return build_classifier(seed=None)


def test_names_and_shapes_are_those_of_keras(full: keras.Model) -> None:
    theirs = keras.applications.VGG16(weights=None, include_top=True)
    kept = [layer.name for layer in theirs.layers[1:-4]]
    assert len(kept) == 18
    assert [layer.name for layer in full.layers] == ["film", "imagenet_preprocessing", *kept, *HEAD_NAMES]
    for name in CONV_NAMES:
        assert full.get_layer(name).kernel.shape == theirs.get_layer(name).kernel.shape
    for name in (*CONV_NAMES, *POOL_NAMES):
        assert full.get_layer(name).output.shape == theirs.get_layer(name).output.shape


def test_exactly_five_layers_are_ours(full: keras.Model) -> None:
    ours = full.layers[-5:]
    assert [type(layer).__name__ for layer in ours] == [
        "GlobalAveragePooling2D",
        "Dense",
        "Dropout",
        "Dense",
        "Softmax",
    ]
    assert ours[3].units == 2
    assert not any(isinstance(layer, keras.Model) for layer in full.layers), "the graph must be flat"


def test_preprocessing_is_that_of_keras() -> None:
    gray = np.random.default_rng(0).random((2, 5, 7, 1), dtype=np.float32)
    rgb = np.repeat(gray * 255, 3, axis=-1)
    expected = keras.applications.vgg16.preprocess_input(rgb.copy())
    np.testing.assert_allclose(np.asarray(GrayToImageNet()(gray)), expected, atol=1e-4)


def test_one_pixel_by_hand() -> None:
    black_and_white = np.array([0.0, 1.0], dtype=np.float32).reshape(1, 1, 2, 1)
    out = np.asarray(GrayToImageNet()(black_and_white))
    np.testing.assert_allclose(out[0, 0, 0], [-103.939, -116.779, -123.68], atol=1e-4)
    np.testing.assert_allclose(out[0, 0, 1], [151.061, 138.221, 131.32], atol=1e-4)


def test_probabilities_are_the_softmax_of_the_logits(small: keras.Model) -> None:
    film = np.random.default_rng(1).random((3, 64, 64, 1), dtype=np.float32)
    logits = np.asarray(logits_model(small)(film, training=False), dtype=np.float64)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(np.asarray(small(film, training=False)), expected, rtol=1e-5)


def test_base_then_head_is_the_whole(small: keras.Model) -> None:
    film = np.random.default_rng(2).random((2, 64, 64, 1), dtype=np.float32)
    base, head = split_at_pool(small)
    assert base.output.shape == (None, 32)
    whole = np.asarray(logits_model(small)(film, training=False))
    np.testing.assert_allclose(np.asarray(head(base(film, training=False), training=False)), whole, rtol=1e-5)


def test_dropout_acts_in_training_only(small: keras.Model) -> None:
    film = np.random.default_rng(2).random((1, 64, 64, 1), dtype=np.float32)
    network = logits_model(small)
    still = [np.asarray(network(film, training=False)) for _ in range(2)]
    np.testing.assert_array_equal(*still)
    moving = np.stack([np.asarray(network(film, training=True)) for _ in range(8)])
    assert moving.std(axis=0).max() > 0


def test_the_seed_fixes_the_weights() -> None:
    one, same, other = (build_classifier(base_width=1 / 16, width=8, seed=s) for s in (5, 5, 6))
    for a, b in zip(one.weights, same.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
    assert not np.array_equal(one.get_layer("logits").get_weights()[0], other.get_layer("logits").get_weights()[0])
    kernels = [one.get_layer(n).get_weights()[0].ravel()[:9] for n in CONV_NAMES]
    assert len({k.tobytes() for k in kernels}) == len(CONV_NAMES), "layers must not start alike"


def test_imagenet_weights_reach_their_layers() -> None:
    model = build_classifier(input_size=32, seed=None)
    shapes = {n: [tuple(w.shape) for w in model.get_layer(n).weights] for n in CONV_NAMES}
    rng = np.random.default_rng(0)
    weights = {n: tuple(rng.random(s, dtype=np.float32) for s in shapes[n]) for n in CONV_NAMES}
    load_base_weights(model, weights)  # type: ignore[arg-type]
    for name, (kernel, bias) in weights.items():
        np.testing.assert_array_equal(model.get_layer(name).get_weights()[0], kernel)
        np.testing.assert_array_equal(model.get_layer(name).get_weights()[1], bias)


def test_wrong_weights_are_refused_by_name(small: keras.Model) -> None:
    with pytest.raises(WeightsError, match="block1_conv1"):
        load_base_weights(small, {})
    wrong = {n: (np.zeros((3, 3, 3, 64), np.float32), np.zeros(64, np.float32)) for n in CONV_NAMES}
    with pytest.raises(WeightsError, match=r"shape \(3, 3, 3, 64\), the network expects \(3, 3, 3, 4\)"):
        load_base_weights(small, wrong)


def test_flatten_needs_a_size_and_grows_with_it() -> None:
    with pytest.raises(ValueError, match="head='average'"):
        build_classifier(head="flatten", input_size=None)
    flat = build_classifier(head="flatten", input_size=64, base_width=1 / 16, width=8)
    assert flat.get_layer("head_dense").kernel.shape == (2 * 2 * 32, 8)


def test_an_open_size_takes_any_film() -> None:
    model = build_classifier(input_size=None, base_width=1 / 16, width=8)
    for side in (32, 64, 96):
        assert model(np.zeros((1, side, side, 1), np.float32)).shape == (1, 2)


def test_bfloat16_multiplies_in_the_base_only_and_keeps_the_weights_in_float32(small: keras.Model) -> None:
    mixed = build_classifier(base_width=1 / 16, width=8, input_size=64, seed=3, precision="bfloat16")
    computed = {layer.name: layer.compute_dtype for layer in mixed.layers}
    base = {*CONV_NAMES, *POOL_NAMES}
    assert {name for name, dtype in computed.items() if dtype == "bfloat16"} == base
    assert set(computed.values()) == {"bfloat16", "float32"}
    assert {v.dtype for v in mixed.weights} == {"float32"}
    assert [v.path for v in mixed.weights] == [v.path for v in small.weights]
    film = np.random.default_rng(5).random((4, 64, 64, 1), dtype=np.float32)
    exact, rounded = (np.asarray(logits_model(network)(film)) for network in (small, mixed))
    assert rounded.dtype == np.float32
    # bfloat16 keeps 8 bits: close to the same answer, and not the same.
    spread = np.abs(exact).max()
    assert 0 < np.abs(rounded - exact).max() < 0.05 * spread
