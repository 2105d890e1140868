"""CheXpert's tables: frontal films, uncertain labels, official splits."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from model.datasets import REGISTRY
from model.datasets.chexpert import load
from model.errors import DatasetError

HEADER = "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Enlarged Cardiomediastinum,Pneumonia,Support Devices"
# No Finding, Pneumonia
KINDS = {"pneumonia": ("", "1.0"), "uncertain": ("", "-1.0"), "no finding": ("1.0", ""), "other": ("", "0.0")}


def _write(root: Path, *, train: Callable[[str], str] = lambda t: t, present: bool = True) -> Path:
    """Forty training patients, ten of each kind, and eight for validation; each with a frontal and a lateral film."""
    for table, home, patients in (("train.csv", "train", range(1, 41)), ("valid.csv", "valid", range(101, 109))):
        rows = [HEADER]
        for k in patients:
            healthy, sick = KINDS[list(KINDS)[k % 4]]
            for view, side in (("view1_frontal.jpg", "Frontal"), ("view2_lateral.jpg", "Lateral")):
                path = f"{home}/patient{k:05d}/study1/{view}"
                rows.append(
                    f"CheXpert-v1.0-small/{path},Female,{20 + k},{side},{'AP' if k % 2 else 'PA'},{healthy},,{sick},"
                )
                if present:
                    (root / path).parent.mkdir(parents=True, exist_ok=True)
                    (root / path).write_bytes(b"film")
        text = "\n".join(rows) + "\n"
        (root / table).write_text(train(text) if table == "train.csv" else text)
    return root


def test_official_splits_and_frontal_films_only(tmp_path: Path) -> None:
    dataset = load(_write(tmp_path), test_fraction=0.2)
    assert dataset.labelled == {"pneumonia": 12, "uncertain": 12, "no finding": 12, "other": 12}
    assert dataset.notes == ("48 lateral films are left out",)
    assert {s: (c["normal"], c["pneumonia"]) for s, c in dataset.counts().items()} == {
        "train": (8, 8), "val": (2, 2), "test": (2, 2),
    }  # fmt: skip
    assert {e.path.parts[-4] for e in dataset.of("val")} == {"valid"}
    assert {e.path.parts[-4] for e in dataset.of("test")} == {"train"}
    one = next(e for e in dataset.examples if e.patient == "patient00004")
    assert one.attributes == {"class": "pneumonia", "age": "24", "sex": "Female", "view": "PA"}


@pytest.mark.parametrize(
    ("uncertain", "negatives", "normal", "pneumonia"),
    [("ignore", "normal", 12, 12), ("zero", "normal", 24, 12), ("one", "normal", 12, 24), ("ignore", "all", 24, 12),
     ("zero", "all", 36, 12), ("one", "all", 24, 24)],
)  # fmt: skip
def test_uncertain_labels(tmp_path: Path, uncertain: str, negatives: str, normal: int, pneumonia: int) -> None:
    dataset = load(_write(tmp_path), uncertain=uncertain, negatives=negatives)  # type: ignore[arg-type]
    labels = [e.label for e in dataset.examples]
    assert (labels.count(0), labels.count(1)) == (normal, pneumonia)
    assert ("left out" in dataset.population) == (uncertain == "ignore")


def test_missing_films_and_a_division_by_patient(tmp_path: Path) -> None:
    _write(tmp_path)
    (tmp_path / "train/patient00004/study1/view1_frontal.jpg").unlink()
    dataset = load(tmp_path, split="patient", val_fraction=0.25, test_fraction=0.25)
    assert dataset.missing == ("train/patient00004/study1/view1_frontal.jpg",)
    assert dataset.notes[1].startswith("1 of 24 labelled films are not there: train/patient00004")
    assert len({e.path.parts[-4] for e in dataset.of("train")}) == 2
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(DatasetError, match=r"None of the 24 frontal films .* expected train/patient00002/"):
        load(_write(other, present=False))


@pytest.mark.parametrize("zipped", [False, True])
def test_films_without_a_label_are_counted_and_named(tmp_path: Path, zipped: bool) -> None:
    folder = tmp_path / "CheXpert-v1.0-small"
    folder.mkdir()
    _write(folder)
    (folder / "train/patient00999/study1").mkdir(parents=True)
    (folder / "train/patient00999/study1/view1_frontal.jpg").write_bytes(b"film")
    (folder / "train/patient00999/study1/._view1_frontal.jpg").write_bytes(b"left behind by a Mac")
    plain = load(folder)
    place = Path(shutil.make_archive(str(tmp_path / "chexpert"), "zip", tmp_path, folder.name)) if zipped else folder
    dataset = load(place)
    assert dataset.notes == (
        "48 lateral films are left out",
        "1 film(s) have no label and are left out: train/patient00999/study1/view1_frontal.jpg",
    )
    assert [(e.patient, e.label, e.split) for e in dataset.examples] == [
        (e.patient, e.label, e.split) for e in plain.examples
    ]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda t: t.replace("Pneumonia", "Lungs"), "train.csv has no column Pneumonia"),
        (lambda t: t.replace(",,1.0,\n", ",,2.0,\n"), "says Pneumonia '2.0' for train/patient00004/"),
        (lambda t: t.replace("small/train/", "small/elsewhere/"), "names a film 'CheXpert-v1.0-small/elsewhere/pat"),
        (
            lambda t: t + t.split("\n")[1].replace(",,-1.0,", ",,1.0,") + "\n",
            "say two things about train/patient00001",
        ),
    ],
)
def test_tables_that_make_no_sense_are_refused(tmp_path: Path, change: Callable[[str], str], sentence: str) -> None:
    with pytest.raises(DatasetError, match=sentence):
        load(_write(tmp_path, train=change))
    assert REGISTRY["chexpert"].load is load
