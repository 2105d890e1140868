"""A data set as TFRecord shards, for training elsewhere without its files, their formats or this program."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tensorflow as tf

from model.cache import atomic_path
from model.datasets import SPLITS, Dataset, Example
from model.errors import DatasetError, ImageError
from model.films import MAX_UNREADABLE, facts_of
from model.preprocess import INPUT_SIZE, to_grid

FEATURES = {
    "image": f"PNG, gray, 8 bit, {INPUT_SIZE} x {INPUT_SIZE}, not standardized",
    "label": "0 normal, 1 pneumonia",
    "patient": "the same text for all films of one person",
    "name": "folder and file",
    "boxes": "left, top, right, bottom of every box, as shares of the film's width and height; none where none known",
    "attributes": "JSON: what the source or the file says of view, sex, age and so on",
}
_READ_AT_ONCE = 64


def pack(
    dataset: Dataset,
    out: Path,
    *,
    per_shard: int = 1000,
    threads: int = 4,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Write a data set as TFRecord shards and an index.

    A shard appears whole or not at all, and one that is there from an earlier attempt at the same data is kept. The
    index comes last: where it is, everything is.

    Parameters
    ----------
    dataset : Dataset
        All its examples have a split.
    out : Path
        A folder; made if absent. Shards are called ``NAME-SPLIT-FINGERPRINT-00000-of-00004.tfrecord``.
    per_shard : int
        Films in a shard.
    threads : int
        Decoders at work at the same time.
    progress : callable
        Told (films done, films in all) after each shard.

    Returns
    -------
    dict
        The index, as written to ``NAME.json``: provenance, features, shards with their films, and what was left out.

    Raises
    ------
    DatasetError
        If more than 1 % of the films cannot be read, or the folder cannot be written.
    """
    fingerprint = dataset.fingerprint()[:12]
    shards: dict[str, list[str]] = {split: [] for split in SPLITS}
    unreadable: list[list[str]] = []
    done = 0
    try:
        with ThreadPoolExecutor(threads) as pool:
            for split in SPLITS:
                films = dataset.of(split)
                count = -(-len(films) // per_shard)
                for number in range(count):
                    part = films[number * per_shard : (number + 1) * per_shard]
                    name = f"{dataset.name}-{split}-{fingerprint}-{number:05d}-of-{count:05d}.tfrecord"
                    lost = _write_shard(out / name, part, pool)
                    unreadable += lost
                    shards[split].append(name)
                    done += len(part)
                    progress(done, len(dataset.examples))
                    if len(unreadable) > MAX_UNREADABLE * len(dataset.examples):
                        shown = "; ".join(f"{film}: {why}" for film, why in unreadable[:3])
                        raise DatasetError(
                            f"{len(unreadable)} of {len(dataset.examples)} films cannot be read, more than the 1 % "
                            f"that is tolerated ({shown}); repair or remove them and start again."
                        )
        index = {**dataset.provenance(), "features": FEATURES, "shards": shards, "unreadable": unreadable}
        with atomic_path(out / f"{dataset.name}.json") as temporary:
            temporary.write_text(json.dumps(index, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except (OSError, tf.errors.OpError) as error:
        raise DatasetError(f"{out} cannot be written ({error}); free some space or give another folder.") from error
    return index


def _write_shard(path: Path, films: Sequence[Example], pool: ThreadPoolExecutor) -> list[list[str]]:
    note = path.with_suffix(".unreadable.json")
    if path.exists():
        return list(json.loads(note.read_text(encoding="utf-8"))) if note.exists() else []
    lost: list[list[str]] = []
    with atomic_path(path) as temporary, tf.io.TFRecordWriter(str(temporary)) as writer:
        for start in range(0, len(films), _READ_AT_ONCE):
            some = films[start : start + _READ_AT_ONCE]
            for example, record in zip(some, pool.map(_record, some), strict=True):
                if isinstance(record, str):
                    lost.append([example.name, record])
                else:
                    writer.write(record)
        writer.flush()
        if lost:
            with atomic_path(note) as place:
                place.write_text(json.dumps(lost), encoding="utf-8")
    return lost


def _record(example: Example) -> bytes | str:
    try:
        film = example.loader.read(example.path)
    except (ImageError, OSError) as error:
        return str(error)
    gray = np.rint(to_grid(film.pixels) * 255).astype(np.uint8)
    height, width = film.pixels.shape
    boxes = [
        share
        for b in example.boxes
        for share in (b.x / width, b.y / height, (b.x + b.width) / width, (b.y + b.height) / height)
    ]
    attributes = json.dumps({**facts_of(film), **example.attributes}, sort_keys=True, ensure_ascii=False)
    features = {
        "image": _texts(cv2.imencode(".png", gray)[1].tobytes()),
        "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[example.label])),
        "patient": _texts(example.patient.encode()),
        "name": _texts(example.name.encode()),
        "boxes": tf.train.Feature(float_list=tf.train.FloatList(value=boxes)),
        "attributes": _texts(attributes.encode()),
    }
    return bytes(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())


def _texts(value: bytes) -> Any:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
