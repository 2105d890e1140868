"""ChestX-ray14's table, lists and boxes, in its own layout."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from model.datasets import REGISTRY, Box
from model.datasets.nih import BOXES, load
from model.errors import DatasetError

TABLE = "Data_Entry_2017_v2020.csv"
HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],"
)
LABELS = ["Pneumonia", "No Finding", "Effusion|Pneumonia", "Mass", "No Finding"]


def _write(root: Path, *, table: Callable[[str], str] = lambda t: t, films: int = 60, name: str = TABLE) -> Path:
    """Thirty patients with two films each; the last ten are in the test list."""
    rows, lists = [HEADER], {"train_val_list.txt": [], "test_list.txt": []}
    for k in range(60):
        film = f"{k // 2:08d}_{k % 2:03d}.png"
        labels = LABELS[(k // 2) % 5]
        facts = f"{k % 2},{k // 2},0{20 + k}Y,{'MF'[k % 2]},{'PA' if k % 3 else 'AP'}"
        rows.append(f"{film},{labels},{facts},2682,2749,0.143,0.143,")
        lists["test_list.txt" if k >= 40 else "train_val_list.txt"].append(film)
        if k < films:
            folder = root / f"images_{1 + k // 25:03d}" / "images"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / film).write_bytes(b"film")
    (root / name).write_text(table("\n".join(rows) + "\n"))
    for listed, names in lists.items():
        (root / listed).write_text("\n".join(names))
    (root / BOXES).write_text(
        "Image Index,Finding Label,Bbox [x,y,w,h],,,\n"
        "00000000_000.png,Pneumonia,225.08,547.01,86.77,79.18,,,\n"
        "00000000_000.png,Pneumonia,1,2,3,4,,,\n"
        "00000001_000.png,Mass,1,2,3,4,,,\n"
    )
    return root


@pytest.mark.parametrize("name", [TABLE, "Data_Entry_2017.csv"])
def test_official_lists_labels_facts_and_boxes(tmp_path: Path, name: str) -> None:
    dataset = load(_write(tmp_path, name=name), val_fraction=0.25)
    assert dataset.labelled == {"Pneumonia": 24, "No Finding": 24, "other findings": 12}
    by_name = {e.path.name: e for e in dataset.examples}
    assert len(by_name) == 48 and "00000003_000.png" not in by_name, "a mass is neither healthy nor pneumonia"
    sick = by_name["00000000_000.png"]
    assert (sick.label, sick.patient, sick.boxes[1]) == (1, "0", Box(x=1, y=2, width=3, height=4))
    assert sick.boxes[0] == Box(x=225.08, y=547.01, width=86.77, height=79.18)
    assert sick.attributes == {"class": "Pneumonia", "age": "20", "sex": "M", "view": "AP"}
    assert by_name["00000002_001.png"].label == 1 and by_name["00000001_000.png"].boxes == ()
    assert {e.path.name for e in dataset.of("test")} == {n for n in by_name if int(n[:8]) >= 20}
    homes = {e.patient: e.split for e in dataset.examples}
    assert all(homes[e.patient] == e.split for e in dataset.examples)
    assert {s: c["films"] for s, c in dataset.counts().items()} == {"train": 24, "val": 8, "test": 16}


def test_negatives_may_be_all_others_and_patients_may_be_divided_anew(tmp_path: Path) -> None:
    _write(tmp_path)
    assert len(load(tmp_path, negatives="all").examples) == 60
    (tmp_path / "test_list.txt").unlink()
    with pytest.raises(DatasetError, match=r"lacks test_list.txt; put it there or use --split patient"):
        load(tmp_path)
    anew = load(tmp_path, split="patient", val_fraction=0.2, test_fraction=0.2)
    assert any(int(e.patient) < 20 for e in anew.of("test"))


def test_missing_films_are_counted_and_named(tmp_path: Path) -> None:
    dataset = load(_write(tmp_path, films=50))
    absent = [f"{k:08d}_{n:03d}.png" for k in (25, 26, 27, 29) for n in (0, 1)]
    assert list(dataset.missing) == absent
    assert dataset.notes == (
        "8 of 48 labelled films are not there: 00000025_000.png, 00000025_001.png, 00000026_000.png, ...",
    )
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DatasetError, match="None of the 48 films"):
        load(_write(empty, films=0))


def test_films_without_a_label_and_boxes_outside_are_counted_and_named(tmp_path: Path) -> None:
    _write(tmp_path)
    (tmp_path / "images_001" / "images" / "00000099_000.png").write_bytes(b"film")
    (tmp_path / BOXES).write_text(
        "Image Index,Finding Label,Bbox [x,y,w,h],,,\n"
        "00000000_000.png,Pneumonia,1000,-5,50,20,,,\n"
        "00000000_001.png,Pneumonia,1024,0,5,5,,,\n"
    )
    dataset = load(tmp_path)
    assert dataset.notes == (
        "1 film(s) have no label and are left out: 00000099_000.png",
        "2 box(es) reach outside their film and were cut: 00000000_000.png, 00000000_001.png",
    )
    boxes = {e.path.name: e.boxes for e in dataset.examples}
    assert boxes["00000000_000.png"] == (Box(x=1000, y=0, width=24, height=15),)
    assert boxes["00000000_001.png"] == ()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda t: t.replace("Finding Labels", "Labels"), "has no column Finding Labels"),
        (
            lambda t: t.replace(",Mass,", ",Broken Rib,"),
            "says 'Broken Rib' for 00000003_000.png, which is none of its",
        ),
        (lambda t: t + "00000001_000.png,Pneumonia,0,1,20Y,M,PA,1,1,1,1,\n", "says two things about 00000001_000.png"),
        (
            lambda t: t + "00000099_000.png,Pneumonia,0,99,20Y,M,PA,1,1,1,1,\n",
            "00000099_000.png is in none of train_val",
        ),
    ],
)
def test_tables_that_make_no_sense_are_refused(tmp_path: Path, change: Callable[[str], str], sentence: str) -> None:
    with pytest.raises(DatasetError, match=sentence):
        load(_write(tmp_path, table=change))


def test_a_film_in_both_lists_and_a_bad_box_are_refused(tmp_path: Path) -> None:
    _write(tmp_path)
    (tmp_path / "test_list.txt").write_text("00000000_000.png")
    with pytest.raises(DatasetError, match=r"00000000_000.png is in both train_val_list.txt and test_list.txt"):
        load(tmp_path)
    (tmp_path / BOXES).write_text(
        "Image Index,Finding Label,Bbox [x,y,w,h],,,\n00000000_000.png,Pneumonia,a,2,3,4,,,\n"
    )
    with pytest.raises(DatasetError, match=r"has a box for 00000000_000.png that is no four numbers"):
        load(tmp_path, split="patient")
    assert REGISTRY["nih"].load is load
