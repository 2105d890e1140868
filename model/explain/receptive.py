"""The receptive field: which part of the film one cell of a layer can see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras

from model.graph import Node
from model.preprocess import source_span

_EACH_CELL_ALONE = (
    keras.layers.Activation,
    keras.layers.ReLU,
    keras.layers.LeakyReLU,
    keras.layers.PReLU,
    keras.layers.ELU,
    keras.layers.BatchNormalization,
    keras.layers.Dropout,
    keras.layers.SpatialDropout2D,
    keras.layers.GaussianNoise,
    keras.layers.GaussianDropout,
    keras.layers.Rescaling,
    keras.layers.Normalization,
    keras.layers.Add,
    keras.layers.Subtract,
    keras.layers.Multiply,
    keras.layers.Average,
    keras.layers.Maximum,
    keras.layers.Minimum,
    keras.layers.Concatenate,
    keras.layers.Identity,
)
_OPERATIONS = frozenset(
    "add subtract multiply divide truedivide negative relu relu6 silu sigmoid tanh gelu clip maximum minimum "
    "concatenate cast identity hardsigmoid hardsilu square sqrt exp log".split()
)
_WINDOWED = (
    keras.layers.Conv2D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv2D,
    keras.layers.MaxPooling2D,
    keras.layers.AveragePooling2D,
)


@dataclass(frozen=True, kw_only=True)
class Box:
    """A rectangle of pixels; `bottom` and `right` are the first ones outside."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.bottom - self.top, self.right - self.left

    def joined(self, other: Box) -> Box:
        """Return the smallest box around both."""
        return Box(
            top=min(self.top, other.top),
            left=min(self.left, other.left),
            bottom=max(self.bottom, other.bottom),
            right=max(self.right, other.right),
        )


def receptive_field(nodes: Sequence[Node], layer: str, row: int, column: int, *, grid: tuple[int, int]) -> Box:
    """Return what a cell of a layer sees of the network's input.

    The box is followed back from layer to layer and cut at each layer's edge, where padding holds zeros and no film.
    Where branches meet it is the box around what all of them see. An operation that is not known to keep places
    apart (a dense layer, global pooling, a layer of one's own) sees all of its input.

    Parameters
    ----------
    nodes : sequence of Node
        From `model.graph.wiring`.
    layer : str
        Name of the layer.
    row, column : int
        The cell, from 0.
    grid : tuple of int
        (height, width) of the network's input.

    Returns
    -------
    Box
        In pixels of the input. Every pixel outside has no influence on the cell; the pixels at its edges have.

    Raises
    ------
    KeyError
        If there is no such layer.
    IndexError
        If it has no such cell.

    References
    ----------
    Araujo, Norris, Sim (2019), "Computing Receptive Fields of Convolutional Neural Networks", Distill,
    doi:10.23915/distill.00021.
    """
    start = next((k for k, node in enumerate(nodes) if node.name == layer), None)
    if start is None:
        raise KeyError(layer)
    height, width = nodes[start].shape[:2]
    if not (0 <= row < height and 0 <= column < width):
        raise IndexError(f"{layer} has {height} x {width} cells, there is none at row {row}, column {column}.")
    seen: dict[int, Box] = {start: Box(top=row, left=column, bottom=row + 1, right=column + 1)}
    for k in range(start, -1, -1):
        if k not in seen:
            continue
        for source in nodes[k].sources:
            shape = grid if source < 0 else nodes[source].shape
            box = _back(nodes[k], seen[k], shape)
            seen[source] = box.joined(seen[source]) if source in seen else box
    return seen.get(-1, Box(top=0, left=0, bottom=grid[0], right=grid[1]))


def on_film(box: Box, *, grid: tuple[int, int], film: tuple[int, int]) -> Box:
    """Return a box of the network's input in pixels of the film that was squashed to it.

    Parameters
    ----------
    box : Box
        In pixels of the input.
    grid, film : tuple of int
        (height, width) of the input and of the film as it is shown.
    """
    top, bottom = source_span(box.top, box.bottom - 1, film=film[0], grid=grid[0])
    left, right = source_span(box.left, box.right - 1, film=film[1], grid=grid[1])
    return Box(top=top, left=left, bottom=bottom, right=right)


