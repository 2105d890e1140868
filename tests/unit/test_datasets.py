"""Patients, splits and the folders of Kermany's set."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.datasets import REGISTRY, SPLITS, Dataset, Example, Kind, check_classes, split_by_patient
from model.datasets.chest_xray import load, patient_of
from model.datasets.splits import check_patients, complete_splits
from model.errors import DatasetError
from model.planning import load_dataset
from model.settings import TrainingConfig

WELL = [f"IM-{k:04d}-0001.jpeg" for k in range(1, 21)]
SICK = [f"person{k}_bacteria_{k + 100}.jpeg" for k in range(1, 21)]


def _folder(root: Path, **splits: tuple[list[str], list[str]]) -> Path:
    for split, classes in splits.items():
        for name, films in zip(("NORMAL", "PNEUMONIA"), classes, strict=True):
            (root / split / name).mkdir(parents=True)
            for film in films:
                (root / split / name / film).write_bytes(film.encode())
    return root


def _homes(examples: tuple[Example, ...]) -> dict[str, set[str]]:
    homes = defaultdict(set)
    for e in examples:
        homes[e.patient].add(str(e.split))
    return homes


def _example(patient: str, label: int, *, split: str | None = None, film: int = 0) -> Example:
    return Example(path=Path(f"{patient}-{film}.png"), label=label, patient=patient, split=split)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "patient"),
    [
        ("person63_bacteria_306.jpeg", "person63"),
        ("person63_bacteria_307.jpeg", "person63"),
        ("person1_virus_6.jpeg", "person1"),
        ("person63", "person63"),
        ("IM-0115-0001.jpeg", "IM-0115"),
        ("IM-0115-0001-0002.jpeg", "IM-0115"),
        ("NORMAL2-IM-1427-0001.jpeg", "NORMAL2-IM-1427"),
        ("IM-1427-0001.jpeg", "IM-1427"),
        ("0a1b2c.dcm", "0a1b2c"),
        ("myperson63_bacteria_306.png", "myperson63_bacteria_306"),
        ("person63_other_306.png", "person63_other_306"),
    ],
)
def test_patient_of_a_name(name: str, patient: str) -> None:
    assert patient_of(Path("train") / "PNEUMONIA" / name) == patient


patients = st.lists(st.tuples(st.integers(1, 8), st.sampled_from([(0,), (1,), (0, 1)])), min_size=20, max_size=60).map(
    lambda drawn: [(f"p{k}", films, labels) for k, (films, labels) in enumerate(drawn)]
)


@settings(max_examples=40, deadline=None)
@given(
    people=patients,
    val=st.floats(0.0, 0.4),
    test=st.floats(0.0, 0.4),
    seed=st.integers(0, 1000),
    order=st.randoms(use_true_random=False),
)
def test_split_by_patient_properties(
    people: list[tuple[str, int, tuple[int, ...]]], val: float, test: float, seed: int, order: object
) -> None:
    films = [_example(p, labels[k % len(labels)], film=k) for p, n, labels in people for k in range(n)]
    split = split_by_patient(films, val_fraction=val, test_fraction=test, seed=seed)
    assert [e.path for e in split] == [e.path for e in films]
    assert all(len(where) == 1 for where in _homes(split).values())
    shuffled = list(films)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    again = split_by_patient(shuffled, val_fraction=val, test_fraction=test, seed=seed)
    assert {e.path: e.split for e in again} == {e.path: e.split for e in split}
    sick = {p for p, n, labels in people if 1 in labels[:n]}
    for is_sick in (True, False):
        own = [e for e in split if (e.patient in sick) == is_sick]
        for name, share in (("val", val), ("test", test)):
            got = sum(e.split == name for e in own)
            one = len({e.patient for e in own if e.split == name}) == 1
            assert one or got <= share * len(own) + 4, "over its share by half of the largest patient at most"
            if share == 0:
                assert got == 0


def test_fractions_are_met_in_each_class_and_seeds_differ() -> None:
    films = [_example(f"w{k}", 0) for k in range(100)] + [_example(f"s{k}", 1) for k in range(300)]
    one = split_by_patient(films, val_fraction=0.1, test_fraction=0.15, seed=1)
    counts = {(s, y): sum((e.split, e.label) == (s, y) for e in one) for s in SPLITS for y in (0, 1)}
    assert counts == {
        ("train", 0): 75, ("train", 1): 225, ("val", 0): 10, ("val", 1): 30, ("test", 0): 15, ("test", 1): 45,
    }  # fmt: skip
    other = split_by_patient(films, val_fraction=0.1, test_fraction=0.15, seed=2)
    assert [e.split for e in one] != [e.split for e in other]


@pytest.mark.parametrize(
    ("patients", "splits"),
    [(1, ["train"]), (2, ["train", "val"]), (3, ["test", "train", "val"]), (4, ["test", "train", "train", "val"])],
)
def test_few_patients_are_spread_over_the_splits(patients: int, splits: list[str]) -> None:
    films = [_example(f"{label}-{k}", label) for k in range(patients) for label in (0, 1)]
    for seed in range(5):
        dealt = split_by_patient(films, val_fraction=0.1, test_fraction=0.15, seed=seed)
        for label in (0, 1):
            assert sorted(str(e.split) for e in dealt if e.label == label) == splits
    none = split_by_patient(films, val_fraction=0.1, test_fraction=0.0, seed=0)
    assert "test" not in {e.split for e in none}


@pytest.mark.parametrize(("val", "test"), [(-0.1, 0.1), (0.1, -0.1), (0.5, 0.5), (0.0, 1.0)])
def test_shares_that_leave_nothing_are_refused(val: float, test: float) -> None:
    with pytest.raises(DatasetError, match=rf"shares are {val} and {test}"):
        split_by_patient([_example("a", 0)], val_fraction=val, test_fraction=test, seed=0)


def test_a_patient_in_two_splits_is_named() -> None:
    both = [_example(f"{s}{y}", y, split=s) for s in SPLITS for y in (0, 1)]
    check_patients(both)
    torn = _example("train0", 0, split="val", film=1)
    for check in (check_patients, lambda e: complete_splits(e, val_fraction=0.1, test_fraction=0.1, seed=0)):
        with pytest.raises(DatasetError, match=r"1 patient.*train0 \(in train and val\).*--split patient"):
            check([*both, torn])


def test_a_split_without_a_class_is_named() -> None:
    both = [_example(f"{s}{y}", y, split=s) for s in SPLITS for y in (0, 1)]
    check_classes(both, needed=SPLITS)
    for gone in both:
        name = "pneumonia" if gone.label else "normal"
        rest = [e for e in both if e is not gone]
        few = rf"Only 2 {name} film\(s\) are there, but each of train, val, test needs one; add films or ask a friend"
        with pytest.raises(DatasetError, match=few):
            check_classes(rest, needed=SPLITS, advice="ask a friend")
        elsewhere = next(e.split for e in rest if e.label == gone.label)
        with pytest.raises(DatasetError, match=f"The {gone.split} split holds no {name} film"):
            check_classes([*rest, _example("another", gone.label, split=elsewhere)], needed=SPLITS)
        check_classes(rest, needed=[s for s in SPLITS if s != gone.split])


def test_folders_are_kept_as_they_are(tmp_path: Path) -> None:
    root = _folder(
        tmp_path,
        train=(WELL[:10], [*SICK[:10], "person1_virus_7.jpeg"]),
        val=(WELL[10:12], SICK[10:12]),
        test=(WELL[12:], SICK[12:]),
    )
    (root / "train" / "NORMAL" / ".DS_Store").write_bytes(b"x")
    (root / "train" / "NORMAL" / "._IM-0001-0001.jpeg").write_bytes(b"x")
    (root / "train" / "NORMAL" / "notes.txt").write_bytes(b"x")
    dataset = load(root)
    assert dataset.counts() == {
        "train": {"films": 21, "patients": 20, "normal": 10, "pneumonia": 11},
        "val": {"films": 4, "patients": 4, "normal": 2, "pneumonia": 2},
        "test": {"films": 16, "patients": 16, "normal": 8, "pneumonia": 8},
    }
    assert [e.path for e in dataset.examples] == sorted(e.path for e in dataset.examples)
    for e in dataset.examples:
        assert e.split == e.path.parts[-3]
        assert e.label == (e.path.parts[-2] == "PNEUMONIA")
    causes = {e.path.name: e.attributes.get("cause") for e in dataset.examples}
    assert causes["person1_virus_7.jpeg"] == "virus"
    assert causes["person1_bacteria_101.jpeg"] == "bacteria"
    assert causes[WELL[0]] is None


def test_absent_splits_are_made_of_train_by_patient(tmp_path: Path) -> None:
    twice = [name.replace("_bacteria_", "_virus_") for name in SICK]
    root = _folder(tmp_path / "a", train=(WELL, SICK + twice))
    dataset = load(root, val_fraction=0.2, test_fraction=0.3, seed=5)
    assert all(len(where) == 1 for where in _homes(dataset.examples).values())
    counts = dataset.counts()
    assert [counts[s]["normal"] for s in SPLITS] == [10, 4, 6]
    assert [counts[s]["pneumonia"] for s in SPLITS] == [20, 8, 12]

    kept = _folder(tmp_path / "b", train=(WELL[:16], SICK[:16]), test=(WELL[16:], SICK[16:]))
    dataset = load(kept, val_fraction=0.25, test_fraction=0.3, seed=5)
    assert {e.path.name for e in dataset.of("test")} == {*WELL[16:], *SICK[16:]}
    assert dataset.counts()["val"] == {"films": 8, "patients": 8, "normal": 4, "pneumonia": 4}


def test_split_by_patient_leaves_other_folders_alone(tmp_path: Path) -> None:
    root = _folder(tmp_path, train=(WELL, SICK), test=([], []))
    dataset = load(root, split="patient")
    assert len(dataset.examples) == 40
    assert {e.path.parts[-3] for e in dataset.examples} == {"train"}
    with pytest.raises(DatasetError, match="test/NORMAL holds no films"):
        load(root)


def test_a_patient_in_two_folders_is_refused(tmp_path: Path) -> None:
    root = _folder(
        tmp_path,
        train=(WELL[:5], SICK[:5]),
        val=(WELL[5:7], SICK[5:7]),
        test=(WELL[7:], [*SICK[7:], "person1_virus_1.jpeg"]),
    )
    with pytest.raises(DatasetError, match=r"person1 \(in test and train\)"):
        load(root)
    assert load(root, split="patient", val_fraction=0.2, test_fraction=0.2).counts()["train"]["films"] == 6


def test_empty_and_missing_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"There is no folder .*nowhere"):
        load(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match="holds no train/NORMAL folder"):
        load(tmp_path)
    (tmp_path / "train" / "NORMAL").mkdir(parents=True)
    with pytest.raises(DatasetError, match="holds no train/PNEUMONIA folder"):
        load(tmp_path)
    (tmp_path / "train" / "PNEUMONIA").mkdir()
    with pytest.raises(DatasetError, match="train/NORMAL holds no films"):
        load(tmp_path)


def test_the_nested_folder_of_the_archive_is_found(tmp_path: Path) -> None:
    _folder(tmp_path / "chest_xray" / "chest_xray", train=(WELL, SICK))
    nested = load(tmp_path / "chest_xray")
    plain = load(tmp_path / "chest_xray" / "chest_xray")
    assert nested.examples == plain.examples
    assert REGISTRY["chest_xray"].load is load


def test_the_fingerprint_sees_every_change(tmp_path: Path) -> None:
    root = _folder(tmp_path, train=(WELL, SICK))

    def prints(**options: int) -> str:
        return load(root, **options).fingerprint()  # type: ignore[arg-type]

    first = prints()
    assert first == prints()
    assert first != prints(seed=1), "another split"
    film = root / "train" / "NORMAL" / WELL[0]
    film.write_bytes(film.read_bytes() + b"x")
    resized = prints()
    film.rename(film.with_name("IM-0999-0001.jpeg"))
    renamed = prints()
    film.with_name("IM-0999-0001.jpeg").rename(root / "train" / "PNEUMONIA" / "IM-0999-0001.jpeg")
    relabeled = prints()
    (root / "train" / "PNEUMONIA" / "IM-0999-0001.jpeg").unlink()
    removed = prints()
    assert len({first, resized, renamed, relabeled, removed}) == 5


def test_the_fingerprint_sees_patients_and_splits_but_not_the_place(tmp_path: Path) -> None:
    def dataset(root: Path, *, patient: str = "a", split: str = "train") -> Dataset:
        root.mkdir(exist_ok=True)
        (root / "film.png").write_bytes(b"film")
        example = Example(path=root / "film.png", label=0, patient=patient, split=split)  # type: ignore[arg-type]
        return Dataset(name="", source="", licence="", citation="", population="", examples=(example,))

    here, there = tmp_path / "here" / "x", tmp_path / "there" / "x"
    for folder in (here, there):
        folder.parent.mkdir()
    prints = dataset(here).fingerprint()
    assert prints == dataset(there).fingerprint()
    assert prints != dataset(here, patient="b").fingerprint()
    assert prints != dataset(here, split="val").fingerprint()


def test_the_readme_shows_a_data_set_that_works(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    code = text.split("```python\n", maxsplit=1)[1].split("```", maxsplit=1)[0]
    assert len(code.splitlines()) <= 15
    names: dict[str, object] = {}
    exec(code, names)
    for k in range(40):
        film = tmp_path / ("sick" if k % 2 else "healthy") / f"{2 * (k // 4) + k % 2:04d}-{k}.png"
        film.parent.mkdir(exist_ok=True)
        film.write_bytes(b"film")
    kind = names["DATASET"]
    assert isinstance(kind, Kind)
    dataset = kind.load(tmp_path, split="official", val_fraction=0.2, test_fraction=0.2, seed=0)
    assert sum(split["films"] for split in dataset.counts().values()) == 40
    assert len({e.patient for e in dataset.examples}) == 20
    assert len(dataset.fingerprint()) == 64


def test_whatever_a_data_set_says_no_patient_is_trained_on_and_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    films = [_example(f"{s}{y}", y, split=s) for s in SPLITS for y in (0, 1)]
    torn = _example("train0", 0, split="test", film=1)

    def careless(folder: Path, **_: object) -> Dataset:
        return Dataset(
            name="mine", source="", licence="", citation="", population="", examples=(*films, *([torn] * tear))
        )

    monkeypatch.setitem(REGISTRY, "mine", Kind(name="mine", about="", load=careless))
    config = TrainingConfig(dataset="mine", data_dir="nowhere")
    tear = 0
    assert len(load_dataset(config).examples) == 6
    tear = 1
    with pytest.raises(DatasetError, match=r"1 patient.*train0 \(in test and train\)"):
        load_dataset(config)
