"""Several devices train as one does: the same losses, the same weights."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from model.devices import shares
from model.runs import Run
from tests.unit.tiny import ROOT, arguments

CODE = """
import sys
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import model.devices
model.devices.training_devices = lambda: sys.argv[1].split(",") if sys.argv[1] else []
import train
sys.exit(train.main(sys.argv[2:]))
"""


def _train(devices: str, given: list[str]) -> None:
    command = [sys.executable, "-c", CODE, devices, *given]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def test_two_devices_give_the_losses_and_weights_of_one(tiny_films: Path, tmp_path: Path) -> None:
    # Dropout draws other units on every device, so it is off; 7 films in a step do not divide evenly by two.
    options = ["--dropout", "0", "--batch", "7", "--head-batch", "7"]
    for name, devices in (("one", ""), ("two", "CPU:0,CPU:1")):
        _train(devices, [*arguments(tiny_films, tmp_path / name), *options])
    one, two = (Run(tmp_path / name) for name in ("one", "two"))
    for kind in ("step", "epoch"):
        rows = [[e for e in run.events() if e["event"] == kind] for run in (one, two)]
        assert len(rows[0]) == len(rows[1]) > 3
        for first, second in zip(*rows, strict=True):
            assert (first["phase"], first["epoch"]) == (second["phase"], second["epoch"])
            assert second["loss"] == pytest.approx(first["loss"], abs=1e-4)
            assert second["accuracy"] == pytest.approx(first["accuracy"], abs=1e-6)
    (weights, _), (again, _) = one.load_best(), two.load_best()
    assert weights.keys() == again.keys()
    for name, value in weights.items():
        np.testing.assert_allclose(again[name], value, atol=1e-3, err_msg=name)
    _train("CPU:0,CPU:1", ["--resume", str(two.folder), "--more", "32:1"])
    assert [e["phase"] for e in two.events() if e["event"] == "epoch"][-1] == 3


@pytest.mark.parametrize(
    ("count", "replicas", "sizes"),
    [(16, 1, [16]), (16, 2, [8, 8]), (7, 2, [4, 3]), (2, 3, [1, 1, 0]), (9, 4, [3, 2, 2, 2])],
)
def test_a_batch_is_shared_evenly_and_whole(count: int, replicas: int, sizes: list[int]) -> None:
    found = shares(count, replicas)
    assert [s.stop - s.start for s in found] == sizes
    assert [k for s in found for k in range(count)[s]] == list(range(count))
