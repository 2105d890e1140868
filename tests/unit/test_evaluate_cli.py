"""``python -m model.evaluate``: its three files, its agreement with the app, and going on after a kill."""

from __future__ import annotations

import csv
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as oracle

from model.checkpoint import load_checkpoint, read_card, save_checkpoint, write_card
from model.classifier import Classifier
from model.datasets import REGISTRY
from model.evaluate import main
from model.images import read_radiograph
from model.measuring import measure
from model.planning import load_dataset, partition_of
from model.predictor import Predictor
from model.scores import read_scores
from model.scoring import Scorer, answers_of
from model.settings import TrainingConfig
from model.smoke import SMOKE_SETTINGS, write_smoke_films
from model.vgg16 import build_classifier

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
    found = measure(Scorer(place / "kept", model), dataset, place / "network", cache=None)
    card = {**read_card(place / "network"), **found, "partition": partition_of(config), "data": dataset.provenance()}
    write_card(place / "network", card)
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
    assert "people the network was trained on" in (tmp_path / "out" / "report.html").read_text()
    assert run(made, tmp_path / "all", "--resamples", "100", "--split", "all") == 0
    everything = json.loads((tmp_path / "all" / "report.json").read_text())
    assert everything["data"]["trained_on"] == report["films"] < everything["films"]


def test_a_stopped_command_goes_on(made: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(made, tmp_path / "whole", "--resamples", "100", "--split", "all") == 0
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

    monkeypatch.setattr("model.scoring.answers_of", stopping)
    assert run(made, tmp_path / "out", "--resamples", "100", "--split", "all") == 130
    partial = tmp_path / "out" / "scores.partial.jsonl"
    assert len(partial.read_text().splitlines()) == 1 + 16
    with partial.open("a") as stream:
        stream.write('[0.5, ""]\n[0.25')
    assert not (tmp_path / "out" / "report.json").exists()
    # The line that was added shows that what is there is taken as it is.
    monkeypatch.setattr("model.scoring.answers_of", answers_of)
    assert run(made, tmp_path / "out", "--resamples", "100", "--split", "all") == 0
    first, second = (
        [json.loads(line)["score"] for line in (tmp_path / name / "scores.jsonl").read_text().splitlines()]
        for name in ("whole", "out")
    )
    assert second[:16] == first[:16] and second[16] == 0.5 and second[17:] == first[17:]
    assert not partial.exists()


def test_other_films_do_not_go_on_from_there(made: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "scores.partial.jsonl").write_text('{"key": "of something else"}\n[0.5, ""]\n')
    assert run(made, tmp_path / "out", "--resamples", "100") == 0
    scores = [json.loads(line)["score"] for line in (tmp_path / "out" / "scores.jsonl").read_text().splitlines()]
    assert 0.5 not in scores


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
