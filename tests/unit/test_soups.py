"""Means of networks: their weights, their history, what they refuse, and what can be done with them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import train as command_line
from model.card import make_card
from model.checkpoint import load_checkpoint, read_card, save_checkpoint, write_card
from model.errors import PneumoscopeError, RunError
from model.fitting import LOOKS_LOSS
from model.planning import start_run, train_more
from model.runs import Run
from model.settings import TrainingConfig
from model.smoke import SMOKE_SETTINGS
from model.soups import mean_run
from model.training import train
from model.vgg16 import build_classifier

Made = tuple[Run, Path, dict[str, Any]]


def _grown(run: Run, place: Path, **changed: Any) -> Run:
    """Return a run that goes on from another one and ends elsewhere."""
    settings = {**SMOKE_SETTINGS, "stages": ((32, 1.0),), "rate": 3e-3, "keep": "last", "averaging": 0.0, **changed}
    config = TrainingConfig(dataset="chest_xray", data_dir=run.config["data_dir"], **settings, start=str(run.folder))
    later = start_run(place, config)
    # No loss is lower than this one: only the last weights can take the place of the first.
    arrays, meta = later.load_best()
    later.save_best(arrays, {**meta, "size": 32, LOOKS_LOSS: 0.0})
    assert train(later)
    return later


def test_the_mean_of_two_runs_is_a_network_with_the_history_of_both(made: Made, tmp_path: Path) -> None:
    run, out, card = made
    later = _grown(run, tmp_path / "later")
    assert command_line.main(["--mean", str(run.folder), str(later.folder), "--run", str(tmp_path / "mean")]) == 0
    mean = Run(tmp_path / "mean")
    one, other, between = (r.load_best()[0] for r in (run, later, mean))
    assert between.keys() == one.keys()
    for name, value in between.items():
        assert value.dtype == np.float32
        np.testing.assert_allclose(value, (one[name] + other[name]) / 2, atol=1e-7)
    assert max(float(np.abs(one[name] - other[name]).max()) for name in one) > 1e-3

    told = make_card(mean, tmp_path / "out")
    lines = told["command"].splitlines()
    assert lines[:3] == ["# NETWORK1", card["command"], "# NETWORK2"]
    assert "--keep last" in lines[3] and "--start NETWORK1" in lines[3]
    assert lines[4:] == ["# this network", "python train.py --mean NETWORK1 NETWORK2"]
    assert told["training"]["epochs"][:-1] == card["training"]["epochs"], "what they share is told once"
    assert told["training"]["head_epochs"] == card["training"]["head_epochs"]
    page = (tmp_path / "out" / "CARD.md").read_text(encoding="utf-8")
    assert "The weights are the mean of those of 2 networks; these are the epochs of all of them." in page
    assert "NETWORK1 stands for the run of the commands under that title" in page
    plain = (out / "CARD.md").read_text(encoding="utf-8")
    assert "are the mean" not in plain and "NETWORK" not in plain
    served = {v.path: v.numpy() for v in load_checkpoint(tmp_path / "out", calibrated=False).model.weights}
    assert all(np.array_equal(served[name], np.float16(value)) for name, value in between.items())

    for cannot in (lambda: train(mean), lambda: train_more(mean, ((32, 1.0),))):
        with pytest.raises(RunError, match=r"holds the mean of other networks.*as a new run with --start"):
            cannot()
    after = start_run(
        tmp_path / "after",
        TrainingConfig(
            dataset="chest_xray", data_dir=run.config["data_dir"], **SMOKE_SETTINGS, start=str(mean.folder)
        ),
    )
    begun = after.load_best()[0]
    assert all(np.array_equal(begun[name], value) for name, value in between.items())
    again = mean_run(tmp_path / "again", [out, mean.folder])
    nested = make_card(again, tmp_path / "nested")["command"].splitlines()
    assert nested[:4] == lines[:4]
    assert nested[4:] == ["# NETWORK3", lines[-1], "# this network", "python train.py --mean NETWORK1 NETWORK3"]


def test_networks_that_have_no_mean_are_refused_before_anything_is_made(made: Made, tmp_path: Path) -> None:
    run, out, card = made
    other = shutil.copytree(out, tmp_path / "other films")
    write_card(other, {**card, "data": {**card["data"], "fingerprint": "0" * 64}})
    wide = shutil.copytree(out, tmp_path / "wide")
    architecture = {**card["architecture"], "width": 5}
    save_checkpoint(build_classifier(**architecture, seed=1), wide, architecture=architecture, threshold=0.5)
    write_card(wide, {**card, **read_card(wide)})
    for places, said in (
        ([run.folder], "A mean needs at least two networks, --mean names 1"),
        ([run.folder, out], "is not a training run"),
        ([tmp_path, run.folder], "holds neither a checkpoint with its card"),
        ([other, run.folder], "was trained on other films or another split"),
        ([wide, run.folder], r"are built differently .*'width': 5.*; their weights have no mean"),
    ):
        with pytest.raises(PneumoscopeError, match=said):
            mean_run(tmp_path / "new", places)
        assert not (tmp_path / "new").exists()
