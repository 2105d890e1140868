"""What a session remembers: the films on its shelf, the one that is chosen, and the address that names it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from model.artifacts import SampleFilm, sample_films
from model.images import Radiograph, read_radiograph
from ui.job import Job
from ui.place import Place

if TYPE_CHECKING:
    from model.datasets.base import Box
    from model.predictor import Prediction
    from model.scores import ScoreTable

MAX_FILMS = 100
MAX_BYTES = 256 * 1024 * 1024
ADDRESS_KEY = "sample"
_KEY = "pneumoscope"


@dataclass(frozen=True, kw_only=True)
class Film:
    """A film the session can open: where its bytes are, and what to call it.

    Pixels are not kept here. They are read again when the film is chosen, so a session with a hundred films
    holds a hundred files and one picture.

    Attributes
    ----------
    name : str
        What the page calls it: a file name as the person gave it, or "Sample film 3".
    key : str
        SHA-256 of the bytes for an uploaded film, the slug for a sample.
    source : bytes or Path
        The uploaded bytes, or the path of a sample.
    sample : SampleFilm or None
        The sample behind it, if it is one.
    """

    name: str
    key: str
    source: bytes | Path
    sample: SampleFilm | None = None


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A file that could not become a film, and the one sentence that says why."""

    name: str
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table of films: the film, what the network said, and what the file was."""

    film: Film
    prediction: Prediction
    size: tuple[int, int]
    format: str


@dataclass(frozen=True, kw_only=True)
class OpenFilm:
    """The film on the light box, its pixels, and how many seconds reading its file took."""

    film: Film
    radiograph: Radiograph
    seconds: float


@dataclass(kw_only=True, eq=False)
class Session:
    """The mutable part, one per browser tab; it lives in ``st.session_state`` and nowhere else."""

    rows: dict[str, Row] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    seen_uploads: set[str] = field(default_factory=set)
    drop_zone: int = 0
    chosen: Film | None = None
    picked_row: tuple[str, tuple[int, ...]] = ("", ())
    address: str | None = None
    unknown_slug: str | None = None
    opened: OpenFilm | None = None
    beside: OpenFilm | None = None
    boxes: dict[str, tuple[Box, ...]] = field(default_factory=dict)
    boxes_file: str = ""
    boxes_problem: str = ""
    scores: tuple[str, ScoreTable] | None = None
    scores_drop: int = 0
    scores_problem: str = ""
    about_scores: dict[str, Any] = field(default_factory=dict)
    about_cell: dict[str, int] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    place: Place = field(default_factory=Place)

    @property
    def held_bytes(self) -> int:
        """Bytes of the uploaded files on the shelf."""
        return sum(len(row.film.source) for row in self.rows.values() if isinstance(row.film.source, bytes))

    def has_room_for(self, size: int) -> bool:
        """Whether one more file of this many bytes fits; an empty shelf takes any file."""
        if not self.rows:
            return True
        return len(self.rows) < MAX_FILMS and self.held_bytes + size <= MAX_BYTES

    def worst(self) -> Row | None:
        """Return the row with the highest probability of pneumonia, or None for an empty shelf.

        One on which nothing should be trusted is taken only if there is no other.
        """
        return max(
            self.rows.values(),
            key=lambda row: (row.prediction.doubt is None, row.prediction.probability),
            default=None,
        )

    def clear(self) -> None:
        """Forget every uploaded film, every sentence about one, and all work that was done on one."""
        for job in self.jobs.values():
            job.stop.set()
        self.jobs.clear()
        self.forget_boxes()
        if self.beside is not None and self.beside.film.sample is None:
            self.beside = None
            self.place.set("beside", None)
        self.rows.clear()
        self.refusals.clear()
        self.notices.clear()
        self.seen_uploads.clear()
        self.drop_zone += 1
        if self.chosen is not None and self.chosen.sample is None:
            self.choose(None)

    def forget_boxes(self) -> None:
        """Forget the boxes of a CSV, and what was wrong with it."""
        self.boxes, self.boxes_file, self.boxes_problem = {}, "", ""

    def forget_scores(self) -> None:
        """Forget the table of scores that was uploaded, and what was wrong with it."""
        self.scores, self.scores_problem = None, ""
        self.about_scores.clear()
        self.about_cell.clear()

    def choose(self, film: Film | None) -> None:
        """Put a film on the light box for this page and every later one; the address follows."""
        self.chosen = film
        self.unknown_slug = None
        if film is None or self.opened is None or self.opened.film.key != film.key:
            self.opened = None
        _write_address(self, film.sample.slug if film is not None and film.sample is not None else None)


def session() -> Session:
    """Return this browser tab's `Session`, made on first use."""
    held = st.session_state.get(_KEY)
    if not isinstance(held, Session):
        held = Session()
        st.session_state[_KEY] = held
    return held


