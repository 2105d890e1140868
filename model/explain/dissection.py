"""One channel of one layer, with every number that a reader needs to work out any of its cells without asking again.

A browser holds these arrays and does the multiplication itself while the pointer moves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from model.explain.arithmetic import activation_name, kernel_of
from model.explain.receptive import Box, on_film, receptive_field, window

if TYPE_CHECKING:
    from model.predictor import Predictor
    from model.sight import Sight

Map = NDArray[np.float32]

BUDGET = 3_300_000
"""Most bytes of input maps in one dissection: all channels of most layers, the weightiest ones of the earliest two."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Dissection:
    """What one channel is made of.

    Attributes
    ----------
    layer : str
        The layer.
    channel : int
        The channel.
    operation : {"convolution", "maximum", "mean"}
        How a cell follows from its window.
    values : ndarray of float32, shape (height, width)
        The channel as the network gave it.
    before : ndarray of float32, shape (height, width)
        The same before the activation.
    inputs : ndarray of float32, shape (count, input height, input width)
        The input channels, the weightiest first.
    channels : ndarray of int32, shape (count,)
        Which channels of the layer before those are.
    left_out : int
        How many input channels are not among them.
    rest : ndarray of float32, shape (height, width)
        What the channels that were left out add to each cell.
    kernel : ndarray of float32, shape (count, rows, columns)
        The weights; of ones for a pooling.
    bias : float
        Added to the sum.
    activation : str
        The function that follows.
    rows, columns : ndarray of int32, shape (height, kernel rows) and (width, kernel columns)
        Which rows (columns) of the input each row (column) of cells reads; outside of it lies padding.
    row_spans, column_spans : ndarray of float32, shape (height, 2) and (width, 2)
        The receptive field of each row and column of cells on the film, as shares of its height and width.
    """

    layer: str
    channel: int
    operation: Literal["convolution", "maximum", "mean"]
    values: Map
    before: Map
    inputs: Map
    channels: NDArray[np.int32]
    left_out: int
    rest: Map
    kernel: Map
    bias: float
    activation: str
    rows: NDArray[np.int32]
    columns: NDArray[np.int32]
    row_spans: Map
    column_spans: Map


def dissect(
    predictor: Predictor, sight: Sight, layer: str, channel: int, *, film: tuple[int, int], budget: int = BUDGET
) -> Dissection:
    """Take one channel apart.

    Parameters
    ----------
    predictor : Predictor
        The network; it does not run.
    sight : Sight
        A pass that kept its maps.
    layer, channel : str, int
        What to take apart.
    film : tuple of int
        (height, width) of the film as it is shown.
    budget : int
        Most bytes of `Dissection.inputs`; at least one channel is always there.

    Raises
    ------
    ExplainError
        If the layer is neither a plain convolution nor a pooling.
    KeyError, IndexError
        If there is no such layer or channel.
    """
    facts = sight.layer(layer)
    if not 0 <= channel < facts.channels:
        raise IndexError(f"{layer} has {facts.channels} channels, there is no channel {channel}.")
    (node,) = (node for node in predictor.nodes if node.name == layer)
    given = predictor.given(sight, layer)
    height, width = facts.size
    rows = np.array([list(window(node.operation, cell, given.shape[0], axis=0)) for cell in range(height)], np.int32)
    columns = np.array([list(window(node.operation, cell, given.shape[1], axis=1)) for cell in range(width)], np.int32)
    values = np.ascontiguousarray(sight.maps[layer][:, :, channel])
    row_spans, column_spans = _spans(predictor, layer, facts.size, film)
    spans: dict[str, Any] = {"rows": rows, "columns": columns, "row_spans": row_spans, "column_spans": column_spans}
    if facts.kind == "pooling":
        return Dissection(
            layer=layer,
            channel=channel,
            operation="maximum" if "Max" in type(node.operation).__name__ else "mean",
            values=values,
            before=values,
            inputs=np.ascontiguousarray(given[None, :, :, channel]),
            channels=np.array([channel], np.int32),
            left_out=0,
            rest=np.zeros_like(values),
            kernel=np.ones((1, rows.shape[1], columns.shape[1]), np.float32),
            bias=0.0,
            activation="linear",
            **spans,
        )
    kernel, channels, bias = kernel_of(node.operation, channel)
    read = given if len(channels) == given.shape[2] else given[:, :, channels]
    sums = _convolved(read, kernel, rows, columns)
    kept = _weightiest(read, kernel, budget)
    rest = np.zeros_like(values)
    if len(kept) < len(channels):
        rest = (sums - _convolved(read[:, :, kept], kernel[:, :, kept], rows, columns)).astype(np.float32)
    return Dissection(
        layer=layer,
        channel=channel,
        operation="convolution",
        values=values,
        before=(sums + np.float32(bias)).astype(np.float32),
        inputs=np.ascontiguousarray(read[:, :, kept].transpose(2, 0, 1)),
        channels=channels[kept].astype(np.int32),
        left_out=len(channels) - len(kept),
        rest=rest,
        kernel=np.ascontiguousarray(kernel[:, :, kept].transpose(2, 0, 1)),
        bias=bias,
        activation=activation_name(node.operation),
        **spans,
    )


def cell_box(predictor: Predictor, layer: str, row: int, column: int, *, film: tuple[int, int]) -> Box:
    """Return the receptive field of a cell in pixels of the film as it is shown.

    Raises
    ------
    KeyError, IndexError
        If there is no such layer or cell.
    """
    grid = predictor.classifier.input_shape[:2]
    return on_film(receptive_field(predictor.nodes, layer, row, column, grid=grid), grid=grid, film=film)


def _weightiest(read: Map, kernel: Map, budget: int) -> NDArray[np.int64]:
    """Return the inputs that fit the budget, the largest mean magnitude times weight first."""
    most = max(budget // (read.shape[0] * read.shape[1] * 4), 1)
    weight = np.abs(read).mean(axis=(0, 1)) * np.abs(kernel).sum(axis=(0, 1))
    return np.argsort(-weight, kind="stable")[:most]


def _convolved(read: Map, kernel: Map, rows: NDArray[np.int32], columns: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return the sum of the products at every cell, without bias; one matrix product, then shifted sums."""
    height, width, count = read.shape
    planes = (read.reshape(-1, count) @ kernel.reshape(-1, count).T).reshape(height, width, -1)
    total = np.zeros((len(rows), len(columns)), np.float32)
    for i in range(rows.shape[1]):
        for j in range(columns.shape[1]):
            y, x = rows[:, i], columns[:, j]
            inside = ((y >= 0) & (y < height))[:, None] & ((x >= 0) & (x < width))[None, :]
            taken = planes[
                np.clip(y, 0, height - 1)[:, None], np.clip(x, 0, width - 1)[None, :], i * columns.shape[1] + j
            ]
            total += np.where(inside, taken, np.float32(0))
    return total


def _spans(predictor: Predictor, layer: str, size: tuple[int, int], film: tuple[int, int]) -> tuple[Map, Map]:
    """Receptive fields of convolutions and poolings are products of a row span and a column span."""
    rows: list[Any] = []
    columns: list[Any] = []
    for row in range(size[0]):
        box = cell_box(predictor, layer, row, 0, film=film)
        rows.append((box.top / film[0], box.bottom / film[0]))
    for column in range(size[1]):
        box = cell_box(predictor, layer, 0, column, film=film)
        columns.append((box.left / film[1], box.right / film[1]))
    return np.array(rows, np.float32), np.array(columns, np.float32)
