"""Curves of training runs, over each other, and live while one trains."""

from __future__ import annotations

import os
from html import escape
from pathlib import Path

import streamlit as st

from model.checkpoint import read_card
from model.errors import PneumoscopeError
from model.history import MEASURES, History, find_runs, history_on_card, read_history
from model.plots import history_plot
from ui.evaluation_charts import history_figure
from ui.frame import problem
from ui.plot_frame import Table, show_plot
from ui.widgets import choose

VARIABLE = "PNEUMOSCOPE_RUNS"
_SHIPPED = "the shipped network"
_LOOK_AGAIN_S = 2.0
_NEW_RUNS_S = 6.0
_MOST_RUNS = 30
_KEY = "history-runs"
_MEASURE = "history-measure"


def show_runs() -> None:
    """Draw the curves of the shipped network's training and of whatever runs there are."""
    st.html(
        '<div class="pn-section"><h3>How it learned</h3><p>The curves of any training run, while it trains or after. '
        "Several lie over each other.</p></div>"
    )
    folder = runs_folder()
    runs = {path.name: path for path in find_runs(folder)[:_MOST_RUNS]}
    names = [*([_SHIPPED] if _on_card() is not None else []), *runs]
    if not runs:
        st.html(
            f'<p class="pn-fine">There are no runs in the folder “{escape(folder.name)}” yet. Start one with '
            "<code>python train.py</code> and watch it here; another folder is named by the environment variable "
            f"{VARIABLE}.</p>"
        )
    else:
        newest = [name for name, path in runs.items() if _state(path) == "running"]
        st.pills(
            "Runs",
            names,
            selection_mode="multi",
            default=[*names[:1], *newest[:2]],
            key=_KEY,
        )
    _curves(runs)
    _watch(folder, set(runs))


def runs_folder() -> Path:
    """Return the folder in which runs are looked for."""
    return Path(os.environ.get(VARIABLE, "runs"))


def _curves(runs: dict[str, Path]) -> None:
    chosen = st.session_state.get(_KEY, [_SHIPPED]) if runs else [_SHIPPED]
    live = any(name in runs and _state(runs[name]) == "running" for name in chosen)

    @st.fragment(run_every=_LOOK_AGAIN_S if live else None)
    def draw() -> None:
        histories = _read(chosen, runs)
        if live and not any(history.state == "running" for history in histories):
            st.rerun()
        measure = st.session_state.get(_MEASURE, "loss")
        choose(
            "Measure",
            list(MEASURES),
            value=measure,
            key="history-number",
            on_choice=lambda value: st.session_state.__setitem__(_MEASURE, value),
            names=dict(MEASURES),
            pills=True,
        )
        for history in histories:
            _say_state(history)
        if not any(history.epochs for history in histories):
            words = "No epoch is finished yet." if histories else "Choose a run."
            st.html(f'<p class="pn-because">{words}</p>')
            return
        label = MEASURES[measure]
        show_plot(
            "history",
            history_figure(histories, measure=measure, label=label),
            picture=lambda: history_plot(histories, measure=measure, label=label),
            numbers=lambda: _numbers(histories),
        )

    draw()


def _watch(folder: Path, known: set[str]) -> None:
    @st.fragment(run_every=_NEW_RUNS_S)
    def look() -> None:
        if {path.name for path in find_runs(folder)[:_MOST_RUNS]} != known:
            st.rerun()

    look()


def _read(chosen: list[str], runs: dict[str, Path]) -> list[History]:
    histories = []
    for name in chosen:
        try:
            found = read_history(runs[name]) if name in runs else _on_card()
        except PneumoscopeError as error:
            problem(str(error))
            continue
        if found is not None:
            histories.append(found)
    return histories


def _on_card() -> History | None:
    try:
        found = history_on_card(read_card(), name=_SHIPPED)
    except PneumoscopeError:
        return None
    return found if found.epochs else None


def _state(path: Path) -> str:
    try:
        return read_history(path).state
    except PneumoscopeError:
        return "damaged"


def _say_state(history: History) -> None:
    words = {
        "running": f"{history.name} is training: {history.doing}.",
        "silent": f"{history.name} was not heard of for a quarter of an hour; it was at {history.doing}.",
        "stopped": f"{history.name} was stopped and can be resumed.",
    }.get(history.state, "")
    if history.damaged:
        words += f" {history.damaged:,} lines of its log were damaged and left out."
    if words:
        st.html(f'<p class="pn-fine" role="status">{escape(words.strip())}</p>')


def _numbers(histories: list[History]) -> Table:
    keys = list(
        dict.fromkeys(k for h in histories for e in h.epochs for k, v in e.items() if isinstance(v, int | float))
    )
    rows = [
        (history.name, place, *(epoch.get(key, "") for key in keys))
        for history in histories
        for place, epoch in enumerate(history.epochs, start=1)
    ]
    return ("run", "epoch of the run", *keys), rows
