"""The command lines that led to a run, as a card prints them: without this machine's paths."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from model.runs import Run
from model.settings import Round, Stages, TrainingConfig

_UNTOLD = ("dataset", "data_dir", "options", "cache", "more")


def commands_of(run: Run) -> str:
    """Return the commands that trained a run, one a line: those of what it started from, of its teachers, its own.

    Of a mean of networks they are those of each network, with one more # before their own remarks.
    """
    if "mean_of" in run.config:
        return _of_a_mean(run.config["mean_of"])
    before = run.config.get("started_from", {}).get("command", "").splitlines()
    taught: list[str] = []
    for number, teacher in enumerate(run.config.get("taught_by", ()), start=1):
        taught += [f"# TEACHER{number}", *teacher["command"].splitlines()]
    own = _own_commands(TrainingConfig.from_json(run.config))
    if taught:
        return "\n".join([*(["# CHECKPOINT", *before] if before else []), *taught, "# this network", *own])
    return "\n".join([*before, *own])


def _of_a_mean(networks: Sequence[Mapping[str, Any]]) -> str:
    lines, names = [], [f"NETWORK{number}" for number in range(1, 1 + len(networks))]
    for name, network in zip(names, networks, strict=True):
        told = network["command"].splitlines()
        lines += [f"# {name}", *("#" + line if line.startswith("#") else line for line in told)]
    return "\n".join([*lines, "# this network", " ".join(["python train.py --mean", *names])])


def _own_commands(config: TrainingConfig) -> list[str]:
    defaults = TrainingConfig(dataset=config.dataset, data_dir="DIR")
    parts = ["python", "train.py", "--dataset", config.dataset, "--data-dir", "DIR"]
    for name, value in asdict(config).items():
        if name not in _UNTOLD and value != getattr(defaults, name):
            parts += ["--" + name.replace("_", "-"), *_shown(name, value, config)]
    parts += [part for name, value in config.options.items() for part in (f"--{name}", value)]
    return [shlex.join(parts), *(_more_command(added, config) for added in config.more)]


def _shown(name: str, value: Any, config: TrainingConfig) -> list[str]:
    if name == "teachers":
        return [f"TEACHER{number}" for number in range(1, 1 + len(config.teachers))]
    known = {"start": "CHECKPOINT", "without": "LIST", "stages": _stages_text(config.stages)}
    return [known.get(name, str(value))]


def _more_command(added: Round, config: TrainingConfig) -> str:
    text = f"python train.py --resume RUN --more {_stages_text(added.stages)} --more-rate {added.rate:g}"
    other = added.augmentation != config.augmentation
    return f"{text} --more-augmentation {added.augmentation}" if other else text


def _stages_text(stages: Stages) -> str:
    return ",".join(f"{size}:{epochs:g}" for size, epochs in stages) or "none"
