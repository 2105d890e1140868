"""Films of one's own, listed in a CSV."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.datasets import REGISTRY
from model.datasets.any_csv import load
from model.errors import DatasetError


def _write(root: Path, text: str, *, films: int = 40) -> Path:
    (root / "films").mkdir(exist_ok=True)
    for k in range(films):
        (root / "films" / f"{k}.png").write_bytes(b"film")
    (root / "list.csv").write_text(text, encoding="utf-8")
    return root


def _rows(line: str, count: int = 40) -> str:
    return "".join(
        line.format(k=k, y=k % 2, p=k // 4, name=("normal", "Pneumonia")[k % 2]) + "\n" for k in range(count)
    )


def test_path_label_and_patient_in_any_order_and_case(tmp_path: Path) -> None:
    dataset = load(_write(tmp_path, "\ufeffLabel;Age;PATH;Patient\n" + _rows("{name};7{y};films/{k}.png;p{p}")))
    assert len(dataset.examples) == 40 and dataset.notes == () and dataset.missing == ()
    assert dataset.labelled == {"normal": 20, "pneumonia": 20}
    one = next(e for e in dataset.examples if e.path.name == "13.png")
    assert (one.label, one.patient, dict(one.attributes)) == (1, "p3", {"Age": "71"})
    homes = {e.patient: e.split for e in dataset.examples}
    assert all(homes[e.patient] == e.split for e in dataset.examples) and set(homes.values()) == {
        "train",
        "val",
        "test",
    }
    assert load(tmp_path / "list.csv").examples == dataset.examples


def test_without_patients_each_film_is_one_and_a_note_says_so(tmp_path: Path) -> None:
    dataset = load(_write(tmp_path, "path,label\n" + _rows("films/{k}.png,{y}")))
    assert len({e.patient for e in dataset.examples}) == 40
    assert dataset.notes == ("no column patient: every film counts as a patient of its own",)


def test_its_own_splits_are_kept_unless_asked_otherwise(tmp_path: Path) -> None:
    text = "path,label,split\n" + "".join(
        f"films/{k}.png,{k % 2},{'test' if k < 8 else 'validation' if k < 14 else 'train'}\n" for k in range(40)
    )
    _write(tmp_path, text)
    kept = load(tmp_path)
    assert {int(e.path.stem) for e in kept.of("test")} == set(range(8))
    assert {int(e.path.stem) for e in kept.of("val")} == set(range(8, 14))
    anew = load(tmp_path, split="patient")
    assert {int(e.path.stem) for e in anew.of("test")} != set(range(8))


def test_missing_films_are_counted_and_a_film_listed_twice_is_one(tmp_path: Path) -> None:
    text = "path,label\n" + _rows("films/{k}.png,{y}", 44) + "films/3.png,1\n"
    dataset = load(_write(tmp_path, text))
    assert len(dataset.examples) == 40
    assert [Path(name).name for name in dataset.missing] == ["40.png", "41.png", "42.png", "43.png"]
    assert "4 of 44 labelled films are not there" in dataset.notes[1]


def test_films_beside_the_listed_ones_without_a_label_are_counted_and_named(tmp_path: Path) -> None:
    _write(tmp_path, "path,label,patient\n" + _rows("films/{k}.png,{y},p{p}"), films=42)
    (tmp_path / "films" / "notes.txt").write_text("no film")
    dataset = load(tmp_path)
    assert len(dataset.examples) == 40
    (note,) = dataset.notes
    assert note.startswith("2 film(s) have no label and are left out: ") and note.endswith("41.png")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "list.csv has no column path and no column label; its first line says: nothing"),
        ("file,label\nfilms/1.png,1\n", "has no column path; its first line says: file, label"),
        ("path,label,Path\n", "has the column 'path' twice"),
        ("path,label\nfilms/1.png,maybe\n", "line 2, says label 'maybe'; expected 0, 1, normal or pneumonia"),
        ("path,label,split\nfilms/1.png,1,holdout\n", "line 2, says split 'holdout'; expected train, val, test"),
        ("path,label\nfilms/1.png,1\nfilms/1.png,0\n", "line 3, contradicts an earlier line about films/1.png"),
        ("path,label,patient\nfilms/1.png,1,\n", "line 2, has an empty patient"),
        ("path,label\nfilms/1.png\n", "line 2, has 1 fields, but its first line 2"),
        ("path,label\nnowhere/1.png,1\n", "None of the 1 films in list.csv was found"),
    ],
)
def test_lists_that_make_no_sense_are_refused(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(DatasetError, match=sentence):
        load(_write(tmp_path, text))


def test_no_list_or_several_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"Expected one CSV in .*, found none"):
        load(tmp_path)
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("path,label\n")
    with pytest.raises(DatasetError, match=r"found 2 \(a.csv, b.csv\); give --data-dir the path of the CSV itself"):
        load(tmp_path)
    assert REGISTRY["csv"].load is load
