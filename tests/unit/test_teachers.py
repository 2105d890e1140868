"""Networks that learn what others answer: what they are taught, and which teachers are refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from model.batches import film_batch
from model.card import make_card
from model.checkpoint import load_checkpoint, read_card, save_checkpoint, write_card
from model.errors import PneumoscopeError, RunError
from model.films import read_films
from model.planning import load_dataset, start_run, teachers_of
from model.runs import BEST, Run
from model.settings import TrainingConfig
from model.smoke import SMOKE_SETTINGS
from model.teachers import mean_answer, teacher_in
from model.training import train
from model.vgg16 import build_classifier, logits_model

Made = tuple[Run, Path, dict[str, Any]]


def _config(run: Run, **changed: Any) -> TrainingConfig:
    settings = {**SMOKE_SETTINGS, "stages": ((32, 1.0),), "averaging": 0.0, **changed}
    return TrainingConfig(dataset="chest_xray", data_dir=run.config["data_dir"], **settings)


def _another(run: Run, place: Path) -> Path:
    """Return a copy of a run whose best weights are others, with the answers far apart."""
    shutil.copytree(run.folder, place)
    other = Run(place)
    arrays, meta = other.load_best()
    other.save_best({name: -3 * value if "logits" in name else value for name, value in arrays.items()}, meta)
    return place


def _architecture_of(run: Run) -> dict[str, Any]:
    """Return what builds the network of a run."""
    return {name: run.config[name] for name in ("head", "width", "dropout", "base_width")}


def test_the_answer_is_the_softmax_of_the_mean_of_the_logits(made: Made, tmp_path: Path) -> None:
    run, out, card = made
    fingerprint = run.config["data"]["fingerprint"]
    other = _another(run, tmp_path / "other")
    teachers = [teacher_in(folder, fingerprint=fingerprint) for folder in (out, other)]
    films = np.random.default_rng(4).random((3, 40, 40, 1), dtype=np.float32)
    logits = []
    for arrays in (
        {v.path: v.numpy() for v in load_checkpoint(out, calibrated=False).model.weights},
        Run(other).load_best()[0],
    ):
        network = build_classifier(**card["architecture"], input_size=None, seed=None)
        for variable in network.weights:
            variable.assign(arrays[variable.path])
        logits.append(np.asarray(logits_model(network)(films)))
    assert np.abs(logits[0] - logits[1]).max() > 0.1
    mean = np.mean(logits, axis=0, dtype=np.float64)
    expected = np.exp(mean) / np.exp(mean).sum(axis=1, keepdims=True)
    answer = mean_answer(teachers, "float32")(tf.constant(films))
    np.testing.assert_allclose(np.asarray(answer), expected, atol=1e-5)
    assert [teacher.command for teacher in teachers] == [card["command"]] * 2


def test_a_taught_network_comes_closer_to_its_teacher_whatever_the_labels_say(made: Made, tmp_path: Path) -> None:
    run, _, _ = made
    other = _another(run, tmp_path / "other")
    films = read_films(load_dataset(_config(run)).of("train"))
    inputs = film_batch(films, np.arange(len(films)), size=32, hows=[None] * len(films), seeds=[(0,)] * len(films))
    wanted = mean_answer([teacher_in(other, fingerprint=run.config["data"]["fingerprint"])], "float32")
    target = np.asarray(wanted(tf.constant(inputs)))[:, 1]

    def distance(name: str, **changed: Any) -> float:
        later = start_run(tmp_path / name, _config(run, rate=3e-3, stages=((32, 6.0),), **changed))
        assert train(later)
        arrays = later._load("state.npz")[0]
        network = build_classifier(**_architecture_of(later), input_size=None, seed=None)
        for k, variable in enumerate(network.weights):
            variable.assign(arrays[f"weight/{k}"])
        return float(np.abs(np.asarray(network(inputs))[:, 1] - target).mean())

    alone = distance("alone")
    taught = distance("taught", teachers=(str(other),), teaching=1.0)
    told = distance("told", teachers=(str(other),), teaching=0.0)
    assert taught < 0.5 * alone
    assert told == pytest.approx(alone, abs=1e-5), "a share of nothing changes nothing"


def test_the_card_of_a_taught_network_names_the_commands_of_its_teachers(made: Made, tmp_path: Path) -> None:
    run, out, card = made
    later = start_run(tmp_path / "run", _config(run, rate=1e-8, start=str(out), teachers=(str(out), str(run.folder))))
    assert [told["command"] for told in later.config["taught_by"]] == [card["command"]] * 2
    assert TrainingConfig.from_json(json.loads((later.folder / "config.json").read_text())).teachers == (
        str(out),
        str(run.folder),
    )
    assert train(later)
    lines = make_card(later, tmp_path / "out")["command"].splitlines()
    assert lines[:-1] == ["# NETWORK1", card["command"], "# this network"], "one network is told once"
    assert "--start NETWORK1 --teachers NETWORK1 NETWORK1" in lines[-1]
    assert str(tmp_path) not in "\n".join(lines) and str(run.folder) not in "\n".join(lines)


def test_a_teacher_that_is_replaced_while_its_student_waits_is_refused(made: Made, tmp_path: Path) -> None:
    run, _, _ = made
    teacher = shutil.copytree(run.folder, tmp_path / "teacher")
    later = start_run(tmp_path / "run", _config(run, teachers=(str(teacher),)))
    assert [found.folder for found in teachers_of(later)] == [teacher]
    arrays, meta = Run(teacher).load_best()
    Run(teacher).save_best({name: 2 * value for name, value in arrays.items()}, meta)
    with pytest.raises(RunError, match=r"is not the one .* was made for; put that one back"):
        train(later)
    (teacher / BEST).unlink()
    with pytest.raises(RunError, match="holds no trained weights yet"):
        teachers_of(later)


def test_teachers_that_cannot_teach_are_refused_before_anything_is_made(made: Made, tmp_path: Path) -> None:
    run, out, card = made
    flat, untold = (shutil.copytree(out, tmp_path / name) for name in ("flat", "untold"))
    architecture = {**card["architecture"], "head": "flatten"}
    save_checkpoint(build_classifier(**architecture, seed=1), flat, architecture=architecture, threshold=0.5)
    write_card(flat, {**card, **read_card(flat)})
    write_card(untold, {name: value for name, value in card.items() if name != "command"})
    config = _config(run, teachers=(str(out),))
    for change, said in (
        ({"seed": 5}, "was trained on other films or another split, so that films held out here may be"),
        ({"teachers": (str(flat),)}, "has a Flatten head, which fits one size of film only"),
        ({"teachers": (str(untold),)}, "does not say how it was trained; make it with python -m model.card"),
        ({"teachers": (str(out), str(tmp_path))}, "holds neither a checkpoint with its card"),
        ({"teaching": 1.5}, r"--teaching is 1\.5; give a number from 0 to 1\."),
        ({"stages": ()}, "Teachers teach in phase 2, and there is none with --stages none"),
    ):
        with pytest.raises(PneumoscopeError, match=said):
            start_run(tmp_path / "new", replace(config, **change))
        assert not (tmp_path / "new").exists()
