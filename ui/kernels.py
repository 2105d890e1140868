"""The kernels of the first layers, as pictures: small enough to be looked at."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import keras
import numpy as np
import streamlit as st
from numpy.typing import NDArray

from ui.pictures import data_url

if TYPE_CHECKING:
    from model.predictor import Predictor
    from model.sight import LayerFacts

_MOST_INPUTS = 64
_PIXELS = 14


def show_kernels(predictor: Predictor, layer: LayerFacts, channel: int) -> None:
    """Draw what a layer of the first block has learned: its kernels, or those of one channel.

    Nothing is drawn for layers whose kernels have more inputs than anybody wants to look at.
    """
    (node,) = (node for node in predictor.nodes if node.name == layer.name)
    if not isinstance(node.operation, keras.layers.Conv2D) or isinstance(node.operation, keras.layers.DepthwiseConv2D):
        return
    weights = np.asarray(node.operation.kernel)
    inputs = weights.shape[2]
    if inputs > _MOST_INPUTS:
        return
    if inputs <= 3:
        words = (
            f"All {weights.shape[3]} kernels of this layer, {weights.shape[0]} × {weights.shape[1]} weights each, "
            "added up over the film's channels. Orange weights add, teal ones subtract; the framed one is open."
        )
        shown, marked = weights.sum(axis=2).transpose(2, 0, 1), channel
    else:
        words = (
            f"The {inputs} kernels of channel {channel}, one for each channel of the layer before. Orange weights "
            "add, teal ones subtract."
        )
        shown, marked = weights[:, :, :, channel].transpose(2, 0, 1), -1
    pictures = "".join(
        f'<img src="{data_url(_drawn(kernel))}" alt="Kernel {k}" title="#{k}"{" class=pn-on" if k == marked else ""}>'
        for k, kernel in enumerate(shown)
    )
    st.html(
        '<div class="pn-section"><h3>The kernels themselves</h3>'
        f'<p>{escape(words)}</p></div><div class="pn-kernels">{pictures}</div>'
    )


def _drawn(kernel: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Draw weights from teal (most negative) over black (zero) to orange."""
    peak = max(float(np.abs(kernel).max()), 1e-30)
    share = (kernel / peak)[:, :, None]
    orange, teal = np.array([255, 182, 92]), np.array([103, 203, 196])
    colors = np.where(share > 0, share * orange, -share * teal)
    return np.repeat(np.repeat(np.rint(colors).astype(np.uint8), _PIXELS, 0), _PIXELS, 1)
