"""The home page, from the empty light box to a film with its verdict."""

from __future__ import annotations

import re
from html import escape

import streamlit as st

from model.errors import ImageError, PneumoscopeError
from model.images import Radiograph
from ui import network
from ui.frame import MAPS, invite, problem
from ui.gallery import show_gallery
from ui.lightbox import film_picture, layer_words, show_light_box
from ui.results import show_refusals, show_results
from ui.state import ADDRESS_KEY, OpenFilm, chosen_film, session
from ui.uploads import drop_zone, take
from ui.verdict import duration, verdict_html
from ui.with_film import unknown_sample

_ADULT_YEARS = 18


def show_home() -> None:
    """Draw the home page for whatever state the session is in."""
    held = session()
    hero, notice = st.empty(), st.empty()
    new = drop_zone()
    place = st.empty()
    network.desk()
    if new:
        hero.html(_hero(open_film=True))
        try:
            take(new, place=place)
        except PneumoscopeError as error:
            problem(str(error))
        else:
            st.rerun()
    hero.html(_hero(open_film=held.chosen is not None))
    if held.unknown_slug is not None:
        with notice:
            problem(unknown_sample(held.unknown_slug))
    show_refusals()
    show_results()
    reading = st.container(key="reading")
    show_gallery()
    invite(
        MAPS,
        heading="Walk into the network",
        words="From this film to a layer, from the layer to a channel, and from the channel to one number.",
    )
    # Last, because it may have to wait for the network, and the rest of the page should not.
    with reading:
        _show_film()


def _show_film() -> None:
    try:
        opened = chosen_film()
    except ImageError as error:
        problem(str(error))
        return
    if opened is None:
        return
    film, radiograph = opened.film, opened.radiograph
    left, right = st.columns([1.35, 1], gap="medium")
    with left:
        place = st.empty()
        try:
            sight = network.explain(radiograph, place=place)
        except PneumoscopeError as error:
            problem(str(error))
            return
        heatmap = sight.heatmap("grad-cam", sight.deepest.name)
        picture = film_picture(radiograph.sha256, network.version(), "last", radiograph, heatmap)
        words = layer_words(heatmap, network.predictor().classifier.sides[1])
        show_light_box(picture, caption=film.name, corner=corner(radiograph), words=words)
    with right:
        label = film.sample.label if film.sample is not None else None
        st.html(verdict_html(sight.prediction, name=film.name, doctors=label))
        st.html(_facts(opened, network_s=sight.prediction.seconds))


def _hero(*, open_film: bool) -> str:
    if open_film:
        return '<header class="pn-hero pn-film-open"><p class="pn-eyebrow">Pneumoscope</p></header>'
    return (
        '<header class="pn-hero"><p class="pn-eyebrow">Pneumoscope</p>'
        "<h1>See what a neural network sees in a chest X-ray</h1>"
        "<p>Put a film on the light box. A network called VGG16 says how much it looks like pneumonia, "
        "and glows where it found its reasons.</p></header>"
    )


def corner(radiograph: Radiograph) -> str:
    """Return the technical note for a film's corner: its size and format."""
    height, width = radiograph.original_size
    return f"{width} × {height} · {radiograph.format}"


def _facts(opened: OpenFilm, *, network_s: float) -> str:
    film, radiograph = opened.film, opened.radiograph
    height, width = radiograph.original_size
    facts = [("File", radiograph.format), ("Size", f"{width} × {height} pixels")]
    facts += [(key, _readable(value)) for key, value in radiograph.metadata.items()]
    facts.append(("Time", f"{duration(network_s)} in the network, {duration(opened.seconds)} to open the file"))
    if film.sample is not None:
        facts.append(
            (
                "Origin",
                "Synthetic: drawn by a program" if film.sample.synthetic else "Real, see the credit below",
            )
        )
        facts.append(("Share", f"?{ADDRESS_KEY}={film.sample.slug}"))
    lines = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts)
    notes = "".join(f"<li>{escape(note)}</li>" for note in film_notes(radiograph))
    return f'<dl class="pn-facts">{lines}</dl>' + (f'<ul class="pn-notes">{notes}</ul>' if notes else "")


def film_notes(radiograph: Radiograph) -> tuple[str, ...]:
    """Return what a reader should know about a film: the file's own notes, and whether an adult is on it."""
    years = re.fullmatch(r"(\d+) years?( or older)?", str(radiograph.metadata.get("Age", "")))
    if years is None or int(years[1]) < _ADULT_YEARS:
        return radiograph.notes
    return (*radiograph.notes, "This is an adult's film. The network learned from children; expect more mistakes.")


def _readable(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:g}"
