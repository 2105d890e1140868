"""A run that was killed, stopped or out of disk goes on to the same weights as one that nothing disturbed."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import train as cli
from model.augment import NONE, Augmentation
from model.batches import film_batch
from model.commands import commands_of
from model.errors import DatasetError, RunError
from model.films import read_films
from model.planning import start_run, train_more
from model.runs import BEST, EVENTS, STATE, Run
from model.settings import TrainingConfig
from model.training import train
from tests.unit.conftest import Recorded
from tests.unit.tiny import SETTINGS, arguments, ended, steps_of, stored


@dataclass(frozen=True)
class Attempt:
    """How a process ended, and what it left."""

    process: subprocess.CompletedProcess[str]
    progress: dict[str, Any] | None
    events: bytes
    temporaries: list[bytes]


@dataclass(frozen=True)
class Story:
    """A run started once and resumed after every end but the last."""

    folder: Path
    attempts: dict[str, Attempt]


def _told(films: Path, folder: Path, moments: list[str]) -> Story:
    story = Story(folder, {})
    for moment in moments:
        given = ["--resume", str(folder)] if story.attempts else arguments(films, folder)
        process = ended(moment, given)
        story.attempts[moment] = Attempt(
            process,
            stored(folder / STATE)[1]["progress"] if (folder / STATE).exists() else None,
            (folder / EVENTS).read_bytes(),
            [path.read_bytes() for path in folder.glob(".*.tmp")],
        )
    return story


@pytest.fixture(scope="module")
def stories(tiny_films: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Future[Story]]]:
    """Start both stories, side by side."""
    place = tmp_path_factory.mktemp("ended")
    with ThreadPoolExecutor(2) as pool:
        yield [
            pool.submit(_told, tiny_films, place / "killed", ["features", "head", "all layers"]),
            pool.submit(_told, tiny_films, place / "ended", ["between best and state", "ctrl-c", "disk full"]),
        ]


@pytest.fixture(scope="module")
def killed(stories: list[Future[Story]]) -> Story:
    """Return a run killed in the features, in the head's phase and while writing a state of the second phase."""
    return stories[0].result()


@pytest.fixture(scope="module")
def ended_otherwise(stories: list[Future[Story]]) -> Story:
    """Return a run killed after writing its best weights, then stopped by Ctrl-C, then out of disk."""
    return stories[1].result()


def _largest_difference(one: Path, other: Path) -> float:
    (mine, _), (theirs, _) = stored(one), stored(other)
    assert mine.keys() == theirs.keys()
    return max(float(np.abs(mine[key].astype(float) - theirs[key]).max()) for key in mine)


def _goes_on_as_if_nothing_happened(folder: Path, reference: Recorded) -> None:
    assert train(Run(folder))
    run = Run(folder)
    assert _largest_difference(folder / STATE, reference.run.folder / STATE) <= 1e-5
    assert _largest_difference(folder / BEST, reference.run.folder / BEST) <= 1e-5
    assert stored(folder / BEST)[1] == pytest.approx(stored(reference.run.folder / BEST)[1], abs=1e-5)
    steps = steps_of(run)
    assert len(set(steps)) == len(steps) == 32
    assert steps == steps_of(reference.run)
    for name in ("loss", "val_loss"):
        mine, theirs = ([e[name] for e in r.events() if name in e] for r in (run, reference.run))
        assert mine == pytest.approx(theirs, abs=1e-5)
    assert not list(folder.glob(".*.tmp"))


def test_killed_while_features_are_made(killed: Story) -> None:
    attempt = killed.attempts["features"]
    assert attempt.process.returncode == -signal.SIGKILL
    assert attempt.progress is None
    assert b"step" not in attempt.events
    assert "phase 1 features" in attempt.process.stderr
    resumed = killed.attempts["head"].process.stderr
    bars = [line for line in re.split("[\r\n]", resumed) if line.startswith("phase 1 features, train")]
    done = [int(found.group(1)) for bar in bars if (found := re.search(r" (\d+)/310", bar))]
    assert done[0] == 0 and done[1] > 256, "the 256 films counted before the kill are not computed again"


def test_killed_in_the_middle_of_an_epoch_of_the_head(killed: Story) -> None:
    attempt = killed.attempts["head"]
    assert attempt.process.returncode == -signal.SIGKILL
    assert attempt.progress is not None
    assert [attempt.progress[key] for key in ("phase", "epoch", "step", "total")] == [1, 1, 3, 11]
    assert attempt.events.count(b'"step"') == 12 + 12 + 1, "twelve lines, each with two, and the half one"
    assert attempt.events.endswith(b'{"event": "step", "ti')


