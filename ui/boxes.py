"""Boxes around findings: those of the synthetic samples, and those of a CSV that a person adds."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from model.artifacts import SYNTHETIC_FOLDER
from model.errors import DatasetError
from model.explain.localization import boxes_mask
from model.marks import boxes_for, read_boxes
from ui.frame import problem
from ui.lightbox import Shares
from ui.state import session

if TYPE_CHECKING:
    from model.datasets.base import Box
    from ui.state import OpenFilm


def boxes_of(opened: OpenFilm) -> list[Shares]:
    """Return the boxes of a film as shares of its width and height: x, y, width, height."""
    height, width = opened.radiograph.pixels.shape
    return [(box.x / width, box.y / height, box.width / width, box.height / height) for box in _boxes(opened)]


def truth_of(opened: OpenFilm) -> NDArray[np.bool_] | None:
    """Return where the boxes of a film lie, shape of its pixels, or None if it has none."""
    boxes = [(box.x, box.y, box.width, box.height) for box in _boxes(opened)]
    return boxes_mask(boxes, opened.radiograph.pixels.shape) if boxes else None


def show_box_file() -> None:
    """Draw the place for a CSV with boxes."""
    held = session()
    with st.expander("Add boxes that people drew", icon=":material/select:", expanded=bool(held.boxes_file)):
        st.html(
            '<p class="pn-fine">A CSV with the columns x, y, width and height in pixels, and patientId, path, file, '
            "image or name for the film, such as stage_2_train_labels.csv of RSNA's challenge. Boxes are matched by "
            "the name of the file.</p>"
        )
        st.file_uploader("CSV with boxes", type=["csv"], key="boxes", on_change=_take)
        if held.boxes_problem:
            problem(held.boxes_problem)
        elif held.boxes_file:
            matched = sum(bool(boxes_for(row.film.name, held.boxes)) for row in held.rows.values())
            words = f"{len(held.boxes):,} films have boxes in {held.boxes_file}, {matched} of them are here."
            st.html(f'<p class="pn-fine">{escape(words)}</p>')
            st.button("Take the boxes off", on_click=held.forget_boxes, icon=":material/backspace:", type="tertiary")


def _take() -> None:
    """Read the CSV that was dropped, or forget the boxes of one that was taken away; not called on a page change."""
    held, dropped = session(), st.session_state["boxes"]
    held.forget_boxes()
    if dropped is None:
        return
    try:
        held.boxes = read_boxes(dropped.getvalue().decode("utf-8", errors="replace"), name=dropped.name)
        held.boxes_file = dropped.name
    except DatasetError as error:
        held.boxes_problem = str(error)


def _boxes(opened: OpenFilm) -> tuple[Box, ...]:
    sample = opened.film.sample
    if sample is not None:
        return boxes_for(sample.slug, _sample_boxes())
    return boxes_for(opened.film.name, session().boxes)


@st.cache_data(max_entries=1, show_spinner=False)
def _sample_boxes() -> dict[str, tuple[Box, ...]]:
    path = SYNTHETIC_FOLDER / "boxes.csv"
    return read_boxes(path.read_text(encoding="utf-8"), name=path.name) if path.is_file() else {}
