"""The film on its light box, with the heatmap laid over it; the opacity slider works in the browser alone.

Pictures are remembered per session, so that those of an uploaded film leave with the person who uploaded it.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from ui.pictures import Picture, draw_film, draw_picture, draw_thumbnail

if TYPE_CHECKING:
    from model.images import Radiograph
    from model.predictor import Heatmap

_ASSETS = Path(__file__).parent.parent / "assets"


def show_light_box(picture: Picture, *, caption: str, corner: str) -> None:
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
    """
    _light_box()(
        key="light-box",
        data={**asdict(picture), "caption": caption, "corner": corner},
    )


@st.cache_data(scope="session", max_entries=12, show_spinner=False)
def film_picture(film_hash: str, network_version: str, _film: Radiograph, _heatmap: Heatmap) -> Picture:
    """Return `draw_picture` of a film, remembered by the film's hash and the network's version."""
    return draw_picture(_film, _heatmap)


@st.cache_data(scope="session", max_entries=4, show_spinner=False)
def bare_film(film_hash: str, _pixels: NDArray[np.float32]) -> str:
    """Return `draw_film` of a film, remembered by the film's hash."""
    return draw_film(_pixels)


@st.cache_data(scope="session", max_entries=4, show_spinner=False)
def thumbnail(film_hash: str, _pixels: NDArray[np.float32]) -> bytes:
    """Return `draw_thumbnail` of a film, remembered by the film's hash."""
    return draw_thumbnail(_pixels)


@st.cache_resource(show_spinner=False)
def _light_box() -> st.components.v2.types.ComponentRenderer:
    return st.components.v2.component(
        "pneumoscope_light_box",
        html=(_ASSETS / "light_box.html").read_text(encoding="utf-8"),
        css=(_ASSETS / "light_box.css").read_text(encoding="utf-8"),
        js=(_ASSETS / "light_box.js").read_text(encoding="utf-8"),
    )
