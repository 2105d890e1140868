"""The same heatmap at every layer, and every method beside the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from model.explain.cam import CAM_METHODS, Heatmap, heatmap
from model.explain.maps import sheet
from model.explain.overlay import Colors, blend
from ui.heatmap_choice import METHODS, Choice, to_layer, to_method
from ui.jobs import result_of
from ui.pictures import data_url
from ui.tiles import Tile, show_tiles
from ui.verdict import number

if TYPE_CHECKING:
    from model.sight import Side, Sight

_TILE = 150
SIGNLESS = ("smoothgrad",)


def job_key(film: str, version: str, method: str) -> str:
    """Name the work of a method that needs time."""
    return f"{method}-{film}-{version}"


def found_heatmap(sight: Sight, choice: Choice, *, film: str, version: str) -> Heatmap | None:
    """Return a heatmap, or None if it has not been worked out yet."""
    if choice.method in CAM_METHODS:
        return sight.heatmap(choice.method, choice.layer, choice.side)
    summed = result_of(job_key(film, version, choice.method))
    return None if summed is None else side_of(summed, choice.method, choice.side)


def side_of(summed: NDArray[np.float32], method: str, side: Side) -> Heatmap:
    """Return the heatmap of a film method for one side; one without a direction is the same for both."""
    return heatmap(summed if side == "yes" or method in SIGNLESS else -summed, layer="film")


def common_maximum(sight: Sight, choice: Choice) -> float:
    """Return the largest peak of a method over all layers."""
    return max(sight.heatmap(choice.method, layer.name, choice.side).maximum for layer in sight.convolutions)


def share_of(found: Heatmap, sight: Sight, choice: Choice) -> float:
    """Return how far up the color scale a heatmap's peak lies."""
    if not choice.common or choice.needs_time:
        return 1.0
    top = common_maximum(sight, choice)
    return found.maximum / top if top > 0 else 1.0


def show_layers(sight: Sight, choice: Choice, *, film: str, version: str) -> None:
    """Draw a method's heatmap at every convolution."""
    picture, tiles = _layers(film, version, choice, _sight=sight)
    show_tiles(
        "layers",
        picture,
        tiles,
        columns=len(tiles),
        chosen=[layer.name for layer in sight.convolutions].index(choice.layer),
        label=f"{METHODS[choice.method].name} at every convolution",
        empty="no evidence",
        on_choice=lambda: to_layer(st.session_state["layers"].choice, sight),
        least=66,
    )


def show_methods(sight: Sight, choice: Choice, *, film: str, version: str) -> None:
    """Draw all methods at one layer; those that need time where they have been worked out."""
    done = tuple(key for key in METHODS if result_of(job_key(film, version, key)) is not None)
    picture, tiles = _methods(film, version, choice.layer, choice.side, choice.colors, done, _sight=sight)
    show_tiles(
        "methods",
        picture,
        tiles,
        columns=len(tiles),
        chosen=list(METHODS).index(choice.method),
        label=f"Every method, at {choice.layer}",
        empty="not worked out",
        on_choice=lambda: to_method(st.session_state["methods"].choice),
        least=120,
    )


@st.cache_data(scope="session", max_entries=12, show_spinner=False)
def _layers(film: str, version: str, choice: Choice, *, _sight: Sight) -> tuple[str, list[Tile]]:
    pictures, tiles = [], []
    for place, layer in enumerate(_sight.convolutions):
        found = _sight.heatmap(choice.method, layer.name, choice.side)
        pictures.append(overlaid(_sight, found, choice.colors, share_of(found, _sight, choice)))
        peak = number(found.maximum)
        words = f"{layer.name}: peak {peak}" if found.has_evidence else f"{layer.name}: no positive evidence"
        label = layer.name.removeprefix("block").replace("_", " ")
        tiles.append(Tile(number=place, label=label, note=peak, words=words, empty=not found.has_evidence))
    return data_url(sheet(np.stack(pictures), tile=_TILE, columns=len(pictures)), "JPEG"), tiles


@st.cache_data(scope="session", max_entries=12, show_spinner=False)
def _methods(
    film: str, version: str, layer: str, side: Side, colors: Colors, done: tuple[str, ...], *, _sight: Sight
) -> tuple[str, list[Tile]]:
    pictures, tiles = [], []
    for place, (key, method) in enumerate(METHODS.items()):
        found = None
        if key in CAM_METHODS:
            found = _sight.heatmap(key, layer, side)
        elif key in done:
            found = side_of(result_of(job_key(film, version, key)), key, side)
        seen = found is not None and found.has_evidence
        pictures.append(overlaid(_sight, found, colors, 1.0) if found is not None else _plain(_sight))
        words = method.name if seen else f"{method.name}: nothing to see here yet"
        tiles.append(Tile(number=place, label=method.name, words=words, empty=not seen))
    return data_url(sheet(np.stack(pictures), tile=_TILE, columns=len(pictures)), "JPEG"), tiles


def overlaid(sight: Sight, found: Heatmap, colors: Colors, share: float) -> NDArray[np.uint8]:
    """Return a small picture of a heatmap over the film as the network got it, shape (height, width, 3)."""
    return blend(_gray(sight), found.values * np.float32(share), opacity=0.75, colors=colors)


def _plain(sight: Sight) -> NDArray[np.uint8]:
    gray = np.rint(255 * _gray(sight)).astype(np.uint8)
    return np.repeat(gray[:, :, None], 3, axis=2)


def _gray(sight: Sight) -> NDArray[np.float32]:
    film = sight.film.mean(axis=2)
    low, high = float(film.min()), float(film.max())
    return np.asarray((film - low) / max(high - low, 1e-9), dtype=np.float32)
