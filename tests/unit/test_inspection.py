"""Looking into a data set: every count by hand, and duplicates that were planted."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

import train
from model.datasets import Box, Dataset, Example
from model.datasets.__main__ import main
from model.duplicates import fingerprint_of, name_in, perceptual_hashes, to_leave_out
from model.inspection import contact_sheet, inspect, report
from model.phantom import draw_phantom

SPLITS = ("train", "val", "test")


def _png(path: Path, film: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.rint(film * 255).astype(np.uint8))
    return path


@pytest.fixture(scope="module")
def chests() -> list[np.ndarray]:
    """Return eighteen different chests."""
    return [draw_phantom(seed, sick=seed % 2 == 1, side=96).film for seed in range(18)]


@pytest.fixture
def folder(tmp_path: Path, chests: list[np.ndarray]) -> Path:
    """Three films of each class in each split of a Kermany folder; two of train are in test again, one changed."""
    for k, film in enumerate(chests):
        split, label = SPLITS[k // 6], ("NORMAL", "PNEUMONIA")[k % 2]
        name = f"IM-{k:04d}-0001.png" if k % 2 == 0 else f"person{k}_virus_{k}.png"
        _png(tmp_path / split / label / name, film)
    first = (tmp_path / "train" / "NORMAL" / "IM-0000-0001.png").read_bytes()
    (tmp_path / "test" / "NORMAL" / "IM-0100-0001.png").write_bytes(first)
    brighter = cv2.resize(0.1 + 0.8 * chests[1] ** 0.9, (120, 100), interpolation=cv2.INTER_AREA)
    code = cv2.imencode(".jpg", np.rint(brighter * 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 60])[1]
    (tmp_path / "test" / "PNEUMONIA" / "person101_virus_1.jpeg").write_bytes(code.tobytes())
    return tmp_path


def _dataset(examples: list[Example]) -> Dataset:
    return Dataset(
        name="some", source="here", licence="free", citation="", population="tests", examples=tuple(examples),
        labelled={"a class": 1234}, notes=("a note",),
    )  # fmt: skip


def test_everything_is_counted(tmp_path: Path, chests: list[np.ndarray]) -> None:
    examples = []
    for k in range(6):
        path = _png(tmp_path / f"{k}.png", chests[k] if k < 5 else cv2.resize(chests[k], (60, 50)))
        facts = {"age": str(15 * k), "sex": "FM"[k % 2], "view": "PA"} if k else {}
        boxes = (Box(x=1, y=2, width=3, height=4),) * 2 if k == 1 else ()
        examples.append(
            Example(path=path, label=k % 2, patient=f"p{k // 2}", split="train", attributes=facts, boxes=boxes)
        )
    examples.append(Example(path=tmp_path / "gone.png", label=0, patient="x", split="val"))
    told: list[tuple[int, int]] = []
    found = inspect(_dataset(examples), progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (7, 7) and len(found.examples) == 6
    assert found.sizes == {(96, 96): 5, (50, 60): 1}
    assert [name for name, _ in found.unreadable] == [examples[-1].name]
    lines = [" ".join(line.split()) for line in report(found).splitlines()]
    for line in (
        "some: here", "note: a note", "a class 1,234", "train 3 3 3", "val 0 0 0", "PA 2 3", "not stated 1 0",
        "F 2 0", "M 0 3", "0 to 19 0 1", "20 to 39 1 0", "40 to 59 0 1", "60 to 79 1 1",
        "films with boxes: 1, boxes: 2", "96 x 96: 5", "60 x 50: 1", "unreadable: 1",
    ):  # fmt: skip
        assert line in lines, line
    assert any(line.startswith(f"{examples[-1].name}: ") for line in lines)


def test_long_lists_are_cut_with_their_length(tmp_path: Path) -> None:
    gone = [Example(path=tmp_path / f"{k}.png", label=0, patient=f"{k}", split="train") for k in range(12)]
    text = report(inspect(_dataset(gone)), most=5)
    assert "unreadable: 12" in text and "  and 7 more" in text
    assert "view: not stated" in text


def test_planted_duplicates_are_found_and_dropped(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drop = folder / "drop.txt"
    assert main(["inspect", "chest_xray", "--data-dir", str(folder), "--drop", str(drop)]) == 0
    said = capsys.readouterr().out
    assert (
        "the same film in two splits: 1 pair(s)\n  NORMAL/IM-0000-0001.png (train) and NORMAL/IM-0100-0001.png" in said
    )
    assert "nearly the same film in two splits: 1 pair(s)\n  PNEUMONIA/person1_virus_1.png (train)" in said
    assert "2 film(s) to leave out: train.py --without" in said
    assert drop.read_text().split() == ["train/NORMAL/IM-0000-0001.png", "train/PNEUMONIA/person1_virus_1.png"]
    for name in drop.read_text().split():
        (folder / name).unlink()
    assert main(["inspect", "chest_xray", "--data-dir", str(folder), "--drop", str(drop)]) == 0
    assert capsys.readouterr().out.count(": 0 pair(s)") == 2 and drop.read_text() == ""


def test_training_leaves_out_what_the_list_says(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drop = folder / "drop.txt"
    drop.write_text("train/NORMAL/IM-0000-0001.png\n\ntrain/PNEUMONIA/person1_virus_1.png\n")
    tiny = ["--weights", "random", "--base-width", "0.0625", "--width", "8", "--copies", "0", "--head-epochs", "1"]
    given = ["--data-dir", str(folder), "--stages", "none", "--without", str(drop), *tiny]
    assert train.main([*given, "--run", str(folder / "run")]) == 0
    table = (folder / "run" / "split.tsv").read_text()
    assert "IM-0000" not in table and "person1_virus" not in table and "IM-0100" in table
    data = json.loads((folder / "run" / "config.json").read_text())["data"]
    assert data["counts"]["train"]["films"] == 4 and data["left_out"] == 2
    drop.write_text("train/NORMAL/IM-0000-0001.png\ntrain/NORMAL/other.png\n")
    capsys.readouterr()
    assert train.main([*given, "--run", str(folder / "second")]) == 1
    assert (
        "1 of the 2 films to leave out are not in this data set and split (train/NORMAL/other.png)"
        in capsys.readouterr().err
    )
    drop.unlink()
    assert train.main([*given, "--run", str(folder / "third")]) == 1
    assert "The list of films to leave out" in capsys.readouterr().err


def test_a_hash_survives_what_an_export_does_and_tells_chests_apart(chests: list[np.ndarray]) -> None:
    film = chests[4]
    changed = [cv2.resize(film, (70, 80), interpolation=cv2.INTER_AREA), film**1.2, 0.2 + 0.5 * film]
    hashes = perceptual_hashes([fingerprint_of(f) for f in (film, *changed, *chests[5:])])
    assert hashes.shape == (1 + 3 + 13, 4) and hashes.dtype == np.uint64
    distances = np.bitwise_count(hashes ^ hashes[0]).sum(axis=1)
    assert distances[1:4].max() <= 26 < 40 < distances[4:].min()


def test_names_are_relative_to_the_data(tmp_path: Path) -> None:
    inside = Example(path=tmp_path / "a" / "b.png", label=0, patient="")
    outside = Example(path=Path("/elsewhere/b.png"), label=0, patient="")
    assert name_in(tmp_path, inside) == "a/b.png"
    assert name_in(tmp_path, outside) == "/elsewhere/b.png"
    assert to_leave_out((), tmp_path) == ()


def test_a_contact_sheet_shows_both_classes_and_boxes(tmp_path: Path, chests: list[np.ndarray]) -> None:
    examples = [
        Example(
            path=_png(tmp_path / f"{k}.png", chests[k]), label=k % 2, patient=f"{k}", split="train",
            boxes=(Box(x=24, y=24, width=48, height=48),) if k % 2 else (),
        )
        for k in range(18)
    ]  # fmt: skip
    sheet = contact_sheet(examples, title="some")
    assert sheet.shape == (34 + 2 * 28 + 4 * 160, 8 * 160, 3)
    colored = (sheet.max(axis=2).astype(int) - sheet.min(axis=2) > 60).any(axis=1)
    assert not colored[: 34 + 28 + 320].any() and colored[34 + 56 + 320 :].any(), "only pneumonia has boxes here"
    assert main(["inspect", "phantom", "--films", "16", "--sheet", str(tmp_path / "sheet.png")]) == 0
    assert cv2.imread(str(tmp_path / "sheet.png")).shape[1] == 1280


def test_a_set_too_small_to_train_on_may_be_looked_at(
    tmp_path: Path, chests: list[np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"{_png(tmp_path / f'{k}.png', chests[k]).name},1" for k in range(3)]
    (tmp_path / "list.csv").write_text("path,label\n" + "\n".join(rows) + "\n")
    assert main(["inspect", "csv", "--data-dir", str(tmp_path), "--sheet", str(tmp_path / "sheet.png")]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "pneumonia 3" in lines and "96 x 96: 3" in lines
    assert cv2.imread(str(tmp_path / "sheet.png")).shape[1] == 1280


def test_errors_are_sentences(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "rsna", "--data-dir", str(tmp_path)]) == 1
    assert "does not hold stage_2_train_labels.csv" in capsys.readouterr().err
    assert main(["inspect", "phantom", "--uncertain", "one"]) == 1
    assert "phantom has no option --uncertain; it has --films, --shortcut" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert main(["inspect", "phantom", "--films", "8", "--drop", str(tmp_path / "file" / "drop.txt")]) == 1
    assert "cannot be written" in capsys.readouterr().err
