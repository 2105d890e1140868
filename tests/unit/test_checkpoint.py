"""Checkpoints: exact round trip, verified before use, one sentence for each fault."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from model.checkpoint import CARD, SHIPPED, WEIGHTS, load_checkpoint, read_card, save_checkpoint, write_card
from model.errors import CheckpointError
from model.vgg16 import build_classifier

ARCHITECTURE = {"head": "average", "width": 8, "dropout": 0.5, "base_width": 1 / 16, "input_size": 64}


@pytest.fixture
def saved(tmp_path: Path) -> tuple[keras.Model, Path]:
    model = build_classifier(**ARCHITECTURE, seed=4)  # type: ignore[arg-type]
    save_checkpoint(model, tmp_path, architecture=ARCHITECTURE, threshold=0.4)
    return model, tmp_path


def test_a_round_trip_keeps_every_weight_as_float16(saved: tuple[keras.Model, Path]) -> None:
    model, folder = saved
    loaded = load_checkpoint(folder)
    assert loaded.threshold == 0.4
    for before, after in zip(model.weights, loaded.model.weights, strict=True):
        np.testing.assert_array_equal(before.numpy().astype(np.float16), after.numpy())
    film = np.random.default_rng(0).random((4, 64, 64, 1), dtype=np.float32)
    difference = np.abs(model(film).numpy() - loaded.model(film).numpy()).max()
    assert difference < 1e-3


def test_the_fingerprint_is_the_files(saved: tuple[keras.Model, Path]) -> None:
    import hashlib

    digest = hashlib.sha256((saved[1] / WEIGHTS).read_bytes()).hexdigest()
    assert load_checkpoint(saved[1]).sha256 == digest == read_card(saved[1])["weights"]["sha256"]


def test_one_flipped_bit_is_refused(saved: tuple[keras.Model, Path]) -> None:
    path = saved[1] / WEIGHTS
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="was changed or cut"):
        load_checkpoint(saved[1])


def test_a_pickle_is_never_read(saved: tuple[keras.Model, Path]) -> None:
    import hashlib

    folder = saved[1]
    np.savez(folder / WEIGHTS, evil=np.array([{"a": 1}], dtype=object))
    card = read_card(folder)
    card["weights"]["sha256"] = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    write_card(folder, card)
    with pytest.raises(CheckpointError, match="plain arrays"):
        load_checkpoint(folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"preprocess": "tone-0"}, "prepared by 'tone-0'"),
        ({"architecture": {**ARCHITECTURE, "width": 9}}, r"shape \(32, 8\)|another network"),
        ({"weights": {}}, "lacks 'sha256'"),
        ({"threshold": 1.5}, "threshold 1.5"),
        ({"threshold": "high"}, "lacks"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(
    saved: tuple[keras.Model, Path], change: dict[str, object], words: str
) -> None:
    write_card(saved[1], {**read_card(saved[1]), **change})
    with pytest.raises(CheckpointError, match=words):
        load_checkpoint(saved[1])


def test_missing_files_are_named(saved: tuple[keras.Model, Path], tmp_path: Path) -> None:
    (saved[1] / WEIGHTS).unlink()
    with pytest.raises(CheckpointError, match=r"weights\.npz is missing"):
        load_checkpoint(saved[1])
    with pytest.raises(CheckpointError, match=r"card\.json is missing"):
        load_checkpoint(tmp_path / "nowhere")
    (saved[1] / CARD).write_text("{half")
    with pytest.raises(CheckpointError, match="cannot be read as JSON"):
        read_card(saved[1])
    (saved[1] / CARD).write_text("[]")
    with pytest.raises(CheckpointError, match="no JSON object"):
        read_card(saved[1])


def test_weights_beyond_float16_are_refused(tmp_path: Path) -> None:
    model = build_classifier(**ARCHITECTURE, seed=4)  # type: ignore[arg-type]
    kernel, bias = model.get_layer("logits").get_weights()
    model.get_layer("logits").set_weights([kernel * 1e6, bias])
    with pytest.raises(CheckpointError, match="does not fit float16"):
        save_checkpoint(model, tmp_path, architecture=ARCHITECTURE, threshold=0.5)
    assert not (tmp_path / WEIGHTS).exists()


def test_the_shipped_checkpoint_is_whole_and_small() -> None:
    card = read_card()
    assert (SHIPPED / WEIGHTS).stat().st_size == card["weights"]["bytes"] <= 45_000_000
    assert load_checkpoint().model.input_shape == (None, 224, 224, 1)
    assert card["float16"]["largest_difference_in_probability"] <= 1e-3
    assert json.dumps(card)
