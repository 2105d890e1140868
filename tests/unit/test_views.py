"""The boundary between frontal chests and others: what it learns, and that nobody is judged by their own views."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.checkpoint import read_card
from model.errors import DatasetError
from model.novelty import POSES, Boundary, Novelty, Place
from model.views import KINDS, Pooled, Seen, View, about, fit_boundary, judged_by_others, look_at, views_in

CHANNELS = 6
_SIDE, _OTHER, _PROJECTED = 0, 1, 2


def features(rng: np.random.Generator, count: int, *raised: int) -> Pooled:
    """Two features that nobody should look at, then six, of which some are raised."""
    found = rng.uniform(1.0, 1.4, size=(count, 2 + CHANNELS))
    found[:, :2] = rng.uniform(0, 9, size=(count, 2))
    for channel in raised:
        found[:, 2 + channel] += 1.5
    return found.astype(np.float32)


def seen(rng: np.random.Generator, persons: int = 4, *, odd: str | None = None) -> Seen:
    """Views of people, all of them projected; one person's side views may show in another channel than everyone's."""
    rows = []
    for number in range(persons):
        person = f"chest {number}"
        side = 4 if person == odd else _SIDE
        for kind, raised in (("frontal", ()), ("side", (side,)), ("other", (_OTHER,))):
            rows += [(person, kind, one) for one in features(rng, 6, _PROJECTED, *raised)]
    return Seen(
        persons=np.array([person for person, _, _ in rows]),
        kinds=np.array([kind for _, kind, _ in rows]),
        plain=np.ones(len(rows), dtype=bool),
        pooled=np.stack([one for _, _, one in rows]),
    )


def anywhere() -> Novelty:
    """A sense that finds no film strange and none turned."""
    size = 2 + CHANNELS
    places = {
        pose: Place(mean=np.full(size, 50.0 * k), axes=np.eye(size)[:1], variances=np.ones(1), noise=1.0)
        for k, pose in enumerate(POSES)
    }
    return Novelty(scale=np.ones(size), places=places, limit=1e6)


def test_the_boundary_looks_at_what_is_shown_and_not_at_how_it_was_made() -> None:
    rng = np.random.default_rng(0)
    boundary = fit_boundary(features(rng, 300), seen(rng), channels=CHANNELS)
    assert boundary.weights.shape == (CHANNELS,)
    fresh = {
        name: boundary.beyond(features(rng, 50, *raised))
        for name, raised in {
            "film": (),
            "projected": (_PROJECTED,),
            "side": (_SIDE,),
            "projected side": (_SIDE, _PROJECTED),
            "other": (_OTHER,),
        }.items()
    }
    assert {name: bool((odds > 0).mean() > 0.9) for name, odds in fresh.items()} == {
        "film": False,
        "projected": False,
        "side": True,
        "projected side": True,
        "other": True,
    }


def test_the_boundary_gives_log_odds() -> None:
    boundary = Boundary(weights=np.array([2.0, -1.0]), offset=0.5)
    assert boundary.beyond(np.array([[7.0, 9.0, 4.0]])) == pytest.approx([2 * 3 - 2 + 0.5])


def test_many_views_of_one_kind_do_not_outweigh_the_others() -> None:
    rng = np.random.default_rng(3)
    films, few = features(rng, 300), seen(rng)
    few.pooled[few.kinds == "side", 2 + _SIDE] -= 1.3
    side = np.flatnonzero(few.kinds == "side")
    order = np.concatenate([np.arange(len(few.kinds)), np.tile(side, 40)])
    many = Seen(persons=few.persons[order], kinds=few.kinds[order], plain=few.plain[order], pooled=few.pooled[order])
    fresh = features(rng, 400, _PROJECTED)
    refused = [(fit_boundary(films, one, channels=CHANNELS).beyond(fresh) > 0).mean() for one in (few, many)]
    assert 0.1 < refused[0] < 0.5, "side views lie so near that some frontal ones are taken for them"
    assert refused[1] == pytest.approx(refused[0], abs=0.1)


def test_nobody_is_judged_by_a_boundary_that_knows_them() -> None:
    rng = np.random.default_rng(1)
    films, views = features(rng, 300), seen(rng, odd="chest 2")
    known = fit_boundary(films, views, channels=CHANNELS).beyond(views.pooled)
    odd = (views.persons == "chest 2") & (views.kinds == "side")
    assert (known[odd] > 0).all(), "learned by heart"
    rates = judged_by_others(anywhere(), films, views, channels=CHANNELS)
    assert rates == {
        KINDS["frontal"]: {"pictures": 24, "refused": 0, "share": 0.0},
        KINDS["side"]: {"pictures": 24, "refused": 18, "share": 0.75},
        KINDS["other"]: {"pictures": 24, "refused": 24, "share": 1.0},
    }


def test_each_view_is_read_as_it_is_and_changed() -> None:
    rng = np.random.default_rng(5)
    views = [View(person=str(k), kind="side", film=rng.random((224, 224)).astype(np.float32)) for k in range(3)]
    read = look_at(views, lambda films: np.stack([[film.mean(), film.std()] for film in films]).astype(np.float32))
    assert read.persons.tolist() == ["0", "1", "2"] * 5
    assert read.plain.tolist() == [True] * 3 + [False] * 12
    assert read.pooled[:3, 0] == pytest.approx([view.film.mean() for view in views])
    assert len(np.unique(read.pooled[:, 1])) == 15


def picture(folder: Path, person: str, name: str) -> None:
    (folder / person).mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 80), dtype=np.uint8)).save(folder / person / name)


def test_views_are_named_by_their_files(tmp_path: Path) -> None:
    picture(tmp_path, "anna", "frontal.png")
    picture(tmp_path, "anna", "side left.png")
    picture(tmp_path, "ben", "other hand.jpg")
    (tmp_path / "about.txt").write_text("Of anna and ben.", encoding="utf-8")
    picture(tmp_path, "ben", "frontal.png")
    assert [(view.person, view.kind) for view in views_in(tmp_path)] == [
        ("anna", "frontal"),
        ("anna", "side"),
        ("ben", "frontal"),
        ("ben", "other"),
    ]


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ([], "holds 0 views of 0 people"),
        (["side.png"], "holds 1 views of 1 people"),
        (["frontal.png"], "holds 1 views of 1 people"),
        (["frontal.png", "side.png"], "holds 2 views of 1 people; give frontal chests and others of at least two"),
        (["frontal.png", "hand.png"], "hand.png does not say what it shows"),
    ],
)
def test_views_that_cannot_be_learned_from_get_one_sentence(tmp_path: Path, names: list[str], sentence: str) -> None:
    for name in names:
        picture(tmp_path, "anna", name)
    with pytest.raises(DatasetError, match=sentence):
        views_in(tmp_path)


def test_what_is_left_without_a_person_must_be_enough(tmp_path: Path) -> None:
    for person, name in (("anna", "frontal.png"), ("anna", "side.png"), ("ben", "other.png"), ("cleo", "other.png")):
        picture(tmp_path, person, name)
    with pytest.raises(
        DatasetError, match="holds 4 views of 3 people; give frontal chests and others of at least two"
    ):
        views_in(tmp_path)


def test_a_note_says_what_the_views_are(tmp_path: Path) -> None:
    assert about(tmp_path) == {"what": "views", "about": ""}
    (tmp_path / "about.txt").write_text("films of dolls \nFrom the attic.\n\nAll old.\n", encoding="utf-8")
    assert about(tmp_path) == {"what": "films of dolls", "about": "From the attic. All old."}
    (tmp_path / "about.txt").write_bytes(b"\xff\xfe\x00 no text")
    with pytest.raises(DatasetError, match=r"about\.txt is no text"):
        about(tmp_path)


def test_a_folder_is_no_view(tmp_path: Path) -> None:
    picture(tmp_path, "anna", "frontal.png")
    (tmp_path / "anna" / "side").mkdir()
    with pytest.raises(DatasetError, match="side does not say what it shows"):
        views_in(tmp_path)


def test_a_broken_view_is_named(tmp_path: Path) -> None:
    picture(tmp_path, "anna", "frontal.png")
    (tmp_path / "anna" / "side.png").write_text("no picture", encoding="utf-8")
    with pytest.raises(DatasetError, match=r"side\.png is no picture"):
        views_in(tmp_path)


def test_the_shipped_network_tells_views_of_people_it_never_saw() -> None:
    rates = read_card()["views"]["rates"]
    assert min(rates[KINDS[kind]]["pictures"] for kind in KINDS) >= 12
    assert rates[KINDS["frontal"]]["share"] <= 0.03
    assert rates[KINDS["side"]]["share"] >= 0.95
    assert rates[KINDS["other"]]["share"] >= 0.95
