"""A page of a layer's channels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from model.explain.maps import Channels, Order, channels_of, display, sheet
from ui.colors import colored
from ui.pictures import data_url
from ui.tiles import Tile, show_tiles
from ui.verdict import number

if TYPE_CHECKING:
    from collections.abc import Callable

    from model.sight import Sight

PER_PAGE = 64
_COLUMNS = 8
_TILE = 96
_FAINT = 0.02


def pages_of(channels: int) -> int:
    """Return how many pages the channels of a layer take."""
    return -(-channels // PER_PAGE)


def page_of(order: list[int], channel: int) -> int:
    """Return the page, from 0, on which a channel is."""
    return order.index(channel) // PER_PAGE


def show_mosaic(
    sight: Sight,
    *,
    film: str,
    version: str,
    layer: str,
    order: Order,
    page: int,
    chosen: int,
    common: bool,
    on_choice: Callable[[], None],
) -> None:
    """Draw a page of channels.

    Parameters
    ----------
    sight : Sight
        What the network did.
    film, version : str
        Name the film and the network; pictures are remembered by both.
    layer, order, page : str, str, int
        What to show, and which page of it, from 0.
    chosen : int
        The channel that is open.
    common : bool
        Draw all channels on the layer's scale instead of each on its own.
    on_choice : callable
        Called when a channel is chosen; ``st.session_state["mosaic"].choice`` is its number.
    """
    picture, tiles = _page(film, version, layer, order, page, common, _sight=sight)
    show_tiles(
        "mosaic",
        picture,
        tiles,
        columns=_columns(len(tiles)),
        chosen=chosen,
        label=f"Channels of {layer}",
        empty="silent",
        on_choice=on_choice,
    )


def _columns(count: int) -> int:
    return max(min(_COLUMNS, count), 1)


@st.cache_data(scope="session", max_entries=24, show_spinner=False)
def _page(
    film: str, version: str, layer: str, order: Order, page: int, common: bool, *, _sight: Sight
) -> tuple[str, list[Tile]]:
    facts = channels_of(_sight, layer)
    shown = facts.sorted_by(order)[page * PER_PAGE : (page + 1) * PER_PAGE]
    maps = _sight.maps[layer][:, :, shown]
    pictures = display(maps, side=_TILE, top=float(facts.peak.max()) if common else None)
    laid_out = colored(sheet(pictures, tile=_TILE, columns=_columns(len(shown))))
    return data_url(laid_out, "JPEG"), [_tile(int(channel), facts, order) for channel in shown]


def _tile(channel: int, facts: Channels, order: Order) -> Tile:
    push, strength = float(facts.push[channel]), float(facts.strength[channel])
    if facts.dead[channel]:
        return Tile(number=channel, label=f"#{channel}", words=f"Channel {channel}: silent on this film", empty=True)
    telling = abs(push) >= _FAINT * float(np.abs(facts.push).max())
    return Tile(
        number=channel,
        label=f"#{channel}",
        note=f"{push:+.2f}".replace("-", "−") if order == "push" else number(strength),
        words=f"Channel {channel}: mean {number(strength)}, pushes the log odds by {push:+.3f}",
        direction="" if order != "push" or not telling else "up" if push > 0 else "down",
    )
