"""Whatever the browser is sent must be enough to work out any cell, to the network's own number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from model.artifacts import sample_films
from model.explain.arithmetic import arithmetic
from model.explain.dissection import BUDGET, Dissection, cell_box, dissect
from model.explain.maps import channels_of, display, sheet
from model.explain.receptive import Box
from model.images import read_radiograph
from model.predictor import Predictor
from model.sight import Sight
from tests.unit.test_graph import classifier, film
from tests.unit.zoo import ZOO, build
from ui.packing import pack, unpack

FILM = (300, 400)


@pytest.fixture(scope="module")
def seen() -> tuple[Predictor, Sight]:
    predictor = Predictor.shipped()
    return predictor, predictor.explain(read_radiograph(sample_films()[-1].path))


def worked_out(found: Dissection, row: int, column: int) -> float:
    """Do what ``assets/microscope.js`` does."""
    total = found.bias + float(found.rest[row, column])
    values = []
    _, height, width = found.inputs.shape
    for i, y in enumerate(found.rows[row]):
        for j, x in enumerate(found.columns[column]):
            if 0 <= y < height and 0 <= x < width:
                values.append(found.inputs[:, y, x].astype(np.float64) * found.kernel[:, i, j])
    if found.operation == "maximum":
        return float(max(value[0] for value in values))
    if found.operation == "mean":
        return float(np.mean([value[0] for value in values]))
    return total + float(np.sum(values))


def test_every_layer_of_the_shipped_network(seen: tuple[Predictor, Sight]) -> None:
    predictor, sight = seen
    rng = np.random.default_rng(0)
    for layer in sight.layers:
        channel = int(np.argsort(-channels_of(sight, layer.name).strength)[3])
        found = dissect(predictor, sight, layer.name, channel, film=FILM)
        assert found.inputs.nbytes <= BUDGET
        assert found.left_out + len(found.channels) == (
            1 if layer.kind == "pooling" else predictor.given(sight, layer.name).shape[2]
        )
        top = float(np.abs(found.before).max())
        for _ in range(10):
            row, column = (int(rng.integers(n)) for n in layer.size)
            pre = worked_out(found, row, column)
            assert pre == pytest.approx(float(found.before[row, column]), rel=1e-4, abs=1e-5 * top)
            value = max(pre, 0.0) if found.activation == "relu" else pre
            assert value == pytest.approx(
                float(sight.maps[layer.name][row, column, channel]), rel=1e-4, abs=1e-5 * top
            )


def test_what_is_left_out_is_the_lightest(seen: tuple[Predictor, Sight]) -> None:
    predictor, sight = seen
    whole = dissect(predictor, sight, "block2_conv2", 7, film=FILM, budget=10**9)
    part = dissect(predictor, sight, "block2_conv2", 7, film=FILM)
    assert whole.left_out == 0 and not whole.rest.any()
    assert part.left_out > 0
    assert list(part.channels) == list(whole.channels[: len(part.channels)])
    one = dissect(predictor, sight, "block2_conv2", 7, film=FILM, budget=1)
    assert len(one.channels) == 1
    np.testing.assert_allclose(one.before, whole.before, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("name", [name for name in ZOO if name not in ("half_precision", "three_classes")])
def test_any_network_can_be_dissected(name: str) -> None:
    predictor = Predictor(classifier(build(name)))
    sight = predictor.explain(film())
    rng = np.random.default_rng(2)
    for node in predictor.nodes:
        if node.kind is None:
            continue
        found = dissect(predictor, sight, node.name, 0, film=(32, 32))
        for _ in range(5):
            row, column = (int(rng.integers(n)) for n in node.shape[:2])
            assert worked_out(found, row, column) == pytest.approx(
                float(found.before[row, column]), rel=1e-3, abs=1e-4
            )
            box = cell_box(predictor, node.name, row, column, film=(32, 32))
            assert tuple(found.row_spans[row] * 32) == pytest.approx((box.top, box.bottom))
            assert tuple(found.column_spans[column] * 32) == pytest.approx((box.left, box.right))


def test_it_agrees_with_the_arithmetic_of_one_cell(seen: tuple[Predictor, Sight]) -> None:
    predictor, sight = seen
    found = dissect(predictor, sight, "block5_conv2", 11, film=FILM)
    (node,) = (node for node in predictor.nodes if node.name == "block5_conv2")
    cell = arithmetic(node.operation, predictor.given(sight, "block5_conv2"), row=3, column=9, channel=11)
    assert float(found.before[3, 9]) == pytest.approx(cell.pre_activation, rel=1e-4, abs=1e-4)
    order = {int(channel): k for k, channel in enumerate(found.channels)}
    strongest = cell.strongest(1)[0][0]
    np.testing.assert_array_equal(found.kernel[order[strongest]], cell.kernel[:, :, strongest])


def test_channels_and_layers_that_are_not_there(seen: tuple[Predictor, Sight]) -> None:
    predictor, sight = seen
    with pytest.raises(IndexError, match="block1_conv1 has 64 channels, there is no channel 64"):
        dissect(predictor, sight, "block1_conv1", 64, film=FILM)
    with pytest.raises(KeyError):
        dissect(predictor, sight, "block9", 0, film=FILM)


def test_a_cells_box_on_the_film(seen: tuple[Predictor, Sight]) -> None:
    predictor, _ = seen
    assert cell_box(predictor, "block5_conv3", 7, 7, film=(224, 224)) == Box(top=22, left=22, bottom=218, right=218)


def test_channel_facts_by_hand() -> None:
    maps = np.zeros((2, 2, 3), np.float32)
    maps[:, :, 0] = [[1, 2], [3, 6]]
    maps[0, 0, 2] = 8
    sight = Sight(
        prediction=None,  # type: ignore[arg-type]
        film=maps,
        layers=(),
        maps={"x": maps},
        pushes={"x": np.array([-1, 0, 2], np.float32)},
        summed={},
    )
    facts = channels_of(sight, "x")
    np.testing.assert_array_equal(facts.strength, [3, 0, 2])
    np.testing.assert_array_equal(facts.peak, [6, 0, 8])
    np.testing.assert_array_equal(facts.dead, [False, True, False])
    assert list(facts.sorted_by("strength")) == [0, 2, 1]
    assert list(facts.sorted_by("push")) == [2, 1, 0]
    assert list(facts.sorted_by("number")) == [0, 1, 2]
    np.testing.assert_array_equal(display(maps, side=8)[0], [[42, 85], [128, 255]])
    np.testing.assert_array_equal(display(maps, side=8, top=12.0)[0], [[21, 42], [64, 128]])
    assert not display(maps, side=8)[1].any(), "nothing is stretched"
    assert display(maps, side=1).shape == (3, 1, 1)


def test_sheet_lays_tiles_out_in_rows() -> None:
    pictures = np.array([[[1]], [[2]], [[3]]], np.uint8)
    np.testing.assert_array_equal(
        sheet(pictures, tile=2, columns=2), [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 0, 0], [3, 3, 0, 0]]
    )
    assert sheet(np.zeros((3, 4, 4, 3), np.uint8), tile=2, columns=2).shape == (4, 4, 3)


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int32, np.int64, np.uint8, np.bool_])
def test_packed_numbers_come_back(kind: Any) -> None:
    array = np.arange(15).reshape(3, 5).astype(kind)
    header, arrays = unpack(pack({"name": "ü"}, {"first": np.zeros(3, np.uint8), "a": array}))
    assert header == {"name": "ü"}
    np.testing.assert_array_equal(arrays["a"], array)
    assert arrays["first"].shape == (3,)