def window(operation: Any, cell: int, length: int, *, axis: int) -> range:
    """Return which places of its input a convolution or pooling reads for one cell, along one axis.

    Parameters
    ----------
    operation : keras.layers.Layer
        A two-dimensional convolution or pooling.
    cell : int
        The output cell.
    length : int
        Length of the input.
    axis : int
        0 for rows, 1 for columns.

    Returns
    -------
    range
        One place per kernel row or column, in the order of the kernel; places below 0 or from `length` on are padding.
    """
    step, gap, reach = _steps(operation, axis)
    before = 0
    if operation.padding == "same":
        before = max((-(-length // step) - 1) * step + reach - length, 0) // 2
    start = cell * step - before
    return range(start, start + reach, gap)


def cells(operation: Any, length: int, *, axis: int) -> int:
    """Return how many cells a convolution or pooling makes of an input, along one axis; see `window`."""
    step, _, reach = _steps(operation, axis)
    return -(-length // step) if operation.padding == "same" else max((length - reach) // step + 1, 0)


def _steps(operation: Any, axis: int) -> tuple[int, int, int]:
    """Return stride, dilation and how far the kernel reaches."""
    size = (operation.pool_size if hasattr(operation, "pool_size") else operation.kernel_size)[axis]
    gap = _pair(getattr(operation, "dilation_rate", 1))[axis]
    return _pair(operation.strides)[axis], gap, (size - 1) * gap + 1


def _back(node: Node, box: Box, shape: tuple[int, ...]) -> Box:
    operation = node.operation
    whole = Box(top=0, left=0, bottom=shape[0], right=shape[1] if len(shape) > 1 else 1)
    if len(shape) < 2 or (len(node.shape) != 3 and not _keeps_places(operation)):
        return whole
    if isinstance(operation, _WINDOWED):
        (top, bottom), (left, right) = (
            _span(operation, start, stop, shape[axis], axis)
            for axis, (start, stop) in enumerate(((box.top, box.bottom), (box.left, box.right)))
        )
        return Box(top=top, left=left, bottom=bottom, right=right)
    if isinstance(operation, (keras.layers.ZeroPadding2D, keras.layers.Cropping2D)):
        sign = -1 if isinstance(operation, keras.layers.ZeroPadding2D) else 1
        (above, _), (aside, _) = operation.padding if sign < 0 else operation.cropping
        return _cut(box, sign * above, sign * aside, shape)
    if isinstance(operation, keras.layers.UpSampling2D) and operation.interpolation == "nearest":
        down, across = operation.size
        return Box(
            top=box.top // down,
            left=box.left // across,
            bottom=(box.bottom - 1) // down + 1,
            right=(box.right - 1) // across + 1,
        )
    if _keeps_places(operation):
        if tuple(shape[:2]) == tuple(node.shape[:2]):
            return box
        # One number for the whole map, spread over it.
        return whole
    return whole


def _span(operation: Any, start: int, stop: int, length: int, axis: int) -> tuple[int, int]:
    first, last = (window(operation, cell, length, axis=axis) for cell in (start, stop - 1))
    low = next((place for place in first if place >= 0), 0)
    high = next((place for place in reversed(last) if place < length), length - 1)
    return max(low, 0), min(high, length - 1) + 1


def _cut(box: Box, down: int, across: int, shape: tuple[int, ...]) -> Box:
    def inside(value: int, length: int) -> int:
        return min(max(value, 0), length)

    return Box(
        top=inside(box.top + down, shape[0] - 1),
        left=inside(box.left + across, shape[1] - 1),
        bottom=inside(box.bottom + down, shape[0]),
        right=inside(box.right + across, shape[1]),
    )


def _keeps_places(operation: Any) -> bool:
    if isinstance(operation, (keras.layers.Softmax, keras.layers.LayerNormalization)):
        axis = operation.axis
        return (axis if isinstance(axis, int) else axis[0] if len(axis) == 1 else 0) in (-1, 3)
    if type(operation).__name__.startswith("Random") and type(operation).__module__.startswith("keras."):
        # Augmentation does nothing at inference.
        return True
    if isinstance(operation, _EACH_CELL_ALONE) or getattr(operation, "elementwise", False):
        return True
    return type(operation).__module__.startswith("keras.") and type(operation).__name__.lower() in _OPERATIONS


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))
