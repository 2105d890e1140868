"""One neuron, worked out by hand: nothing but multiplication and addition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from model.errors import ExplainError
from model.explain.receptive import cells, window


@dataclass(frozen=True, eq=False, kw_only=True)
class Arithmetic:
    """The computation of one cell of one channel of a convolution.

    Attributes
    ----------
    patch : ndarray of float32, shape (rows, columns, inputs)
        What lies under the kernel; zeros where it reaches over the edge.
    inside : ndarray of bool, shape (rows, columns)
        False where the kernel reaches over the edge.
    kernel : ndarray of float32, shape (rows, columns, inputs)
        The weights.
    channels : ndarray of int, shape (inputs,)
        Which channels of the layer before the inputs are.
    bias : float
        Added to the sum of the products.
    activation : str
        The function that follows: "relu", "linear", ...
    value : float
        What comes out.
    """

    patch: NDArray[np.float32]
    inside: NDArray[np.bool_]
    kernel: NDArray[np.float32]
    channels: NDArray[np.int64]
    bias: float
    activation: str
    value: float

    @property
    def products(self) -> NDArray[np.float64]:
        """Patch times kernel, shape (rows, columns, inputs)."""
        return self.patch.astype(np.float64) * self.kernel

    @property
    def by_channel(self) -> NDArray[np.float64]:
        """What each input channel adds, shape (inputs,)."""
        return np.asarray(self.products.sum(axis=(0, 1)))

    @property
    def pre_activation(self) -> float:
        """The sum of all products and the bias."""
        return float(self.products.sum() + self.bias)

    def strongest(self, count: int) -> tuple[list[int], list[int]]:
        """Return which inputs add most and which subtract most, strongest first.

        Parameters
        ----------
        count : int
            At most so many of each; inputs that add nothing are in neither list.

        Returns
        -------
        adding, subtracting : list of int
            Places along the last axis of `patch`; `channels` says which channels those are.
        """
        sums = self.by_channel
        order = np.argsort(sums, kind="stable")
        adding = [int(k) for k in order[::-1][:count] if sums[k] > 0]
        subtracting = [int(k) for k in order[:count] if sums[k] < 0]
        return adding, subtracting


def arithmetic(
    operation: keras.layers.Layer, inputs: NDArray[np.float32], *, row: int, column: int, channel: int
) -> Arithmetic:
    """Work out one cell of a convolution.

    Parameters
    ----------
    operation : keras.layers.Conv2D or keras.layers.DepthwiseConv2D
        The layer, of any size, stride, dilation, padding and number of groups.
    inputs : ndarray of float32, shape (height, width, channels)
        What the layer is given.
    row, column, channel : int
        The cell of its output.

    Returns
    -------
    Arithmetic
        Its `value` equals the network's to rounding.

    Raises
    ------
    ExplainError
        If the layer is no plain convolution.
    IndexError
        If there is no such cell.
    """
    kernel, channels, bias = kernel_of(operation, channel)
    height, width = inputs.shape[:2]
    rows, columns = window(operation, row, height, axis=0), window(operation, column, width, axis=1)
    if not (0 <= row < cells(operation, height, axis=0) and 0 <= column < cells(operation, width, axis=1)):
        raise IndexError(f"{operation.name} has no cell at row {row}, column {column}.")
    inside = np.array([[0 <= y < height and 0 <= x < width for x in columns] for y in rows])
    patch = np.zeros(kernel.shape, dtype=np.float32)
    for i, y in enumerate(rows):
        for j, x in enumerate(columns):
            if inside[i, j]:
                patch[i, j] = inputs[y, x, channels]
    total = float((patch.astype(np.float64) * kernel).sum() + bias)
    activation = operation.activation
    value = float(np.asarray(activation(np.float32(total)))) if activation is not None else total
    return Arithmetic(
        patch=patch,
        inside=inside,
        kernel=kernel,
        channels=channels,
        bias=bias,
        activation=activation_name(operation),
        value=value,
    )


def activation_name(operation: Any) -> str:
    """Return what the function after a convolution is called: that of a layer object is the name of its class."""
    activation = getattr(operation, "activation", None)
    if activation is None:
        return "linear"
    return str(getattr(activation, "__name__", type(activation).__name__))


def kernel_of(operation: Any, channel: int) -> tuple[NDArray[np.float32], NDArray[np.int64], float]:
    """Return the weights of one output channel: kernel (rows, columns, inputs), which inputs those are, and bias.

    Raises
    ------
    ExplainError
        If the layer is no plain convolution.
    IndexError
        If there is no such channel.
    """
    if isinstance(operation, keras.layers.DepthwiseConv2D):
        weights = np.asarray(operation.kernel)
        count = weights.shape[2] * weights.shape[3]
        own, which = divmod(channel, weights.shape[3])
        channels = np.array([own])
        kernel = weights[:, :, own : own + 1, which] if 0 <= channel < count else weights
    elif isinstance(operation, keras.layers.Conv2D):
        weights = np.asarray(operation.kernel)
        count, reads = weights.shape[3], weights.shape[2]
        group = channel // (count // operation.groups)
        channels = np.arange(group * reads, (group + 1) * reads)
        kernel = weights[:, :, :, channel] if 0 <= channel < count else weights
    else:
        raise ExplainError(
            f"{operation.name} is a {type(operation).__name__}; only plain and depthwise convolutions are worked out "
            "number by number."
        )
    if not 0 <= channel < count:
        raise IndexError(f"{operation.name} has {count} channels, there is no channel {channel}.")
    bias = 0.0 if operation.bias is None else float(np.asarray(operation.bias)[channel])
    return np.ascontiguousarray(kernel, dtype=np.float32), channels, bias
