"""A run's folder read at any moment: whole, half written, damaged, silent."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from model.checkpoint import read_card
from model.errors import RunError
from model.history import find_runs, history_on_card, read_history
from model.runs import Run


def begun(folder: Path, *, epochs: int = 3) -> Run:
    run = Run.create(folder, {"seed": 0})
    for epoch in range(1, epochs + 1):
        run.log("step", phase=1, epoch=epoch, step=10 * epoch, loss=0.5, accuracy=1.0, learning_rate=0.1)
        run.log("epoch", phase=1 if epoch < 3 else 2, epoch=epoch, size=64, loss=1 / epoch, best=epoch == 2)
    return run


def test_epochs_marks_and_state(tmp_path: Path) -> None:
    run = begun(tmp_path / "run")
    found = read_history(run.folder)
    assert found.name == "run" and found.state == "running" and found.damaged == 0
    assert found.values("loss") == ([1, 2, 3], [pytest.approx(1), pytest.approx(1 / 2), pytest.approx(1 / 3)])
    assert found.values("val_loss") == ([], [])
    assert found.best == 1, "the last epoch whose weights were kept"
    assert found.fine_tuned_from == 2, "the first epoch of phase 2"
    run.log("step", phase=2, epoch=4, step=40, loss=0.25, accuracy=1.0, learning_rate=0.1)
    assert "phase 2, epoch 4, step 40" in read_history(run.folder).doing
    run.log("finished")
    assert (read_history(run.folder).state, read_history(run.folder).doing) == ("finished", "")


def test_half_a_line_at_the_end_is_not_there_yet(tmp_path: Path) -> None:
    run = begun(tmp_path / "run")
    with (run.folder / "events.jsonl").open("a") as log:
        log.write('{"event": "epoch", "phase": 2, "epoch": 4, "lo')
    found = read_history(run.folder)
    assert len(found.epochs) == 3 and found.damaged == 0


def test_damaged_lines_are_counted_and_left_out(tmp_path: Path) -> None:
    run = begun(tmp_path / "run")
    log = run.folder / "events.jsonl"
    lines = log.read_text().splitlines()
    strange = [
        '{"event": "epoch"',
        "[1, 2]",
        "\x00\x00",
        "",
        '{"event": "epoch", "phase": "two", "loss": "much"}',
        "{}",
    ]
    log.write_text("\n".join([lines[0], *strange, *lines[1:]]) + "\n")
    found = read_history(run.folder)
    assert found.damaged == 3
    assert len(found.values("loss")[0]) == 3
    log.write_text('{"event": "step", "loss": null}\n')
    assert read_history(run.folder).doing


def test_numbers_no_float_can_hold(tmp_path: Path) -> None:
    run = begun(tmp_path / "run")
    huge, deep = "1" + 400 * "0", 100_000 * "["
    strange = f'{{"event": "epoch", "phase": {huge}, "loss": {huge}}}\n{deep}\n{{"event": "epoch", "loss": NaN}}\n'
    with (run.folder / "events.jsonl").open("a") as log:
        log.write(strange)
    found = read_history(run.folder)
    assert found.damaged == 1 and len(found.values("loss")[0]) == 3


@pytest.mark.parametrize("training", [None, [], {"epochs": None}, {"best": None, "epochs": [1, {"loss": 1}]}])
def test_a_card_that_tells_little(training: object) -> None:
    assert history_on_card({"training": training}, name="x").best is None


def test_one_folder_that_may_not_be_read_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun(tmp_path / "good")
    begun(tmp_path / "shut")
    look = Path.is_file

    def refuse(path: Path) -> bool:
        if "shut" in path.parts:
            raise PermissionError(13, "Permission denied")
        return look(path)

    monkeypatch.setattr(Path, "is_file", refuse)
    assert [path.name for path in find_runs(tmp_path)] == ["good"]


def test_a_run_that_fell_silent(tmp_path: Path) -> None:
    run = begun(tmp_path / "run")
    old = time.time() - 3600
    os.utime(run.folder / "events.jsonl", (old, old))
    assert read_history(run.folder).state == "silent"


def test_only_runs_are_found_the_newest_first(tmp_path: Path) -> None:
    for name, age in (("old", 300), ("new", 10)):
        run = begun(tmp_path / name)
        os.utime(run.folder / "events.jsonl", (time.time() - age,) * 2)
    (tmp_path / "not a run").mkdir()
    (tmp_path / "file").write_text("x")
    assert [path.name for path in find_runs(tmp_path)] == ["new", "old"]
    assert find_runs(tmp_path / "nowhere") == []
    with pytest.raises(RunError, match="is not a training run"):
        read_history(tmp_path / "not a run")


def test_reading_while_another_thread_writes(tmp_path: Path) -> None:
    run = begun(tmp_path / "run", epochs=1)
    done = threading.Event()

    def write() -> None:
        for epoch in range(2, 300):
            run.log("epoch", phase=2, epoch=epoch, size=64, loss=1.0, best=True, padding="x" * 5000)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    counts = []
    while not done.is_set():
        found = read_history(run.folder)
        assert found.damaged == 0
        counts.append(len(found.epochs))
    writer.join()
    assert counts == sorted(counts)
    assert len(read_history(run.folder).epochs) == 299


def test_the_shipped_cards_epochs() -> None:
    card = read_card()
    found = history_on_card(card, name="shipped")
    assert len(found.epochs) == len(card["training"]["epochs"])
    assert found.best is None and "mean_of" in card["training"]["best"], "a mean of weights is of no one epoch"
    told = {**card["training"], "best": card["training"]["epochs"][3]}
    assert history_on_card({"training": told}, name="one epoch's").best == 3
    assert history_on_card({}, name="none").epochs == ()
