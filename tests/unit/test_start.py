"""Runs that start from a trained network: with all of it, with another head, or with a head made anew on its base."""

from __future__ import annotations

import itertools
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.card import make_card
from model.checkpoint import load_checkpoint, read_card, save_checkpoint, write_card
from model.errors import PneumoscopeError, RunError
from model.planning import start_run, started_from
from model.runs import STATE, Run
from model.settings import TrainingConfig
from model.smoke import SMOKE_SETTINGS
from model.training import train
from tests.unit.tiny import stored


def test_a_run_goes_on_from_a_checkpoint_and_its_card_says_so(
    made: tuple[Run, Path, dict[str, Any]], tmp_path: Path
) -> None:
    run, out, card = made
    settings = {**SMOKE_SETTINGS, "stages": ((32, 0.5),), "rate": 1e-8, "start": str(out)}
    config = TrainingConfig(dataset="chest_xray", data_dir=run.config["data_dir"], **settings)
    later = start_run(tmp_path / "run", config)
    shipped = {v.path: v.numpy() for v in load_checkpoint(out, calibrated=False).model.weights}
    begun, meta = later.load_best()
    assert all(np.array_equal(begun[name], value) for name, value in shipped.items())
    assert meta["val_loss"] == run.load_best()[1]["val_loss"]

    # As a kill right after the config was written leaves it.
    split = (later.folder / "split.tsv").read_text()
    (later.folder / "best.npz").unlink()
    (later.folder / "split.tsv").unlink()
    other = tmp_path / "other checkpoint"
    shutil.copytree(out, other)
    weights = {name: 2 * value for name, value in shipped.items()}
    model = load_checkpoint(other).model
    for variable in model.weights:
        variable.assign(weights[variable.path])
    save_checkpoint(model, other, architecture=card["architecture"], threshold=0.5)
    write_card(other, {**card, **read_card(other)})
    later.amend({"start": str(other)})
    with pytest.raises(RunError, match=r"is not the one .* was made for; put that one back"):
        train(later)
    later.amend({"start": str(out)})

    assert train(later)
    assert (later.folder / "split.tsv").read_text() == split
    events = later.events()
    assert {e["phase"] for e in events if "phase" in e} == {2}, "phase 1 is left out"
    arrays, _ = later.load_best()
    assert max(float(np.abs(arrays[name] - value).max()) for name, value in shipped.items()) < 1e-5
    told = make_card(later, tmp_path / "out")
    assert told["command"].splitlines()[:3] == ["# NETWORK1", card["command"], "# this network"]
    assert "--start NETWORK1" in told["command"].splitlines()[3]
    assert str(tmp_path) not in json.dumps(told)
    assert told["training"]["head_epochs"] == card["training"]["head_epochs"]
    assert told["training"]["epochs"][:-1] == card["training"]["epochs"]

    for change, said in (
        ({"seed": 5}, "another split, so that films held out here may be among those it has learned"),
        ({"base_width": 1 / 8}, "is 0.0625 times as wide as VGG16's, this run asks for 0.125; make them alike"),
        ({"start": str(tmp_path)}, r"holds neither a checkpoint with its card\.json nor a run with its config\.json"),
    ):
        with pytest.raises(PneumoscopeError, match=said):
            start_run(tmp_path / "other", TrainingConfig(**{**vars(config), **change}))
        assert not (tmp_path / "other").exists()


def test_a_run_goes_on_from_another_run_without_a_card(made: tuple[Run, Path, dict[str, Any]], tmp_path: Path) -> None:
    run, _, card = made
    first = Run(shutil.copytree(run.folder, tmp_path / "first"))
    settings = {**SMOKE_SETTINGS, "stages": ((32, 0.5),), "rate": 3e-3, "averaging": 0.9999}
    later = first
    for number in (1, 2):
        config = TrainingConfig(
            dataset="chest_xray", data_dir=run.config["data_dir"], **settings, start=str(later.folder)
        )
        before, later = later.load_best()[0], start_run(tmp_path / f"run{number}", config)
        begun = later.load_best()[0]
        assert begun.keys() == before.keys()
        assert all(np.array_equal(begun[name], value) for name, value in before.items()), "not rounded to float16"
        assert train(later)
        state, _ = stored(later.folder / STATE)
        moved = [np.abs(state[f"weight/{k}"] - value).max() for k, value in enumerate(before.values())]
        kept = [np.abs(state[f"average/{k}"] - value).max() for k, value in enumerate(before.values())]
        assert max(moved) > 1e-3 > 20 * max(kept), "trained weights count in the average in full"
    told = make_card(later, tmp_path / "out")
    lines = told["command"].splitlines()
    assert lines[::2] == ["# NETWORK1", "# NETWORK2", "# this network"]
    assert lines[1] == card["command"] and str(tmp_path) not in "".join(lines)
    assert "--start NETWORK1" in lines[3] and "--start NETWORK2" in lines[5]
    assert told["training"]["head_epochs"] == card["training"]["head_epochs"]
    assert told["training"]["epochs"][:-2] == card["training"]["epochs"]
    assert len(told["training"]["epochs"]) == len(card["training"]["epochs"]) + 2

    arrays, meta = first.load_best()
    waiting = start_run(tmp_path / "waiting", replace(config, start=str(first.folder), stages=()))
    found = started_from(waiting)
    first.save_best({name: 2 * value for name, value in arrays.items()}, meta)
    with pytest.raises(RunError, match="is not the one this run was made for; put that one back"):
        found.weights()
    with pytest.raises(RunError, match=r"is not the one .*waiting was made for; put that one back"):
        train(waiting)


