"""From the drop zone to the shelf: read each dropped file once, keep it or say in one sentence why not."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from model.errors import ImageError
from ui.network import explain, predict
from ui.state import MAX_BYTES, MAX_FILMS, Film, Refusal, Row, Session, open_film, session

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator
    from streamlit.runtime.uploaded_file_manager import UploadedFile

    from model.images import Radiograph
    from model.predictor import Prediction

_INVITATION = "**Drop chest X-rays here** PNG, JPEG, TIFF, WebP, BMP or DICOM, one film or many"


def drop_zone() -> list[UploadedFile]:
    """Draw the drop zone and return the files dropped on it that no earlier run has taken."""
    held = session()
    with st.container(key="drop"):
        dropped = st.file_uploader(
            _INVITATION,
            accept_multiple_files=True,
            key=f"drop-zone-{held.drop_zone}",
        )
    return [file for file in dropped if file.file_id not in held.seen_uploads]


def take(files: Sequence[UploadedFile], *, place: DeltaGenerator) -> None:
    """Read, judge and shelve dropped files, and choose the worst of them.

    A file that is no film becomes a `Refusal` and the next one goes on. Interrupted by a click, the next run
    goes on with the file that was being worked on.

    Parameters
    ----------
    files : sequence of UploadedFile
        Files of `drop_zone` that were not taken before.
    place : DeltaGenerator
        An ``st.empty()`` for the waiting state.

    Raises
    ------
    model.errors.PneumoscopeError
        The network could not be loaded; the files stay in the drop zone for the next try.
    """
    held = session()
    held.refusals.clear()
    held.notices.clear()
    taken: list[Row] = []
    left_out = 0
    several = len(files) > 1
    progress = st.empty()
    for number, file in enumerate(files, start=1):
        if several:
            progress.progress((number - 1) / len(files), text=f"Reading film {number} of {len(files)}")
        if held.has_room_for(file.size):
            row = _shelve(held, file, place=place, several=several)
            taken += [row] if row is not None else []
        else:
            left_out += 1
        held.seen_uploads.add(file.file_id)
        release(file)
    progress.empty()
    if left_out:
        held.notices.append(_too_many(left_out))
    worst = max(taken, key=lambda row: (row.prediction.doubt is None, row.prediction.probability), default=None)
    if worst is not None:
        held.choose(worst.film)


def _shelve(held: Session, file: UploadedFile, *, place: DeltaGenerator, several: bool) -> Row | None:
    content = file.getvalue()
    key = hashlib.sha256(content).hexdigest()
    known = held.rows.get(key)
    if known is not None:
        if known.film.name != file.name:
            held.notices.append(f"{file.name} is the same film as {known.film.name}, so it is listed once.")
        return known
    film = Film(name=file.name, key=key, source=content)
    try:
        opened = open_film(film)
    except ImageError as error:
        held.refusals.append(Refusal(name=file.name, sentence=str(error)))
        return None
    held.opened, radiograph = opened, opened.radiograph
    judge = predict if several else _prediction_of_explanation
    row = Row(
        film=film,
        prediction=judge(radiograph, place=place),
        size=radiograph.original_size,
        format=radiograph.format,
    )
    held.rows[key] = row
    return row


def _prediction_of_explanation(radiograph: Radiograph, *, place: DeltaGenerator) -> Prediction:
    return explain(radiograph, place=place).prediction


def release(file: UploadedFile) -> None:
    """Drop Streamlit's own reference to the bytes, so that only what was made of them is held."""
    context = get_script_run_ctx()
    if context is not None:
        forget = getattr(context.uploaded_file_mgr, "remove_file", None)
        if forget is not None:
            forget(session_id=context.session_id, file_id=file.file_id)


def _too_many(left_out: int) -> str:
    films = "1 film was" if left_out == 1 else f"{left_out} films were"
    return (
        f"{films} left out: the table holds {MAX_FILMS} films or {MAX_BYTES // 2**20} MB at a time. "
        "Download the table, clear it, and drop the rest."
    )
