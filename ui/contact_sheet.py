"""All films of the table with their heatmaps, on one sheet."""

from __future__ import annotations

import io
from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from PIL import Image

from model.errors import PneumoscopeError
from model.explain.maps import sheet
from model.images import read_radiograph
from ui.heatmap_choice import METHODS, Choice
from ui.heatmap_panels import overlaid, share_of
from ui.jobs import show_job
from ui.pictures import data_url
from ui.results import worst_first
from ui.state import Film, session
from ui.tiles import Tile, show_tiles
from ui.verdict import percent

if TYPE_CHECKING:
    from model.explain.work import Progress
    from model.predictor import Predictor
    from model.sight import Side

_COLUMNS = 6
_SIDE = 224


def show_contact_sheet(predictor: Predictor, choice: Choice) -> None:
    """Draw the sheet where several films lie on the table; choosing one opens it."""
    held = session()
    rows = worst_first(list(held.rows.values()))
    if len(rows) < 2 or choice.needs_time:
        return
    films = [row.film for row in rows]
    st.html(
        f'<div class="pn-section"><h3>All {len(films)} films</h3><p>{METHODS[choice.method].name} at '
        f"{escape(choice.layer)}, each "
        "for its own verdict, highest probability first.</p></div>"
    )
    names = hash(tuple(film.key for film in films))
    key = f"sheet-{choice.method}-{choice.layer}-{choice.colors}-{choice.common}-{names}"
    pictures: list[NDArray[np.uint8]] | None = show_job(
        key, "Draw the sheet", lambda progress: _drawn(predictor, films, choice, progress)
    )
    if pictures is None:
        return
    whole = sheet(np.stack(pictures), tile=_SIDE, columns=_COLUMNS)
    tiles = [
        Tile(number=k, label=_short(row.film.name), note=percent(row.prediction.probability), words=row.film.name)
        for k, row in enumerate(rows)
    ]
    chosen = next((k for k, film in enumerate(films) if held.chosen is not None and film.key == held.chosen.key), None)

    def choose() -> None:
        number = st.session_state["sheet"].choice
        if number is not None:
            held.choose(films[int(number)])

    show_tiles(
        "sheet",
        data_url(whole, "JPEG"),
        tiles,
        columns=_COLUMNS,
        chosen=chosen,
        label="All films",
        empty="unreadable",
        on_choice=choose,
        least=140,
    )
    buffer = io.BytesIO()
    Image.fromarray(whole).save(buffer, "PNG")
    st.download_button(
        "Download the sheet as PNG",
        buffer.getvalue(),
        file_name="pneumoscope-sheet.png",
        mime="image/png",
        icon=":material/download:",
        on_click="ignore",
        key="sheet-png",
    )


def _drawn(predictor: Predictor, films: list[Film], choice: Choice, progress: Progress) -> list[NDArray[np.uint8]]:
    pictures = []
    for number, film in enumerate(films):
        try:
            sight = predictor.explain(read_radiograph(film.source), keep_maps=False)
        except PneumoscopeError:
            pictures.append(np.zeros((_SIDE, _SIDE, 3), np.uint8))
            continue
        side: Side = "yes" if sight.prediction.is_yes else "no"
        found = sight.heatmap(choice.method, choice.layer, side)
        pictures.append(overlaid(sight, found, choice.colors, share_of(found, sight, replace(choice, side=side))))
        progress((number + 1) / len(films))
    return pictures


def _short(name: str) -> str:
    return name if len(name) <= 14 else name[:13] + "…"
