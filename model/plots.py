"""The plots of an evaluation as pictures, for reports and downloads, drawn from numbers that are given."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter

from model.bootstrap import Band, Interval
from model.calibration import Bin
from model.evaluation import Curve
from model.history import History
from model.metrics import Counts

Format = Literal["png", "svg"]

# Text stays text, and the same numbers give the same file.
mpl.rcParams["svg.fonttype"] = "none"
mpl.rcParams["svg.hashsalt"] = "pneumoscope"
# Names come from other people's files: a dollar sign in one of them begins no formula.
mpl.rcParams["text.parse_math"] = False

_MAIN, _OTHER, _MUTED = "#0b6467", "#c46a00", "#6b7a76"
_COLORS = ("#0b6467", "#c46a00", "#5b4b9a", "#9b2c2c", "#3d7a2e", "#52605c")
_DPI = 160
_SICK = "#9b2c2c"
_DARK = 0.6
_ACROSS = 50
_LONGEST_TITLE = 90


def as_bytes(figure: Figure, kind: Format) -> bytes:
    """Return a figure as a file."""
    stream = io.BytesIO()
    FigureCanvasAgg(figure)
    metadata = {"Date": None} if kind == "svg" else {}
    figure.savefig(stream, format=kind, dpi=_DPI, metadata=metadata)
    return stream.getvalue()


def titled(figure: Figure, title: str) -> Figure:
    """Return a figure with a line above that says whose numbers it shows."""
    figure.suptitle(title if len(title) <= _LONGEST_TITLE else title[:_LONGEST_TITLE] + "…", fontsize=8, color=_MUTED)
    return figure


def roc_plot(curve: Curve, band: Band | None, *, dot: tuple[float, float] | None, area: Interval) -> Figure:
    """Return the ROC curve, its band and the current threshold."""
    figure, axes = _square("False positive rate (1 − specificity)", "Sensitivity (true positive rate)")
    axes.plot([0, 1], [0, 1], color=_MUTED, linestyle=":", linewidth=1, label="guessing")
    _curve_on(axes, curve, band, dot, f"AUROC {with_range(area)}")
    axes.legend(loc="lower right", frameon=False, fontsize=8)
    return figure


def precision_recall_plot(
    curve: Curve, band: Band | None, *, dot: tuple[float, float] | None, area: Interval, prevalence: float
) -> Figure:
    """Return the precision-recall curve, its band and the current threshold."""
    figure, axes = _square("Sensitivity (recall)", "Precision")
    axes.axhline(prevalence, color=_MUTED, linestyle=":", linewidth=1, label="calling every film positive")
    _curve_on(axes, curve, band, dot, f"average precision {with_range(area)}")
    axes.legend(loc="lower left", frameon=False, fontsize=8)
    return figure


def calibration_plot(curves: Mapping[str, Sequence[Bin]]) -> Figure:
    """Return reliability diagrams, with how many films each bin holds below."""
    figure = Figure(figsize=(4.6, 5.4), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=[3, 1], sharex=True)
    above.plot([0, 1], [0, 1], color=_MUTED, linestyle=":", linewidth=1, label="what is said happens")
    for k, (name, bins) in enumerate(curves.items()):
        color = _COLORS[k % len(_COLORS)]
        said, happened = [one.said for one in bins], [one.happened for one in bins]
        spans = [[one.happened - one.low for one in bins], [one.high - one.happened for one in bins]]
        above.errorbar(
            said, happened, yerr=spans, color=color, marker="o", markersize=4, capsize=2, label=_shown(name)
        )
        width = 0.8 / len(curves) / 10
        places = [one.start + 0.01 + width * k for one in bins]
        bars = below.bar(places, [one.count for one in bins], width=width, align="edge", color=color)
        below.bar_label(bars, fontsize=6, padding=1)
    above.set_ylabel("Share that was sick")
    above.set_ylim(-0.03, 1.03)
    above.legend(frameon=False, fontsize=8)
    below.set_xlabel("Probability that was said")
    below.set_ylabel("Films")
    below.set_yscale("log")
    below.yaxis.set_major_formatter(ScalarFormatter())
    below.yaxis.set_minor_formatter(NullFormatter())
    below.set_ylim(0.5, 3 * max((one.count for bins in curves.values() for one in bins), default=1))
    below.set_xlim(-0.02, 1.02)
    _bare(above)
    _bare(below)
    return figure


def confusion_plot(cells: Counts) -> Figure:
    """Return a confusion matrix: rows true, columns called, each cell as dark as its share of its row."""
    figure = Figure(figsize=(4.2, 3.6), layout="constrained")
    axes = figure.subplots()
    counts = np.array([[cells.tn, cells.fp], [cells.fn, cells.tp]], dtype=np.float64)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="GnBu", vmin=0, vmax=1)
    for row in range(2):
        for column in range(2):
            ink = "white" if shares[row, column] > _DARK else "black"
            words = f"{int(counts[row, column]):,}\n{100 * shares[row, column]:.1f} %"
            axes.text(column, row, words, ha="center", va="center", color=ink, fontsize=13)
    axes.set_xticks([0, 1], ["called normal", "called pneumonia"])
    axes.set_yticks([0, 1], ["truly normal", "truly pneumonia"])
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    return figure


def town_plot(found: int, missed: int, alarmed: int, cleared: int) -> Figure:
    """Return people as dots in rows of fifty: called sick first, the sick filled."""
    kinds = [
        (found, "sick, called sick", _OTHER, _OTHER),
        (alarmed, "healthy, called sick", "white", _OTHER),
        (missed, "sick, called healthy", _SICK, _SICK),
        (cleared, "healthy, called healthy", "white", "#a9bab6"),
    ]
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    start = 0
    for count, name, face, edge in kinds:
        places = np.arange(start, start + count)
        axes.scatter(
            places % _ACROSS, places // _ACROSS, s=22, facecolor=face, edgecolor=edge, label=f"{count:,} {name}"
        )
        start += count
    axes.invert_yaxis()
    axes.set_axis_off()
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    return figure


def subgroup_plot(rows: Sequence[tuple[str, Interval, bool]], *, label: str) -> Figure:
    """Return a dot plot with intervals.

    Parameters
    ----------
    rows : sequence of (str, Interval, bool)
        What each row is called, its number, and whether it stands on few films.
    label : str
        What the number is.
    """
    figure = Figure(figsize=(6.4, 0.7 + 0.38 * max(len(rows), 2)), layout="constrained")
    axes = figure.subplots()
    for place, (_, number, few) in enumerate(rows):
        color = _MUTED if few else _MAIN
        axes.plot([number.low, number.high], [place, place], color=color, linewidth=2, solid_capstyle="round")
        axes.plot([number.value], [place], marker="o", color=color, markerfacecolor="white" if few else color)
    axes.set_yticks(range(len(rows)), [name for name, _, _ in rows])
    axes.invert_yaxis()
    axes.set_xlabel(label)
    _bare(axes)
    return figure


def history_plot(runs: Sequence[History], *, measure: str, label: str) -> Figure:
    """Return one measure of several runs over their epochs, with the marks of the page.

    Training is dotted and validation solid; a star marks the epoch whose weights were kept, a dashed line where every
    layer was set free.
    """
    figure = Figure(figsize=(6.4, 4), layout="constrained")
    axes = figure.subplots()
    for k, run in enumerate(runs):
        color = _COLORS[k % len(_COLORS)]
        for key, kind, style in run.twins(measure):
            epochs, values = run.values(key)
            if values:
                axes.plot(
                    epochs, values, color=color, marker=".", linestyle=style, label=_shown(f"{run.name}, {kind}")
                )
        kept = run.kept(measure)
        if kept is not None:
            axes.plot([kept[0]], [kept[1]], color=color, marker="*", markersize=14, linestyle="")
        if run.fine_tuned_from:
            axes.axvline(run.fine_tuned_from + 0.5, color=color, linestyle="--", linewidth=1)
    axes.set_xlabel("Epoch")
    axes.set_ylabel(label)
    if axes.lines:
        axes.legend(frameon=False, fontsize=8)
    _bare(axes)
    return figure


def with_range(number: Interval, digits: int = 3) -> str:
    """Write a number with its interval."""
    if np.isnan(number.value):
        return "undefined"
    if np.isnan(number.low):
        return f"{number.value:.{digits}f}"
    return f"{number.value:.{digits}f} ({number.low:.{digits}f} to {number.high:.{digits}f})"


def _shown(name: str) -> str:
    """Return a name that a legend shows: it leaves out those that begin with an underscore."""
    return f" {name}" if name.startswith("_") else name


def _square(x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(4.6, 4.6), layout="constrained")
    axes = figure.subplots()
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_aspect("equal")
    _bare(axes)
    return figure, axes


def _curve_on(axes: Axes, curve: Curve, band: Band | None, dot: tuple[float, float] | None, label: str) -> None:
    if band is not None:
        axes.fill_between(band.along, band.low, band.high, color=_MAIN, alpha=0.18, linewidth=0, label="95 % band")
    axes.plot(curve.x, curve.y, color=_MAIN, linewidth=1.8, label=label)
    if dot is not None:
        axes.plot([dot[0]], [dot[1]], marker="o", markersize=9, color=_OTHER, linestyle="", label="current threshold")


def _bare(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.6)
