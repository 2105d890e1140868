"""The strip of sample films."""

from __future__ import annotations

from html import escape

import streamlit as st

from model.artifacts import SampleFilm
from model.errors import ImageError
from model.images import read_radiograph
from ui.pictures import draw_thumbnail
from ui.state import Film, sample_library, session


def show_gallery() -> None:
    """Draw the sample films; a click on one puts it on the light box."""
    library = sample_library()
    if not library:
        st.html('<p class="pn-credit">There are no sample films here. Drop one of your own above.</p>')
        return
    films = list(library.values())
    chosen = session().chosen
    st.html(_heading(films))
    answers = False
    if any(film.sample is not None and film.sample.label for film in films):
        answers = st.toggle("Show what the doctors said", key="answers")
    grid = st.grid(8, min_column_width=84, gap="xsmall", key="gallery")
    for film in films:
        state = "on" if chosen is not None and chosen.key == film.key else "off"
        with grid.cell(), st.container(key=f"sample-{state}-{film.key}", gap=None):
            _draw(film, answer=answers)
    st.html(_credits(films))


def _draw(film: Film, *, answer: bool) -> None:
    if film.sample is None:
        return
    try:
        picture = _sample_thumbnail(film.key, film.sample)
    except ImageError as error:
        st.html(f'<p class="pn-credit">{escape(film.name)}: {escape(str(error))}</p>')
        return
    st.image(picture, width="stretch", alt=film.name)
    label = film.name.rsplit(" ", 1)[-1]
    if answer and film.sample.label is not None:
        label = f"{label} · {film.sample.label.lower()}"
    st.button(
        label,
        key=f"open-{film.key}",
        type="tertiary",
        width="stretch",
        on_click=session().choose,
        args=(film,),
    )


@st.cache_data(max_entries=64, show_spinner=False)
def _sample_thumbnail(slug: str, _sample: SampleFilm) -> bytes:
    return draw_thumbnail(read_radiograph(_sample.path).pixels)


def _heading(films: list[Film]) -> str:
    synthetic = all(film.sample is not None and film.sample.synthetic for film in films)
    words = (
        "These films are synthetic: drawings made by a program, not photographs of anybody."
        if synthetic
        else "Real films of children, some with pneumonia. Look first, and make your own guess."
    )
    return f'<div class="pn-section"><h3>Or take a film from the drawer</h3><p>{words}</p></div>'


def _credits(films: list[Film]) -> str:
    credits = dict.fromkeys(film.sample.credit for film in films if film.sample is not None)
    return "".join(f'<p class="pn-credit">{escape(credit)}</p>' for credit in credits)