def test_killed_while_writing_a_state_in_the_middle_of_an_epoch_of_all_layers(killed: Story) -> None:
    attempt = killed.attempts["all layers"]
    assert attempt.process.returncode == -signal.SIGKILL
    assert attempt.progress is not None
    assert [attempt.progress[key] for key in ("phase", "epoch", "step", "total")] == [2, 1, 3, 11]
    assert attempt.temporaries == [b"PK half a state"]


def test_three_kills_change_nothing(killed: Story, uninterrupted: Recorded) -> None:
    _goes_on_as_if_nothing_happened(killed.folder, uninterrupted)
    features = [np.load(folder / "features-train.npy") for folder in (killed.folder, uninterrupted.run.folder)]
    assert features[0].shape == (310, 32)
    assert np.abs(features[0] - features[1]).max() <= 1e-5


def test_killed_between_the_best_weights_and_the_state_of_all_layers(ended_otherwise: Story) -> None:
    attempt = ended_otherwise.attempts["between best and state"]
    assert attempt.process.returncode == -signal.SIGKILL
    assert attempt.progress is not None
    assert [attempt.progress[key] for key in ("phase", "epoch", "total")] == [2, 0, 0]


def test_ctrl_c_ends_cleanly(ended_otherwise: Story) -> None:
    attempt = ended_otherwise.attempts["ctrl-c"]
    assert attempt.process.returncode == 130
    assert "Traceback" not in attempt.process.stderr
    assert "stopping after this step and saving" in attempt.process.stderr
    said = f"best weights so far are saved, go on with: python train.py --resume {ended_otherwise.folder}"
    assert said in attempt.process.stdout
    assert attempt.progress is not None and attempt.progress["total"] == 10
    assert json.loads(attempt.events.splitlines()[-1])["event"] == "stopped"
    assert attempt.temporaries == []


def test_a_full_disk_is_one_sentence_and_the_state_before_it_stays(ended_otherwise: Story) -> None:
    attempt = ended_otherwise.attempts["disk full"]
    assert attempt.process.returncode == 1
    assert "Traceback" not in attempt.process.stderr and "Exception" not in attempt.process.stderr
    said = [line for line in attempt.process.stderr.splitlines() if line.startswith("train.py: ")]
    assert len(said) == 1
    assert str(ended_otherwise.folder / STATE) in said[0]
    assert f"continue with --resume {ended_otherwise.folder}" in said[0]
    assert attempt.progress is not None and attempt.progress["total"] == 10
    assert attempt.temporaries == []


def test_a_kill_a_stop_and_a_full_disk_change_nothing(ended_otherwise: Story, uninterrupted: Recorded) -> None:
    assert (ended_otherwise.folder / BEST).exists()
    _goes_on_as_if_nothing_happened(ended_otherwise.folder, uninterrupted)


def test_a_finished_run_resumed_stays_as_it_is(uninterrupted: Recorded) -> None:
    run = uninterrupted.run
    steps = steps_of(run)
    before = [stored(run.folder / name)[0] for name in (STATE, BEST)]
    assert train(Run(run.folder))
    after = [stored(run.folder / name)[0] for name in (STATE, BEST)]
    assert steps_of(run) == steps
    for old, new in zip(before, after, strict=True):
        assert all(np.array_equal(old[key], new[key]) for key in old)


def test_other_films_than_at_the_start_are_refused(tmp_path: Path) -> None:
    from model.smoke import write_smoke_films

    films = tmp_path / "films"
    write_smoke_films(films, patients=10)
    run = start_run(tmp_path / "run", TrainingConfig(dataset="chest_xray", data_dir=str(films), **SETTINGS))
    (films / "train" / "NORMAL" / "IM-0001-0001.png").unlink()
    with pytest.raises(DatasetError, match=r"not those this run began with.*start a new run"):
        train(run)


