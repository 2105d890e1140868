"""The card: every number on it is what an independent measurement gives."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import accuracy_score, balanced_accuracy_score, roc_auc_score

from model.calibration import at_temperature, fit_temperature, log_odds_of
from model.card import main, make_card, update_readme
from model.card_text import card_page, card_summary
from model.checkpoint import Files, load_checkpoint, read_card, write_card, write_measured
from model.classifier import Classifier
from model.errors import CheckpointError, RunError
from model.images import read_radiograph
from model.metrics import expected_calibration_error
from model.planning import load_dataset, start_run
from model.predictor import Predictor
from model.runs import Run
from model.settings import TrainingConfig
from model.shipped import shipped_scores, uncalibrated
from model.smoke import SMOKE_SETTINGS, write_smoke_films
from model.strangers import drawings
from model.stress import CONDITIONS
from model.training import train


def test_numbers_are_those_of_the_predictor_on_the_files(made: tuple[Run, Path, dict[str, Any]]) -> None:
    run, out, card = made
    dataset = load_dataset(TrainingConfig.from_json(run.config))
    predictor = Predictor(Classifier.of(load_checkpoint(out)))
    test = dataset.of("test")
    probabilities = np.array([predictor.predict(read_radiograph(e.path)).probability for e in test])
    labels = np.array([e.label for e in test])
    trained = np.load(next((run.folder / "scores").glob(f"*/test-as_it_is-{len(test)}.npy")))
    stored = at_temperature(trained, card["temperature"])
    np.testing.assert_allclose(stored, probabilities, atol=0.02)
    numbers = card["test"]["numbers"]
    assert numbers["auroc"]["value"] == pytest.approx(roc_auc_score(labels, stored))
    assert numbers["accuracy"]["value"] == pytest.approx(accuracy_score(labels, stored >= card["threshold"]))
    assert card["test"]["films"] == len(test) == card["data"]["counts"]["test"]["films"]


def test_the_threshold_serves_the_validation_films_in_several_looks(made: tuple[Run, Path, dict[str, Any]]) -> None:
    run, _, card = made
    val = load_dataset(TrainingConfig.from_json(run.config)).of("val")
    labels = np.array([e.label for e in val])
    temperature = card["temperature"]
    found = [at_temperature(np.load(path), temperature) for path in (run.folder / "scores").glob("*/val-*.npy")]
    assert len(found) == 4

    def quality(threshold: float) -> float:
        return float(np.mean([balanced_accuracy_score(labels, scores >= threshold) for scores in found]))

    assert quality(card["threshold"]) == pytest.approx(max(quality(k / 100) for k in range(5, 96)))


def test_the_temperature_is_that_of_the_validation_films(made: tuple[Run, Path, dict[str, Any]]) -> None:
    run, out, card = made
    val = load_dataset(TrainingConfig.from_json(run.config)).of("val")
    labels = np.array([e.label for e in val])
    trained = np.load(next((run.folder / "scores").glob("*/val-as_it_is-*.npy")))
    assert card["temperature"] == pytest.approx(fit_temperature(labels, log_odds_of(trained)), abs=1e-4)
    plain, calibrated = (load_checkpoint(out, calibrated=c).model.get_layer("logits").weights for c in (False, True))
    for before, after in zip(plain, calibrated, strict=True):
        np.testing.assert_allclose(after.numpy() * card["temperature"], before.numpy(), rtol=1e-5, atol=1e-7)


def test_the_scores_of_both_splits_lie_beside_the_card(made: tuple[Run, Path, dict[str, Any]]) -> None:
    run, out, card = made
    dataset = load_dataset(TrainingConfig.from_json(run.config))
    for table, films in (
        (shipped_scores("val", out), dataset.of("val")),
        (shipped_scores("test", out), dataset.of("test")),
    ):
        assert table.ids.tolist() == [e.name for e in films]
        assert table.labels.tolist() == [e.label for e in films]
        assert "split" not in table.attributes
    assert roc_auc_score(table.labels, table.scores) == pytest.approx(card["test"]["numbers"]["auroc"]["value"])
    before = uncalibrated(shipped_scores("test", out), card["temperature"])
    error = expected_calibration_error(before.labels, before.scores)
    assert error == pytest.approx(card["calibration"]["before"], abs=1e-3)


def test_the_card_counts_who_is_refused(made: tuple[Run, Path, dict[str, Any]]) -> None:
    _, out, card = made
    assert load_checkpoint(out).novelty is not None
    names = {
        "test films as they are",
        "test films under stress",
        "test films, inverted",
        "test films, quarter left",
        "test films, half turn",
    }
    assert names < set(card["refusals"])
    for rate in card["refusals"].values():
        assert rate["share"] == rate["refused"] / rate["pictures"]


def test_pictures_of_other_kinds_are_counted_by_their_folders(
    made: tuple[Run, Path, dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out, card = made
    folder, others = tmp_path / "checkpoint", tmp_path / "others"
    shutil.copytree(out, folder)
    again = ["--again", "--data-dir", run.config["data_dir"], "--out", str(folder), "--others", str(others)]
    assert main(again) == 1
    assert "holds no folders" in capsys.readouterr().err
    for kind, count in (("hands", 3), ("maps of the moon", 2)):
        (others / kind / "more").mkdir(parents=True)
        for k, (_, picture) in enumerate(drawings(count, seed=7)):
            Image.fromarray(picture).save(others / kind / ("more" if k else ".") / f"{k}.png")
    assert main(again) == 0
    told = read_card(folder)["refusals"]
    assert {kind: told[kind]["pictures"] for kind in told.keys() - card["refusals"].keys()} == {
        "hands": 3,
        "maps of the moon": 2,
    }
    assert "| maps of the moon | 2 |" in (folder / "CARD.md").read_text(encoding="utf-8")
    (others / "hands" / "notes.txt").write_text("no picture", encoding="utf-8")
    assert main(again) == 1
    assert "notes.txt is no picture that can be counted" in capsys.readouterr().err
    assert read_card(folder)["refusals"] == told


def test_views_are_learned_from_and_kept_when_measured_again(
    made: tuple[Run, Path, dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out, card = made
    folder, views = tmp_path / "checkpoint", tmp_path / "views"
    shutil.copytree(out, folder)
    again = ["--again", "--data-dir", run.config["data_dir"], "--out", str(folder)]
    assert "views" not in card
    assert main([*again, "--views", str(views)]) == 1
    assert "holds 0 views of 0 people" in capsys.readouterr().err
    rng = np.random.default_rng(0)
    for person in ("a", "b", "c"):
        (views / person).mkdir(parents=True)
        for kind, tilt in (("frontal", 1.0), ("side", 0.2)):
            picture = np.linspace(0, tilt, 120)[:, None] * 200 + rng.integers(0, 40, (120, 120))
            Image.fromarray(picture.astype(np.uint8)).save(views / person / f"{kind}.png")
    (views / "about.txt").write_text("dolls\nOf nobody\nat all.\n", encoding="utf-8")
    assert main([*again, "--views", str(views)]) == 0
    found = read_card(folder)["views"]
    assert (found["chests"], found["other_parts"], found["about"]) == (3, 0, "Of nobody at all.")
    assert {name: rate["pictures"] for name, rate in found["rates"].items()} == {
        "frontal chests": 3,
        "chests from the side": 3,
    }
    page = (folder / "CARD.md").read_text(encoding="utf-8")
    assert "| chests from the side | 3 |" in page and "learned from dolls: 3 chests and" in page
    assert "Of nobody at all. Below" in page and "Of dolls, each judged by" in card_summary(read_card(folder))
    told = [f"{rate['refused']} of 3 {name}" for name, rate in found["rates"].items()]
    assert f"the person it shows, {told[0]} and {told[1]} were refused." in card_summary(read_card(folder))
    novelty = load_checkpoint(folder).novelty
    assert novelty is not None and novelty.boundary is not None
    assert main(again) == 0
    kept = load_checkpoint(folder).novelty
    assert kept is not None and kept.boundary is not None and read_card(folder)["views"] == found
    assert kept.boundary.weights == pytest.approx(novelty.boundary.weights)


def test_a_kill_between_the_files_leaves_a_checkpoint_that_loads(
    made: tuple[Run, Path, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, out, card = made
    folder = tmp_path / "checkpoint"
    shutil.copytree(out, folder)
    before = load_checkpoint(folder).novelty
    assert before is not None
    files = Files(scores="{}\n", novelty=replace(before, limit=2 * before.limit))

    def die(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("model.checkpoint.write_card", die)
        with pytest.raises(KeyboardInterrupt):
            write_measured(folder, card, files)
    kept = load_checkpoint(folder).novelty
    assert kept is not None and kept.limit == before.limit
    write_measured(folder, card, files)
    later = load_checkpoint(folder).novelty
    assert later is not None and later.limit == files.novelty.limit
    assert len(list(folder.glob("novelty*.npz"))) == 1


@pytest.mark.parametrize("content", [b"", b"xx\n", None])
def test_scores_that_were_cut_are_not_taken_for_all(
    made: tuple[Run, Path, dict[str, Any]], tmp_path: Path, content: bytes | None
) -> None:
    _, out, _ = made
    folder = tmp_path / "checkpoint"
    shutil.copytree(out, folder)
    path = folder / "scores.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-2]) if content is None else content)
    with pytest.raises(CheckpointError, match="not the file its card was made with"):
        shipped_scores("test", folder)


def test_a_checkpoint_is_measured_again_without_its_run(
    made: tuple[Run, Path, dict[str, Any]], tmp_path: Path
) -> None:
    run, out, card = made
    folder = tmp_path / "checkpoint"
    shutil.copytree(out, folder)
    forgotten = ("temperature", "threshold", "thresholds", "test", "stress", "refusals", "novelty")
    told = {key: value for key, value in card.items() if key not in forgotten} | {"threshold": 0.5}
    write_card(folder, told)
    data = run.config["data_dir"]
    assert main(["--again", "--data-dir", data, "--seed", "77", "--out", str(folder)]) == 1
    assert read_card(folder) == told, "other films than those on the card change nothing"
    assert main(["--again", "--data-dir", data, "--out", str(folder)]) == 0
    again = read_card(folder)
    assert {key: again[key] for key in forgotten} == {key: card[key] for key in forgotten}


def test_the_stress_table_has_every_condition(made: tuple[Run, Path, dict[str, Any]]) -> None:
    _, _, card = made
    assert [row["condition"] for row in card["stress"]] == list(CONDITIONS)
    assert card["stress"][0]["accuracy"] == card["test"]["numbers"]["accuracy"]["value"]
    assert card["stress_films"] == card["test"]["films"]


def test_the_written_card_is_the_returned_one(made: tuple[Run, Path, dict[str, Any]]) -> None:
    _, out, card = made
    assert read_card(out) == card
    assert load_checkpoint(out).threshold == card["threshold"]
    assert card["float16"]["largest_difference_in_probability"] <= 1e-3


def test_a_second_evaluation_takes_the_scores_from_disk(
    made: tuple[Run, Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run, _, card = made

    def no_network(*arguments: object, **more: object) -> object:
        def score(films: object, change: object, title: str) -> object:
            assert title in ("float32", "float16"), f"{title} was scored again"
            return np.zeros(3)

        return score

    monkeypatch.setattr("model.card.probabilities_of", no_network)
    monkeypatch.setattr("model.scoring.probabilities_of", no_network)
    again = make_card(run, tmp_path)
    assert again["test"] == card["test"]
    assert again["stress"] == card["stress"]


def test_the_page_shows_the_cards_numbers(made: tuple[Run, Path, dict[str, Any]]) -> None:
    _, out, card = made
    page = (out / "CARD.md").read_text(encoding="utf-8")
    assert page == card_page(card)
    for name, label in (("auroc", "AUROC"), ("accuracy", "Accuracy"), ("specificity", "Specificity")):
        assert f"| {label} | {card['test']['numbers'][name]['value']:.4f} |" in page
    for row in card["stress"]:
        assert f"| {row['condition']} | {row['auroc']:.4f} |" in page
    assert card["command"].startswith("python train.py --dataset chest_xray --data-dir DIR")
    assert "adults" in page


def test_the_command_on_the_card_makes_the_same_settings(made: tuple[Run, Path, dict[str, Any]]) -> None:
    import shlex

    from train import _config, _parser

    run, _, card = made
    words = shlex.split(card["command"])[2:]
    again = _config(_parser().parse_args(words))
    config = TrainingConfig.from_json(run.config)
    assert {**vars(again), "data_dir": ""} == {**vars(config), "data_dir": ""}


def test_the_readme_keeps_all_but_its_numbers(made: tuple[Run, Path, dict[str, Any]], tmp_path: Path) -> None:
    _, _, card = made
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- card:start -->\nold\n<!-- card:end -->\nafter\n", encoding="utf-8")
    for _ in range(2):
        update_readme(readme, card)
    text = readme.read_text(encoding="utf-8")
    assert text == f"before\n<!-- card:start -->\n{card_summary(card)}\n<!-- card:end -->\nafter\n"
    readme.write_text("no markers", encoding="utf-8")
    with pytest.raises(CheckpointError, match="card:start"):
        update_readme(readme, card)


def test_the_card_shows_the_look_that_was_held_out(made: tuple[Run, Path, dict[str, Any]], tmp_path: Path) -> None:
    write_smoke_films(tmp_path / "films", patients=30)
    for path in (tmp_path / "films").glob("train/*/*.png"):
        film = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        assert film is not None
        darker = 1 - 0.25 * (int(re.findall(r"\d+", path.name)[0]) % 3)
        cv2.imwrite(str(path), np.rint(film * darker).astype(np.uint8))
    settings = {**SMOKE_SETTINGS, "split": "look", "stages": ()}
    look = start_run(
        tmp_path / "run", TrainingConfig(dataset="chest_xray", data_dir=str(tmp_path / "films"), **settings)
    )
    assert train(look)
    run, _, plain = made
    card = make_card(run, tmp_path / "out", look_run=look.folder)
    assert card["test"] == plain["test"] and "look_split" not in plain
    shown = card["look_split"]
    counts = look.config["data"]["counts"]
    assert (shown["test"]["films"], shown["train"]) == (counts["test"]["films"], counts["train"]["films"])
    assert "--split look" in shown["command"]
    stored = np.load(next((look.folder / "scores").glob("*/test-as_it_is-*.npy")))
    labels = [e.label for e in load_dataset(TrainingConfig.from_json(look.config)).of("test")]
    assert shown["test"]["numbers"]["auroc"]["value"] == pytest.approx(roc_auc_score(labels, stored))
    page = card_page(card)
    assert "## On a look never seen" in page and shown["command"] in page
    assert "look never seen" not in card_page(plain)
    folder = tmp_path / "checkpoint"
    shutil.copytree(made[1], folder)
    again = ["--again", "--data-dir", run.config["data_dir"], "--out", str(folder)]
    assert main([*again, "--look-run", str(look.folder)]) == 0
    assert read_card(folder)["look_split"] == shown
    assert main(again) == 0
    assert read_card(folder)["look_split"] == shown, "measured again without one, the card keeps it"
    assert main([str(run.folder), "--out", str(folder), "--look-run", str(folder)]) == 0
    assert read_card(folder)["look_split"] == shown, "another network in its place repeats it where asked to"
    with pytest.raises(CheckpointError, match=r"tells of no run with --split look; give such a run\.$"):
        make_card(run, tmp_path / "other", look_run=made[1])
    with pytest.raises(RunError, match=r"was trained with --split patient; give a run with --split look\.$"):
        make_card(run, tmp_path / "other", look_run=run.folder)


def test_a_folder_that_is_no_run_gets_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err
    assert "is not a training run" in said
    assert said.count("\n") == 1


def test_the_card_says_whose_films_were_counted(made: tuple[Run, Path, dict[str, Any]]) -> None:
    _, _, card = made
    count = card["test"]["patients"]
    assert f" films of {count} children that were never trained on" in card_summary(card)
    drawn = {**card, "data": {**card["data"], "people": "synthetic chests"}}
    assert f"{count} synthetic chests that" in card_summary(drawn) and "children" not in card_summary(drawn)
    before = {**card, "data": {k: v for k, v in card["data"].items() if k != "people"}}
    assert f"{count} patients that" in card_summary(before)


def test_the_readme_shows_the_shipped_card() -> None:
    root = Path(__file__).resolve().parents[2]
    text = (root / "README.md").read_text(encoding="utf-8")
    assert card_summary(read_card()) in text, "run make card"
    assert (root / "model" / "pretrained" / "CARD.md").read_text(encoding="utf-8") == card_page(read_card())
