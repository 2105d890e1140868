"""Pages that need a film: what they show while there is none, and when the network has looked at it."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from model.errors import PneumoscopeError
from ui import network
from ui.frame import HOME, problem
from ui.gallery import show_gallery
from ui.state import address_parameters, chosen_film, session
from ui.verdict import doubt_sentence

if TYPE_CHECKING:
    from model.predictor import Predictor
    from model.sight import Sight
    from ui.state import OpenFilm

_SLUG_SHOWN = 60


def unknown_sample(slug: str) -> str:
    """Return the sentence about a sample film that an address names and nobody knows."""
    shown = slug if len(slug) <= _SLUG_SHOWN else slug[:_SLUG_SHOWN] + "…"
    return (
        f"There is no sample film called “{shown}”. Take one from the drawer below, or drop a film of your own on the "
        "light box."
    )


def show_with_film(words: str, draw: Callable[[Predictor, Sight, OpenFilm], None]) -> None:
    """Draw a page about the film on the light box, or the way to a film, or the sentence that says what is wrong.

    Parameters
    ----------
    words : str
        Why there should be a film.
    draw : callable
        Draws the page from the network, what it did, and the film; may raise `model.errors.PneumoscopeError`.
    """
    try:
        opened = chosen_film()
        if opened is None:
            show_no_film(words)
            return
        sight = network.explain(opened.radiograph, place=st.empty())
        if sight.prediction.doubt is not None:
            st.html(f'<p class="pn-notice" role="status">{escape(doubt_sentence(sight.prediction.doubt))}</p>')
        draw(network.predictor(), sight, opened)
    except PneumoscopeError as error:
        problem(str(error))


def show_no_film(words: str) -> None:
    """Draw the way to a film: the light box, and the sample films."""
    unknown = session().unknown_slug
    if unknown is not None:
        problem(unknown_sample(unknown))
    with st.container(key="no-film", gap=None):
        st.html(f'<p class="pn-because">{escape(words)}</p>')
        st.page_link(HOME.path, label="To the light box", icon=HOME.icon, query_params=address_parameters())
    show_gallery()
