"""Plots of the evaluation page; each keeps the numbers it draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from model.bootstrap import Band, Interval
from model.calibration import Bin
from model.evaluation import Curve
from model.history import History

_MAIN, _DOT, _MUTED = "#2f9c96", "#e08a2e", "#8a99b8"
_SHADE = "rgba(47, 156, 150, 0.22)"
COLORS = ("#2f9c96", "#e08a2e", "#7d6fc4", "#c9574a", "#6f9a3c", "#8a99b8")


def roc_figure(curve: Curve, band: Band | None, *, dot: tuple[float, float] | None) -> go.Figure:
    """Return the ROC curve with its band, and the current threshold as a dot."""
    figure = go.Figure()
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", line=_dotted(), name="guessing", hoverinfo="skip")
    _add_curve(figure, curve, band, dot, "ROC curve")
    return _square(figure, x="False positive rate (1 − specificity)", y="Sensitivity")


def precision_recall_figure(
    curve: Curve, band: Band | None, *, dot: tuple[float, float] | None, prevalence: float
) -> go.Figure:
    """Return the precision-recall curve with its band, and the current threshold as a dot."""
    figure = go.Figure()
    figure.add_scatter(
        x=[0, 1], y=[prevalence] * 2, mode="lines", line=_dotted(), name="calling all positive", hoverinfo="skip"
    )
    _add_curve(figure, curve, band, dot, "precision-recall curve")
    return _square(figure, x="Sensitivity (recall)", y="Precision")


def calibration_figure(curves: Mapping[str, Sequence[Bin]]) -> go.Figure:
    """Return reliability diagrams, and below them how many films each bin holds."""
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.68, 0.32], vertical_spacing=0.05)
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", line=_dotted(), name="what is said happens", hoverinfo="skip", row=1, col=1
    )
    for (name, bins), color in zip(curves.items(), COLORS, strict=False):
        happened = [one.happened for one in bins]
        figure.add_scatter(
            x=[one.said for one in bins],
            y=happened,
            error_y={
                "array": [one.high - one.happened for one in bins],
                "arrayminus": [one.happened - one.low for one in bins],
                "thickness": 1,
            },
            customdata=[one.count for one in bins],
            hovertemplate="said %{x:.3f}, happened %{y:.3f}, %{customdata:,} films",
            mode="lines+markers",
            line={"color": color},
            name=name,
            row=1,
            col=1,
        )
        figure.add_bar(
            x=[(one.start + one.stop) / 2 for one in bins],
            y=[one.count for one in bins],
            marker={"color": color},
            text=[one.count for one in bins],
            textposition="outside",
            cliponaxis=False,
            name=name,
            showlegend=False,
            row=2,
            col=1,
        )
    figure.update_yaxes(title="Share that was sick", range=[-0.04, 1.04], row=1, col=1)
    most = max((one.count for bins in curves.values() for one in bins), default=1)
    figure.update_yaxes(title="Films", type="log", range=[-0.3, np.log10(most) + 0.6], nticks=3, row=2, col=1)
    figure.update_xaxes(title="Probability that was said", range=[-0.02, 1.02], row=2, col=1)
    return _laid_out(figure, height=460)


def subgroup_figure(rows: Sequence[tuple[str, Interval, bool]], *, label: str) -> go.Figure:
    """Return a dot plot with intervals; rows as in `model.plots.subgroup_plot`."""
    figure = go.Figure()
    for few, name in ((False, "enough films"), (True, "fewer than 30 films of a class")):
        chosen = [(row, number) for row, number, is_few in rows if is_few == few]
        if not chosen:
            continue
        color = _MUTED if few else _MAIN
        figure.add_scatter(
            x=[number.value for _, number in chosen],
            y=[row for row, _ in chosen],
            error_x={
                "array": [number.high - number.value for _, number in chosen],
                "arrayminus": [number.value - number.low for _, number in chosen],
                "color": color,
            },
            mode="markers",
            marker={"color": color, "size": 11, "symbol": "circle-open" if few else "circle", "line": {"width": 2}},
            name=name,
        )
    figure.update_yaxes(categoryorder="array", categoryarray=[row for row, _, _ in reversed(rows)], automargin=True)
    figure.update_xaxes(title=label)
    return _laid_out(figure, height=130 + 34 * len(rows))


def history_figure(runs: Sequence[History], *, measure: str, label: str) -> go.Figure:
    """Return one measure of several runs over their epochs: training dotted, validation solid.

    A star marks the epoch whose weights were kept, a dashed line where every layer was set free.
    """
    figure = go.Figure()
    for run, color in zip(runs, COLORS * (1 + len(runs) // len(COLORS)), strict=False):
        for key, kind, style in run.twins(measure):
            epochs, values = run.values(key)
            if not values:
                continue
            figure.add_scatter(
                x=epochs,
                y=values,
                mode="lines+markers",
                line={"color": color, "dash": "dot" if style == "dotted" else "solid"},
                marker={"size": 5},
                name=f"{run.name}, {kind}",
            )
        kept = run.kept(measure)
        if kept is not None:
            figure.add_scatter(
                x=[kept[0]],
                y=[kept[1]],
                mode="markers",
                marker={"symbol": "star", "size": 15, "color": color},
                name=f"{run.name}, kept",
                showlegend=False,
                hovertemplate="the weights of epoch %{x} were kept: %{y:.4f}",
            )
        if run.fine_tuned_from:
            figure.add_vline(x=run.fine_tuned_from + 0.5, line={"color": color, "dash": "dash", "width": 1})
    figure.update_xaxes(title="Epoch")
    figure.update_yaxes(title=label)
    return _laid_out(figure, height=400)


def _add_curve(figure: go.Figure, curve: Curve, band: Band | None, dot: tuple[float, float] | None, name: str) -> None:
    if band is not None:
        figure.add_scatter(
            x=band.along, y=band.high, mode="lines", line={"width": 0}, hoverinfo="skip", showlegend=False
        )
        figure.add_scatter(
            x=band.along,
            y=band.low,
            mode="lines",
            line={"width": 0},
            fill="tonexty",
            fillcolor=_SHADE,
            name="95 % band",
            hoverinfo="skip",
        )
    figure.add_scatter(
        x=curve.x,
        y=curve.y,
        customdata=curve.thresholds,
        mode="lines",
        line={"color": _MAIN, "width": 2.5},
        name=name,
        hovertemplate="threshold %{customdata:.3f}<br>%{x:.3f}, %{y:.3f}",
    )
    if dot is not None:
        figure.add_scatter(
            x=[dot[0]],
            y=[dot[1]],
            mode="markers",
            marker={"size": 14, "color": _DOT, "line": {"width": 2, "color": "white"}},
            name="current threshold",
            hovertemplate="current threshold<br>%{x:.3f}, %{y:.3f}",
        )


def _dotted() -> dict[str, object]:
    return {"dash": "dot", "color": _MUTED, "width": 1.5}


def _square(figure: go.Figure, *, x: str, y: str) -> go.Figure:
    figure.update_xaxes(title=x, range=[-0.02, 1.02])
    figure.update_yaxes(title=y, range=[-0.02, 1.04])
    return _laid_out(figure, height=400)


def _laid_out(figure: go.Figure, *, height: int) -> go.Figure:
    figure.update_layout(
        height=height,
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        bargap=0.15,
    )
    return figure
