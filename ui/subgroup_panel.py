"""The same numbers for parts of the films, and so for whom the network is good."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import streamlit as st

from model.bootstrap import Bootstrap
from model.evaluation import Subgroup, subgroups
from model.evaluation_words import NAMES
from model.plots import subgroup_plot
from ui.evaluation_charts import subgroup_figure
from ui.films_in_cell import films_text
from ui.jobs import result_of, show_job
from ui.plot_frame import Table, show_plot
from ui.scores import QUICK, Source, once
from ui.state import session
from ui.widgets import choose

_SHOWN = ("auroc", "sensitivity", "specificity")
_WHOLE = "all films"
_NAMED = 3


@st.fragment
def show_subgroups(source: Source, whole: Bootstrap | None) -> None:
    """Draw the dot plot of the subgroups that a table's columns name, below the row of all films."""
    st.html('<div class="pn-section"><h3>For whom?</h3></div>')
    if not source.table.attributes:
        st.html(
            '<p class="pn-because">Nothing is known about these films besides their scores. A column such as '
            "view, sex or "
            "age makes subgroups.</p>"
        )
        return
    parts = _measured(source)
    if parts is None:
        return
    place = session().place
    name = place.one_of("measure", _SHOWN)[0] or _SHOWN[0]
    choose(
        "Number",
        _SHOWN,
        value=name,
        key="subgroup-number",
        on_choice=lambda value: place.set("measure", value),
        names={key: NAMES[key] for key in _SHOWN},
        pills=True,
    )
    rows = [(_row(part), part.numbers[name], part.few) for part in parts if not math.isnan(part.numbers[name].value)]
    if whole is not None:
        rows.insert(0, (f"{_WHOLE} ({len(source.table):,})", whole.intervals(source.threshold)[name], False))
    few = [_row(part) for part in parts if part.few]
    if few:
        which = ", ".join(few) if len(few) <= _NAMED else f"{len(few)} of {len(parts)} subgroups, drawn hollow"
        st.html(
            f'<p class="pn-notice">Fewer than 30 films of a class, so the numbers say little: {escape(which)}.</p>'
        )
    left_out = [_row(part) for part in parts if math.isnan(part.numbers[name].value)]
    if left_out:
        shown = ", ".join(left_out[:_NAMED]) + (" and others" if len(left_out) > _NAMED else "")
        st.html(f'<p class="pn-fine">Not drawn, since the films there do not allow the number: {escape(shown)}.</p>')
    if any(part.attribute == "cause" for part in parts):
        st.html(
            '<p class="pn-fine">Only sick films have a cause. Each cause is measured beside all normal films, so both '
            "share their specificity.</p>"
        )
    at = "" if name == "auroc" else f" at the threshold {source.threshold:.2f}"
    if at:
        st.html(f'<p class="pn-fine">Always{at}, wherever the slider stands.</p>')
    show_plot(
        "subgroups",
        subgroup_figure(rows, label=NAMES[name] + at),
        picture=lambda: subgroup_plot(rows, label=NAMES[name] + at),
        numbers=lambda: _numbers(parts),
    )
    place.write()


def _measured(source: Source) -> Sequence[Subgroup] | None:
    if source.shipped:
        return _shipped_subgroups(source.key, source)
    if len(source.table) <= QUICK:
        return once("subgroups", lambda: subgroups(source.table, threshold=source.threshold))
    job = f"subgroups-{source.key}"
    found: Sequence[Subgroup] | None = result_of(job)
    if found is None:
        found = show_job(
            job,
            "Measure the subgroups",
            lambda progress: subgroups(source.table, threshold=source.threshold, progress=progress),
            help="Each with its own 2,000 resamples.",
        )
    return found


@st.cache_resource(show_spinner=False, max_entries=2)
def _shipped_subgroups(key: str, _source: Source) -> tuple[Subgroup, ...]:
    return subgroups(_source.table, threshold=_source.threshold)


def _row(part: Subgroup) -> str:
    return f"{part.attribute}: {part.value} ({films_text(part.films)})"


def _numbers(parts: Sequence[Subgroup]) -> Table:
    rows = [
        (
            part.attribute,
            part.value,
            part.films,
            part.patients,
            part.positives,
            name,
            number.value,
            number.low,
            number.high,
        )
        for part in parts
        for name, number in part.numbers.items()
    ]
    return ("attribute", "value", "films", "patients", "sick", "number", "measured", "low", "high"), rows
