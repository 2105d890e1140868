"""The strip of all layers, with the film flowing through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from model.explain.maps import channels_of, display, sheet
from ui.colors import colored
from ui.components import component
from ui.layer_words import layer_words
from ui.pictures import data_url
from ui.verdict import percent

if TYPE_CHECKING:
    from collections.abc import Callable

    from model.sight import LayerFacts, Sight

_TILE = 72
_SHOW_TILE = 84
_SHOWN = 4
_HINT = (
    "Left to right, as the film meets them. Each picture is the layer's strongest channel. Choose one to look inside."
)


def show_flow(
    sight: Sight, *, film: str, version: str, chosen: str, sides: tuple[str, str], on_choice: Callable[[], None]
) -> None:
    """Draw the strip.

    Parameters
    ----------
    sight : Sight
        What the network did.
    film : str
        SHA-256 of the film.
    version : str
        Of the network; pictures are remembered by both.
    chosen : str
        The layer that is open.
    sides : tuple of str
        What "no" and "yes" are called.
    on_choice : callable
        Called when a layer is chosen; ``st.session_state["flow"].layer`` is its name.
    """
    prediction = sight.prediction
    data = {
        "layers": _tiles(film, version, sight),
        "chosen": chosen,
        "hint": _HINT,
        "answer": {
            "yes": prediction.is_yes,
            "share": percent(prediction.probability),
            "verdict": prediction.verdict,
            "words": f"What the last maps hold becomes a probability of {sides[1]}: "
            f"{percent(prediction.probability)}.",
        },
    }
    component("flow")(key="flow", data=data, on_layer_change=on_choice)


@st.cache_data(scope="session", max_entries=4, show_spinner=False)
def _tiles(film: str, version: str, _sight: Sight) -> list[dict[str, Any]]:
    gray = _sight.film[:, :, 0]
    span = float(gray.max() - gray.min()) or 1.0
    plain = np.rint(255 * (gray - gray.min()) / span).astype(np.uint8)
    tiles = [
        {
            "name": "",
            "label": "film",
            "facts": f"{gray.shape[1]} × {gray.shape[0]}",
            "kind": "film",
            "first": False,
            "tile": data_url(sheet(plain[None], tile=2 * _TILE, columns=1), "JPEG"),
            "show": data_url(sheet(plain[None], tile=_SHOWN * _SHOW_TILE, columns=1), "JPEG"),
            "words": "The film as the network gets it: squashed to a square, its tones evened out.",
        }
    ]
    block = ""
    for layer in _sight.layers:
        tiles.append(_tile(_sight, layer, first=layer.name.split("_")[0] != block))
        block = layer.name.split("_")[0]
    return tiles


def _tile(sight: Sight, layer: LayerFacts, *, first: bool) -> dict[str, Any]:
    order = channels_of(sight, layer.name).sorted_by("strength")[: _SHOWN * _SHOWN]
    pictures = display(sight.maps[layer.name][:, :, order], side=2 * _TILE)
    height, width = layer.size
    return {
        "name": layer.name,
        "label": layer.name.replace("block", "").replace("_", " ") if layer.name.startswith("block") else layer.name,
        "facts": f"{width} × {height} × {layer.channels}",
        "kind": layer.kind,
        "first": first,
        "tile": data_url(colored(sheet(pictures[:1], tile=2 * _TILE, columns=1)), "JPEG"),
        "show": data_url(colored(sheet(pictures, tile=_SHOW_TILE, columns=_SHOWN)), "JPEG"),
        "words": f"{layer.channels} maps of {width} × {height}; here are the 16 strongest. "
        + layer_words(sight.layers, layer.name),
    }
