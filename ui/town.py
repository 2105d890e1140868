"""What a result means where the disease is rare or common: a thousand people, drawn one by one."""

from __future__ import annotations

import math

import numpy as np
import streamlit as st

from model.bootstrap import Interval
from model.evaluation import predictive_values
from model.plots import titled, town_plot
from ui.plot_frame import show_downloads, show_words
from ui.state import session
from ui.verdict import percent
from ui.widgets import offer, slide

PEOPLE = 1000
_USUAL = 10.0
_HERE = "as in these films"


def show_town(sensitivity: Interval, specificity: Interval, *, own: float, threshold: float) -> None:
    """Draw a thousand people and what the network tells them.

    Parameters
    ----------
    sensitivity, specificity : Interval
        At the current threshold.
    own : float
        The share of the sick among the films themselves, 0..1.
    threshold : float
        The current one.
    """
    place = session().place
    prevalence = _prevalence()
    st.html(
        '<div class="pn-section"><h3>What a positive result means</h3><p>The same network, at the same '
        "threshold, among "
        "people of whom more or fewer are sick.</p></div>"
    )

    def move(value: float) -> None:
        place.set("prevalence", f"{value:g}")

    left, right = st.columns([1, 1.6], gap="large")
    fixed = {"2 %": 2.0, "30 %": 30.0, _HERE: round(100 * own)}
    with left:
        slide(
            "How many of a hundred are sick",
            value=prevalence,
            low=1.0,
            high=99.0,
            step=1.0,
            key="prevalence",
            on_choice=move,
            format="%d %%",
        )
        offer(
            "Or",
            {name: name for name in fixed},
            chosen=next((name for name, value in fixed.items() if value == prevalence), None),
            key="prevalence",
            on_choice=lambda name: move(fixed[name]),
        )
        counts = people(sensitivity.value, specificity.value, prevalence / 100)
        st.html(_words(sensitivity, specificity, prevalence / 100, counts))
    with right:
        st.html(town_html(counts))
    show_words("prevalence")
    show_downloads(
        "prevalence",
        picture=lambda: titled(
            town_plot(*counts), f"1,000 people, {prevalence:g} % of them sick, threshold {threshold:.2f}"
        ),
        numbers=lambda: (
            ("group", "people of 1000", "threshold", "percent sick"),
            [
                (group, count, threshold, prevalence)
                for group, count in zip(("found", "missed", "false alarms", "cleared"), counts, strict=True)
            ],
        ),
    )


def people(sensitivity: float, specificity: float, prevalence: float) -> tuple[int, int, int, int]:
    """Return how many of a thousand are found, missed, alarmed for nothing, and rightly cleared.

    They are whole people, and as many as there are: what rounding leaves over goes to the largest remainders.
    """
    shares = np.array(
        [
            sensitivity * prevalence,
            (1 - sensitivity) * prevalence,
            (1 - specificity) * (1 - prevalence),
            specificity * (1 - prevalence),
        ]
    )
    exact = PEOPLE * np.nan_to_num(shares)
    whole = np.floor(exact + 1e-9).astype(int)
    for k in np.argsort(-(exact - whole), kind="stable")[: PEOPLE - int(whole.sum())]:
        whole[k] += 1
    found, missed, alarmed, cleared = (int(count) for count in whole)
    return found, missed, alarmed, cleared


def town_html(counts: tuple[int, int, int, int]) -> str:
    """Return a thousand little figures as HTML: positives first, sick ones filled."""
    found, missed, alarmed, cleared = counts
    kinds = ["found"] * found + ["alarm"] * alarmed + ["missed"] * missed + ["cleared"] * cleared
    figures = "".join(f'<i class="pn-person pn-{kind}"></i>' for kind in kinds)
    label = f"Of 1,000 people {found} are found, {alarmed} alarmed for nothing, {missed} missed, {cleared} cleared."
    legend = "".join(
        f'<span><i class="pn-swatch pn-{kind}"></i>{count:,} {words}</span>'
        for kind, count, words in (
            ("found", found, "sick, called sick"),
            ("alarm", alarmed, "healthy, called sick"),
            ("missed", missed, "sick, called healthy"),
            ("cleared", cleared, "healthy, called healthy"),
        )
    )
    return (
        f'<div class="pn-town"><div class="pn-people" role="img" aria-label="{label}">{figures}</div>'
        f'<p class="pn-legend">{legend}</p></div>'
    )


def _prevalence() -> float:
    said = session().place.decimal("prevalence", low=1, high=99)
    return _USUAL if said is None else float(round(said))


def _words(sensitivity: Interval, specificity: Interval, prevalence: float, counts: tuple[int, int, int, int]) -> str:
    found, missed, alarmed, cleared = counts
    positive, negative = predictive_values(sensitivity.value, specificity.value, prevalence)
    lines = []
    if math.isnan(positive):
        lines.append("Nobody is called sick at this threshold.")
    else:
        low, high = (
            predictive_values(a, b, prevalence)[0]
            for a, b in ((sensitivity.low, specificity.low), (sensitivity.high, specificity.high))
        )
        span = (
            "" if math.isnan(low) else f" (between {percent(low)} and {percent(high)} at both ends of the intervals)"
        )
        lines.append(
            f"<b>A positive result: sick with a chance of {percent(positive)}</b>{span}. Of {found + alarmed:,} "
            "people called "
            "sick, "
            f"{found:,} are."
        )
    if not math.isnan(negative):
        lines.append(
            f"<b>A negative result: healthy with a chance of {percent(negative)}.</b> Of {missed + cleared:,} "
            "people called "
            f"healthy, {missed:,} are sick."
        )
    return "".join(f'<p class="pn-because">{line}</p>' for line in lines)