def test_another_head_is_trained_on_the_base_of_a_checkpoint(
    made: tuple[Run, Path, dict[str, Any]], tmp_path: Path
) -> None:
    run, out, card = made
    head = {"head": "flatten", "width": 5}
    settings = {**SMOKE_SETTINGS, **head, "stages": ((224, 0.5),), "rate": 1e-8, "start": str(out)}
    config = TrainingConfig(dataset="chest_xray", data_dir=run.config["data_dir"], **settings)
    look = {"command": "train.py", "train": 9, "left_out": 0, "threshold": 0.5, "test": card["test"]}
    write_card(out, {**card, "look_split": look})
    later = start_run(tmp_path / "run", config)
    write_card(out, card)
    assert not (later.folder / "best.npz").exists()
    assert train(later)
    assert {e["phase"] for e in later.events() if "phase" in e} == {1, 2}
    arrays, _ = later.load_best()
    shipped = {v.path: v.numpy() for v in load_checkpoint(out, calibrated=False).model.weights}
    base = [name for name in arrays if name.startswith("block")]
    assert len(base) == 26
    assert max(float(np.abs(arrays[name] - shipped[name]).max()) for name in base) < 1e-5
    told = make_card(later, tmp_path / "out")
    assert told["look_split"] == look, "what was measured for the checkpoint it started from is told again"
    assert told["architecture"]["head"] == "flatten" and told["architecture"]["width"] == 5
    assert told["command"].splitlines()[:2] == ["# NETWORK1", card["command"]]
    assert {"--start", "--head", "flatten"} <= set(told["command"].splitlines()[3].split())
    assert told["training"]["head_epochs"] > card["training"]["head_epochs"]
    config_file = json.loads((later.folder / "config.json").read_text())
    assert config_file["started_from"]["same_head"] is False

    small = start_run(tmp_path / "small", replace(config, stages=((32, 0.5),)))
    with pytest.raises(RunError, match=r"was trained on films of 32 px .* served at 224 px; train it with --stages"):
        make_card(small, tmp_path / "other")
    other = start_run(tmp_path / "gone", config)
    other.amend({"start": str(tmp_path / "nowhere")})
    with pytest.raises(PneumoscopeError, match="nowhere"):
        train(other)


def test_a_head_is_trained_anew_on_the_base_of_a_checkpoint(
    made: tuple[Run, Path, dict[str, Any]], tmp_path: Path
) -> None:
    run, out, card = made
    settings = {**SMOKE_SETTINGS, "stages": (), "start": str(out), "seed": 3}
    split = {"split": run.config["split"], "seed": run.config["seed"]}
    config = TrainingConfig(dataset="chest_xray", data_dir=run.config["data_dir"], **{**settings, **split})
    later = start_run(tmp_path / "run", config)
    assert not (later.folder / "best.npz").exists()
    assert train(later)
    assert {e["phase"] for e in later.events() if "phase" in e} == {1}
    arrays, _ = later.load_best()
    before = {v.path: v.numpy() for v in load_checkpoint(out, calibrated=False).model.weights}
    same = {name for name in arrays if np.array_equal(arrays[name], before[name])}
    assert same == {name for name in arrays if name.startswith("block")} and len(same) == 26
    told = make_card(later, tmp_path / "out")
    assert told["architecture"] == card["architecture"]
    assert {"--stages none", "--start NETWORK1"} <= {
        " ".join(pair) for pair in itertools.pairwise(told["command"].splitlines()[3].split())
    }
    assert told["training"]["epochs"] == card["training"]["epochs"]
