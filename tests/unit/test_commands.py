"""The commands on a card: every network once, under a name that the later ones use."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from model.commands import commands_of
from model.runs import Run
from model.settings import TrainingConfig


def _run(folder: Path, **known: Any) -> Run:
    settings = asdict(TrainingConfig(dataset="chest_xray", data_dir="films", **known.pop("settings", {})))
    return Run.create(folder, {**settings, **known})


def _told(command: str) -> dict[str, str]:
    return {"sha256": "0", "command": command}


def test_what_led_to_several_networks_is_told_once(tmp_path: Path) -> None:
    first = commands_of(_run(tmp_path / "first", settings={"seed": 1}))
    other = commands_of(_run(tmp_path / "other", settings={"seed": 2}))
    line = "python train.py --dataset chest_xray --data-dir DIR --seed"
    assert (first, other) == (f"{line} 1", f"{line} 2"), "a network of no other needs no title"

    student = _run(
        tmp_path / "student",
        settings={"seed": 3, "start": "/a/first", "teachers": ("/a/other", "/a/first")},
        started_from=_told(first),
        taught_by=[_told(other), _told(first)],
    )
    taught = commands_of(student)
    assert taught.splitlines() == [
        "# NETWORK1",
        f"{line} 1",
        "# NETWORK2",
        f"{line} 2",
        "# this network",
        f"{line} 3 --start NETWORK1 --teachers NETWORK2 NETWORK1",
    ]

    mean = commands_of(_run(tmp_path / "mean", mean_of=[_told(other), _told(taught), _told(first)]))
    assert mean.splitlines() == [
        "# NETWORK1",
        f"{line} 2",
        "# NETWORK2",
        f"{line} 1",
        "# NETWORK3",
        f"{line} 3 --start NETWORK2 --teachers NETWORK1 NETWORK2",
        "# this network",
        "python train.py --mean NETWORK1 NETWORK3 NETWORK2",
    ], "names are given anew, and those below follow"
    assert commands_of(_run(tmp_path / "again", mean_of=[_told(mean), _told(taught)])).splitlines()[-1] == (
        "python train.py --mean NETWORK4 NETWORK3"
    )


def test_networks_of_the_same_settings_that_began_otherwise_are_two(tmp_path: Path) -> None:
    def later(name: str, seed: int) -> dict[str, str]:
        before = _told(commands_of(_run(tmp_path / f"{name} before", settings={"seed": seed})))
        return _told(commands_of(_run(tmp_path / name, settings={"start": "/a"}, started_from=before)))

    lines = commands_of(_run(tmp_path / "mean", mean_of=[later("one", 1), later("two", 2)])).splitlines()
    assert [line.split()[-1] for line in lines[3::4]] == ["NETWORK1", "NETWORK3"]
    assert lines[-1] == "python train.py --mean NETWORK2 NETWORK4"


def test_they_repeat_what_was_asked_of_the_data_set_without_paths(tmp_path: Path) -> None:
    asked = {"options": {"films": "60", "shortcut": "0.9"}, "cache": "/secret", "without": ("a", "b")}
    settings = {**asdict(TrainingConfig(dataset="phantom", data_dir="/secret")), **asked}
    assert commands_of(Run.create(tmp_path / "run", settings)) == (
        "python train.py --dataset phantom --data-dir DIR --without LIST --films 60 --shortcut 0.9"
    )
