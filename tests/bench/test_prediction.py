"""What the predictor adds to the network's own forward pass, and what reading a film adds to that."""

from __future__ import annotations

from pathlib import Path

import pytest
import tensorflow as tf

from model.images import read_radiograph
from model.preprocess import preprocess
from tests.bench.conftest import Network, Record
from tests.bench.report import Measurement
from tests.bench.timing import interleaved
from tests.real_data import DATA, needs_data

ROUNDS = 40


def test_predictor_against_the_bare_pass_and_keras(network: Network, jpeg_dicom_file: Path, record: Record) -> None:
    film = read_radiograph(jpeg_dicom_file)
    batch = preprocess(film.pixels)[None]
    ready = tf.constant(batch)
    times = interleaved(
        {
            "predictor": lambda: network.predictor.predict(film),
            "bare": lambda: network.forward(ready).numpy(),
            "keras": lambda: network.model.predict(batch, verbose=0),
        },
        rounds=ROUNDS,
    )
    ours, bare, keras = times["predictor"], times["bare"], times["keras"]
    assert network.predictor.predict(film).probability == pytest.approx(network.forward(ready).numpy()[0, 1], abs=1e-5)
    against_keras = Measurement(
        bar="keras",
        what="`Predictor.predict` of a 1024 x 1024 film, against `keras.Model.predict` of its ready input",
        figure=ours.median / keras.median,
        rule="below",
        limit=1.0,
        numbers=f"{ours} against {keras}, median of {ROUNDS}",
    )
    against_bare = Measurement(
        bar="predictor",
        what="`Predictor.predict` of a 1024 x 1024 film, against the bare traced forward pass of a ready tensor",
        figure=ours.median / bare.median,
        rule="at most",
        limit=1.15,
        numbers=f"{ours} against {bare}, median of {ROUNDS}",
    )
    record(against_bare, against_keras)


def test_reading_a_jpeg_dicom_against_the_forward_pass(
    network: Network, jpeg_dicom_file: Path, record: Record
) -> None:
    record(_reading(network, jpeg_dicom_file, what="Reading and preprocessing a 1024 x 1024 JPEG DICOM"))


@pytest.mark.data
@needs_data
def test_reading_real_dicoms_against_the_forward_pass(network: Network, record: Record) -> None:
    files = sorted(DATA.glob("rsna/stage_2_train_images/*.dcm"))[:5]
    assert len(files) == 5
    found = [_reading(network, path, what="The slowest of five real RSNA films, likewise") for path in files]
    record(max(found, key=lambda measurement: measurement.figure))


def _reading(network: Network, path: Path, *, what: str) -> Measurement:
    ready = tf.constant(preprocess(read_radiograph(path).pixels)[None])
    times = interleaved(
        {
            "reading": lambda: preprocess(read_radiograph(path).pixels),
            "bare": lambda: network.forward(ready).numpy(),
        },
        rounds=ROUNDS // 2,
    )
    reading, bare = times["reading"], times["bare"]
    return Measurement(
        bar="reading",
        what=f"{what}, against the bare traced forward pass",
        figure=reading.median / bare.median,
        rule="at most",
        limit=0.10,
        percent=True,
        numbers=f"{reading} against {bare}, median of {ROUNDS // 2}; the file has {path.stat().st_size / 1e3:.0f} kB",
    )