def test_fewer_readable_films_than_at_the_start_are_refused(
    tiny_films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = TrainingConfig(dataset="chest_xray", data_dir=str(tiny_films), **{**SETTINGS, "stages": ()})
    run = start_run(tmp_path / "run", config)
    steps = iter(range(100))
    assert not train(run, stop=lambda: (run.folder / STATE).exists() and next(steps) > 3)
    monkeypatch.setattr("model.training.read_films", lambda films, **options: read_films(films[:-1], **options))
    with pytest.raises(DatasetError, match=r"6\d train films can be read, but 6\d could when this run began"):
        train(Run(run.folder))


def test_a_run_at_work_is_not_resumed_a_second_time(uninterrupted: Recorded) -> None:
    with uninterrupted.run.alone(), pytest.raises(RunError, match=r"Another train\.py is at work"):
        train(Run(uninterrupted.run.folder))


def test_a_finished_run_is_trained_for_longer(
    uninterrupted: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hows: list[Augmentation | None] = []

    def spied(films: Any, indices: Any, **options: Any) -> Any:
        hows.extend(options["hows"])
        return film_batch(films, indices, **options)

    monkeypatch.setattr("model.training.film_batch", spied)
    folder = tmp_path / "run"
    shutil.copytree(uninterrupted.run.folder, folder)
    first, first_meta = Run(folder).load_best()
    more = ["--more", "64:1", "--more-rate", "0.0004", "--more-augmentation", "none"]
    assert cli.main(["--resume", str(folder), *more]) == 0
    assert {how for how in hows if how is not None} == {NONE}
    run = Run(folder)
    (added,) = TrainingConfig.from_json(run.config).more
    assert (added.stages, added.rate, added.augmentation) == (((64, 1.0),), 0.0004, "none")
    assert len(run.config["more"][0]["git"]) >= 7
    epochs = [(e["phase"], e["epoch"], e["size"]) for e in run.events() if e["event"] == "epoch" and e["phase"] > 1]
    assert epochs == [(2, 1, 32), (2, 2, 32), (3, 1, 64)]
    steps = steps_of(run)
    assert steps[:32] == steps_of(uninterrupted.run) and [s[0] for s in steps[32:]] == [3] * 8
    assert max(e["learning_rate"] for e in run.events() if e.get("phase") == 3 and e["event"] == "step") <= 0.0004
    best, meta = run.load_best()
    assert (meta["phase"], meta["size"]) == (3, 64) and first_meta["phase"] == 2
    moved = {name: float(np.abs(best[name] - first[name]).max()) for name in best}
    assert all(0 < change < 0.1 for change in moved.values()), "it went on from the best weights"

    # At a size it already had, a round that gains nothing leaves the best weights alone.
    train_more(run, ((64, 0.2),), rate=0.05)
    assert train(Run(folder))
    assert stored(folder / BEST)[1] == meta
    assert [e["best"] for e in run.events() if e.get("phase") == 4 and e["event"] == "epoch"] == [False]
    assert commands_of(Run(folder)).splitlines()[1:] == [
        "python train.py --resume RUN --more 64:1 --more-rate 0.0004 --more-augmentation none",
        "python train.py --resume RUN --more 64:0.2 --more-rate 0.05",
    ]


def test_a_round_that_was_killed_goes_on(uninterrupted: Recorded, tmp_path: Path) -> None:
    ends = []
    for name, moment in (("whole", None), ("killed", "more")):
        folder = tmp_path / name
        shutil.copytree(uninterrupted.run.folder, folder)
        more = ["--resume", str(folder), "--more", "32:1"]
        if moment is None:
            assert cli.main(more) == 0
        else:
            assert ended(moment, more).returncode == -signal.SIGKILL
            assert stored(folder / STATE)[1]["progress"]["phase"] == 3
            with pytest.raises(RunError, match=r"is not finished; continue it with --resume .* before adding more\.$"):
                train_more(Run(folder), ((32, 1.0),))
            assert train(Run(folder))
        ends.append(folder)
    assert _largest_difference(ends[0] / STATE, ends[1] / STATE) <= 1e-5
    assert steps_of(Run(ends[0])) == steps_of(Run(ends[1]))
    rates = [e["learning_rate"] for e in Run(ends[0]).events() if e.get("phase") == 3 and e["event"] == "step"]
    assert max(rates) == pytest.approx(SETTINGS["rate"] / 2), "half the first rate, where none is given"


def test_stages_that_make_no_sense_are_not_added(uninterrupted: Recorded) -> None:
    before = (uninterrupted.run.folder / "config.json").read_bytes()
    for stages, rate, said in (
        (((16, 1.0),), None, "Each stage needs a size"),
        (((64, 1.0),), -1.0, "--more-rate is -1.0; give a number from 1e-08 to 1."),
    ):
        with pytest.raises(RunError, match=said):
            train_more(Run(uninterrupted.run.folder), stages, rate=rate)
    assert (uninterrupted.run.folder / "config.json").read_bytes() == before
