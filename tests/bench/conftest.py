"""The network, the films, and the page that the measurements are written to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import keras
import numpy as np
import pytest
import tensorflow as tf

from model.checkpoint import load_checkpoint
from model.classifier import Classifier
from model.predictor import Predictor
from tests.app_server import ROOT
from tests.bench.films import jpeg_dicom
from tests.bench.report import BARS, Machine, Measurement, page

PAGE = ROOT / "docs" / "benchmarks.md"


class Record(Protocol):
    """Put measurements into the page, passed or not, and judge them when all are in."""

    def __call__(self, *measurements: Measurement) -> None: ...


_MEASURED = pytest.StashKey[list[Measurement]]()
_MACHINE = pytest.StashKey[Machine]()


@dataclass(frozen=True, eq=False, kw_only=True)
class Network:
    """The shipped network, three ways to ask it."""

    model: keras.Model
    predictor: Predictor
    forward: Callable[[tf.Tensor], tf.Tensor]


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_MEASURED] = []
    config.stash[_MACHINE] = Machine.now()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Write the page, unless some bar was not measured: half a table would look like a whole one."""
    measured = config.stash[_MEASURED]
    terminalreporter.section("speed and memory")
    for measurement in measured:
        terminalreporter.write_line(str(measurement))
    missing = [bar for bar in BARS if bar not in {measurement.bar for measurement in measured}]
    name = PAGE.relative_to(ROOT)
    if missing:
        terminalreporter.write_line(f"{name} stays as it was: not measured were {', '.join(missing)}.")
        return
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(measured, machine=config.stash[_MACHINE]), encoding="utf-8")
    terminalreporter.write_line(f"{name} is written.")


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Record:
    """Return a function that puts measurements into the page, passed or not, and judges them when all are in."""

    def put(*measurements: Measurement) -> None:
        request.config.stash[_MEASURED].extend(measurements)
        missed = [str(measurement) for measurement in measurements if not measurement.passed]
        assert not missed, "; ".join(missed)

    return put


@pytest.fixture(scope="session")
def network() -> Network:
    """Return the shipped network, warmed up."""
    checkpoint = load_checkpoint()
    predictor = Predictor(Classifier.of(checkpoint))
    predictor.warm_up()
    model = checkpoint.model
    shape = tf.TensorSpec((1, *model.input_shape[1:]), tf.float32)
    forward = tf.function(lambda film: model(film, training=False), input_signature=[shape])
    forward(tf.constant(np.zeros(shape.shape, dtype=np.float32)))
    return Network(model=model, predictor=predictor, forward=forward)


@pytest.fixture(scope="session")
def jpeg_dicom_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a 1024 x 1024 film in a DICOM with JPEG baseline pixels, as RSNA's are."""
    path = tmp_path_factory.mktemp("films") / "film.dcm"
    path.write_bytes(jpeg_dicom(0))
    return path
