"""What a page shows that needs a film while there is none."""

from __future__ import annotations

from html import escape

import streamlit as st

from ui.frame import HOME
from ui.gallery import show_gallery
from ui.state import address_parameters


def show_no_film(words: str) -> None:
    """Draw the way to a film: the light box, and the sample films."""
    with st.container(key="no-film", gap=None):
        st.html(f'<p class="pn-because">{escape(words)}</p>')
        st.page_link(HOME.path, label="To the light box", icon=HOME.icon, query_params=address_parameters())
    show_gallery()
