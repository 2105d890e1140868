"""The page about the shipped model, read from its card."""

from __future__ import annotations

from html import escape
from typing import Any

import streamlit as st

from model.own_model import own_name
from ui.card import label, read_card, section_html
from ui.frame import HOME, invite, problem
from ui.state import session

_LIMITS = ("not_for", "not_meant_for", "limits", "limitations", "out_of_scope", "intended_use", "caveats")
_ORDER = (
    *_LIMITS,
    "summary",
    "test",
    "metrics",
    "results",
    "performance",
    "calibration",
    "thresholds",
    "refusals",
    "views",
    "stress",
    "stress_tests",
    "look_split",
    "data",
    "splits",
    "training",
)
_HEADINGS = {
    **dict.fromkeys(_LIMITS, "Whom it is not for"),
    **dict.fromkeys(("test", "metrics", "results", "performance"), "On films it never saw"),
    **dict.fromkeys(("stress", "stress_tests"), "What throws it off"),
    "look_split": "Another network, on a look it never saw",
    "intended_use": "What it is for",
    "data": "What it learned from",
    "splits": "How the films were divided",
    "training": "How it was trained",
    "calibration": "How far its probabilities are from what happens",
    "thresholds": "Thresholds, and what each is for",
    "refusals": "Whom it would not judge",
    "views": "How it tells frontal chests from others",
    "partition": "How the films were divided",
    "novelty": "What tells strangers apart",
}
_LEADS = {
    "refusals": "Pictures shown to the network that are no upright frontal chest films, and its own test films, "
    "and how many of them it would not judge by its features alone.",
    "views": "Pictures of people from all sides. Each person's were judged by what was learned from the others', so "
    "that none was known.",
    "look_split": "The films were sorted by how they look, and one whole look was kept away from another network, "
    "which was trained by the command below. What it loses there is what a network like this one owes to looks.",
}
_MISSING = (
    "The model card is not here yet: model/pretrained/card.json is missing or unreadable. "
    "It is written together with the trained network."
)


def show_model() -> None:
    """Draw the model card, section by section."""
    st.html(
        '<header class="pn-hero pn-page"><p class="pn-eyebrow">Report card</p>'
        "<h1>What kind of network is this?</h1>"
        "<p>What it learned from, how often it is right on children it never saw, what throws it off, and "
        "whom it is not for. Every number here was written by the program that measured it.</p></header>"
    )
    own = own_name()
    if own is not None:
        st.html(
            f'<p class="pn-notice">The other pages look into {escape(own)}. What follows is the card of the '
            "network that "
            "comes with Pneumoscope, not of yours.</p>"
        )
    card = read_card()
    if card is None:
        problem(_MISSING)
    else:
        _show_card(card)
    opened = session().chosen
    words = "Put a film on the light box and see what the network makes of it."
    if opened is not None:
        words = f"{opened.name} is still on the light box, just as you left it."
    invite(HOME, heading="Back to the films", words=words)


def sections(card: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return the card's nested parts, limits and results first, then the rest in the card's own order."""
    nested = [(key, value) for key, value in card.items() if isinstance(value, dict | list) and value]
    rank = {key: number for number, key in enumerate(_ORDER)}
    return sorted(nested, key=lambda part: rank.get(part[0], len(rank)))


def _show_card(card: dict[str, Any]) -> None:
    for key, content in sections(card):
        kind = "pn-limits" if key in _LIMITS else "pn-plain"
        heading = f"<h2>{escape(_HEADINGS.get(key, label(key)))}</h2>"
        lead = f"<p>{escape(_LEADS[key])}</p>" if key in _LEADS else ""
        st.html(f'<section class="pn-card-section {kind}">{heading}{lead}{section_html(content)}</section>')
    plain = {key: value for key, value in card.items() if not isinstance(value, dict | list)}
    if plain:
        st.html(f'<section class="pn-card-section"><h2>How it was made</h2>{section_html(plain)}</section>')
