"""The challenge's tables and films: rows joined, classes and boxes kept, and every disagreement named."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import train
from model.datasets import REGISTRY, Box
from model.datasets.rsna import CLASSES, IMAGES, LABELS, NEITHER, NORMAL, OPACITY, load
from model.errors import DatasetError
from model.film_cache import FilmCache
from model.films import read_films
from model.planning import load_dataset
from model.runs import Run
from model.settings import TrainingConfig
from tests.real_data import DATA, needs_data
from tests.unit.films import dicom

SHARES = {"val_fraction": 0.2, "test_fraction": 0.2}


def _write(
    root: Path,
    *,
    labels: Callable[[str], str] = lambda text: text,
    classes: Callable[[str], str] = lambda text: text,
    films: int = 10,
) -> Path:
    """Ten patients of each class, those with opacity with two boxes each; films are named but never opened here."""
    rows, kinds = ["patientId,x,y,width,height,Target"], ["patientId,class"]
    (root / IMAGES).mkdir(parents=True)
    for k in range(10):
        rows += [f"o{k},10.0,20.0,{100 + k},200.0,1", f"o{k},500,600,70,80,1", f"n{k},,,,,0", f"b{k},,,,,0"]
        kinds += [f"o{k},{OPACITY}", f"o{k},{OPACITY}", f"n{k},{NORMAL}", f"b{k},{NEITHER}"]
        for letter in "onb" if k < films else "":
            (root / IMAGES / f"{letter}{k}.dcm").write_bytes(b"film")
    (root / LABELS).write_text(labels("\n".join(rows) + "\n"))
    (root / CLASSES).write_text(classes("\n".join(kinds) + "\n"))
    return root


def test_rows_of_one_patient_are_one_example_with_its_boxes(tmp_path: Path) -> None:
    dataset = load(_write(tmp_path), **SHARES)
    assert dataset.labelled == {OPACITY: 10, NORMAL: 10, NEITHER: 10}
    assert len(dataset.examples) == 20 and dataset.missing == () and dataset.notes == ()
    by_patient = {e.patient: e for e in dataset.examples}
    assert by_patient["o3"].boxes == (
        Box(x=10, y=20, width=103, height=200),
        Box(x=500, y=600, width=70, height=80),
    )
    assert by_patient["o3"].label == 1 and by_patient["o3"].attributes["class"] == OPACITY
    assert by_patient["n3"].label == 0 and by_patient["n3"].boxes == ()
    assert by_patient["n3"].path == tmp_path / IMAGES / "n3.dcm"
    assert {s: c["films"] for s, c in dataset.counts().items()} == {"train": 12, "val": 4, "test": 4}


def test_negatives_may_be_everything_without_opacity(tmp_path: Path) -> None:
    dataset = load(_write(tmp_path), negatives="all", **SHARES)
    assert len(dataset.examples) == 30
    assert {e.patient[0] for e in dataset.examples if e.label == 0} == {"n", "b"}
    assert "everything without opacity" in dataset.population
    assert "normal only" in load(tmp_path, **SHARES).population


def test_missing_and_unlabelled_films_are_counted_and_named(tmp_path: Path) -> None:
    _write(tmp_path, films=8)
    (tmp_path / IMAGES / "stranger.dcm").write_bytes(b"film")
    dataset = load(tmp_path, **SHARES)
    assert dataset.missing == ("n8", "n9", "o8", "o9")
    assert dataset.notes == (
        "4 of 20 labelled films are not there: n8, n9, o8, ...",
        "1 film(s) have no label and are left out: stranger",
    )
    assert dataset.labelled[OPACITY] == 10, "the lists count, whether the film is there or not"
    for film in (tmp_path / IMAGES).iterdir():
        film.unlink()
    with pytest.raises(DatasetError, match=r"None of the 20 labelled films was found; expected stage_2_train_images"):
        load(tmp_path)


@pytest.mark.parametrize("how", ["all in one", "images only", "one inside a folder"])
def test_images_may_stay_in_the_zip(tmp_path: Path, how: str) -> None:
    plain = _write(tmp_path / "plain")
    place = tmp_path / "zipped"
    place.mkdir()
    with zipfile.ZipFile(place / (f"{IMAGES}.zip" if how == "images only" else "challenge.zip"), "w") as file:
        for film in sorted((plain / IMAGES).iterdir()):
            file.write(film, film.name if how == "images only" else f"{IMAGES}/{film.name}")
        for table in (LABELS, CLASSES):
            if how == "images only":
                (place / table).write_text((plain / table).read_text())
            else:
                file.write(plain / table, table)
    there, here = load(place / "challenge.zip" if how == "all in one" else place, **SHARES), load(plain, **SHARES)
    assert [(e.patient, e.label, e.split, e.boxes) for e in there.examples] == [
        (e.patient, e.label, e.split, e.boxes) for e in here.examples
    ]
    assert there.fingerprint() != here.fingerprint(), "the archive's checksums are part of it"
    assert there.fingerprint() == load(place, **SHARES).fingerprint()


@pytest.mark.parametrize(
    ("labels", "classes", "sentence"),
    [
        (lambda t: t.replace("Target", "target"), None, "has no column Target; its first line says: patientId, x"),
        (None, lambda t: t.replace("class\n", "kind\n", 1), "has no column class"),
        (lambda t: t.replace("n3,,,,,0", "n3,,,,,2"), None, "says Target '2' for n3; expected 0 or 1"),
        (lambda t: t + "o3,,,,,0\n", None, r"says both 0 and 1 for 1 patient\(s\) \(o3\)"),
        (None, lambda t: t + f"o3,{NORMAL}\n", r"disagree about 1 patient\(s\) \(o3\)"),
        (None, lambda t: t.replace(f"n3,{NORMAL}", f"n3,{OPACITY}"), r"disagree about 1 patient\(s\) \(n3\)"),
        (None, lambda t: t.replace(f"n3,{NORMAL}\n", ""), r"1 patient\(s\) of .* have no class in .* \(n3\)"),
        (None, lambda t: t.replace(NEITHER, "Healthy"), "says class 'Healthy' for b0; expected Lung Opacity, Normal"),
        (lambda t: t.replace("o2,10.0", "o2,wide"), None, "has a box for o2 that is no four numbers: wide, 20.0"),
        (lambda t: t.replace("o2,10.0", "o2,"), None, "has a box for o2 that is no four numbers"),
        (lambda t: t + "o9,1,2\n", None, r"line 42, has 3 fields, but its first line 6"),
        (lambda t: t.split("\n")[0], None, "holds no rows"),
        (lambda t: "", None, "has no column patientId and no column x.*says: nothing"),
    ],
)
def test_tables_that_make_no_sense_are_refused(
    tmp_path: Path, labels: Callable[[str], str] | None, classes: Callable[[str], str] | None, sentence: str
) -> None:
    same: Callable[[str], str] = lambda text: text  # noqa: E731
    _write(tmp_path, labels=labels or same, classes=classes or same)
    with pytest.raises(DatasetError, match=sentence):
        load(tmp_path, **SHARES)


def test_boxes_outside_the_film_are_cut_and_counted(tmp_path: Path) -> None:
    _write(
        tmp_path,
        labels=lambda t: (
            t.replace("o1,10.0,20.0,101", "o1,-10,900,50")
            .replace("o2,500,600,70,80", "o2,2000,600,70,80")
            .replace("o4,500,600,70,80", "o4,10.0,20.0,104,200.0")
        ),
    )
    dataset = load(tmp_path, **SHARES)
    boxes = {e.patient: e.boxes for e in dataset.examples}
    assert boxes["o1"][0] == Box(x=0, y=900, width=40, height=124)
    assert boxes["o2"] == (Box(x=10, y=20, width=102, height=200),), "a box without a part on the film is dropped"
    assert boxes["o4"] == (Box(x=10, y=20, width=104, height=200),), "the same box twice is one"
    assert dataset.notes == ("2 box(es) reach outside their film and were cut: o1, o2",)


def test_too_few_healthy_films_are_told_with_the_way_out(tmp_path: Path) -> None:
    _write(tmp_path)
    for k in range(1, 10):
        (tmp_path / IMAGES / f"n{k}.dcm").unlink()
    config = TrainingConfig(dataset="rsna", data_dir=str(tmp_path))
    with pytest.raises(DatasetError, match=r"Only 1 normal film.* train, val needs one; .* take --negatives all"):
        load_dataset(config)
    with pytest.raises(DatasetError, match=r"needs one; add films or raise --limit"):
        load_dataset(replace(config, limit=1, options={"negatives": "all"}))
    assert len(load_dataset(replace(config, options={"negatives": "all"})).examples) == 21


def test_the_registry_offers_it_with_its_option() -> None:
    kind = REGISTRY["rsna"]
    assert kind.load is load
    assert kind.checked({}) == {"negatives": "normal"} and kind.checked({"negatives": "all"}) == {"negatives": "all"}
    with pytest.raises(DatasetError, match="--negatives is 'some'; choose one of normal, all"):
        kind.checked({"negatives": "some"})
    with pytest.raises(DatasetError, match="rsna has no option --uncertain; it has --negatives"):
        kind.checked({"uncertain": "zero"})


def test_training_on_the_challenge_from_its_dicoms(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _write(tmp_path, films=8)
    rng = np.random.default_rng(0)
    for path in (tmp_path / IMAGES).iterdir():
        pixels = rng.integers(0, 256, (48, 40), dtype=np.uint8)
        path.write_bytes(dicom(pixels, PatientAge="045Y", PatientSex="F", ViewPosition="AP", Modality="CR"))
    tiny = "--weights random --base-width 0.0625 --width 8 --copies 0 --head-epochs 1 --stages 32:1 --batch 8".split()
    given = ["--dataset", "rsna", "--data-dir", str(tmp_path), "--negatives", "all", "--run", str(tmp_path / "run")]
    assert train.main([*given, *tiny, "--val-fraction", "0.2", "--cache", str(tmp_path / "cache")]) == 0
    assert "note: 6 of 30 labelled films are not there: b8, b9, n8, ..." in capsys.readouterr().out
    run = Run(tmp_path / "run")
    assert (run.folder / "missing.txt").read_text().split() == ["b8", "b9", "n8", "n9", "o8", "o9"]
    assert run.config["data"]["labelled"] == {OPACITY: 10, NORMAL: 10, NEITHER: 10}
    assert [e["read"] for e in run.events() if e["event"] == "films"] == [
        run.config["data"]["counts"][split]["films"] for split in ("train", "val")
    ]
    for film in (tmp_path / IMAGES).iterdir():
        times = film.stat()
        film.write_bytes(bytes(times.st_size))
        os.utime(film, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert train.main(["--resume", str(run.folder), "--more", "32:1"]) == 0, "a second run never opens a DICOM again"
    seen = load(tmp_path, negatives="all", val_fraction=0.2).of("train")
    films = read_films(seen, cache=FilmCache(tmp_path / "cache"))
    assert len(films) == len(seen) > 15
    for example in films.examples:
        assert {key: example.attributes[key] for key in ("view", "age", "sex")} == {
            "view": "AP",
            "age": "45",
            "sex": "F",
        }


@pytest.mark.data
@needs_data
def test_the_real_tables_give_the_published_counts() -> None:
    dataset = load(DATA / "rsna", negatives="all")
    assert dataset.labelled == {OPACITY: 6012, NORMAL: 8851, NEITHER: 11821}
    assert len(dataset.missing) == 26684 - 5 and len(dataset.examples) == 5
    by_patient = {e.patient: e for e in dataset.examples}
    assert by_patient["00436515-870c-4b36-a041-de91049b9ab4"].boxes == (
        Box(x=264, y=152, width=213, height=379),
        Box(x=562, y=152, width=256, height=453),
    )
