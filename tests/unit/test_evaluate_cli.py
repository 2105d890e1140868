"""``python -m model.evaluate``: its three files, its agreement with the app, and going on after a kill."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from sklearn import metrics as oracle

from model.checkpoint import load_checkpoint, read_card, save_checkpoint, write_card, write_measured
from model.classifier import Classifier
from model.datasets import REGISTRY
from model.evaluate import main
from model.evaluation import without_nan
from model.images import read_radiograph
from model.measuring import measure
from model.planning import load_dataset, partition_of
from model.predictor import Predictor
from model.score_log import FILE as PARTIAL
from model.scores import read_scores
from model.scoring import Scorer, answers_of
from model.settings import TrainingConfig
from model.smoke import SMOKE_SETTINGS, write_smoke_films
from model.vgg16 import build_classifier
from tests.app_server import ROOT

ARCHITECTURE = {"head": "average", "width": 8, "dropout": 0.5, "base_width": 1 / 16}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A small network with a whole card, and the films it counts as its own."""
    place = tmp_path_factory.mktemp("evaluate")
    write_smoke_films(place / "films", patients=15)
    config = TrainingConfig(dataset="chest_xray", data_dir=str(place / "films"), **SMOKE_SETTINGS)
    model = build_classifier(**ARCHITECTURE, seed=3)  # type: ignore[arg-type]
    save_checkpoint(model, place / "network", architecture=ARCHITECTURE, threshold=0.5)
    dataset = load_dataset(config)
    found, files = measure(Scorer(place / "kept", model), dataset, cache=None)
    card = {**read_card(place / "network"), **found, "partition": partition_of(config), "data": dataset.provenance()}
    write_measured(place / "network", without_nan(card), files)
    return place / "films", place / "network"


def run(made: tuple[Path, Path], out: Path, *more: str) -> int:
    films, network = made
    return main(
        ["--dataset", "chest_xray", "--data-dir", str(films), "--checkpoint", str(network), "--out", str(out), *more]
    )


class Outside(HTMLParser):
    """Collects whatever a page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note addresses that lead out of the page."""
        for name, value in attrs:
            if name in ("src", "href", "xlink:href") and value and not value.startswith(("#", "data:")):
                self.found.append(f"{tag} {value}")
        assert tag != "script"


def test_scores_report_and_page(made: tuple[Path, Path], tmp_path: Path) -> None:
    assert run(made, tmp_path / "out", "--resamples", "200") == 0
    report: dict[str, Any] = json.loads((tmp_path / "out" / "report.json").read_text())
    lines = [json.loads(line) for line in (tmp_path / "out" / "scores.jsonl").read_text().splitlines()]
    labels, scores = (np.array([line[key] for line in lines]) for key in ("label", "score"))
    card = read_card(made[1])
    assert report["films"] == len(lines) == card["test"]["films"]
    numbers = report["numbers"]
    assert numbers["auroc"]["value"] == pytest.approx(oracle.roc_auc_score(labels, scores))
    assert numbers["accuracy"]["value"] == pytest.approx(np.mean((scores >= card["threshold"]) == labels))
    assert numbers["auroc"]["value"] == pytest.approx(card["test"]["numbers"]["auroc"]["value"], abs=1e-6)
    assert report["threshold"] == card["threshold"]
    assert {aim: e["threshold"] for aim, e in report["aims"].items()} == {
        aim: e["threshold"] for aim, e in card["thresholds"].items()
    }
    assert report["data"]["trained_on"] == 0
    page = (tmp_path / "out" / "report.html").read_text()
    reader = Outside()
    reader.feed(page)
    assert reader.found == []
    assert f"{numbers['auroc']['value']:.4f}" in page
    assert page.count("<svg") >= 3 and "A common misreading" in page
    assert read_scores((tmp_path / "out" / "scores.jsonl").read_bytes()).labels.tolist() == labels.tolist()


