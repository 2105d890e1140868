"""Plots for files: the numbers that are drawn, and files that open."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from model.bootstrap import ALONG, Band, Interval
from model.calibration import reliability
from model.evaluation import Curve
from model.history import History
from model.metrics import Counts
from model.plots import (
    as_bytes,
    calibration_plot,
    confusion_plot,
    history_plot,
    precision_recall_plot,
    roc_plot,
    subgroup_plot,
    titled,
    town_plot,
    with_range,
)

CURVE = Curve(x=np.array([0.0, 0.2, 1.0]), y=np.array([0.0, 0.9, 1.0]), thresholds=np.array([np.inf, 0.5, 0.1]))
BAND = Band(along=ALONG, low=np.zeros(101), high=np.ones(101))
NUMBER = Interval(value=0.9, low=0.8, high=0.95)


def drawn() -> dict[str, Figure]:
    labels, scores = np.array([0, 0, 1, 1]), np.array([0.1, 0.3, 0.6, 0.9])
    epochs = ({"loss": 1.0, "val_loss": 1.5, "phase": 1}, {"loss": 0.5, "val_loss": 1.25, "phase": 2})
    run = History(name="run", epochs=epochs, best=1, fine_tuned_from=1, state="finished")
    cell = np.float64
    return {
        "roc": roc_plot(CURVE, BAND, dot=(0.2, 0.9), area=NUMBER),
        "pr": precision_recall_plot(CURVE, None, dot=None, area=NUMBER, prevalence=0.5),
        "calibration": calibration_plot({"before": reliability(labels, scores)}),
        "subgroups": subgroup_plot([("<b>one</b>", NUMBER, False), ("two", NUMBER, True)], label="AUROC"),
        "history": history_plot([run], measure="loss", label="Loss"),
        "confusion": confusion_plot(
            Counts(tp=np.array(3, cell), fn=np.array(1, cell), fp=np.array(0, cell), tn=np.array(0, cell))
        ),
        "town": town_plot(20, 5, 100, 875),
    }


@pytest.mark.parametrize("name", list(drawn()))
def test_pictures_open_and_repeat(name: str) -> None:
    figure = titled(drawn()[name], "whose & what " + 100 * "x")
    with Image.open(io.BytesIO(as_bytes(figure, "png"))) as picture:
        assert min(picture.size) > 100
    svg = as_bytes(drawn()[name], "svg")
    assert ET.fromstring(svg.decode()).tag.endswith("svg")
    assert as_bytes(drawn()[name], "svg") == svg


def test_the_numbers_that_are_drawn() -> None:
    figures = drawn()
    (axes,) = figures["roc"].axes
    lines = {line.get_label(): line for line in axes.lines}
    assert lines["AUROC 0.900 (0.800 to 0.950)"].get_ydata() == pytest.approx(CURVE.y)
    assert lines["current threshold"].get_xydata().tolist() == [[0.2, 0.9]]
    (axes,) = figures["history"].axes
    assert [list(line.get_ydata()) for line in axes.lines[:3]] == [[1.0, 0.5], [1.5, 1.25], [1.25]]
    assert axes.lines[3].get_xdata()[0] == 1.5, "between the epochs of phase 1 and 2"
    (axes,) = figures["confusion"].axes
    assert [text.get_text() for text in axes.texts] == ["0\n0.0 %", "0\n0.0 %", "1\n25.0 %", "3\n75.0 %"]
    (axes,) = figures["town"].axes
    assert [len(dots.get_offsets()) for dots in axes.collections] == [20, 100, 5, 875]


def test_names_are_no_formulas_and_none_is_left_out() -> None:
    run = History(
        name="$\\x$", epochs=({"loss": 1.0, "val_loss": 1.5},), best=None, fine_tuned_from=None, state="stopped"
    )
    figure = history_plot([run, replace(run, name="_hidden")], measure="loss", label="Loss")
    assert b"$\\x$" in as_bytes(titled(figure, "$\\y$"), "svg") and b"_hidden" in as_bytes(figure, "svg")
    rows = [("view: AP $\\x$ (3)", NUMBER, False)]
    assert b"AP $\\x$" in as_bytes(subgroup_plot(rows, label="$\\z$"), "svg")


def test_a_number_with_its_range() -> None:
    nothing = float("nan")
    assert with_range(NUMBER) == "0.900 (0.800 to 0.950)"
    assert with_range(Interval(value=1.0, low=nothing, high=nothing)) == "1.000"
    assert with_range(Interval(value=nothing, low=nothing, high=nothing)) == "undefined"
