"""Whose scores the evaluation page is about: the shipped network's, or a table that a person uploaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import Any, TypeVar

import numpy as np
import streamlit as st

from model.bootstrap import Bootstrap
from model.calibration import at_temperature, fit_temperature, log_odds_of
from model.checkpoint import SCORES, SHIPPED, read_card
from model.errors import EvaluationError, PneumoscopeError
from model.evaluation import few, resampled
from model.scores import MOST_BYTES, ScoreTable, read_scores
from model.shipped import shipped_scores, uncalibrated
from model.thresholds import AIMS
from ui.frame import problem
from ui.jobs import result_of, show_job
from ui.state import session
from ui.uploads import release

Found = TypeVar("Found")

QUICK = 5_000
_UPLOAD = "evaluation-upload"
_USUAL_THRESHOLD = 0.5
_EXAMPLE = "id,label,score,patient\nfilm-1,1,0.93,anna\nfilm-2,0,0.08,ben\n"


@dataclass(frozen=True, eq=False, kw_only=True)
class Source:
    """A table of scores and what is known about it.

    Attributes
    ----------
    table : ScoreTable
        The films.
    name : str
        What the page calls it.
    threshold : float
        Where the slider begins.
    aims : Mapping of str to float
        Thresholds that validation films chose, by their aim; empty for a table of someone else's.
    shipped : bool
        Whether these are the films of the network that comes with the app.
    before : ScoreTable
        The same films before they were calibrated.
    after : ScoreTable
        The same films calibrated.
    temperature : float or None
        What the logits were divided by in between; None where each half of the patients got its own.
    """

    table: ScoreTable
    name: str
    threshold: float
    aims: Mapping[str, float]
    shipped: bool
    before: ScoreTable
    after: ScoreTable
    temperature: float | None

    @cached_property
    def key(self) -> str:
        """Names the content."""
        return self.table.digest


def chosen_source() -> Source | None:
    """Draw the choice of scores and return what is chosen, or None where nothing can be shown."""
    held = session()
    with st.container(key="whose-scores", gap="small"):
        _show_upload()
        if held.scores_problem:
            problem(held.scores_problem)
        try:
            uploaded = held.scores
            source = once("source", lambda: _uploaded(*uploaded)) if uploaded else _shipped(_shipped_changed())
        except PneumoscopeError as error:
            problem(str(error))
            return None
        _say_what(source)
    return source


def bootstrap_of(source: Source) -> Bootstrap | None:
    """Return the resamples of a table, or None while they are worked out; draws the way to them for a large one."""
    table = source.table
    if source.shipped:
        return _resampled(source.key, table)
    if len(table) <= QUICK:
        return once("bootstrap", lambda: resampled(table))
    job = f"bootstrap-{source.key}"
    found: Bootstrap | None = result_of(job)
    if found is None:
        found = show_job(
            job,
            "Work out the 95 % intervals",
            lambda progress: resampled(table, progress=progress),
            help=f"Draws {len(table):,} films anew 2,000 times; the page can be used meanwhile.",
        )
    return found


def once(name: str, make: Callable[[], Found]) -> Found:
    """Return what is known about the uploaded table, worked out at the first call and forgotten with the table."""
    known = session().about_scores
    if name not in known:
        known[name] = make()
    found: Found = known[name]
    return found


def _show_upload() -> None:
    held = session()
    # A new name closes it when a file has been taken.
    with st.popover("Evaluate another model", icon=":material/upload:", key=f"upload-{held.scores_drop}"):
        st.html(
            "<p>Drop a CSV with one row per film: its <b>label</b> (0 or 1) and its <b>score</b> (a probability, 0 to "
            "1). Better still with <b>id</b> and <b>patient</b>; every further column of a few words becomes a "
            "subgroup. It stays in memory and is gone when you leave.</p>"
        )
        st.code(_EXAMPLE, language=None)
        # Under a new name after each upload, so that the next one is told from the last.
        file = st.file_uploader(
            "Scores and labels",
            type=["csv", "tsv", "txt", "jsonl"],
            key=f"{_UPLOAD}-{held.scores_drop}",
            max_upload_size=MOST_BYTES // 1_000_000,
        )
    if file is not None:
        held.scores_drop += 1
        _take(file.name, file.getvalue())
        release(file)
        st.rerun()
    if held.scores is not None:
        st.button("Back to the network's own films", icon=":material/undo:", on_click=_forget, type="tertiary")


def _take(name: str, content: bytes) -> None:
    held = session()
    try:
        table = read_scores(content, name=name)
    except EvaluationError as error:
        held.scores_problem = str(error)
        return
    _forget()
    held.scores = (name, table)


def _forget() -> None:
    held = session()
    held.forget_scores()
    # A threshold means something for one network's scores only.
    for key in ("threshold", "films"):
        held.place.set(key, None)


def _say_what(source: Source) -> None:
    table = source.table
    sick = int(table.labels.sum())
    patients = len(np.unique(table.patients))
    of = f" of {patients:,} patients" if table.by_patient else ""
    count = "1 film" if len(table) == 1 else f"{len(table):,} films"
    words = f"{count}{of}: {len(table) - sick:,} normal, {sick:,} with pneumonia."
    if source.shipped:
        words += " None of them was used for training or for choosing anything."
    remarks = [*table.notes, *(["Fewer than 30 films of a class, so its numbers say little."] if few(table) else [])]
    notes = "".join(f"<br>{escape(note)}" for note in remarks)
    st.html(f'<p class="pn-source"><b>{escape(source.name)}</b><br>{escape(words)}{notes}</p>')


def _shipped_changed() -> tuple[float, float]:
    return tuple(
        (SHIPPED / name).stat().st_mtime if (SHIPPED / name).exists() else 0.0 for name in ("card.json", SCORES)
    )  # type: ignore[return-value]


@st.cache_resource(show_spinner=False, max_entries=2)
def _shipped(changed: tuple[float, float]) -> Source:
    card: dict[str, Any] = read_card()
    table = shipped_scores("test")
    temperature = float(card.get("temperature", 1.0))
    return Source(
        table=table,
        name="The shipped network on its test films",
        threshold=float(card["threshold"]),
        aims={aim: float(entry["threshold"]) for aim, entry in card.get("thresholds", {}).items() if aim in AIMS},
        shipped=True,
        before=uncalibrated(table, temperature),
        after=table,
        temperature=temperature,
    )


def _uploaded(name: str, table: ScoreTable) -> Source:
    return Source(
        table=table,
        name=name,
        threshold=_USUAL_THRESHOLD,
        aims={},
        shipped=False,
        before=table,
        after=_calibrated_by_halves(table),
        temperature=None,
    )


def _calibrated_by_halves(table: ScoreTable) -> ScoreTable:
    """Give each half of the patients the temperature of the other half; nothing judges films it was fitted to."""
    names, place = np.unique(table.patients, return_inverse=True)
    second = np.random.default_rng(0).permutation(len(names))[place.ravel()] % 2 == 1
    scores = table.scores.copy()
    for half in (second, ~second):
        if half.any() and len(np.unique(table.labels[~half])) == 2:
            temperature = fit_temperature(table.labels[~half], log_odds_of(table.scores[~half]))
            scores[half] = at_temperature(table.scores[half], temperature)
    return table.with_scores(scores)


@st.cache_resource(show_spinner=False, max_entries=2)
def _resampled(key: str, _table: ScoreTable) -> Bootstrap:
    return resampled(_table)
