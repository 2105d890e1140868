"""Several films at once: the table, worst first, and the same table as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from hashlib import sha256
from html import escape
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from ui.state import Refusal, Row, Session, session

if TYPE_CHECKING:
    from model.predictor import Prediction

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_ROW_PIXELS = 36


def show_results() -> None:
    """Draw the table of dropped films if there are several; choosing a row opens that film."""
    held = session()
    if len(held.rows) < 2:
        return
    rows = worst_first(list(held.rows.values()))
    order = "highest probability first"
    if any(row.prediction.doubt is not None for row in rows):
        order += ", those not to be trusted last"
    with st.container(key="results"):
        st.html(
            f'<div class="pn-section"><h3>{len(rows)} films, {order}</h3>'
            "<p>Choose a row to put that film on the light box.</p></div>"
        )
        _table(held, rows)
        with st.container(horizontal=True, gap="small"):
            st.download_button(
                "Download as CSV",
                as_csv(rows, held.refusals),
                file_name="pneumoscope.csv",
                mime="text/csv",
                icon=":material/download:",
                on_click="ignore",
            )
            st.button("Clear the table", icon=":material/backspace:", on_click=held.clear, type="tertiary")


def show_refusals() -> None:
    """Draw the files that were no films, one sentence each, and the notices of the last drop."""
    held = session()
    if held.refusals:
        lines = "".join(
            f"<li><b>{escape(refusal.name)}</b> {escape(refusal.sentence)}</li>" for refusal in held.refusals
        )
        st.html(f'<ul class="pn-refusals" role="alert">{lines}</ul>')
    for notice in held.notices:
        st.html(f'<p class="pn-notice" role="status">{escape(notice)}</p>')


def worst_first(rows: Sequence[Row]) -> list[Row]:
    """Return rows by falling probability, then by name; those on which nothing should be trusted come last."""
    return sorted(rows, key=lambda row: (row.prediction.doubt is not None, -row.prediction.probability, row.film.name))


def as_csv(rows: Sequence[Row], refusals: Sequence[Refusal]) -> str:
    """Return the table as CSV, refused files last.

    A name that a spreadsheet would run as a formula gets a leading apostrophe.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["file", "sha256", "probability", "threshold", "verdict", "doubt", "network_ms", "error"])
    for row in rows:
        prediction = row.prediction
        writer.writerow(
            [
                safe_cell(row.film.name),
                row.film.key,
                f"{prediction.probability:.6f}",
                f"{prediction.threshold:.6f}",
                prediction.verdict,
                prediction.doubt.because if prediction.doubt is not None else "",
                f"{1000 * prediction.seconds:.0f}",
                "",
            ]
        )
    for refusal in refusals:
        writer.writerow([safe_cell(refusal.name), "", "", "", "", "", "", safe_cell(refusal.sentence)])
    return buffer.getvalue()


def _table(held: Session, rows: list[Row]) -> None:
    keys = [row.film.key for row in rows]
    fingerprint = sha256("".join(keys).encode("ascii")).hexdigest()[:8]
    widget = f"table-{fingerprint}"

    chosen = keys.index(held.chosen.key) if held.chosen is not None and held.chosen.key in keys else None
    state = st.dataframe(
        _frame(rows),
        key=widget,
        hide_index=True,
        height=min(len(rows) + 1, 8) * _ROW_PIXELS + 2,
        row_height=_ROW_PIXELS,
        on_select="rerun",
        selection_mode="single-row",
        selection_default={"selection": {"rows": [chosen]}} if chosen is not None else None,
        column_config={
            "Film": st.column_config.TextColumn(width=150),
            "Probability": st.column_config.ProgressColumn(
                format="%.1f %%", min_value=0.0, max_value=100.0, width=150
            ),
            "Verdict": st.column_config.TextColumn(width="medium"),
            "Pixels": st.column_config.TextColumn(width="small"),
            "File": st.column_config.TextColumn(width="small"),
            "Network": st.column_config.NumberColumn(format="%d ms", width="small"),
        },
        alt="Films by probability",
    )
    picked = (widget, tuple(int(number) for number in state["selection"]["rows"]))
    if picked != held.picked_row:
        held.picked_row = picked
        for number in picked[1]:
            held.choose(rows[number].film)


def _frame(rows: Sequence[Row]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Film": [row.film.name for row in rows],
            "Probability": [100.0 * row.prediction.probability for row in rows],
            "Verdict": [_verdict(row.prediction) for row in rows],
            "Pixels": [f"{row.size[1]} × {row.size[0]}" for row in rows],
            "File": [row.format for row in rows],
            "Network": [round(1000 * row.prediction.seconds) for row in rows],
        }
    )


def _verdict(prediction: Prediction) -> str:
    return prediction.verdict if prediction.doubt is None else f"not to be trusted: {prediction.doubt.kind}"


def safe_cell(text: str) -> str:
    """Return a text for a CSV that no spreadsheet runs as a formula."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
