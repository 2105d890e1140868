"""A plot with what belongs to it: the words under it, and the ways to take it away."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

import plotly.graph_objects as go
import streamlit as st

from model.evaluation_words import PLOTS, Plot
from model.plots import as_bytes
from ui.results import safe_cell

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Table = tuple[Sequence[str], Iterable[Sequence[object]]]
"""The header and the rows of a plot's numbers."""


def show_plot(
    name: Plot,
    figure: go.Figure,
    *,
    picture: Callable[[], Figure],
    numbers: Callable[[], Table],
) -> None:
    """Draw a plot.

    Parameters
    ----------
    name : str
        Of the plot; its words are those of `model.evaluation_words.PLOTS`.
    figure : plotly.graph_objects.Figure
        For the screen.
    picture : callable
        Makes the same plot for a file, when a person asks for it.
    numbers : callable
        Gives the numbers it draws.
    """
    st.plotly_chart(figure, key=f"plot-{name}", config={"displayModeBar": False, "responsive": True})
    show_words(name)
    show_downloads(name, picture=picture, numbers=numbers)


def show_words(name: Plot) -> None:
    """Draw the lines under a plot: what it shows, and what a common misreading is."""
    words = PLOTS[name]
    st.html(
        f'<p class="pn-plot-words">{escape(words.shows)}</p>'
        f'<p class="pn-plot-words"><b>Easily misread.</b> {escape(words.misreading)}</p>'
    )


def show_downloads(name: Plot, *, picture: Callable[[], Figure] | None, numbers: Callable[[], Table]) -> None:
    """Draw the buttons that take a plot away; a file is made when its button is pressed."""
    with st.container(horizontal=True, gap="xxsmall", key=f"take-{name}"):
        if picture is not None:
            made = picture
            _button("PNG", name, "png", "image/png", lambda: as_bytes(made(), "png"))
            _button("SVG", name, "svg", "image/svg+xml", lambda: as_bytes(made(), "svg"))
        _button("Numbers", name, "csv", "text/csv", lambda: as_csv(numbers()))


def _button(label: str, name: Plot, ending: str, mime: str, data: Callable[[], bytes | str]) -> None:
    st.download_button(
        label,
        data,
        file_name=f"{name}.{ending}",
        mime=mime,
        key=f"{ending}-{name}",
        on_click="ignore",
        type="tertiary",
        icon=":material/download:",
    )


def as_csv(table: Table) -> str:
    """Return a plot's numbers as CSV."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    header, rows = table
    writer.writerow(header)
    writer.writerows([safe_cell(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    return buffer.getvalue()
