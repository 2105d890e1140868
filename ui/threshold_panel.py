"""Everything that moves with the threshold: the confusion matrix, its numbers, the dots on the curves, a town."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import numpy as np
import streamlit as st

from model.bootstrap import Bootstrap, Interval
from model.evaluation import Curve, precision_recall, roc
from model.evaluation_words import MEANINGS, NAMES
from model.metrics import CALLED, Counts, all_numbers
from model.plots import confusion_plot, precision_recall_plot, roc_plot, subgroup_plot, titled
from model.thresholds import AIMS
from ui.card import Estimate, estimates_html
from ui.evaluation_charts import precision_recall_figure, roc_figure
from ui.films_in_cell import CELLS, show_films
from ui.plot_frame import Table, show_downloads, show_plot, show_words
from ui.scores import Source
from ui.state import session
from ui.town import show_town
from ui.widgets import offer, slide

_LEADING = ("sensitivity", "specificity", "precision", "accuracy", "balanced_accuracy", "f1", "mcc")
_AIM_NAMES = {"looks": "The app's", "youden": "Youden", "sensitivity 95 %": "Find 95 %"}


@st.fragment
def show_threshold(source: Source, drawn: Bootstrap | None, curves: tuple[Curve, Curve]) -> None:
    """Draw the part of the page that a threshold changes; only this part is drawn anew when it does.

    Parameters
    ----------
    source : Source
        Whose scores.
    drawn : Bootstrap or None
        Their resamples, where they have been worked out.
    curves : tuple of Curve
        `model.evaluation.roc` and `precision_recall` of them.
    """
    threshold = _threshold(source)
    table = source.table
    cells = Counts.at(table.labels, table.scores, threshold=threshold)
    numbers = _numbers(source, drawn, threshold)
    about = f"{source.name}, {len(source.table):,} films, threshold {threshold:.2f}"
    st.html('<div class="pn-section"><h3>At one threshold</h3></div>')
    left, right = st.columns([1, 1.1], gap="large")
    with left:
        _show_choice(source, threshold)
        _show_matrix(cells, threshold, about)
        show_words("confusion")
    with right:
        _show_numbers(numbers, threshold, about)
    show_films(source, threshold)
    if table.classes == 2:
        _show_curves(source, drawn, curves, numbers, about)
        show_town(numbers["sensitivity"], numbers["specificity"], own=float(table.labels.mean()), threshold=threshold)
    session().place.write()


def curves_of(source: Source) -> tuple[Curve, Curve]:
    """Return both curves of a table."""
    return roc(source.table), precision_recall(source.table)


def _threshold(source: Source) -> float:
    said = session().place.decimal("threshold", low=0.01, high=0.99)
    return source.threshold if said is None else round(said, 2)


def _show_choice(source: Source, threshold: float) -> None:
    place = session().place

    def move(value: float) -> None:
        place.set("threshold", f"{value:.2f}")

    slide(
        "Called pneumonia from this score on",
        value=threshold,
        low=0.01,
        high=0.99,
        step=0.01,
        key="threshold",
        on_choice=move,
    )
    if not source.aims:
        return
    here = next((aim for aim, at in source.aims.items() if abs(at - threshold) < 1e-9), None)
    offer(
        "Chosen on validation films, for an aim",
        {aim: f"{_AIM_NAMES[aim]} · {at:.2f}" for aim, at in source.aims.items()},
        chosen=here,
        key="aim",
        on_choice=lambda aim: move(source.aims[aim]),
    )
    words = AIMS.get(here, "") if here else "Set by hand, for no aim"
    st.html(f'<p class="pn-fine">{escape(words[:1].upper() + words[1:])}.</p>')


def _show_matrix(cells: Counts, threshold: float, about: str) -> None:
    place = session().place
    chosen = place.get("films")

    def choose_cell(name: str) -> Callable[[], None]:
        return lambda: place.set("films", None if place.get("films") == name else name)

    with st.container(key="matrix", gap=None):
        st.html('<p class="pn-corner"></p>')
        st.html('<p class="pn-column">called normal</p>')
        st.html('<p class="pn-column">called pneumonia</p>')
        for row, names in (("truly normal", ("tn", "fp")), ("truly pneumonia", ("fn", "tp"))):
            st.html(f'<p class="pn-row">{row}</p>')
            for name in names:
                st.button(
                    f"**{int(getattr(cells, name)):,}** {CELLS[name].words}",
                    key=f"matrix-{name}",
                    on_click=choose_cell(name),
                    type="primary" if chosen == name else "secondary",
                    width="stretch",
                )
    show_downloads(
        "confusion",
        picture=lambda: titled(confusion_plot(cells), about),
        numbers=lambda: (
            ("truth", "called normal", "called pneumonia", "threshold"),
            (
                ("normal", int(cells.tn), int(cells.fp), threshold),
                ("pneumonia", int(cells.fn), int(cells.tp), threshold),
            ),
        ),
    )


def _numbers(source: Source, drawn: Bootstrap | None, threshold: float) -> dict[str, Interval]:
    if drawn is not None:
        return drawn.intervals(threshold)
    found = all_numbers(source.table.labels, source.table.scores, threshold=threshold)
    return {name: Interval(value=value, low=float("nan"), high=float("nan")) for name, value in found.items()}


def _show_numbers(numbers: dict[str, Interval], threshold: float, about: str) -> None:
    known = {name: numbers[name] for name in _LEADING if not np.isnan(numbers[name].value)}
    spans = {
        NAMES[name]: Estimate(value=number.value, low=number.low, high=number.high)
        for name, number in known.items()
        if not np.isnan(number.low)
    }
    if spans:
        lowest = min(span.low for span in spans.values())
        st.html(
            f'<div class="pn-narrow">{estimates_html(spans, start=0.5 if lowest >= 0.5 else min(lowest, 0.0))}</div>'
        )
    rows = "".join(
        f"<div><dt>{escape(NAMES[name])}</dt><dd>{number.value:.3f}{', no interval' if spans else ''}</dd></div>"
        for name, number in known.items()
        if np.isnan(number.low)
    )
    if rows:
        st.html(f'<dl class="pn-facts">{rows}</dl>')
    undefined = [NAMES[name] for name in (*CALLED, "auroc") if np.isnan(numbers[name].value)]
    if undefined:
        st.html(f'<p class="pn-fine">Undefined for these films at this threshold: {escape(", ".join(undefined))}.</p>')
    show_words("numbers")
    with st.expander("What each number means"):
        lines = "".join(f"<li><b>{escape(NAMES[name])}</b>: {escape(MEANINGS[name])}</li>" for name in NAMES)
        st.html(f'<ul class="pn-list">{lines}</ul>')
    rows_drawn = [(NAMES[name], number, False) for name, number in known.items()]
    show_downloads(
        "numbers",
        picture=lambda: titled(subgroup_plot(rows_drawn, label="Value, with its 95 % interval"), about),
        numbers=lambda: _numbers_table(numbers, threshold),
    )


def _numbers_table(numbers: dict[str, Interval], threshold: float) -> Table:
    rows = [(name, number.value, number.low, number.high, threshold) for name, number in numbers.items()]
    return ("number", "value", "low", "high", "threshold"), rows


def _show_curves(
    source: Source,
    drawn: Bootstrap | None,
    curves: tuple[Curve, Curve],
    numbers: dict[str, Interval],
    about: str,
) -> None:
    st.html('<div class="pn-section"><h3>At every threshold</h3></div>')
    left, right = st.columns(2, gap="large")
    prevalence = float(source.table.labels.mean())
    at = {name: numbers[name].value for name in ("sensitivity", "specificity", "precision")}
    with left:
        band = drawn.roc_band() if drawn is not None else None
        dot = (1 - at["specificity"], at["sensitivity"])
        st.html(_title("AUROC", numbers["auroc"]))
        show_plot(
            "roc",
            roc_figure(curves[0], band, dot=dot),
            picture=lambda: titled(roc_plot(curves[0], band, dot=dot, area=numbers["auroc"]), about),
            numbers=lambda: _curve_table(curves[0], "false positive rate", "sensitivity"),
        )
    with right:
        pr_band = drawn.pr_band() if drawn is not None else None
        pr_dot = None if np.isnan(at["precision"]) else (at["sensitivity"], at["precision"])
        st.html(_title("Average precision", numbers["average_precision"]))
        show_plot(
            "precision_recall",
            precision_recall_figure(curves[1], pr_band, dot=pr_dot, prevalence=prevalence),
            picture=lambda: titled(
                precision_recall_plot(
                    curves[1], pr_band, dot=pr_dot, area=numbers["average_precision"], prevalence=prevalence
                ),
                about,
            ),
            numbers=lambda: _curve_table(curves[1], "recall", "precision"),
        )


def _curve_table(curve: Curve, x: str, y: str) -> Table:
    return ("threshold", x, y), zip(curve.thresholds.tolist(), curve.x.tolist(), curve.y.tolist(), strict=True)


def _title(name: str, number: Interval) -> str:
    span = "" if np.isnan(number.low) else f" <small>95 % interval {number.low:.4f} to {number.high:.4f}</small>"
    return f'<p class="pn-plot-title">{escape(name)} <b>{number.value:.4f}</b>{span}</p>'