def sample_library() -> dict[str, Film]:
    """Return the sample films by slug, in the order of the gallery.

    They are shuffled and numbered anew: neither their order nor their number gives an answer away.
    """
    shuffled = sorted(_samples_on_disk(), key=lambda sample: sha256(sample.slug.encode()).digest())
    return {
        sample.slug: Film(name=_name(number, sample), key=sample.slug, source=sample.path, sample=sample)
        for number, sample in enumerate(shuffled, start=1)
    }


def follow_address() -> None:
    """Let the address choose the film when it names one this session has not followed yet.

    A cold start with ``?sample=SLUG`` opens that film. A slug nobody knows leaves the choice as it is and is
    remembered in `Session.unknown_slug`, so that a page can say so. An address that lost its slug on a page
    change gets it back.
    """
    held = session()
    slug = st.query_params.get(ADDRESS_KEY)
    if slug == held.address and (slug is not None or held.chosen is None):
        return
    if slug is None:
        held.unknown_slug = None
        chosen = held.chosen.sample if held.chosen is not None else None
        _write_address(held, chosen.slug if chosen is not None else None)
        return
    film = sample_library().get(slug)
    if film is None:
        held.unknown_slug, held.address = slug, slug
        return
    held.choose(film)


def open_film(film: Film) -> OpenFilm:
    """Read a film's file.

    Raises
    ------
    model.errors.ImageError
        The file cannot be read as a radiograph.
    """
    started = time.perf_counter()
    radiograph = read_radiograph(film.source)
    return OpenFilm(film=film, radiograph=radiograph, seconds=time.perf_counter() - started)


def chosen_film() -> OpenFilm | None:
    """Return the film on the light box with its pixels, or None if there is none yet.

    Raises
    ------
    model.errors.ImageError
        The film's file can no longer be read.
    """
    held = session()
    if held.chosen is None:
        return None
    if held.opened is None or held.opened.film.key != held.chosen.key:
        held.opened = open_film(held.chosen)
    return held.opened


def address_parameters() -> dict[str, str]:
    """Return the query parameters a link to another page carries, so that its address can be shared."""
    held = session()
    film = {ADDRESS_KEY: held.chosen.sample.slug} if held.chosen is not None and held.chosen.sample is not None else {}
    return {**film, **held.place.values}


def _write_address(held: Session, slug: str | None) -> None:
    held.address = slug
    if slug is None:
        st.query_params.pop(ADDRESS_KEY, None)
    elif st.query_params.get(ADDRESS_KEY) != slug:
        st.query_params[ADDRESS_KEY] = slug


@st.cache_data(ttl=60, max_entries=1, show_spinner=False)
def _samples_on_disk() -> list[SampleFilm]:
    """Look for the samples once a minute: each look hashes every one of them."""
    return sample_films()


def _name(number: int, sample: SampleFilm) -> str:
    return f"Synthetic film {number}" if sample.synthetic else f"Sample film {number}"
