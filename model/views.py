"""Learn the boundary between frontal chests and whatever else looks much like them, and count its mistakes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from model.augment import PRESETS, augment
from model.errors import DatasetError, ImageError
from model.images import read_radiograph
from model.novelty import Boundary, Novelty, stretched
from model.preprocess import to_grid

Film = NDArray[np.float32]
Pooled = NDArray[np.float32]
ViewKind = Literal["frontal", "side", "other"]
KINDS: Mapping[ViewKind, str] = {
    "frontal": "frontal chests",
    "side": "chests from the side",
    "other": "other parts of the body",
}
ABOUT = "about.txt"

_COPIES = ("mixed", "robust", "mixed", "robust")
_STRENGTH = 0.1
"""Inverse of the penalty on the weights (scikit-learn's C). Of .0001, .001, .01 and .1 it left the widest gap between
frontal films and views of people left out, and kept adults' films, from which it did not learn, farthest away."""


@dataclass(frozen=True, eq=False, kw_only=True)
class View:
    """A picture of a person from some side.

    Attributes
    ----------
    person : str
        Whose.
    kind : str
        What it shows; see `KINDS`.
    film : ndarray of float32, shape (224, 224)
        Gray in 0..1.
    """

    person: str
    kind: ViewKind
    film: Film


@dataclass(frozen=True, eq=False, kw_only=True)
class Seen:
    """Features of views, as they are and changed as films are for training.

    Attributes
    ----------
    persons, kinds : ndarray of str, shape (n,)
        Whose and what each is.
    plain : ndarray of bool, shape (n,)
        Which are as they are.
    pooled : ndarray of float32, shape (n, features)
        As in `model.novelty.Novelty.distances`.
    """

    persons: NDArray[np.str_]
    kinds: NDArray[np.str_]
    plain: NDArray[np.bool_]
    pooled: Pooled


def views_in(folder: Path) -> list[View]:
    """Read views that someone has collected or that `model.projections` made.

    Parameters
    ----------
    folder : Path
        Holds a folder for each person, with pictures whose names begin with ``frontal``, ``side`` or ``other``.

    Raises
    ------
    DatasetError
        If a picture is of no such name or cannot be read, or without some person there would be no frontal chest left
        or nothing else.
    """
    persons = sorted(person for person in folder.iterdir() if person.is_dir()) if folder.is_dir() else []
    views = [_view(path) for person in persons for path in sorted(person.iterdir())]
    for person in ["", *(one.name for one in persons)]:
        if {view.kind == "frontal" for view in views if view.person != person} != {True, False}:
            raise DatasetError(
                f"{folder} holds {len(views)} views of {len(persons)} people; give frontal chests and others of at "
                "least two, a folder for each, in files whose names begin with frontal, side or other."
            )
    return views


def _view(path: Path) -> View:
    for kind in KINDS:
        if path.name.startswith(kind) and path.is_file():
            try:
                return View(person=path.parent.name, kind=kind, film=to_grid(read_radiograph(path).pixels))
            except ImageError as error:
                raise DatasetError(f"{path} is no picture that can be learned from: {error}") from error
    raise DatasetError(f"{path} does not say what it shows; its name should begin with frontal, side or other.")


def look_at(views: Sequence[View], extract: Callable[[list[Film]], Pooled], *, seed: int = 0) -> Seen:
    """Read the features of views as they are, and of four changed copies of each."""
    rng = np.random.default_rng(seed)
    changed = [augment(view.film, PRESETS[name], rng) for name in _COPIES for view in views]
    times = 1 + len(_COPIES)
    return Seen(
        persons=np.array([view.person for view in views] * times),
        kinds=np.array([view.kind for view in views] * times),
        plain=np.arange(len(views) * times) < len(views),
        pooled=extract([view.film for view in views] + changed),
    )


def fit_boundary(films: Pooled, seen: Seen, *, channels: int, without: str | None = None) -> Boundary:
    """Learn the boundary.

    Real films and frontal views weigh the same, so that it does not matter how a picture was made, and together as
    much as all else does.

    Parameters
    ----------
    films : ndarray of float32, shape (n, features)
        Features of real frontal films.
    seen : Seen
        Of the views.
    channels : int
        How many of the last features it looks at.
    without : str, optional
        A person whose views are left out.
    """
    kept = seen.persons != without
    kinds = seen.kinds[kept]
    others = [kind for kind in KINDS if kind != "frontal" and kind in kinds]
    inputs = stretched(np.concatenate([films, seen.pooled[kept]])[:, -channels:])
    groups = np.concatenate([np.full(len(films), "film"), kinds])
    weights = np.zeros(len(inputs))
    for members in (["film", "frontal"], others):
        for group in members:
            weights[groups == group] = len(inputs) / 2 / len(members) / np.count_nonzero(groups == group)
    learned = make_pipeline(StandardScaler(), LogisticRegression(C=_STRENGTH, max_iter=2000))
    learned.fit(inputs, np.isin(groups, others), logisticregression__sample_weight=weights)
    scaler, regression = learned[0], learned[-1]
    slopes = regression.coef_[0] / scaler.scale_
    return Boundary(weights=slopes, offset=float(regression.intercept_[0] - slopes @ scaler.mean_))


def judged_by_others(novelty: Novelty, films: Pooled, seen: Seen, *, channels: int) -> dict[str, dict[str, float]]:
    """Count how many views of each kind are refused, each person's by a boundary that never saw that person.

    Returns
    -------
    dict of str to dict
        For each of `KINDS` that is there, how many ``pictures`` were ``refused`` and their ``share``.
    """
    found = list(_each_person(novelty, films, seen, channels=channels))
    rates: dict[str, dict[str, float]] = {}
    for kind, name in KINDS.items():
        refused = [one for of, one in found if of == kind]
        if refused:
            rates[name] = {
                "pictures": len(refused),
                "refused": sum(refused),
                "share": sum(refused) / len(refused),
            }
    return rates


def _each_person(novelty: Novelty, films: Pooled, seen: Seen, *, channels: int) -> Iterator[tuple[str, bool]]:
    for person in np.unique(seen.persons):
        strict = replace(novelty, boundary=fit_boundary(films, seen, channels=channels, without=person))
        own = (seen.persons == person) & seen.plain
        doubts = strict.doubts(seen.pooled[own])
        yield from ((str(kind), doubt is not None) for kind, doubt in zip(seen.kinds[own], doubts, strict=True))


def about(folder: Path) -> dict[str, str]:
    """Return what the first line of the folder's ``about.txt`` says its views are, and what the others say of them.

    Raises
    ------
    DatasetError
        If it is no text.
    """
    path = folder / ABOUT
    try:
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is no text in UTF-8 ({error}).") from error
    what, *more = lines or ["views"]
    return {"what": what.strip(), "about": " ".join(" ".join(more).split())}
