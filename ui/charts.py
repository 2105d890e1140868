"""Plots of the pages that are about heatmaps; each keeps the numbers it draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import plotly.graph_objects as go

if TYPE_CHECKING:
    from model.explain.report import ReportCard

_DASHES = {"heatmap": "solid", "edges": "dash", "centre": "dot"}
_COLORS = {"heatmap": "#e08a2e", "edges": "#4aa8a2", "centre": "#8a99b8"}


def curves_figure(card: ReportCard, *, which: str, names: Mapping[str, str], side: str) -> go.Figure:
    """Return the deletion or insertion curves of a heatmap and its baselines.

    Parameters
    ----------
    card : ReportCard
        The grades.
    which : {"deletion", "insertion"}
        Which curves.
    names : Mapping
        What the three maps are called.
    side : str
        What the probability is of.
    """
    figure = go.Figure()
    for key, grade in card.grades.items():
        figure.add_scatter(
            x=[100 * float(share) for share in grade.curves.shares],
            y=[float(value) for value in getattr(grade.curves, which)],
            name=names[key],
            mode="lines",
            line={"dash": _DASHES[key], "color": _COLORS[key], "width": 3 if key == "heatmap" else 2},
        )
    done = "taken away" if which == "deletion" else "given back"
    return _laid_out(figure, x=f"% of the film {done}, hottest first", y=f"Probability of {side}")


def similarity_figure(names: Sequence[str], similarities: Sequence[float], *, now: int) -> go.Figure:
    """Return how alike a heatmap stays to its original while the network forgets.

    Parameters
    ----------
    names : sequence of str
        What was forgotten last, at each step.
    similarities : sequence of float
        Structural similarity to the trained network's map, -1..1.
    now : int
        The step that is looked at, marked with a dot.
    """
    figure = go.Figure()
    steps = list(range(len(names)))
    figure.add_scatter(
        x=steps, y=list(similarities), mode="lines+markers", line={"color": _COLORS["heatmap"]}, showlegend=False
    )
    figure.add_scatter(
        x=[now],
        y=[similarities[now]],
        mode="markers",
        marker={"size": 15, "color": _COLORS["edges"]},
        showlegend=False,
    )
    figure.update_xaxes(tickvals=steps, ticktext=list(names), tickangle=-45)
    return _laid_out(figure, x="Forgotten down to", y="Similarity to the trained map")


def _laid_out(figure: go.Figure, *, x: str, y: str) -> go.Figure:
    figure.update_layout(
        height=320,
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        xaxis_title=x,
        yaxis_title=y,
        yaxis_range=[-0.05, 1.05],
        legend={"orientation": "h", "y": 1.12, "x": 0},
    )
    return figure
