"""The comparison of choices: who is trained on and who is judged, and that a better choice wins."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model.choices import DISGUISES, SIZE, TRIALS, Trial, disguised, divided, measured, page
from model.datasets import Example
from model.films import Films
from model.preprocess import standardize, to_grid
from model.stress import stressed


def _films(count: int) -> Films:
    rng = np.random.default_rng(0)
    labels = np.arange(count) % 2
    # Sick films are brighter, but not all of them.
    level = rng.normal(90, 15, count) + 30 * labels
    grids = np.clip(level[:, None, None] + rng.normal(0, 10, (count, 224, 224)), 0, 255).astype(np.uint8)
    examples = tuple(
        Example(path=Path(f"{k}.png"), label=int(labels[k]), patient=f"p{k // 4}-{labels[k]}") for k in range(count)
    )
    return Films(grids=grids, examples=examples, unreadable=())


def test_films_that_look_like_the_other_class_are_set_aside() -> None:
    films = _films(120)
    parts = divided(films)
    level = films.grids.mean(axis=(1, 2))
    unlike = parts.members["unlike"]
    for label, sign in ((0, 1), (1, -1)):
        own = films.labels == label
        aside = np.isin(np.arange(120), unlike)
        assert (aside & own).sum() == 18
        assert sign * (level[aside & own].mean() - level[~aside & own].mean()) > 10
    seen = [set(films.patients[members].tolist()) for members in parts.members.values()]
    assert sum(len(s) for s in seen) == len(set.union(*seen)), "no patient is on two sides"
    train = parts.members["train"]
    assert (parts.overlap[train] > 0).all() and parts.overlap.sum() == pytest.approx(len(train))


@pytest.mark.parametrize("head", ["average", "flatten"])
def test_features_that_tell_the_class_are_learned_and_others_are_not(head: str) -> None:
    films = _films(120)
    parts = divided(films)
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 0.5, (2, 120, 9, 32)).astype(np.float32)
    told = noise.copy()
    told[..., :8] += 4 * films.labels[None, :, None, None]
    trial = replace(TRIALS[0], head=head, width=64)
    alike = parts.members["alike"]
    good = measured(trial, parts, told, told[0, alike], seed=0, epochs=30)
    bad = measured(trial, parts, noise, noise[0, alike], seed=0, epochs=2)
    fooled = measured(trial, parts, told, noise[0, alike], seed=0, epochs=30)
    assert good["alike auroc"] > 0.95 and good["unlike accuracy"] > 0.9
    assert good["disguised auroc"] == good["alike auroc"] == fooled["alike auroc"]
    assert bad["unlike auroc"] < 0.75 and fooled["disguised auroc"] < 0.75


def test_each_film_is_disguised_as_the_other_class() -> None:
    parts = divided(_films(120))
    members = parts.members["alike"]
    seen = []

    def extract(inputs: np.ndarray) -> np.ndarray:
        seen.append(inputs)
        return inputs[:, :18, 0, 0]

    maps = disguised(parts, extract)
    assert maps.shape == (len(members), 9, 2)
    np.testing.assert_array_equal(maps.reshape(len(members), 18), np.concatenate(seen)[:, :18, 0, 0])
    for k, film in enumerate(members):
        gray = parts.films.gray(int(film))
        other = 1 - parts.films.labels[film]
        look = {0: "the usual look of normal films", 1: "the usual look of pneumonia films"}[other]
        assert DISGUISES[parts.films.labels[film]] == look
        expected = to_grid(standardize(stressed(gray, look)), size=SIZE)
        np.testing.assert_array_equal(np.concatenate(seen)[k, :, :, 0], expected)


def test_the_page_says_what_was_measured() -> None:
    parts = divided(_films(120))
    numbers = [{"alike auroc": 0.9, "alike accuracy": 0.8}, {"alike auroc": 0.7, "alike accuracy": 0.8}]
    text = page(parts, [(Trial(question="Head", name="one"), numbers)], command="python -m model.choices")
    assert "## Head" in text and "| one | 0.800 (0.700 to 0.900) | 0.800 (0.800 to 0.800) |" in text
    assert "`python -m model.choices`" in text


def test_each_choice_is_varied_alone_around_the_shipped_one() -> None:
    shipped = Trial(question="", name="")
    for trial in TRIALS:
        varied = [f for f in ("head", "width", "balance", "augmentation") if getattr(trial, f) != getattr(shipped, f)]
        assert len(varied) <= (2 if trial.head == "flatten" else 1), trial
        assert ("(shipped)" in trial.name) == (not varied), trial
