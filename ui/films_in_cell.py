"""The films in one cell of the confusion matrix, the most wrong first, each a click away from its heatmaps."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from types import MappingProxyType

import pandas as pd
import streamlit as st

from model.errors import ImageError
from model.evaluation import most_wrong_first
from model.images import read_radiograph
from ui.frame import HEATMAPS
from ui.pictures import draw_thumbnail
from ui.scores import Source
from ui.state import Film, sample_library, session

_DATA = "PNEUMOSCOPE_DATA"
_PICTURES = 6
_MORE_PICTURES = 18
_LINES = 200
_FOLDERS = ("train", "val", "test")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell.

    Attributes
    ----------
    label, called : int
        What its films are, and what they are called.
    words : str
        What that is, for a button.
    """

    label: int
    called: int
    words: str


CELLS: Mapping[str, Cell] = MappingProxyType(
    {
        "tn": Cell(label=0, called=0, words="normal, and called so"),
        "fp": Cell(label=0, called=1, words="false alarms"),
        "fn": Cell(label=1, called=0, words="missed"),
        "tp": Cell(label=1, called=1, words="found"),
    }
)


def films_text(count: int) -> str:
    """Write how many films there are."""
    return "1 film" if count == 1 else f"{count:,} films"


def show_films(source: Source, threshold: float) -> None:
    """Draw the films of the chosen cell: pictures of those at hand, and the scores of all."""
    place = session().place
    name, wrong = place.one_of("films", tuple(CELLS))
    if wrong:
        st.html('<p class="pn-notice">The address asks for films of a cell that the matrix does not have.</p>')
    if name is None:
        st.html('<p class="pn-fine">Choose a cell of the matrix to see its films, the most wrong ones first.</p>')
        return
    cell, table = CELLS[name], source.table
    places = most_wrong_first(table, threshold=threshold, label=cell.label, called=cell.called)
    st.html(
        f'<div class="pn-section"><h3>{films_text(len(places))}: {escape(cell.words)}</h3><p>'
        f"{'The most wrong first.' if cell.label != cell.called else 'The least sure first.'}</p></div>"
    )
    if not len(places):
        return
    ids = [str(table.ids[k]) for k in places[:_LINES]]
    scores = [float(table.scores[k]) for k in places[:_LINES]]
    wanted = session().about_cell.get(name, _PICTURES)
    at_hand = _at_hand(ids, source)
    shown = _show_pictures(((film, score) for film, score in zip(at_hand, scores, strict=True) if film), wanted)
    if shown == wanted < len(ids):
        st.button(
            "Show more films",
            key="more-films",
            on_click=_more,
            args=(name, wanted),
            type="tertiary",
            icon=":material/add:",
        )
    if not shown:
        st.html(f'<p class="pn-fine">{escape(_how_to_have_them(source))}</p>')
    frame = pd.DataFrame({"Film": ids, "Score": scores, "Patient": [str(table.patients[k]) for k in places[:_LINES]]})
    for attribute, values in table.attributes.items():
        frame[attribute.capitalize()] = [str(values[k]) for k in places[:_LINES]]
    st.dataframe(
        frame,
        key="films-in-cell",
        hide_index=True,
        height=min(len(frame) + 1, 7) * 36 + 2,
        row_height=36,
        column_config={"Score": st.column_config.NumberColumn(format="%.3f")},
    )
    if len(places) > _LINES:
        st.html(f'<p class="pn-fine">The first {_LINES} of {len(places):,}.</p>')


def _more(name: str, wanted: int) -> None:
    session().about_cell[name] = wanted + _MORE_PICTURES


def _show_pictures(films: Iterable[tuple[Film, float]], wanted: int) -> int:
    shown: list[tuple[Film, float, bytes]] = []
    for film, score in films:
        picture = _picture(film.key, film.source)
        shown += [(film, score, picture)] if picture else []
        if len(shown) == wanted:
            break
    if not shown:
        return 0
    with st.container(key="cell-films", gap="small"):
        for film, score, picture in shown:
            with st.container(key=f"cell-film-{film.key}", gap=None):
                st.image(picture, width="stretch", alt=film.name)
                if st.button(
                    f"{score:.3f} · heatmaps", key=f"look-{film.key}", type="tertiary", help=film.name, width="stretch"
                ):
                    session().choose(film)
                    st.switch_page(HEATMAPS.path)
    return len(shown)


@st.cache_data(scope="session", show_spinner=False, max_entries=64)
def _picture(key: str, _source: bytes | Path) -> bytes:
    """Return a small picture of a film, or nothing where it cannot be read."""
    try:
        return draw_thumbnail(read_radiograph(_source).pixels)
    except ImageError:
        return b""


def _at_hand(ids: Sequence[str], source: Source) -> Iterator[Film | None]:
    """Yield the films that can be opened: samples, films on the shelf, and for our own scores those on disk."""
    known = {film.source.name: film for film in sample_library().values() if isinstance(film.source, Path)}
    known |= {row.film.name: row.film for row in session().rows.values()}
    folder = os.environ.get(_DATA, "")
    for name in ids:
        film = known.get(name.rsplit("/", 1)[-1])
        # Only names that came with the checkpoint are looked for on the server's disk, never those of an upload.
        if film is None and folder and source.shipped:
            film = _on_disk(Path(folder) / "chest_xray", name)
        yield film


def _on_disk(folder: Path, name: str) -> Film | None:
    path = next((place for part in _FOLDERS if (place := folder / part / name).is_file()), None)
    return None if path is None else Film(name=path.name, key=f"film-{path.stem}", source=path)


def _how_to_have_them(source: Source) -> str:
    if source.shipped:
        return (
            "The films themselves are not in this project. Where Kermany's data set lies in a folder chest_xray, "
            "start "
            f"the app with {_DATA} naming the folder above it, and they are shown here."
        )
    return "Films that you drop on the light box under the names in your table are shown here."
