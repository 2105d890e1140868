"""The command lines that led to a run, as a card prints them: without this machine's paths."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from model.runs import Run
from model.settings import Round, Stages, TrainingConfig

_UNTOLD = ("dataset", "data_dir", "options", "cache", "more")


_TITLE = re.compile(r"^# (NETWORK\d+|this network)\n", re.MULTILINE)


def commands_of(run: Run) -> str:
    """Return the commands that trained a run's network, one a line.

    If it began with another network, was taught by some or is their mean, the commands of each come first, once, under
    a title, "# NETWORK1" and so on; commands below name it so. The last title is "# this network".
    """
    before = _Before()
    if "mean_of" in run.config:
        means = [before.name_of(network["command"]) for network in run.config["mean_of"]]
        own = [" ".join(["python train.py --mean", *means])]
    else:
        started = run.config.get("started_from")
        names = {
            "start": [before.name_of(started["command"])] if started else [],
            "teachers": [before.name_of(teacher["command"]) for teacher in run.config.get("taught_by", ())],
        }
        own = _own_commands(TrainingConfig.from_json(run.config), names)
    return "\n".join([*before.lines(), *own])


class _Before:
    """The networks that led to one, each once: two are the same if the same commands trained them."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def name_of(self, told: str) -> str:
        """Take in what `commands_of` told of a network, and return the name it has here."""
        parts = _TITLE.split(told)
        titles, texts = (parts[1::2], parts[2::2]) if len(parts) > 1 else (["this network"], parts)
        here: dict[str, str] = {}
        for title, text in zip(titles, texts, strict=True):
            commands = re.sub(r"\bNETWORK\d+\b", lambda found: here[found[0]], text.rstrip("\n"))
            here[title] = self._names.setdefault(commands, f"NETWORK{len(self._names) + 1}")
        return here["this network"]

    def lines(self) -> list[str]:
        """Return the commands of all, each network's under its title, and the title of the one they led to."""
        told = [line for commands, name in self._names.items() for line in (f"# {name}", *commands.splitlines())]
        return [*told, "# this network"] if told else []


def _own_commands(config: TrainingConfig, names: Mapping[str, Sequence[str]]) -> list[str]:
    defaults = TrainingConfig(dataset=config.dataset, data_dir="DIR")
    shown = {"without": ["LIST"], "stages": [_stages_text(config.stages)], **names}
    parts = ["python", "train.py", "--dataset", config.dataset, "--data-dir", "DIR"]
    for name, value in asdict(config).items():
        if name not in _UNTOLD and value != getattr(defaults, name):
            parts += ["--" + name.replace("_", "-"), *shown.get(name, [str(value)])]
    parts += [part for name, value in config.options.items() for part in (f"--{name}", value)]
    return [shlex.join(parts), *(_more_command(added, config) for added in config.more)]


def _more_command(added: Round, config: TrainingConfig) -> str:
    text = f"python train.py --resume RUN --more {_stages_text(added.stages)} --more-rate {added.rate:g}"
    other = added.augmentation != config.augmentation
    return f"{text} --more-augmentation {added.augmentation}" if other else text


def _stages_text(stages: Stages) -> str:
    return ",".join(f"{size}:{epochs:g}" for size, epochs in stages) or "none"
