"""A run folder: whole or not there, whatever happens while it is written."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from model.errors import RunError
from model.runs import BEST, CONFIG, EVENTS, STATE, Run, writing


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return an empty run."""
    return Run.create(tmp_path / "run", {"seed": 7})


def test_the_config_is_kept_with_versions_and_revision(run: Run) -> None:
    record = json.loads((run.folder / CONFIG).read_text())
    assert record["seed"] == 7
    environment = record["environment"]
    assert environment["libraries"]["numpy"] == np.__version__
    assert environment["git"] == "unknown" or len(environment["git"].removesuffix("+changes")) == 40
    assert Run(run.folder).config == record


def test_a_folder_in_use_is_refused_and_an_empty_one_taken(run: Run, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"is not empty; choose another --run folder, or continue it with --resume"):
        Run.create(run.folder, {})
    (tmp_path / "empty").mkdir()
    assert Run.create(tmp_path / "empty", {}).folder == tmp_path / "empty"
    (tmp_path / "file").write_text("x")
    with pytest.raises(RunError, match="is a file"):
        Run.create(tmp_path / "file", {})


@pytest.mark.parametrize("content", [None, "", "{", "[1, 2]"])
def test_a_folder_without_a_readable_config_is_no_run(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / CONFIG).write_text(content)
    with pytest.raises(RunError, match="is not a training run"):
        Run(tmp_path)


def test_events_leave_out_a_half_written_line(run: Run) -> None:
    assert run.events() == []
    run.log("step", loss=0.5)
    run.log("epoch", best=True)
    with (run.folder / EVENTS).open("a") as log:
        log.write('{"event": "st')
    assert [e["event"] for e in run.events()] == ["step", "epoch"]
    assert run.events()[0]["loss"] == 0.5
    assert run.events()[0]["time"].endswith("+00:00")


def test_a_state_comes_back_and_the_log_is_cut_to_it(run: Run) -> None:
    run.log("step", step=1)
    arrays: dict[str, NDArray[Any]] = {
        "weight/0": np.arange(6, dtype=np.float32).reshape(2, 3),
        "optimizer/0": np.array(3, np.int64),
    }
    run.save_state(arrays, {"progress": {"step": 1, "best": float("inf")}})
    run.log("step", step=2)
    with (run.folder / EVENTS).open("a") as log:
        log.write('{"ev')
    loaded = Run(run.folder).load_state()
    assert loaded is not None
    for key, value in arrays.items():
        assert np.array_equal(loaded[0][key], value) and loaded[0][key].dtype == value.dtype
    assert loaded[0].keys() == arrays.keys()
    assert loaded[1]["progress"] == {"step": 1, "best": float("inf")}
    assert [e["step"] for e in run.events()] == [1]
    run.log("step", step=2)
    assert [e["step"] for e in run.events()] == [1, 2]


def test_without_a_state_the_log_begins_anew(run: Run) -> None:
    run.log("step", step=1)
    (run.folder / ".state.npz.abc.tmp").write_bytes(b"half")
    assert run.load_state() is None
    assert run.events() == []
    assert not (run.folder / ".state.npz.abc.tmp").exists()


def test_the_log_is_on_the_disk_before_the_state_that_counts_on_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run.log("step", step=1)
    synced: list[str] = []
    plain = os.fsync

    def fsync(handle: int) -> None:
        synced.append(Path(f"/proc/self/fd/{handle}").resolve().name)
        plain(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    run.save_state({"a": np.zeros(1)}, {})
    assert synced[0] == EVENTS
    assert len(synced) == 2 and synced[1].startswith(".state.npz.")


def _no_room(*given: Any, **options: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("place", ["write", "fsync"])
def test_a_full_disk_is_a_sentence_and_the_old_state_stays(
    run: Run, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    run.save_state({"a": np.array([1.0])}, {"n": 1})
    with monkeypatch.context() as patch:
        if place == "write":
            patch.setattr(np, "savez", _no_room)
        else:
            patch.setattr(os, "fsync", _no_room)
        wanted = rf"state\.npz could not be written: the disk is full; .*--resume {run.folder}\."
        with pytest.raises(RunError, match=wanted):
            run.save_state({"a": np.array([2.0])}, {"n": 2})
    assert sorted(path.name for path in run.folder.iterdir()) == [CONFIG, STATE]
    loaded = run.load_state()
    assert loaded is not None and loaded[0]["a"].tolist() == [1.0] and loaded[1]["n"] == 1


def test_an_event_on_a_full_disk_is_a_sentence(run: Run) -> None:
    (run.folder / EVENTS).symlink_to("/dev/full")
    with pytest.raises(RunError, match=r"events\.jsonl could not be written: the disk is full"):
        run.log("step", step=1)


def test_other_failures_of_writing_say_what_the_system_says(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="could not be written: Permission denied"), writing(tmp_path / "x"):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def test_a_crash_while_writing_leaves_the_old_state(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run.save_best({"a": np.array([1.0])}, {"epoch": 1})

    def half(stream: Any, **arrays: Any) -> None:
        stream.write(b"PK")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", half)
    with pytest.raises(KeyboardInterrupt):
        run.save_best({"a": np.array([2.0])}, {"epoch": 2})
    assert run.load_best()[0]["a"].tolist() == [1.0]


def _cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _flipped(data: bytes) -> bytes:
    place = data.index(np.float64(1.5).tobytes())
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def _without_meta(data: bytes) -> bytes:
    return data.replace(b"__meta__", b"__mxta__")


@pytest.mark.parametrize(
    "damage", [_cut, _flipped, _without_meta, lambda data: b"", lambda data: b"x" * 100, lambda data: b"\x93NUMPY"]
)
def test_a_damaged_state_is_a_sentence(run: Run, damage: Any) -> None:
    run.save_state({"a": np.full(100, 1.5)}, {"n": 1})
    path = run.folder / STATE
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(RunError, match=r"state\.npz cannot be read .*start a new run"):
        run.load_state()


def test_best_weights_are_missing_until_there_are_some(run: Run) -> None:
    with pytest.raises(RunError, match="holds no trained weights yet"):
        run.load_best()
    run.save_best({"a": np.array([1.0])}, {"epoch": 3})
    arrays, meta = run.load_best()
    assert arrays["a"].tolist() == [1.0] and meta == {"epoch": 3}
    with np.load(run.folder / BEST, allow_pickle=False) as stored:
        assert set(stored.files) == {"a", "__meta__"}


def test_one_process_at_a_time(run: Run) -> None:
    with run.alone(), pytest.raises(RunError, match=r"Another train\.py is at work"), Run(run.folder).alone():
        pass
    with run.alone():
        pass
