"""The receptive field: by the published sizes, by hand, and by changing pixels inside and outside of the box."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.explain.receptive import Box, on_film, receptive_field
from model.predictor import Predictor
from model.preprocess import source_span, to_grid
from model.vgg16 import CONV_NAMES, POOL_NAMES
from tests.stand_in import small_predictor
from tests.unit.test_graph import classifier
from tests.unit.zoo import ZOO, build

GRID = (224, 224)
# Araujo et al. 2019 (Distill) and the usual recurrence: r += (k - 1) * jump, for the 18 layers of VGG16.
SIZES = {
    "block1_conv1": 3, "block1_conv2": 5, "block1_pool": 6, "block2_conv1": 10, "block2_conv2": 14, "block2_pool": 16,
    "block3_conv1": 24, "block3_conv2": 32, "block3_conv3": 40, "block3_pool": 44, "block4_conv1": 60,
    "block4_conv2": 76, "block4_conv3": 92, "block4_pool": 100, "block5_conv1": 132, "block5_conv2": 164,
    "block5_conv3": 196, "block5_pool": 212,
}  # fmt: skip


@pytest.mark.parametrize("name", list(SIZES))
def test_sizes_of_vgg16_in_the_middle_of_the_film(name: str) -> None:
    nodes = small_predictor().nodes
    side = next(node for node in nodes if node.name == name).shape[0]
    box = receptive_field(nodes, name, side // 2, side // 2, grid=GRID)
    assert box.size == (SIZES[name], SIZES[name])
    assert set(SIZES) == {*CONV_NAMES, *POOL_NAMES}


def test_cells_at_the_edge_see_less() -> None:
    nodes = small_predictor().nodes
    assert receptive_field(nodes, "block1_conv1", 0, 5, grid=GRID) == Box(top=0, left=4, bottom=2, right=7)
    assert receptive_field(nodes, "block1_pool", 0, 0, grid=GRID) == Box(top=0, left=0, bottom=4, right=4)
    assert receptive_field(nodes, "block5_conv3", 0, 13, grid=GRID) == Box(top=0, left=118, bottom=106, right=224)


def test_cells_that_are_not_there_are_refused() -> None:
    nodes = small_predictor().nodes
    with pytest.raises(IndexError, match="14 x 14 cells, there is none at row 14"):
        receptive_field(nodes, "block5_conv3", 14, 0, grid=GRID)
    with pytest.raises(KeyError):
        receptive_field(nodes, "block6_conv1", 0, 0, grid=GRID)


def positive(name: str) -> keras.Model:
    """Return a network in which more light anywhere it looks can only raise a cell."""
    model = build(name)
    for weight in model.weights:
        weight.assign(np.abs(np.asarray(weight)) + 0.05)
        if "mean" in weight.path or "beta" in weight.path:
            weight.assign(np.zeros(weight.shape))
    return model


def test_augmentation_and_normalization_of_channels_keep_places_apart() -> None:
    predictor = Predictor(classifier(build("augmented")))
    assert receptive_field(predictor.nodes, "first", 9, 9, grid=(32, 32)).size == (3, 3)
    assert receptive_field(predictor.nodes, "last", 9, 9, grid=(32, 32)).size == (5, 5)


@pytest.mark.parametrize(
    "name", [name for name in ZOO if name not in ("half_precision", "three_classes", "augmented")]
)
def test_the_box_is_exact_for_any_network(name: str) -> None:
    predictor = Predictor(classifier(positive(name)))
    rng = np.random.default_rng(1)
    plain = np.full((1, *predictor.classifier.input_shape), 0.6, np.float32)
    before = predictor._trace(plain)[1]
    for layer in predictor.layers:
        for corner in ((0, 0), tuple(n - 1 for n in layer.size), tuple(int(rng.integers(n)) for n in layer.size)):
            box = receptive_field(predictor.nodes, layer.name, *corner, grid=(32, 32))
            changed = plain.copy()
            changed[:, :, :, :] = 9.0
            changed[:, box.top : box.bottom, box.left : box.right] = 0.6
            outside = predictor._trace(changed)[1][layer.name].numpy()[0][corner]
            np.testing.assert_allclose(outside, before[layer.name].numpy()[0][corner], rtol=1e-5)
            for row, column in ((box.top, box.left), (box.bottom - 1, box.right - 1)):
                bright = plain.copy()
                bright[:, row, column] = 90.0
                inside = predictor._trace(bright)[1][layer.name].numpy()[0][corner]
                assert (inside > before[layer.name].numpy()[0][corner]).all()


@settings(max_examples=60, deadline=None)
@given(film=st.integers(20, 1500), grid=st.integers(7, 300), data=st.data())
def test_the_span_on_the_film_is_exact(film: int, grid: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, grid - 1))
    last = data.draw(st.integers(first, grid - 1))
    start, stop = source_span(first, last, film=film, grid=grid)
    assert 0 <= start < stop <= film
    line = np.full((film, 8), 0.5, np.float32)

    def cells(changed: np.ndarray) -> np.ndarray:
        return to_grid(changed, size=(grid, 8))[first : last + 1]

    plain = cells(line)
    outside = np.zeros_like(line)
    outside[start:stop] = 0.5
    np.testing.assert_allclose(cells(outside), plain, atol=1e-6)
    # A pixel at the very end of the filter may weigh nothing; the block beside it must count.
    edge = max(int(film / grid / 2), 1)
    for ends in (slice(start, start + 2 * edge), slice(max(stop - 2 * edge, start), stop)):
        inside = line.copy()
        inside[ends] = 0.0
        assert np.abs(cells(inside) - plain).max() > 1e-5


def test_a_box_on_the_film_covers_its_place() -> None:
    box = Box(top=111, left=0, bottom=114, right=224)
    found = on_film(box, grid=GRID, film=(448, 672))
    assert (found.left, found.right) == (0, 672)
    assert found.top <= 222 and found.bottom >= 228
    assert on_film(box, grid=GRID, film=GRID) == box
