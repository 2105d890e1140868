"""The film on its light box, with the heatmap laid over it; the opacity slider works in the browser alone.

Pictures are remembered per session, so that those of an uploaded film leave with the person who uploaded it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from ui.components import component
from ui.pictures import Picture, draw_film, draw_picture, draw_thumbnail
from ui.verdict import number

if TYPE_CHECKING:
    from model.explain.overlay import Colors
    from model.images import Radiograph
    from model.predictor import Heatmap


Shares = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class Words:
    """What is said about a heatmap.

    Attributes
    ----------
    hint : str
        Below a heatmap.
    nothing : str
        After `title` where there is no heatmap.
    title : str
        Says in short why there is none.
    """

    hint: str
    nothing: str
    title: str = "No positive evidence."


def layer_words(heatmap: Heatmap, side: str) -> Words:
    """Return what is said about a heatmap of one convolution, for what its side is called."""
    return Words(
        hint=f"Where {heatmap.layer} found evidence for {side}. Its peak, where the color scale ends, is "
        f"{number(heatmap.maximum)} on the scale of logits.",
        nothing=f"Nothing in {heatmap.layer} speaks for {side} on this film, so there is no heatmap to show.",
    )


def show_light_box(
    picture: Picture,
    *,
    caption: str,
    corner: str,
    words: Words,
    boxes: Sequence[tuple[float, float, float, float]] = (),
) -> None:
    """Draw a film with its heatmap and the slider that fades it.

    The browser holds the bare film and the film under the full heatmap. Laying the second over the first at
    opacity p gives (1 - p) film + p heatmap, so the slider needs neither the server nor the network.

    Parameters
    ----------
    picture : Picture
        From `film_picture`, or `ui.pictures.draw_picture`.
    caption : str
        What the film is called; shown as text, never as markup.
    corner : str
        A short technical note for the film's corner, such as its size.
    words : Words
        What is said about the heatmap.
    boxes : sequence of tuple of float
        x, y, width and height of what a person marked, as shares of the film's width and height.
    """
    component("light_box")(
        key="light-box",
        data={**asdict(picture), "caption": caption, "corner": corner, **asdict(words), "boxes": [*map(list, boxes)]},
    )


@st.cache_data(scope="session", max_entries=12, show_spinner=False)
def film_picture(
    film_hash: str,
    network_version: str,
    what: str,
    _film: Radiograph,
    _heatmap: Heatmap,
    colors: Colors = "inferno",
    share: float = 1.0,
) -> Picture:
    """Return `draw_picture` of a film, remembered by the film's hash, the network's version and what is shown."""
    return draw_picture(_film, _heatmap, colors=colors, share=share)


@st.cache_data(scope="session", max_entries=4, show_spinner=False)
def bare_film(film_hash: str, _pixels: NDArray[np.float32]) -> str:
    """Return `draw_film` of a film, remembered by the film's hash."""
    return draw_film(_pixels)


@st.cache_data(scope="session", max_entries=4, show_spinner=False)
def thumbnail(film_hash: str, _pixels: NDArray[np.float32]) -> bytes:
    """Return `draw_thumbnail` of a film, remembered by the film's hash."""
    return draw_thumbnail(_pixels)
