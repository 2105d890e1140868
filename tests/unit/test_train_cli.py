"""train.py as a person meets it: what it refuses in one sentence, and the smoke run."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import train
from model.datasets import REGISTRY
from model.errors import RunError
from model.runs import BEST, CONFIG, Run
from model.settings import TrainingConfig, settings_of
from model.smoke import write_smoke_films
from tests.unit.tiny import ROOT, SETTINGS, arguments


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def _said(given: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert train.main(given) == 1
    captured = capsys.readouterr()
    errors = captured.err.splitlines()
    assert len(errors) == 1 and errors[0].startswith("train.py: ")
    return errors[0].removeprefix("train.py: ")


def test_every_setting_reaches_the_config(tiny_films: Path, tmp_path: Path) -> None:
    options = train._parser().parse_args(arguments(tiny_films, tmp_path / "run"))
    expected = TrainingConfig(dataset="chest_xray", data_dir=str(tiny_films), **SETTINGS)
    assert train._config(options) == expected
    plain = train._parser().parse_args(["--data-dir", str(tiny_films)])
    assert train._config(plain) == TrainingConfig(dataset="chest_xray", data_dir=str(tiny_films))


@pytest.mark.parametrize(
    ("text", "stages"),
    [("112:3,224:0.5", ((112, 3.0), (224, 0.5))), ("64:1", ((64, 1.0),)), ("none", ()), ("", ())],
)
def test_stages_by_hand(text: str, stages: tuple[tuple[int, float], ...]) -> None:
    assert train._parser().parse_args(["--stages", text]).stages == stages


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--stages", "112"], "argument --stages: '112' is not like 112:3,224:0.5"),
        (["--stages", "big:3"], "argument --stages: 'big:3' is not like"),
        (["--seed", "one"], "argument --seed: invalid int value: 'one'"),
        (["--balance", "luck"], "argument --balance: invalid choice: 'luck'"),
        (["--dataset", "cats"], "argument --dataset: invalid choice: 'cats'"),
        (["--speed", "9"], "unrecognized arguments: --speed 9"),
        (["--resume", "run", "--seed", "5"], "--resume brings its own settings; leave out --seed"),
        (["--smoke", "--run", "here", "--batch", "2"], "--smoke brings its own settings; leave out --run, --batch"),
        (["--resume", "run", "--more-rate", "1"], "--resume brings its own settings; leave out --more-rate"),
        (["--resume", "run", "--more", "64:1", "--seed", "5"], "leave out --seed"),
        (["--more", "64:1"], "--more goes with --resume; give a new run all its --stages at once"),
        (["--resume", "run", "--smoke"], "give one of --resume, --mean and --smoke"),
    ],
)
def test_bad_arguments_end_with_2_and_a_sentence(
    given: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        train.main(given)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (["--batch", "0"], "--batch is 0; give a number of at least 1."),
        (["--head-epochs", "0"], "--head-epochs is 0; give a number of at least 1."),
        (["--head-batch", "-1"], "--head-batch is -1; give a number of at least 1."),
        (["--copies", "-1"], "--copies is -1; give a number of at least 0."),
        (["--seed", "-1"], "--seed is -1; give a number from 0 to 1e+06."),
        (["--dropout", "1.5"], "--dropout is 1.5; give a number from 0 to 0.99."),
        (["--smoothing", "nan"], "--smoothing is nan; give a number from 0 to 0.99."),
        (["--base-width", "0"], "--base-width is 0.0; give a number from 0.015625 to 1."),
        (["--rate", "-0.1"], "--rate is -0.1; give a number from 1e-08 to 1."),
        (["--head-pace", "0.5"], "--head-pace is 0.5; give a number from 1 to 1000."),
        (["--stages", "16:1"], "Each stage needs a size of at least 32 pixels and more than 0 epochs, such as 112:3."),
        (["--stages", "32:nan"], "Each stage needs a size"),
        (["--stages", "32:inf"], "Each stage needs a size"),
        (["--stages", "32:0"], "Each stage needs a size"),
        (["--head", "flatten", "--stages", "32:1,64:1"], "A Flatten head has one input size, received stages at"),
        (["--weights", "imagenet"], "A network of another width cannot take ImageNet's weights"),
        (["--weights", "nowhere.h5"], "There is no weight file nowhere.h5; give a file, 'imagenet' or 'random'."),
        (["--limit", "1"], "needs one; add films or raise --limit"),
        (["--val-fraction", "0.9"], "Validation and test shares are 0.9 and 0.1"),
        (["--val-fraction", "0"], "The val split holds no normal film"),
    ],
)
def test_settings_that_make_no_sense_are_refused_before_anything_is_made(
    tiny_films: Path, tmp_path: Path, changed: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in _said([*arguments(tiny_films, tmp_path / "run"), *changed], capsys)
    assert not (tmp_path / "run").exists()


def test_folders_that_do_not_fit(tiny_films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    assert "There is no folder" in _said(arguments(tmp_path / "nowhere", run), capsys)
    assert "holds no train/NORMAL folder" in _said(arguments(tmp_path, run), capsys)
    assert "is not a training run" in _said(["--resume", str(tmp_path)], capsys)
    assert "is not a training run" in _said(["--resume", str(tmp_path / "nowhere")], capsys)
    run.mkdir()
    (run / "notes.txt").write_text("mine")
    assert f"--resume {run}" in _said(arguments(tiny_films, run), capsys)
    assert [path.name for path in run.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("content", ["{}", '{"dataset": "chest_xray", "stages": 3}', '{"stages": [], "seed": 1}'])
def test_a_config_of_something_else_is_a_sentence(tmp_path: Path, content: str) -> None:
    (tmp_path / CONFIG).write_text(content)
    with pytest.raises(RunError, match="are not those of a training run"):
        settings_of(Run(tmp_path))


def test_a_run_folder_says_which_film_went_where(tiny_films: Path, tmp_path: Path) -> None:
    from model.planning import start_run

    config = TrainingConfig(dataset="chest_xray", data_dir=str(tiny_films), **SETTINGS)
    run = start_run(tmp_path / "run", config)
    rows = [line.split("\t") for line in (run.folder / "split.tsv").read_text().splitlines()]
    assert rows[0] == ["split", "label", "patient", "film"]
    assert len(rows) == 1 + 90
    assert ["0", "IM-0001", "NORMAL/IM-0001-0001.png"] in [row[1:] for row in rows]
    assert settings_of(run) == config
    counts = run.config["data"]["counts"]
    assert sum(counts[split]["films"] for split in counts) == 90
    assert len(run.config["data"]["fingerprint"]) == 64


def test_unreadable_films_are_on_the_console_and_in_the_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    films = tmp_path / "films"
    write_smoke_films(films, patients=75)
    given = [*arguments(films, tmp_path / "run"), "--stages", "none", "--head-epochs", "1", "--copies", "0"]
    options = train._config(train._parser().parse_args(given))
    from model.planning import load_dataset

    victim = load_dataset(options).of("train")[5].path
    victim.write_bytes(b"torn")
    assert train.main(given) == 0
    assert f"left out {victim}: " in capsys.readouterr().out
    event = next(e for e in Run(tmp_path / "run").events() if e["event"] == "films" and e["split"] == "train")
    assert [name for name, _ in event["unreadable"]] == [victim.name]
    assert event["read"] == Run(tmp_path / "run").config["data"]["counts"]["train"]["films"] - 1


def test_too_many_unreadable_films_end_the_run(
    tiny_films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    films = tmp_path / "films"
    write_smoke_films(films, patients=20)
    victim = films / "train" / "NORMAL" / "IM-0001-0001.png"
    victim.write_bytes(b"torn")
    assert train.main(arguments(films, tmp_path / "run")) == 1
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("train.py: ")]
    assert len(said) == 1
    assert re.search(rf"1 of \d+ films cannot be read, more than the 1 %.*{victim.name}: ", said[0])


def test_ctrl_c_twice_ends_at_once_without_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / CONFIG).write_text("{}")

    def impatient(run: Run, *, stop: object) -> bool:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        return True

    monkeypatch.setattr(train, "train", impatient)
    assert train.main(["--resume", str(tmp_path)]) == 130
    assert "ended at once" in capsys.readouterr().err


@pytest.mark.parametrize("keep", ["best", "last"])
@pytest.mark.parametrize("finished", [True, False])
def test_the_end_of_a_run_names_the_weights_it_kept(
    tmp_path: Path, keep: str, finished: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / CONFIG).write_text(json.dumps({"keep": keep}))
    monkeypatch.setattr(train, "train", lambda run, *, stop: finished)
    assert train.main(["--resume", str(tmp_path)]) == (0 if finished else 130)
    assert ("nothing was trained yet" in capsys.readouterr().out) is not finished
    (tmp_path / BEST).write_bytes(b"weights")
    train.main(["--resume", str(tmp_path)])
    said = f"the {keep} weights are in" if finished else f"the {keep} weights so far are saved, go on with"
    assert said in capsys.readouterr().out


@pytest.mark.slow
def test_smoke_takes_everything_through_in_under_a_minute() -> None:
    began = os.times()
    command = [sys.executable, "train.py", "--smoke"]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1200, check=False)
    assert finished.returncode == 0, finished.stderr
    ended = os.times()
    processor = ended.children_user + ended.children_system - began.children_user - began.children_system
    assert processor < 60, "seconds of one core, which a busy machine does not stretch"
    assert "Traceback" not in finished.stderr
    for said in ("phase 1 features", "phase 1 epoch", "phase 2 epoch", "at 64 px"):
        assert said in finished.stderr
    assert "done; the best weights are in" in finished.stdout
    folder = re.search(r"run folder: (\S+)", finished.stdout)
    assert folder and not Path(folder.group(1)).exists()


def test_help_names_every_data_set_with_its_options(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "4000")
    with pytest.raises(SystemExit):
        train.main(["--help"])
    told = capsys.readouterr().out
    for kind in REGISTRY.values():
        assert f"{kind.name}: {kind.about}" in told
        for name in kind.options:
            assert re.search(rf"--{name} \S+ [a-z_, ]*\b{kind.name}\b[a-z_, ]*:", " ".join(told.split()))
    assert "(default: )" not in told and "(default: 128:2,224:2)" in told
