"""The page about heatmaps: where the layers spoke for the answer, and how far to believe them."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from model.explain.film_methods import FILM_METHODS, Occlusion
from ui.boxes import boxes_of, show_box_file, truth_of
from ui.contact_sheet import show_contact_sheet
from ui.doubts import show_randomization, show_report_card
from ui.frame import EVALUATION, invite
from ui.heatmap_choice import METHODS, Choice, show_choice
from ui.heatmap_panels import SIGNLESS, found_heatmap, job_key, share_of, show_layers, show_methods
from ui.home import corner
from ui.jobs import show_job
from ui.lightbox import Words, film_picture, layer_words, show_light_box
from ui.state import OpenFilm, session
from ui.take_away import WorkedOut, show_all_pictures, show_take_away, worked_out
from ui.verdict import number, percent
from ui.with_film import show_with_film

if TYPE_CHECKING:
    from model.explain.cam import Heatmap
    from model.explain.work import Progress
    from model.predictor import Predictor
    from model.sight import Sight


def show_heatmaps() -> None:
    """Draw the page."""
    st.html(
        '<header class="pn-hero pn-page pn-tight"><p class="pn-eyebrow">Heatmaps</p>'
        "<h1>Where did the answer come from?</h1>"
        "<p>Seven ways to ask a network for its reasons, at any of its convolutions. And then: how to tell a reason "
        "from a pretty picture.</p></header>"
    )
    show_with_film("To ask the network for its reasons, put a film on the light box.", _show)
    invite(
        EVALUATION,
        heading="How good is it really?",
        words="Every mistake it makes, at any threshold, and how far luck alone could have carried it.",
    )


def _show(predictor: Predictor, sight: Sight, opened: OpenFilm) -> None:
    film = opened.radiograph.sha256
    sides = predictor.classifier.sides
    choice = show_choice(sight, sides)
    found = found_heatmap(sight, choice, film=film, version=predictor.version)
    left, right = st.columns([1.35, 1], gap="medium")
    with right:
        st.html(_about_html(sight, choice, sides))
        if choice.needs_time and found is None:
            _work_out(predictor, sight, choice, film)
    with left:
        _show_main(predictor, sight, opened, choice, found)
    if not choice.needs_time:
        name = METHODS[choice.method].name
        st.html(f'<div class="pn-section"><h3>{name} at every convolution</h3><p>{_layers_words(choice)}</p></div>')
        show_layers(sight, choice, film=film, version=predictor.version)
    st.html(
        f'<div class="pn-section"><h3>Every method</h3><p>The Grad-CAM family at {escape(choice.layer)}, and the '
        "methods "
        "that look at the film itself once they have been worked out.</p></div>"
    )
    show_methods(sight, choice, film=film, version=predictor.version)
    card = None
    if found is not None:
        card = show_report_card(predictor, sight, found, choice, film=film, truth=truth_of(opened))
    levels = show_randomization(predictor, sight, choice, film=film)
    show_contact_sheet(predictor, choice)
    st.html('<div class="pn-section"><h3>Take it with you</h3></div>')
    extras = WorkedOut(maps=worked_out(opened, predictor), card=card, levels=levels)
    show_take_away(predictor, sight, opened, choice, found, extras)
    show_all_pictures(predictor, sight, opened, choice, extras)
    show_box_file()
    session().place.write()


def _show_main(predictor: Predictor, sight: Sight, opened: OpenFilm, choice: Choice, found: Heatmap | None) -> None:
    radiograph = opened.radiograph
    side = predictor.classifier.sides[choice.side == "yes"]
    shown = found if found is not None else _nothing_yet(sight)
    picture = film_picture(
        radiograph.sha256,
        predictor.version,
        choice.what if found is not None else "not yet",
        radiograph,
        shown,
        choice.colors,
        share_of(shown, sight, choice),
    )
    words = layer_words(shown, side)
    if choice.needs_time:
        words = _film_words(choice, found, side)
    show_light_box(picture, caption=opened.film.name, corner=corner(radiograph), words=words, boxes=boxes_of(opened))


def _film_words(choice: Choice, found: Heatmap | None, side: str) -> Words:
    name = METHODS[choice.method].name
    if found is None:
        return Words(hint="", title="Not worked out yet.", nothing=f"{name} asks the network many times.")
    peak = f"Its peak is {number(found.maximum)}."
    if choice.method in SIGNLESS:
        return Words(hint=f"Where small changes of the film would move the answer, either way. {peak}", nothing="")
    return Words(hint=f"Where {name} found evidence for {side}. {peak}", nothing=f"Nothing here speaks for {side}.")


def _nothing_yet(sight: Sight) -> Heatmap:
    from model.explain.cam import Heatmap

    return Heatmap(values=0 * sight.film[:, :, 0], maximum=0.0, layer="film")


def _work_out(predictor: Predictor, sight: Sight, choice: Choice, film: str) -> None:
    method = FILM_METHODS[choice.method]

    def work(progress: Progress) -> object:
        return method.summed(predictor, sight.film, black=predictor.classifier.black, progress=progress)

    key = job_key(film, predictor.version, choice.method)
    times = {"integrated-gradients": "32 gradients", "smoothgrad": "24 gradients"}
    if isinstance(method, Occlusion):
        times["occlusion"] = f"{len(method.squares(*sight.film.shape[:2]))} looks at the film"
    show_job(key, f"Work out {method.name}", work, help=f"Takes {times[choice.method]}.")


def _about_html(sight: Sight, choice: Choice, sides: tuple[str, str]) -> str:
    method = METHODS[choice.method]
    prediction = sight.prediction
    return (
        f'<p class="pn-eyebrow">{percent(prediction.probability)} {escape(sides[1])}, verdict '
        f"{escape(prediction.verdict)}{', not to be trusted' if prediction.doubt is not None else ''}</p>"
        f'<h3 class="pn-method">{escape(method.name)}</h3><p class="pn-because">{escape(method.about)}</p>'
        f'<p class="pn-fine">{escape(method.source)}</p>'
    )


def _layers_words(choice: Choice) -> str:
    if choice.common:
        return "All on the scale of the strongest layer: most early layers have next to nothing to say."
    return "Each on a scale of its own; the number is its peak, on the scale of logits. Choose one."
