"""What a page shows that needs a film while there is none."""

from __future__ import annotations

from html import escape

import streamlit as st

from ui.frame import HOME, problem
from ui.gallery import show_gallery
from ui.state import address_parameters, session

_SLUG_SHOWN = 60


def unknown_sample(slug: str) -> str:
    """Return the sentence about a sample film that an address names and nobody knows."""
    shown = slug if len(slug) <= _SLUG_SHOWN else slug[:_SLUG_SHOWN] + "…"
    return (
        f"There is no sample film called “{shown}”. Take one from the drawer below, or drop a film of your own on the "
        "light box."
    )


def show_no_film(words: str) -> None:
    """Draw the way to a film: the light box, and the sample films."""
    unknown = session().unknown_slug
    if unknown is not None:
        problem(unknown_sample(unknown))
    with st.container(key="no-film", gap=None):
        st.html(f'<p class="pn-because">{escape(words)}</p>')
        st.page_link(HOME.path, label="To the light box", icon=HOME.icon, query_params=address_parameters())
    show_gallery()
