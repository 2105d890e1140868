"""One cell by hand, and every layer of the shipped network against the network itself."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.artifacts import sample_films
from model.errors import ExplainError
from model.explain.arithmetic import arithmetic
from model.images import read_radiograph
from model.predictor import Predictor
from model.sight import Sight
from model.vgg16 import CONV_NAMES


@pytest.fixture(scope="module")
def seen() -> tuple[Predictor, Sight]:
    predictor = Predictor.shipped()
    return predictor, predictor.explain(read_radiograph(sample_films()[-1].path))


def by_hand() -> tuple[keras.layers.Conv2D, np.ndarray]:
    layer = keras.layers.Conv2D(1, 3, padding="same", activation="relu", name="hand")
    layer.build((1, 3, 3, 2))
    kernel = np.zeros((3, 3, 2, 1), np.float32)
    kernel[1, 1, 0], kernel[0, 1, 0], kernel[2, 2, 1] = 2.0, -1.0, 0.5
    layer.set_weights([kernel, np.array([0.25], np.float32)])
    inputs = np.zeros((3, 3, 2), np.float32)
    inputs[:, :, 0] = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    inputs[:, :, 1] = 10 * inputs[:, :, 0]
    return layer, inputs


def test_a_cell_in_the_middle_by_hand() -> None:
    layer, inputs = by_hand()
    found = arithmetic(layer, inputs, row=1, column=1, channel=0)
    # 2 * 5 (centre) - 1 * 2 (above) from the first channel, 0.5 * 90 (below right) from the second, and the bias.
    np.testing.assert_array_equal(found.by_channel, [8.0, 45.0])
    assert found.pre_activation == found.value == 53.25
    assert found.inside.all()
    assert found.strongest(5) == ([1, 0], [])


def test_a_cell_at_the_edge_reads_zeros_beyond_it() -> None:
    layer, inputs = by_hand()
    found = arithmetic(layer, inputs, row=0, column=2, channel=0)
    np.testing.assert_array_equal(found.inside, [[0, 0, 0], [1, 1, 0], [1, 1, 0]])
    assert found.value == 2 * 3 + 0.25
    assert not found.patch[~found.inside].any()


def test_relu_cuts_off_what_is_negative() -> None:
    layer, inputs = by_hand()
    found = arithmetic(layer, -inputs, row=2, column=2, channel=0)
    assert found.pre_activation == -2 * 9 + 6 + 0.25
    assert found.value == 0
    assert found.activation == "relu"
    assert found.strongest(3) == ([], [0])


@settings(max_examples=40, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("name", CONV_NAMES)
def test_every_layer_of_the_shipped_network(seen: tuple[Predictor, Sight], name: str, data: st.DataObject) -> None:
    predictor, sight = seen
    facts = sight.layer(name)
    row, column = (data.draw(st.integers(0, n - 1)) for n in facts.size)
    channel = data.draw(st.integers(0, facts.channels - 1))
    (operation,) = (node.operation for node in predictor.nodes if node.name == name)
    found = arithmetic(operation, predictor.given(sight, name), row=row, column=column, channel=channel)
    value = float(sight.maps[name][row, column, channel])
    # Where large products cancel, float32 itself is no better than 1e-6 of what was added up.
    rounding = 2e-6 * float(np.abs(found.products).sum())
    assert found.value == pytest.approx(value, rel=1e-4, abs=rounding)
    assert found.pre_activation == pytest.approx(float(found.by_channel.sum()) + found.bias, rel=1e-9)


def test_cells_and_channels_that_are_not_there() -> None:
    layer, inputs = by_hand()
    for row, column, channel in ((3, 0, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)):
        with pytest.raises(IndexError):
            arithmetic(layer, inputs, row=row, column=column, channel=channel)


def test_a_layer_that_is_no_plain_convolution_is_refused() -> None:
    layer = keras.layers.SeparableConv2D(2, 3, name="split")
    layer.build((1, 8, 8, 3))
    with pytest.raises(ExplainError, match="split is a SeparableConv2D"):
        arithmetic(layer, np.zeros((8, 8, 3), np.float32), row=0, column=0, channel=0)
