"""A whole look is held out, both classes in it, and no patient is on both sides."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from model.datasets import Dataset, Example
from model.errors import DatasetError
from model.look_split import split_by_look

MIXED = (0, 1, 2)
ONE_CLASS = (3, 4, 5)


def _film(path: Path, look: int, number: int) -> None:
    rng = np.random.default_rng((look, number))
    film = np.clip(20 + 40 * look + rng.normal(0, 2, (224, 224)), 0, 255).astype(np.uint8)
    if look % 2:
        film[:, :30] = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), film)


def _dataset(folder: Path, *, mixed: tuple[int, ...] = MIXED, films: int = 8) -> Dataset:
    examples = []
    for look in (*MIXED, *ONE_CLASS):
        for label in (0, 1) if look in mixed else (1,):
            for number in range(films + look):
                path = folder / f"{look}-{label}-{number:02}.png"
                _film(path, look, 100 * label + number)
                # One child is in every look, as in the real set.
                patient = "everywhere" if (label, number) == (1, 0) else path.stem
                examples.append(Example(path=path, label=label, patient=patient))
    return Dataset(name="looks", source="", licence="", citation="", population="", examples=tuple(examples))


def _look(example: Example) -> int:
    return int(example.path.stem[0])


def test_one_look_of_both_classes_is_held_out(tmp_path: Path) -> None:
    dataset = _dataset(tmp_path)
    split = split_by_look(dataset, val_fraction=0.2, test_fraction=0.22, seed=0)
    (held,) = {_look(e) for e in split.of("test")}
    # Looks 0, 1 and 2 have 16, 18 and 20 of the 90 films; .22 of 90 is nearest to 20.
    assert held == 2
    assert {e.path for e in split.of("test")} == {e.path for e in dataset.examples if _look(e) == held}
    assert {e.label for e in split.of("test")} == {0, 1}
    trained = {e.patient for e in (*split.of("train"), *split.of("val"))}
    assert not trained & {e.patient for e in split.of("test")}
    assert split.left_out == 5, "the child in every look is left out of the five others"
    assert len(split.examples) + split.left_out == len(dataset.examples)
    assert list(split.examples) == sorted(split.examples, key=lambda e: e.path)
    assert len(split.of("val")) == pytest.approx(0.2 * (len(dataset.examples) - 25), abs=2)
    assert split == split_by_look(dataset, val_fraction=0.2, test_fraction=0.22, seed=0)


def test_the_held_out_look_is_the_one_nearest_in_size(tmp_path: Path) -> None:
    split = split_by_look(_dataset(tmp_path), val_fraction=0.2, test_fraction=0.1, seed=0)
    assert {_look(e) for e in split.of("test")} == {0}


def test_a_film_that_cannot_be_read_stays_to_be_counted(tmp_path: Path) -> None:
    dataset = _dataset(tmp_path, films=20)
    broken = next(e for e in dataset.examples if _look(e) == 5 and e.patient != "everywhere")
    broken.path.write_bytes(b"no film")
    split = split_by_look(dataset, val_fraction=0.2, test_fraction=0.2, seed=0)
    assert broken.path in {e.path for e in split.examples if e.split != "test"}


def test_looks_of_one_class_only_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"^1 of 6 looks have films enough of both classes"):
        split_by_look(_dataset(tmp_path, mixed=(0,)), val_fraction=0.2, test_fraction=0.2, seed=0)
