"""The page about how good a network is, from one threshold to other people's numbers."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from model.bootstrap import Interval
from model.evaluation import Curve
from model.evaluation_page import paper_table
from model.evaluation_words import NAMES
from model.metrics import all_numbers
from model.own_model import own_name
from model.paper import reported
from ui.calibration_panel import show_calibration
from ui.frame import THE_MODEL, invite, problem
from ui.plot_frame import Table, show_downloads, show_words
from ui.run_curves import show_runs
from ui.scores import Source, bootstrap_of, chosen_source, once
from ui.subgroup_panel import show_subgroups
from ui.threshold_panel import curves_of, show_threshold

_PAPER = ("accuracy", "sensitivity", "precision")


def show_evaluation() -> None:
    """Draw the page."""
    st.html(
        '<header class="pn-hero pn-page pn-tight"><p class="pn-eyebrow">Evaluation</p>'
        "<h1>How good is it really?</h1>"
        "<p>One number never says it. Move the threshold, look at every mistake, make the disease rare, and see "
        "how far "
        "luck alone could have carried it.</p></header>"
    )
    if own_name() is not None:
        st.html(
            '<p class="pn-notice">These are the scores of the network that comes with Pneumoscope, not of yours. '
            "Upload "
            "your own network's scores to see it here.</p>"
        )
    source = chosen_source()
    if source is not None:
        _show(source)
    show_runs()
    invite(
        THE_MODEL,
        heading="What was it made from?",
        words="The films it learned from, what throws it off, and whom it is not for.",
    )


def _show(source: Source) -> None:
    if source.table.classes < 2:
        only = "pneumonia" if source.table.labels[0] else "normal"
        problem(
            f"All films in this table are {only}, so there is nothing to tell apart: curves, calibration and the "
            "paper's "
            "numbers need films of both kinds. What one kind allows is below."
        )
    drawn = bootstrap_of(source)
    curves = _shipped_curves(source.key, source) if source.shipped else once("curves", lambda: curves_of(source))
    show_threshold(source, drawn, curves)
    if source.table.classes < 2:
        return
    show_calibration(source)
    show_subgroups(source, drawn)
    numbers = (
        drawn.intervals(source.threshold)
        if drawn is not None
        else _without_intervals(all_numbers(source.table.labels, source.table.scores, threshold=source.threshold))
    )
    _show_paper(source, numbers)


def _show_paper(source: Source, ours: dict[str, Interval]) -> None:
    name = "This network" if source.shipped else source.name
    whose = "The method of this network comes from a paper. Its" if source.shipped else "The paper's"
    st.html(
        f'<div class="pn-section"><h3>The paper beside it</h3><p>{whose} numbers with the interval that its films '
        f"allow, and these, at the threshold {source.threshold:.2f}, wherever the slider stands.</p></div>"
        f'<div class="pn-paper">{paper_table(ours, name=name, by_patient=source.shipped)}</div>'
    )
    show_words("paper")
    show_downloads("paper", picture=None, numbers=_paper_numbers(ours))


def _paper_numbers(ours: dict[str, Interval]) -> Callable[[], Table]:
    paper = reported().numbers

    def numbers() -> Table:
        rows = [
            (whose, NAMES[name], of[name].value, of[name].low, of[name].high)
            for whose, of in (("paper", paper), ("this network", ours))
            for name in _PAPER
        ]
        return ("whose", "number", "value", "low", "high"), rows

    return numbers


def _without_intervals(numbers: dict[str, float]) -> dict[str, Interval]:
    return {name: Interval(value=v, low=float("nan"), high=float("nan")) for name, v in numbers.items()}


@st.cache_resource(show_spinner=False, max_entries=2)
def _shipped_curves(key: str, _source: Source) -> tuple[Curve, Curve]:
    return curves_of(_source)