def test_scores_are_those_of_the_app(made: tuple[Path, Path], tmp_path: Path) -> None:
    films, network = made
    assert run(made, tmp_path / "out", "--resamples", "100") == 0
    predictor = Predictor(Classifier.of(load_checkpoint(network)))
    for line in (tmp_path / "out" / "scores.jsonl").read_text().splitlines()[:4]:
        told = json.loads(line)
        prediction = predictor.predict(read_radiograph(films / "train" / told["id"]))
        assert told["score"] == pytest.approx(prediction.probability, abs=0.02)


def test_films_that_were_trained_on_are_counted(
    made: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(made, tmp_path / "out", "--resamples", "100", "--split", "train") == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["data"]["trained_on"] == report["films"] > 0
    assert "WARNING" in capsys.readouterr().out
    assert "of people the network was trained on" in (tmp_path / "out" / "report.html").read_text()
    assert run(made, tmp_path / "all", "--resamples", "100", "--split", "all") == 0
    everything = json.loads((tmp_path / "all" / "report.json").read_text())
    assert everything["data"]["trained_on"] == report["films"] < everything["films"]


def stopped(made: tuple[Path, Path], out: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stop an evaluation of all films after sixteen, and return the lines it left."""
    monkeypatch.setattr("model.evaluate._AT_ONCE", 8)
    seen: list[int] = []

    def stopping(model: Any) -> Any:
        read = answers_of(model)

        def limited(films: Any) -> Any:
            seen.append(len(films))
            if len(seen) == 3:
                raise KeyboardInterrupt
            return read(films)

        return limited

    with monkeypatch.context() as patch:
        patch.setattr("model.scoring.answers_of", stopping)
        assert run(made, out, "--resamples", "100", "--split", "all") == 130
    assert not (out / "report.json").exists()
    return (out / PARTIAL).read_text().splitlines()


def scores_in(folder: Path) -> list[float]:
    return [json.loads(line)["score"] for line in (folder / "scores.jsonl").read_text().splitlines()]


def test_a_stopped_command_goes_on(made: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(made, tmp_path / "whole", "--resamples", "100", "--split", "all") == 0
    lines = stopped(made, tmp_path / "out", monkeypatch)
    assert len(lines) == 1 + 16
    # A line that no network would have made shows that what is there is taken as it is; half a line is not.
    (tmp_path / "out" / PARTIAL).write_text("\n".join([*lines, '[16, 0.515625, ""]', "[17, 0.2"]))
    assert run(made, tmp_path / "out", "--resamples", "100", "--split", "all") == 0
    first, second = scores_in(tmp_path / "whole"), scores_in(tmp_path / "out")
    assert second[:16] == first[:16] and second[16] == 0.515625 and second[17:] == first[17:]
    assert not (tmp_path / "out" / PARTIAL).exists()


@pytest.mark.parametrize(
    "odd",
    [
        "{}",
        "[1, 2, 3]",
        "null",
        "[" * 100_000,
        '[15, 0.5, ""]',
        '[16, 2.5, ""]',
        '[16, NaN, ""]',
        "\x00\x00",
        "\udcff",
    ],
)
def test_odd_lines_end_what_is_gone_on_with(
    made: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, odd: str
) -> None:
    assert run(made, tmp_path / "whole", "--resamples", "100", "--split", "all") == 0
    lines = stopped(made, tmp_path / "out", monkeypatch)
    text = "\n".join([*lines, odd, *(f'[{k}, 0.5, ""]' for k in range(17, 500))]) + "\n"
    (tmp_path / "out" / PARTIAL).write_bytes(text.encode("utf-8", "surrogateescape"))
    assert run(made, tmp_path / "out", "--resamples", "100", "--split", "all") == 0
    assert scores_in(tmp_path / "out") == scores_in(tmp_path / "whole")


def test_two_commands_do_not_write_into_one_folder(
    made: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    holder = (
        "import sys, time; from pathlib import Path; from model.score_log import alone\n"
        "with alone(Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)\n"
    )
    command = [sys.executable, "-c", holder, str(tmp_path / "out")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        assert run(made, tmp_path / "out") == 1
        assert "Another evaluation is writing into" in capsys.readouterr().err
        other.kill()
    assert run(made, tmp_path / "out", "--resamples", "100") == 0


def test_another_network_does_not_go_on_from_there(
    made: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    films, network = made
    lines = stopped(made, tmp_path / "out", monkeypatch)
    (tmp_path / "out" / PARTIAL).write_text("\n".join([*lines, '[16, 0.515625, ""]']) + "\n")
    other = tmp_path / "network"
    shutil.copytree(network, other)
    write_card(other, {**read_card(other), "novelty": None})
    assert run((films, other), tmp_path / "out", "--resamples", "100", "--split", "all") == 0
    assert 0.515625 not in scores_in(tmp_path / "out")


def test_what_cannot_be_known_is_not_claimed(
    made: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    films, network = made
    part = tmp_path / "part"
    shutil.copytree(films, part)
    next((part / "train" / "NORMAL").iterdir()).unlink()
    assert run((part, network), tmp_path / "out", "--resamples", "100", "--split", "all") == 0
    page = (tmp_path / "out" / "report.html").read_text()
    assert "is not known" in page and "none is of a patient who was trained on" not in page
    assert "is not known" in capsys.readouterr().out
    assert run(made, tmp_path / "own", "--resamples", "100") == 0
    page = (tmp_path / "own" / "report.html").read_text()
    assert "is not known" not in page and "none is of a patient who was trained on" in page


def test_films_that_chose_the_threshold_are_said(made: tuple[Path, Path], tmp_path: Path) -> None:
    assert run(made, tmp_path / "out", "--resamples", "100", "--split", "val") == 0
    data = json.loads((tmp_path / "out" / "report.json").read_text())["data"]
    assert data["trained_on"] == 0 and data["used_for_choices"] > 0
    page = (tmp_path / "out" / "report.html").read_text()
    assert "chose the threshold and the temperature" in page
    assert "none is of a patient who was trained on" not in page


def listed(tmp_path: Path, *rows: str, header: str = "path,label") -> Path:
    (tmp_path / "mine.csv").write_text("\n".join([header, *rows]) + "\n")
    return tmp_path / "mine.csv"


def own(made: tuple[Path, Path], table: Path, out: Path) -> dict[str, Any]:
    arguments = ["--dataset", "csv", "--data-dir", str(table), "--split", "all", "--resamples", "100"]
    assert main([*arguments, "--checkpoint", str(made[1]), "--out", str(out)]) == 0
    found: dict[str, Any] = json.loads((out / "report.json").read_text())
    return found


def test_plain_facts_count_as_refusals(made: tuple[Path, Path], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pictures = {
        "red.png": np.dstack(
            [rng.integers(0, 60, (200, 200)), rng.integers(0, 60, (200, 200)), np.full((200, 200), 250)]
        ),
        "small.png": rng.integers(0, 255, (60, 60)),
        "strip.png": rng.integers(0, 255, (100, 400)),
    }
    for name, pixels in pictures.items():
        cv2.imwrite(str(tmp_path / name), pixels.astype(np.uint8))
    report = own(made, listed(tmp_path, *(f"{name},1" for name in pictures)), tmp_path / "out")
    assert {"color": 1, "small": 1, "narrow": 1}.items() <= report["refused"]["why"].items()
    assert report["refused"]["films"] == 3 and not report["subgroups"]


def test_films_of_one_name_are_told_apart_and_places_are_kept(made: tuple[Path, Path], tmp_path: Path) -> None:
    films = sorted((made[0] / "train").glob("*/*.png"))[:6]
    rows = []
    for k, film in enumerate(films):
        place = tmp_path / f"patient{k}" / "study1"
        place.mkdir(parents=True)
        shutil.copy(film, place / "view1.png")
        rows.append(f"patient{k}/study1/view1.png,{k % 2},comment {k},9")
    report = own(made, listed(tmp_path, *rows, header="path,label,comment,score"), tmp_path / "out")
    written = (tmp_path / "out" / "scores.jsonl").read_bytes()
    table = read_scores(written)
    assert table.ids.tolist() == [f"patient{k}/study1/view1.png" for k in range(6)]
    assert str(tmp_path).encode() not in written
    assert max(table.scores) <= 1, "the column of the list does not take the place of the network's"
    assert "every film counts as a patient" in (tmp_path / "out" / "report.html").read_text().lower()
    assert report["films"] == 6


def test_many_different_words_are_no_subgroups(made: tuple[Path, Path], tmp_path: Path) -> None:
    films = sorted((made[0] / "train").glob("*/*.png"))[:26]
    rows = [f"{film},{k % 2},AP $\\x${k % 2},word {k}" for k, film in enumerate(films)]
    report = own(made, listed(tmp_path, *rows, header="path,label,view,comment"), tmp_path / "out")
    assert {part["value"] for part in report["subgroups"]} == {"AP $\\x$0", "AP $\\x$1"}


@pytest.mark.parametrize(
    "change", [{"architecture": {"head": "average", "wings": 2}}, {"thresholds": {"youden": 0.3}}]
)
def test_damaged_cards_get_one_sentence(
    made: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, Any]
) -> None:
    films, network = made
    other = tmp_path / "network"
    shutil.copytree(network, other)
    write_card(other, {**read_card(other), **change})
    assert run((films, other), tmp_path / "out") == 1
    assert capsys.readouterr().err.strip().splitlines()[-1].startswith("model.evaluate: The card in")


def test_a_name_that_is_no_text(made: tuple[Path, Path], tmp_path: Path) -> None:
    films = tmp_path / "films"
    shutil.copytree(made[0], films)
    source = next((films / "train" / "NORMAL").iterdir())
    source.rename(source.with_name(os.fsdecode(b"IM-9999-\xff.png")))
    assert run((films, made[1]), tmp_path / "out", "--resamples", "100", "--split", "all") == 0
    assert len(read_scores((tmp_path / "out" / "scores.jsonl").read_bytes())) == 30


def test_films_of_your_own(made: tuple[Path, Path], tmp_path: Path) -> None:
    films, network = made
    examples = REGISTRY["chest_xray"].load(films, split="patient").examples[:12]
    with (tmp_path / "mine.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["path", "label", "patient", "sex"])
        writer.writerows([e.path, e.label, e.patient, "F" if k % 2 else "M"] for k, e in enumerate(examples))
    arguments = ["--dataset", "csv", "--data-dir", str(tmp_path / "mine.csv"), "--split", "all"]
    assert main([*arguments, "--checkpoint", str(network), "--out", str(tmp_path / "out"), "--resamples", "100"]) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert {(part["attribute"], part["value"], part["films"]) for part in report["subgroups"]} == {
        ("sex", "F", 6),
        ("sex", "M", 6),
    }
    assert all(part["few"] for part in report["subgroups"])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (["--data-dir", "/nowhere"], "nowhere"),
        (["--checkpoint", "/nowhere"], "card.json is missing"),
        (["--out", "/dev/null/out"], "cannot be written"),
        (["--dataset", "chest_xray", "--negatives", "all"], "has no option --negatives"),
    ],
)
def test_what_cannot_be_done_gets_one_sentence(
    made: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], change: list[str], sentence: str
) -> None:
    assert run(made, tmp_path / "out", *change) == 1
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("model.evaluate: ") and sentence in said


def test_too_few_resamples_are_refused(made: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        run(made, tmp_path / "out", "--resamples", "3")


def test_names_are_escaped_on_the_page(made: tuple[Path, Path], tmp_path: Path) -> None:
    films, network = made
    example = REGISTRY["chest_xray"].load(films, split="patient").examples
    rows = [f"{e.path},{e.label},<b>p{k}</b>,{'<i>' if k % 2 else 'x'}" for k, e in enumerate(example[::9])]
    (tmp_path / "mine.csv").write_text("path,label,patient,sex\n" + "\n".join(rows) + "\n")
    arguments = ["--dataset", "csv", "--data-dir", str(tmp_path / "mine.csv"), "--split", "all"]
    assert main([*arguments, "--checkpoint", str(network), "--out", str(tmp_path / "out"), "--resamples", "100"]) == 0
    page = (tmp_path / "out" / "report.html").read_text()
    assert "sex: &lt;i&gt;" in page and not re.search(r"<i>", page)
