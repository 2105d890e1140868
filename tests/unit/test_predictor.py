"""The predictor: what it says is what the network says, and its heatmap is the gradient's."""

from __future__ import annotations

import threading
from dataclasses import replace

import keras
import numpy as np
import pytest

from model.checkpoint import Checkpoint
from model.classifier import Classifier
from model.images import Radiograph
from model.predictor import Predictor
from model.preprocess import preprocess
from model.vgg16 import CONV_NAMES, build_classifier, logits_model

LAST_CONV = CONV_NAMES[-1]


@pytest.fixture(scope="module")
def network() -> keras.Model:
    return build_classifier(base_width=1 / 16, width=8, seed=2)


@pytest.fixture(scope="module")
def predictor(network: keras.Model) -> Predictor:
    return Predictor(Classifier.of(Checkpoint(model=network, card={}, threshold=0.5, sha256="ab" * 32)))


def _film(seed: int) -> Radiograph:
    pixels = np.random.default_rng(seed).random((60, 80), dtype=np.float32)
    return Radiograph(pixels=pixels, original_size=(60, 80), format="PNG", sha256="0" * 64)


def test_the_probability_is_the_networks(network: keras.Model, predictor: Predictor) -> None:
    for seed in range(4):
        film = _film(seed)
        found = predictor.predict(film)
        batch = preprocess(film.pixels)[None]
        expected = np.asarray(network(batch, training=False))[0]
        assert found.probability == pytest.approx(float(expected[1]), abs=1e-6)
        np.testing.assert_allclose(found.logits, np.asarray(logits_model(network)(batch))[0], atol=1e-5)
        assert found.verdict == ("pneumonia" if found.probability >= 0.5 else "normal")
        assert found.seconds > 0


def test_the_threshold_decides_the_verdict(network: keras.Model) -> None:
    film = _film(0)
    checkpoint = Checkpoint(model=network, card={}, threshold=0.5, sha256="")
    probability = Predictor(Classifier.of(checkpoint)).predict(film).probability
    for threshold, verdict in ((probability - 1e-3, "pneumonia"), (probability + 1e-3, "normal")):
        with_it = Predictor(Classifier.of(replace(checkpoint, threshold=threshold)))
        assert with_it.predict(film).verdict == verdict


def test_the_explanation_agrees_with_the_prediction(predictor: Predictor) -> None:
    explained, predicted = predictor.explain(_film(1)), predictor.predict(_film(1))
    assert explained.prediction.probability == pytest.approx(predicted.probability, abs=1e-6)
    heatmap = explained.heatmap("grad-cam", LAST_CONV)
    assert heatmap.layer == predictor.last_convolution == "block5_conv3"
    assert heatmap.values.shape == (14, 14)


def test_the_heatmap_is_the_gradient_by_finite_differences(network: keras.Model, predictor: Predictor) -> None:
    film = _film(3)
    to_features = keras.Model(network.input, network.get_layer(LAST_CONV).output)
    features = np.asarray(to_features(preprocess(film.pixels)[None])).astype(np.float64)
    tail_names = ["block5_pool", "head_pool", "head_dense", "logits"]

    def log_odds(x: np.ndarray) -> float:
        y: object = x.astype(np.float32)
        for name in tail_names:
            y = network.get_layer(name)(y)
        return float(np.asarray(y)[0, 1] - np.asarray(y)[0, 0])

    step, means = 1e-2, []
    for channel in range(features.shape[-1]):
        up, down = features.copy(), features.copy()
        up[..., channel] += step
        down[..., channel] -= step
        means.append((log_odds(up) - log_odds(down)) / (2 * step) / features[0, :, :, 0].size)
    expected = np.maximum(features[0] @ np.array(means), 0)
    heatmap = predictor.explain(film).heatmap("grad-cam", LAST_CONV)
    if not heatmap.has_evidence:
        assert expected.max() < 1e-4 * np.abs(features[0] @ np.array(means)).max()
        return
    assert heatmap.maximum == pytest.approx(expected.max(), rel=0.02)
    np.testing.assert_allclose(heatmap.values, expected / expected.max(), atol=0.02)


def test_many_threads_get_their_own_answers(predictor: Predictor) -> None:
    expected = [predictor.predict(_film(k)).probability for k in range(6)]
    found: dict[int, float] = {}

    def ask(k: int) -> None:
        found[k] = predictor.explain(_film(k)).prediction.probability

    threads = [threading.Thread(target=ask, args=(k,)) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    np.testing.assert_allclose([found[k] for k in range(6)], expected, atol=1e-6)
    assert predictor.queue_length == 0


def test_the_version_names_the_weights(predictor: Predictor) -> None:
    assert predictor.version == "abababababab"
