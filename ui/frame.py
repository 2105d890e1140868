"""What every page starts and ends with: title, style, menu, the film on the light box, the disclaimer."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from html import escape
from pathlib import Path

import streamlit as st

from model.errors import ImageError
from model.own_model import own_name
from ui.lightbox import thumbnail
from ui.state import address_parameters, chosen_film, follow_address, session
from ui.verdict import NOT_CLINICAL

_ASSETS = Path(__file__).parent.parent / "assets"


@dataclass(frozen=True, kw_only=True)
class Page:
    """An entry of the menu."""

    path: str
    label: str
    icon: str


HOME = Page(path="app.py", label="Light box", icon=":material/radiology:")
MAPS = Page(path="pages/1_Activation_maps.py", label="Activation maps", icon=":material/layers:")
HEATMAPS = Page(path="pages/2_Heatmaps.py", label="Heatmaps", icon=":material/local_fire_department:")
EVALUATION = Page(path="pages/3_Evaluation.py", label="Evaluation", icon=":material/monitoring:")
THE_MODEL = Page(path="pages/4_The_model.py", label="The model", icon=":material/fact_check:")
MENU = (HOME, MAPS, HEATMAPS, EVALUATION, THE_MODEL)


def setup_page(title: str, *, film_beside: bool = True) -> None:
    """Begin a page: every page calls this first, and nothing before it.

    Sets the title and the style, lets the address choose the film (so that a shared address works cold on
    any page), and draws the menu with the film that is on the light box.

    Parameters
    ----------
    title : str
        The page's own name, shown in the browser's tab.
    film_beside : bool
        Whether the sidebar shows the chosen film; not where the page itself shows it large.
    """
    st.set_page_config(
        page_title=f"{title} · Pneumoscope" if title != "Pneumoscope" else title,
        page_icon=str(_ASSETS / "icon.svg"),
        layout="wide",
        menu_items={"About": f"**Pneumoscope**: look inside a network that reads chest X-rays. {NOT_CLINICAL}"},
    )
    st.html(_ASSETS / "style.css")
    follow_address()
    session().place.follow_address(title)
    with st.sidebar:
        _menu()
        own = own_name()
        if own is not None:
            st.html(f'<p class="pn-own">Looking into <b>{escape(own)}</b>, a network of your own.</p>')
        if film_beside:
            _on_the_light_box()


def end_page() -> None:
    """End a page with the line that says what Pneumoscope is not, and what happens to a person's films."""
    st.html(
        f'<footer class="pn-footer"><p><b>{escape(NOT_CLINICAL)}</b></p>'
        "<p>Films you drop stay in the app's memory while this page is open. They are never written to disk, "
        "never logged, and gone when you leave.</p></footer>"
    )


def invite(page: Page, *, heading: str, words: str) -> None:
    """Draw the card that leads from this page to the next one."""
    with st.container(key="next-step", gap=None):
        st.html(f'<p class="pn-eyebrow">Next</p><h3>{escape(heading)}</h3><p>{escape(words)}</p>')
        st.page_link(page.path, label=page.label, icon=":material/arrow_forward:", query_params=address_parameters())


def problem(sentence: str) -> None:
    """Show one sentence about something that went wrong."""
    st.html(f'<p class="pn-problem" role="alert">{escape(sentence)}</p>')


def _menu() -> None:
    mark = b64encode((_ASSETS / "icon.svg").read_bytes()).decode("ascii")
    st.html(f'<div class="pn-brand"><img src="data:image/svg+xml;base64,{mark}" alt=""><span>Pneumoscope</span></div>')
    with st.container(key="menu", gap="xxsmall"):
        for page in MENU:
            st.page_link(
                page.path,
                label=page.label,
                icon=page.icon,
                width="stretch",
                query_params=address_parameters(),
            )


def _on_the_light_box() -> None:
    try:
        opened = chosen_film()
    except ImageError:
        return
    if opened is None:
        return
    film, radiograph = opened.film, opened.radiograph
    with st.container(key="now-showing", gap=None):
        st.html('<p class="pn-eyebrow">On the light box</p>')
        st.image(thumbnail(radiograph.sha256, radiograph.pixels), width="stretch", alt=film.name)
        st.html(f'<p class="pn-name">{escape(film.name)}</p>')
