"""Decoding a data set once: what is kept, and what becomes of files that cannot be read."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from model.datasets import Example
from model.errors import DatasetError
from model.film_cache import FilmCache
from model.films import read_films
from model.images import read_radiograph
from model.preprocess import to_grid

BROKEN = {"empty.png": b"", "text.png": b"this is no picture", "cut.png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"}


def _examples(folder: Path, count: int, *, broken: tuple[str, ...] = ()) -> list[Example]:
    folder.mkdir(exist_ok=True)
    examples = []
    for k in range(count):
        path = folder / f"film{k:03d}.png"
        pixels = np.full((40, 40), k % 250, dtype=np.uint8)
        pixels[:4, :4] = 255
        cv2.imwrite(str(path), pixels)
        examples.append(Example(path=path, label=k % 2, patient=f"p{k}", split="train"))
    for place, name in enumerate(broken):
        path = folder / name
        path.write_bytes(BROKEN[name])
        examples[10 * place] = Example(path=path, label=0, patient=name, split="train")
    return examples


def test_films_are_on_the_grid_in_order_with_8_bit_of_depth(tmp_path: Path) -> None:
    examples = _examples(tmp_path, 30)
    rng = np.random.default_rng(0)
    cv2.imwrite(str(examples[7].path), rng.integers(0, 256, (300, 260), dtype=np.uint8))
    told: list[tuple[int, int]] = []
    films = read_films(examples, progress=lambda done, total: told.append((done, total)))
    assert films.grids.shape == (30, 224, 224) and films.grids.dtype == np.uint8
    assert films.examples == tuple(examples)
    assert films.unreadable == ()
    assert told == [(k, 30) for k in range(1, 31)]
    assert [int(films.grids[k, 100, 100]) for k in range(6)] == list(range(6))
    exact = to_grid(read_radiograph(examples[7].path).pixels)
    assert np.abs(films.gray(7) - exact).max() <= 0.5 / 255 + 1e-6, "rounded, not cut off"
    assert films.gray(7).dtype == np.float32
    assert list(films.labels) == [k % 2 for k in range(30)]
    assert list(films.patients) == [f"p{k}" for k in range(30)]


def test_one_unreadable_film_in_a_hundred_is_left_out_and_named(tmp_path: Path) -> None:
    examples = _examples(tmp_path, 200, broken=("empty.png", "text.png"))
    films = read_films(examples)
    assert len(films) == 198 and len(films.grids) == 198
    assert [path.name for path, _ in films.unreadable] == ["empty.png", "text.png"]
    assert all(why for _, why in films.unreadable)
    assert films.examples == tuple(e for e in examples if e.path.name not in BROKEN)
    for place in (0, 8, 9, 197):
        assert int(films.grids[place, 100, 100]) == int(films.examples[place].path.stem[4:]) % 250


@pytest.mark.parametrize(("count", "broken"), [(199, ("empty.png", "text.png")), (99, ("cut.png",))])
def test_more_than_one_in_a_hundred_is_an_error_that_names_some(
    tmp_path: Path, count: int, broken: tuple[str, ...]
) -> None:
    wanted = rf"{len(broken)} of {count} films cannot be read, more than the 1 %.*{broken[0]}: .*{broken[-1]}: "
    with pytest.raises(DatasetError, match=wanted if len(broken) > 1 else wanted.split("%", maxsplit=1)[0]):
        read_films(_examples(tmp_path, count, broken=broken))


def test_a_film_that_vanished_counts_as_unreadable(tmp_path: Path) -> None:
    examples = _examples(tmp_path, 100)
    examples[3].path.unlink()
    films = read_films(examples)
    assert [path.name for path, _ in films.unreadable] == ["film003.png"]


def test_what_speaks_against_a_film_is_told_with_and_without_a_cache(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    examples = []
    for name, shape in (("fine", (200, 180)), ("small", (60, 90)), ("strip", (80, 300))):
        cv2.imwrite(str(tmp_path / f"{name}.png"), rng.integers(0, 255, shape, dtype=np.uint8))
        examples.append(Example(path=tmp_path / f"{name}.png", label=0, patient=name))
    cache = FilmCache(tmp_path / "cache")
    for films in (read_films(examples), read_films(examples, cache=cache), read_films(examples, cache=cache)):
        assert films.doubts == ("", "small", "narrow")
        assert films.some(np.array([2, 0])).doubts == ("narrow", "")
        assert all(not e.attributes for e in films.examples)
