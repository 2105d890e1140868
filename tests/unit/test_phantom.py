"""The synthetic chest: its truth fits its film, and nothing but the opacities tells the classes apart."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from model.datasets import REGISTRY
from model.datasets.phantom import PhantomLoader, load
from model.errors import DatasetError, ImageError
from model.metrics import auroc
from model.phantom import Phantom, draw_phantom, phantom_truth
from model.phantom_shapes import curve, noise

SMALL = 96


@pytest.fixture(scope="module")
def twins() -> list[tuple[Phantom, Phantom]]:
    """Return chests of 60 seeds, each healthy and with opacities."""
    return [tuple(draw_phantom(seed, sick=sick, side=SMALL) for sick in (False, True)) for seed in range(60)]  # type: ignore[misc]


def test_a_seed_fixes_the_film_and_seeds_differ() -> None:
    one, again, other = (draw_phantom(seed, sick=True, side=SMALL).film for seed in (5, 5, 6))
    assert one.dtype == np.float32 and one.shape == (SMALL, SMALL)
    assert one.min() >= 0 and one.max() <= 1
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - other).mean() > 0.02


def test_the_truth_is_the_same_without_the_film(twins: list[tuple[Phantom, Phantom]]) -> None:
    for seed, pair in enumerate(twins[:10]):
        for sick, phantom in zip((False, True), pair, strict=True):
            truth = phantom_truth(seed, sick=sick, side=SMALL)
            np.testing.assert_array_equal(truth.opacity, phantom.truth.opacity)
            np.testing.assert_array_equal(truth.lungs, phantom.truth.lungs)
            assert truth.boxes == phantom.truth.boxes


def test_boxes_hold_the_opacities_which_lie_in_the_lungs(twins: list[tuple[Phantom, Phantom]]) -> None:
    for healthy, sick in twins:
        assert healthy.truth.boxes == () and not healthy.truth.opacity.any()
        truth = sick.truth
        assert 1 <= len(truth.boxes) <= 2
        assert (truth.lungs | ~truth.opacity).all()
        held = np.zeros_like(truth.opacity)
        for x, y, width, height in truth.boxes:
            held[y : y + height, x : x + width] = True
        assert (held | ~truth.opacity).all()
        if len(truth.boxes) == 1:
            assert truth.boxes[0] == cv2.boundingRect(truth.opacity.astype(np.uint8))
        np.testing.assert_array_equal(healthy.truth.lungs, truth.lungs)
    assert {len(sick.truth.boxes) for _, sick in twins} == {1, 2}


def test_an_opacity_stays_in_one_lung(twins: list[tuple[Phantom, Phantom]]) -> None:
    for _, sick in twins:
        if len(sick.truth.boxes) == 1:
            _, lungs = cv2.connectedComponents(sick.truth.lungs.astype(np.uint8))
            assert len(set(lungs[sick.truth.opacity])) == 1


def test_an_opacity_is_brighter_than_the_same_lung_without_it(twins: list[tuple[Phantom, Phantom]]) -> None:
    for healthy, sick in twins:
        gain = sick.film - healthy.film
        where = sick.truth.opacity
        far = sick.truth.lungs & ~cv2.dilate(where.astype(np.uint8), np.ones((15, 15))).astype(bool)
        assert gain[where].mean() > 0.02
        assert gain[where].mean() > 3 * abs(float(gain[far].mean()))


def test_lungs_are_darker_than_heart_and_belly(twins: list[tuple[Phantom, Phantom]]) -> None:
    trunk = (slice(SMALL // 2, SMALL - 6), slice(SMALL // 5, -SMALL // 5))
    for healthy, _ in twins:
        film, lungs = healthy.film[trunk], healthy.truth.lungs[trunk]
        assert film[~lungs].mean() - film[lungs].mean() > 0.1
        assert 0.12 < healthy.truth.lungs.mean() < 0.45


def test_brightness_alone_does_not_tell_the_class() -> None:
    labels = np.arange(200) % 2
    films = [draw_phantom(1000 + k, sick=bool(k % 2), side=SMALL).film for k in range(200)]
    for measure in (np.mean, np.median, np.std, lambda film: np.percentile(film, 90)):
        found = auroc(labels, np.array([measure(film) for film in films]))
        assert max(found, 1 - found) < 0.65


def test_the_planted_corner_changes_nothing_else() -> None:
    plain, marked = (draw_phantom(3, sick=True, side=SMALL, corner=corner).film for corner in (False, True))
    changed = plain != marked
    assert changed[4:9, 4:9].all() and changed.sum() == 25
    assert (marked[4:9, 4:9] == np.float32(0.95)).all()


def test_noise_has_no_mean_and_unit_spread() -> None:
    field = noise(np.random.default_rng(0), 64, finest=0.02, coarsest=0.2)
    assert abs(float(field.mean())) < 1e-5
    assert float(field.std()) == pytest.approx(1, abs=1e-4)


def test_a_curve_passes_its_points() -> None:
    points = np.array([[0.1, 0.1], [0.5, 0.2], [0.9, 0.9]])
    for closed in (False, True):
        line = curve(points, closed=closed, side=100).reshape(-1, 2) / 1600
        for point in points:
            assert np.abs(line - point).sum(axis=1).min() < 1e-3


def test_the_data_set_is_balanced_and_read_by_drawing() -> None:
    dataset = load(Path("nowhere"), films="60", seed=2, val_fraction=0.2, test_fraction=0.2)
    assert {s: (c["normal"], c["pneumonia"]) for s, c in dataset.counts().items()} == {
        "train": (18, 18), "val": (6, 6), "test": (6, 6),
    }  # fmt: skip
    sick = next(e for e in dataset.examples if e.label == 1)
    film = sick.loader.read(sick.path)
    number = int(sick.patient.removeprefix("chest-"))
    drawn = draw_phantom(number, sick=True)
    np.testing.assert_array_equal(film.pixels, drawn.film)
    assert film.notes and "synthetic" in film.notes[0] and film.format == "synthetic"
    assert [(b.x, b.y, b.width, b.height) for b in sick.boxes] == [tuple(box) for box in drawn.truth.boxes]
    other = load(Path("nowhere"), films="60", seed=3)
    assert not {e.patient for e in other.examples} & {e.patient for e in dataset.examples}, "other chests"
    assert dataset.fingerprint() != other.fingerprint()
    assert REGISTRY["phantom"].load is load


def test_a_planted_shortcut_goes_with_the_label_but_not_in_the_test_split() -> None:
    dataset = load(Path(), films="1000", shortcut="0.9", test_fraction=0.4)
    assert "planted shortcut, p = 0.9" in dataset.population
    for split, expected in (("train", (0.1, 0.9)), ("test", (0.5, 0.5))):
        for label, share in enumerate(expected):
            own = [e for e in dataset.of(split) if e.label == label]  # type: ignore[arg-type]
            marked = [e.attributes["corner"] == "yes" for e in own]
            assert np.mean(marked) == pytest.approx(share, abs=0.1)
            assert marked == [e.path.name.endswith("-corner") for e in own]
    one = next(e for e in dataset.examples if e.attributes["corner"] == "yes")
    assert one.loader.read(one.path).pixels[15, 15] == np.float32(0.95)
    assert all("corner" not in e.attributes for e in load(Path(), films="20").examples)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"films": "many"}, "--films is 'many'; give a whole number from 8 to 1,000,000"),
        ({"films": "7"}, "--films is '7'"),
        ({"shortcut": "1.5"}, "--shortcut is '1.5'; give a probability from 0 to 1"),
        ({"shortcut": "nan"}, "--shortcut is 'nan'"),
        ({"shortcut": "often"}, "--shortcut is 'often'"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, str], sentence: str) -> None:
    with pytest.raises(DatasetError, match=sentence):
        load(Path(), **options)
    with pytest.raises(ImageError, match="names no phantom"):
        PhantomLoader().read(Path("chest-x-normal"))
