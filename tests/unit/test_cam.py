"""The Grad-CAM family on numbers anyone can check, by invariances, and against another implementation."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from model.artifacts import sample_films
from model.checkpoint import load_checkpoint
from model.classifier import Classifier
from model.explain.cam import CAM_METHODS, GradCam, GradCamPlusPlus, Heatmap, HiResCam, LayerCam, heatmap
from model.explain.overlay import blend
from model.images import read_radiograph
from model.predictor import Predictor
from model.sight import Side
from model.vgg16 import logits_model


def grad_cam(features: np.ndarray, gradients: np.ndarray, *, layer: str) -> Heatmap:
    return heatmap(GradCam().summed(features, gradients).numpy(), layer=layer)


def test_a_two_by_two_map_by_hand() -> None:
    features = np.zeros((2, 2, 2), dtype=np.float32)
    features[:, :, 0] = [[1, 2], [3, 4]]
    features[:, :, 1] = [[4, 0], [0, 1]]
    gradients = np.zeros((2, 2, 2), dtype=np.float32)
    gradients[:, :, 0] = [[4, 0], [0, 0]]
    gradients[:, :, 1] = [[-1, -1], [-1, 1]]
    found = grad_cam(features, gradients, layer="x")
    assert found.maximum == pytest.approx(3.5)
    np.testing.assert_allclose(found.values * 3.5, [[0, 2], [3, 3.5]], atol=1e-6)
    assert found.has_evidence
    assert found.layer == "x"


def test_nothing_positive_is_no_evidence_and_not_noise() -> None:
    features = np.ones((3, 3, 2), dtype=np.float32)
    for gradient in (-1.0, 0.0):
        found = grad_cam(features, np.full((3, 3, 2), gradient, np.float32), layer="x")
        assert not found.has_evidence
        assert found.maximum == 0
        assert not found.values.any()


def test_rounding_above_zero_is_not_stretched_into_a_map() -> None:
    features = np.array([[[1.0], [-1e-6]]], dtype=np.float32)
    found = grad_cam(features, np.full((1, 2, 1), -1.0, np.float32), layer="x")
    assert not found.has_evidence


def test_scaling_the_logit_scales_the_maximum_and_not_the_map() -> None:
    rng = np.random.default_rng(0)
    features, gradients = rng.random((5, 5, 4), dtype=np.float32), rng.normal(size=(5, 5, 4)).astype(np.float32)
    one, three = grad_cam(features, gradients, layer="x"), grad_cam(features, 3 * gradients, layer="x")
    assert three.maximum == pytest.approx(3 * one.maximum, rel=1e-5)
    np.testing.assert_allclose(three.values, one.values, atol=1e-6)


def test_the_order_of_channels_makes_no_difference() -> None:
    rng = np.random.default_rng(0)
    features, gradients = rng.random((5, 5, 4), dtype=np.float32), rng.normal(size=(5, 5, 4)).astype(np.float32)
    order = [2, 0, 3, 1]
    np.testing.assert_allclose(
        grad_cam(features[..., order], gradients[..., order], layer="x").values,
        grad_cam(features, gradients, layer="x").values,
        atol=1e-6,
    )


def test_overlay_leaves_cold_places_gray_and_colors_hot_ones() -> None:
    film = np.full((40, 40), 0.5, dtype=np.float32)
    heat = np.zeros((4, 4), dtype=np.float32)
    heat[0, 0] = 1
    out = blend(film, heat, opacity=0.8)
    assert out.shape == (40, 40, 3)
    assert out.dtype == np.uint8
    np.testing.assert_array_equal(out[30:, 30:], 128)
    hot = out[2, 2].astype(int)
    assert hot[0] - hot[2] > 50, "inferno is warm where it is hot"


@pytest.mark.parametrize(("heat", "opacity"), [(1.0, 0.0), (0.0, 1.0)])
def test_overlay_of_nothing_is_the_plain_film(heat: float, opacity: float) -> None:
    film = np.linspace(0, 1, 100, dtype=np.float32).reshape(10, 10)
    out = blend(film, np.full((2, 2), heat, np.float32), opacity=opacity)
    np.testing.assert_array_equal(out, np.repeat(np.rint(film * 255).astype(np.uint8)[..., None], 3, axis=2))


def small() -> tuple[np.ndarray, np.ndarray]:
    """Two channels of 2 x 2 features, and gradients of either sign."""
    features = np.zeros((2, 2, 2), dtype=np.float32)
    features[:, :, 0] = [[1, 2], [3, 4]]
    features[:, :, 1] = [[4, 0], [0, 1]]
    gradients = np.zeros((2, 2, 2), dtype=np.float32)
    gradients[:, :, 0] = [[2, 0], [-1, 1]]
    gradients[:, :, 1] = [[-1, 3], [0, 0]]
    return features, gradients


def test_layer_cam_by_hand() -> None:
    np.testing.assert_allclose(LayerCam().summed(*small()).numpy(), [[2, 0], [0, 4]])


def test_hires_cam_by_hand() -> None:
    np.testing.assert_allclose(HiResCam().summed(*small()).numpy(), [[2 - 4, 0], [-3, 4]])


def test_grad_cam_plus_plus_by_hand() -> None:
    # Channel 0 sums to 10: g^2 / (2 g^2 + 10 g^3) is 1/22 at g = 2 and 1/12 at g = 1; falls are left out, so channel 1
    # has one place only, and its weight is that place's gradient.
    weights = [(2 / 22 + 1 / 12) / (1 / 22 + 1 / 12), 3.0]
    np.testing.assert_allclose(GradCamPlusPlus().weights(*small()).numpy(), weights, rtol=1e-5)
    summed = GradCamPlusPlus().summed(*small()).numpy()
    assert summed[0, 0] == pytest.approx(weights[0] + 4 * weights[1], rel=1e-5)


def test_grad_cam_plus_plus_never_weighs_a_channel_down() -> None:
    features = np.full((1, 2, 1), 5, np.float32)
    gradients = np.array([[[0.1], [-0.499]]], np.float32)
    assert float(GradCamPlusPlus().weights(features, gradients)[0]) == pytest.approx(0.1)


@pytest.mark.parametrize("key", ["grad-cam", "layer-cam", "hires-cam"])
def test_a_steeper_score_scales_the_maximum_alone(key: str) -> None:
    features, gradients = small()
    one = heatmap(CAM_METHODS[key].summed(features, gradients).numpy(), layer="x")
    five = heatmap(CAM_METHODS[key].summed(features, 5 * gradients).numpy(), layer="x")
    assert five.maximum == pytest.approx(5 * one.maximum, rel=1e-6)
    np.testing.assert_allclose(five.values, one.values, atol=1e-6)


@pytest.mark.parametrize("key", list(CAM_METHODS))
def test_order_of_channels_is_irrelevant_to_every_method(key: str) -> None:
    rng = np.random.default_rng(4)
    features, gradients = rng.random((6, 6, 8), dtype=np.float32), rng.normal(size=(6, 6, 8)).astype(np.float32)
    order = rng.permutation(8)
    np.testing.assert_allclose(
        CAM_METHODS[key].summed(features[..., order], gradients[..., order]).numpy(),
        CAM_METHODS[key].summed(features, gradients).numpy(),
        rtol=1e-4,
        atol=1e-4,
    )


def test_hires_cam_adds_up_to_the_score_where_only_linear_layers_follow() -> None:
    rng = np.random.default_rng(2)
    features = rng.random((4, 4, 3), dtype=np.float32)
    dense = rng.normal(size=(4, 4, 3)).astype(np.float32)
    score = float((features * dense).sum())
    assert float(HiResCam().summed(features, dense).numpy().sum()) == pytest.approx(score, rel=1e-5)


@pytest.fixture(scope="module")
def shipped() -> Predictor:
    return Predictor(Classifier.of(load_checkpoint()))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("layer", ["block2_conv2", "block4_conv1", "block5_conv3"])
@pytest.mark.parametrize("side", ["yes", "no"])
def test_tf_keras_vis_finds_the_same(shipped: Predictor, layer: str, side: Side) -> None:
    """An independent implementation, on the shipped network and a real or drawn film."""
    from tf_keras_vis.gradcam import Gradcam
    from tf_keras_vis.gradcam_plus_plus import GradcamPlusPlus

    film = read_radiograph(sample_films()[-1].path)
    sight = shipped.explain(film)
    network = logits_model(shipped.classifier.model)
    sign = 1 if side == "yes" else -1
    for key, theirs in (("grad-cam", Gradcam), ("grad-cam++", GradcamPlusPlus)):
        expected = np.asarray(
            theirs(network, clone=False)(
                lambda logits: (sign * (logits[0][1] - logits[0][0]),),
                sight.film[None],
                penultimate_layer=layer,
                seek_penultimate_conv_layer=False,
                # Its own code takes the falls into the normalization, which the authors' code does not.
                gradient_modifier=tf.nn.relu if key == "grad-cam++" else None,
                expand_cam=False,
                normalize_cam=False,
            )
        )[0]
        mine = sight.heatmap(key, layer, side).values
        peak = expected.max()
        if not mine.any():
            assert peak < 1e-3 * np.abs(sight.summed[key, layer, side]).max()
            continue
        np.testing.assert_allclose(mine, expected / peak, atol=1e-3)
