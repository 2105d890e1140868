"""PneumoniaMNIST: its arrays as films, and its download from a server that may fail."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import pytest

from model.datasets import REGISTRY, pneumoniamnist
from model.datasets.pneumoniamnist import ArrayLoader, load
from model.errors import DatasetError, ImageError
from model.films import read_films
from tests.local_server import LocalServer, Page

COUNTS = {"train": 20, "val": 8, "test": 12}


def _npz(side: int = 28, **changes: np.ndarray) -> bytes:
    rng = np.random.default_rng(0)
    arrays = {}
    for name, count in COUNTS.items():
        arrays[f"{name}_images"] = rng.integers(0, 256, (count, side, side), dtype=np.uint8)
        arrays[f"{name}_labels"] = (np.arange(count) % 2).astype(np.uint8)[:, None]
    stream = io.BytesIO()
    np.savez_compressed(stream, **(arrays | changes))
    return stream.getvalue()


def test_its_own_splits_labels_and_pixels(tmp_path: Path) -> None:
    (tmp_path / "pneumoniamnist_64.npz").write_bytes(_npz(64))
    dataset = load(tmp_path, size="64")
    assert {s: (c["films"], c["pneumonia"]) for s, c in dataset.counts().items()} == {
        "train": (20, 10), "val": (8, 4), "test": (12, 6),
    }  # fmt: skip
    one = next(e for e in dataset.of("val") if e.path.name == "3")
    with np.load(tmp_path / "pneumoniamnist_64.npz") as stored:
        expected = stored["val_images"][3]
    film = one.loader.read(one.path)
    np.testing.assert_allclose(film.pixels, expected / np.float32(255))
    assert one.label == 1 and film.original_size == (64, 64)
    assert "every film counts as a patient" in dataset.notes[0] and "64 px" in dataset.population
    assert read_films(dataset.examples).grids.shape == (40, 224, 224)


def test_films_of_28_pixels_are_read_though_an_upload_of_that_size_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pneumoniamnist.npz").write_bytes(_npz(28))
    dataset = load(tmp_path, size="28")
    assert len(read_films(dataset.examples)) == 40
    direct = load(tmp_path / "pneumoniamnist.npz")
    assert direct.examples == dataset.examples
    anew = load(tmp_path, size="28", split="patient", val_fraction=0.2, test_fraction=0.2)
    assert anew.counts()["test"]["films"] == 8


def test_a_missing_file_is_fetched_and_verified(
    server: LocalServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = _npz(128)
    monkeypatch.setattr(pneumoniamnist, "ADDRESS", f"{server.url}/files/")
    monkeypatch.setitem(pneumoniamnist.MD5, "128", hashlib.md5(content, usedforsecurity=False).hexdigest())
    server.pages["/files/pneumoniamnist_128.npz"] = Page(content, cut_after=5000)
    with pytest.raises(DatasetError, match=r"pneumoniamnist_128.npz is not in .* and could not be fetched"):
        load(tmp_path / "new", size="128")
    server.pages["/files/pneumoniamnist_128.npz"] = Page(content)
    assert len(load(tmp_path / "new", size="128").examples) == 40
    assert (tmp_path / "new" / "pneumoniamnist_128.npz").read_bytes() == content
    asked = len(server.requests)
    load(tmp_path / "new", size="128")
    assert len(server.requests) == asked, "fetched once"


def test_another_file_than_the_published_one_is_not_used(
    server: LocalServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pneumoniamnist, "ADDRESS", f"{server.url}/files/")
    server.pages["/files/pneumoniamnist_224.npz"] = Page(_npz(32))
    with pytest.raises(
        DatasetError, match=r"was expected: it was not used.* Put the file there by hand; it is on http"
    ):
        load(tmp_path)
    assert not (tmp_path / "pneumoniamnist_224.npz").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no archive at all",
        _npz(32)[:-200],
        _npz(32, val_images=np.zeros((8, 32, 32), np.float32)),
        _npz(32, val_images=np.zeros((8, 32, 31), np.uint8)),
        _npz(32, val_labels=np.zeros((7, 1), np.uint8)),
        _npz(32, val_labels=np.full((8, 1), 2, np.uint8)),
        _npz(32, val_labels=np.array([None] * 8)),
    ],
)
def test_a_file_that_is_no_pneumoniamnist_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "pneumoniamnist_224.npz").write_bytes(content)
    with pytest.raises(DatasetError, match=r"is no PneumoniaMNIST .*expected NAME_images of uint8"):
        load(tmp_path)


def test_a_row_that_is_not_there_is_an_image_error(tmp_path: Path) -> None:
    file = tmp_path / "pneumoniamnist_224.npz"
    file.write_bytes(_npz(32))
    for path in (file / "train" / "99", file / "other" / "1", file / "train" / "x"):
        with pytest.raises(ImageError, match=r"cannot be read from pneumoniamnist_224.npz"):
            ArrayLoader(file).read(path)
    assert REGISTRY["pneumoniamnist"].load is load
