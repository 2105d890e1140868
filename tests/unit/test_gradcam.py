"""Grad-CAM on numbers anyone can check, and on the real graph."""

from __future__ import annotations

import numpy as np
import pytest

from model.explain.gradcam import grad_cam
from model.explain.overlay import blend


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
