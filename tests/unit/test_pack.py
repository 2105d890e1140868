"""TFRecord shards: what a plain reader gets back, and what an interrupted packing leaves."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import tensorflow as tf

from model.datasets import Box, Dataset, Example
from model.datasets.__main__ import main
from model.errors import DatasetError
from model.images import read_radiograph
from model.pack import pack
from model.preprocess import to_grid

SPEC = {
    "image": tf.io.FixedLenFeature([], tf.string),
    "label": tf.io.FixedLenFeature([], tf.int64),
    "patient": tf.io.FixedLenFeature([], tf.string),
    "name": tf.io.FixedLenFeature([], tf.string),
    "boxes": tf.io.VarLenFeature(tf.float32),
    "attributes": tf.io.FixedLenFeature([], tf.string),
}


def _dataset(folder: Path, *, broken: tuple[int, ...] = (), count: int = 30) -> Dataset:
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    examples = []
    for k in range(count):
        path = folder / f"{k:03d}.png"
        cv2.imwrite(str(path), rng.integers(0, 256, (50, 100), dtype=np.uint8))
        if k in broken:
            path.write_bytes(b"no film")
        boxes = (Box(x=10, y=20, width=50, height=10), Box(x=0, y=0, width=100, height=50)) if k == 3 else ()
        split = "train" if k < count - 10 else "val" if k < count - 5 else "test"
        examples.append(
            Example(path=path, label=k % 2, patient=f"p{k}", split=split, boxes=boxes, attributes={"sex": "F"})
        )
    return Dataset(name="some", source="", licence="free", citation="", population="", examples=tuple(examples))


def _read(folder: Path, names: list[str]) -> list[dict[str, tf.Tensor]]:
    records = tf.data.TFRecordDataset([str(folder / name) for name in names])
    return list(records.map(lambda record: tf.io.parse_single_example(record, SPEC)))


def test_a_plain_reader_gets_every_film_back(tmp_path: Path) -> None:
    dataset = _dataset(tmp_path / "films")
    index = pack(dataset, tmp_path / "out", per_shard=8)
    assert index == json.loads((tmp_path / "out" / "some.json").read_text())
    assert [len(index["shards"][split]) for split in ("train", "val", "test")] == [3, 1, 1]
    assert index["shards"]["train"][1] == f"some-train-{dataset.fingerprint()[:12]}-00001-of-00003.tfrecord"
    assert index["licence"] == "free" and index["unreadable"] == []
    for split, names in index["shards"].items():
        films = dataset.of(split)
        records = _read(tmp_path / "out", names)
        assert len(records) == len(films)
        for record, example in zip(records, films, strict=True):
            gray = tf.io.decode_png(record["image"]).numpy()[:, :, 0]
            expected = to_grid(read_radiograph(example.path).pixels)
            np.testing.assert_array_equal(gray, np.rint(expected * 255))
            assert int(record["label"]) == example.label
            assert record["patient"].numpy().decode() == example.patient
            assert record["name"].numpy().decode() == example.name
            assert json.loads(record["attributes"].numpy()) == {"sex": "F"}
            boxes = tf.sparse.to_dense(record["boxes"]).numpy()
            if example.boxes:
                np.testing.assert_allclose(boxes, [0.1, 0.4, 0.6, 0.6, 0, 0, 1, 1], atol=1e-6)
            else:
                assert boxes.size == 0


def test_an_interrupted_packing_goes_on_and_keeps_whole_shards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = _dataset(tmp_path / "films", broken=(2,), count=200)
    read: list[str] = []
    plain = pack.__globals__["_record"]

    def record(example: Example) -> bytes | str:
        read.append(example.path.name)
        if len(read) == 150:
            raise KeyboardInterrupt
        return plain(example)  # type: ignore[no-any-return]

    monkeypatch.setattr("model.pack._record", record)
    with pytest.raises(KeyboardInterrupt):
        pack(dataset, tmp_path / "out", per_shard=50)
    left = sorted(path.name for path in (tmp_path / "out").glob("*.tfrecord"))
    assert 1 <= len(left) <= 3 and not (tmp_path / "out" / "some.json").exists()
    assert not list((tmp_path / "out").glob(".*.tmp"))
    read.clear()
    monkeypatch.setattr("model.pack._record", lambda example: (read.append(example.path.name), plain(example))[1])
    index = pack(dataset, tmp_path / "out", per_shard=50)
    assert len(read) == 200 - 50 * len(left)
    assert [name for name, _ in index["unreadable"]] == ["films/002.png"], "known from the first attempt"
    assert len(_read(tmp_path / "out", index["shards"]["train"])) == 189
    moved = replace(dataset, examples=tuple(replace(e, patient="x") for e in dataset.examples))
    assert set(pack(moved, tmp_path / "out", per_shard=50)["shards"]["train"]).isdisjoint(index["shards"]["train"])


def test_too_many_unreadable_films_and_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"1 of 30 films cannot be read, more than the 1 %.*films/002.png: "):
        pack(_dataset(tmp_path / "films", broken=(2,)), tmp_path / "out")
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match=r"file/out cannot be written .*give another folder"):
        pack(_dataset(tmp_path / "films"), tmp_path / "file" / "out")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["pack", "phantom", "--films", "20", "--shortcut", "1", "--out", str(tmp_path)]
    assert main([*given, "--per-shard", "10"]) == 0
    assert "4 shard(s) and phantom.json in" in capsys.readouterr().out
    index = json.loads((tmp_path / "phantom.json").read_text())
    assert "planted shortcut" in index["population"]
    sick = [r for r in _read(tmp_path, index["shards"]["train"]) if int(r["label"])]
    assert sick and all(tf.sparse.to_dense(r["boxes"]).numpy().size % 4 == 0 for r in sick)
    with pytest.raises(SystemExit):
        main([*given, "--per-shard", "0"])
