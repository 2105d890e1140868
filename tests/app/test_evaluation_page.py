"""The evaluation page: every number on it against the scores, and against tables that are hard to read."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as oracle
from streamlit.testing.v1 import AppTest

from model.bootstrap import Interval
from model.checkpoint import read_card
from model.runs import Run
from model.scores import ScoreTable
from model.shipped import shipped_scores
from tests.app.reading import EVALUATION, no_trouble, open_page, words
from ui.plot_frame import as_csv
from ui.town import PEOPLE, people, town_html


@pytest.fixture(scope="module")
def shipped() -> ScoreTable:
    return shipped_scores("test")


def matrix(page: AppTest) -> dict[str, int]:
    found = {}
    for button in page.button:
        if str(button.key).startswith("matrix-"):
            number = re.match(r"\*\*([\d,]+)\*\*", button.label)
            assert number is not None
            found[str(button.key).removeprefix("matrix-")] = int(number[1].replace(",", ""))
    return found


def counted(table: ScoreTable, threshold: float) -> dict[str, int]:
    called = (table.scores >= threshold).astype(int)
    tn, fp, fn, tp = oracle.confusion_matrix(table.labels, called, labels=[0, 1]).ravel().tolist()
    return {"tn": tn, "fp": fp, "fn": fn, "tp": tp}


def slider(page: AppTest, key: str) -> Any:
    return next(one for one in page.slider if one.key == f"choose-{key}")


def chart(page: AppTest, number: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(page.get("plotly_chart")[number].proto.spec)
    return found


def upload(page: AppTest, content: str | bytes, name: str = "mine.csv") -> AppTest:
    raw = content.encode() if isinstance(content, str) else content
    page.file_uploader[0].set_value([(name, raw, "text/csv")])
    return page.run()


def table_of(count: int, *, seed: int = 0) -> str:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, count)
    scores = np.clip(0.3 * labels + 0.7 * rng.random(count), 0, 1)
    rows = [
        f"f{k},{y},{s:.5f},p{k // 2},{'AP' if k % 3 else 'PA'}"
        for k, (y, s) in enumerate(zip(labels, scores, strict=True))
    ]
    return "id,label,score,patient,view\n" + "\n".join(rows)


def test_it_opens_full_on_a_clean_machine(shipped: ScoreTable) -> None:
    page = open_page(EVALUATION)
    no_trouble(page)
    assert matrix(page) == counted(shipped, read_card()["threshold"])
    said = words(page)
    assert f"{oracle.roc_auc_score(shipped.labels, shipped.scores):.4f}" in said
    assert f"{oracle.average_precision_score(shipped.labels, shipped.scores):.4f}" in said
    assert len(page.get("plotly_chart")) == 5, "ROC, precision-recall, calibration, subgroups, history"
    assert said.count("Easily misread.") == 9
    sick = int(shipped.labels.sum())
    assert f"779 films of 445 patients: {779 - sick} normal, {sick} with pneumonia. None of them" in said


def test_numbers_and_intervals_are_those_on_the_card() -> None:
    said = words(open_page(EVALUATION))
    for name in ("sensitivity", "specificity", "precision", "accuracy", "balanced_accuracy", "f1", "mcc"):
        number = read_card()["test"]["numbers"][name]
        assert f"<strong>{number['value']:.3f}</strong> <small>{number['low']:.3f} to {number['high']:.3f}" in said, (
            name
        )


def test_the_slider_moves_matrix_dots_and_address(shipped: ScoreTable) -> None:
    page = open_page(EVALUATION)
    slider(page, "threshold").set_value(0.8).run()
    no_trouble(page)
    cells = counted(shipped, 0.8)
    assert matrix(page) == cells
    assert page.query_params["threshold"] == "0.80"
    sensitivity = cells["tp"] / (cells["tp"] + cells["fn"])
    dot = next(one for one in chart(page, 0)["data"] if one.get("name") == "current threshold")
    assert dot["y"] == [pytest.approx(sensitivity)]
    assert dot["x"] == [pytest.approx(cells["fp"] / (cells["fp"] + cells["tn"]))]
    dot = next(one for one in chart(page, 1)["data"] if one.get("name") == "current threshold")
    assert dot["y"] == [pytest.approx(cells["tp"] / (cells["tp"] + cells["fp"]))]


def test_an_aim_sets_the_threshold_that_validation_films_chose(shipped: ScoreTable) -> None:
    page = open_page(EVALUATION)
    aims = [button for button in page.button if str(button.key).startswith("offer-aim")]
    card = read_card()
    chosen = {name: card["thresholds"][name]["threshold"] for name in ("youden", "sensitivity 95 %")}
    assert [button.label for button in aims] == [
        f"The app's · {card['threshold']:.2f}",
        f"Youden · {chosen['youden']:.2f}",
        f"Find 95 % · {chosen['sensitivity 95 %']:.2f}",
    ]
    aims[2].click().run()
    assert slider(page, "threshold").value == read_card()["thresholds"]["sensitivity 95 %"]["threshold"]
    val = shipped_scores("val")
    at = read_card()["thresholds"]["sensitivity 95 %"]["threshold"]
    reach = [(val.scores[val.labels == 1] >= t).mean() >= 0.95 for t in (at, at + 0.01)]
    assert reach == [True, False]


def test_a_cell_shows_its_films_the_most_wrong_first(shipped: ScoreTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PNEUMOSCOPE_DATA", raising=False)
    page = open_page(EVALUATION)
    next(button for button in page.button if button.key == "matrix-fp").click().run()
    no_trouble(page)
    assert page.query_params["films"] == "fp"
    frame = page.dataframe[0].value
    wrong = (shipped.labels == 0) & (shipped.scores >= read_card()["threshold"])
    order = np.argsort(-shipped.scores[wrong], kind="stable")
    assert list(frame["Film"]) == shipped.ids[wrong][order].tolist()
    assert "PNEUMOSCOPE_DATA" in words(page)
    next(button for button in page.button if button.key == "matrix-fp").click().run()
    assert "films" not in page.query_params and not page.dataframe


def test_films_at_hand_are_a_click_from_their_heatmaps(
    shipped: ScoreTable, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    missed = shipped.ids[(shipped.labels == 1) & (shipped.scores < read_card()["threshold"])].tolist()
    (tmp_path / "chest_xray" / "train" / "PNEUMONIA").mkdir(parents=True)
    import cv2

    pixels = np.random.default_rng(0).integers(0, 255, (90, 100), dtype=np.uint8)
    for name in missed[:2]:
        cv2.imwrite(str(tmp_path / "chest_xray" / "train" / name), pixels)
    monkeypatch.setenv("PNEUMOSCOPE_DATA", str(tmp_path))
    page = open_page(EVALUATION, films="fn")
    no_trouble(page)
    looks = [button for button in page.button if str(button.key).startswith("look-")]
    assert len(looks) == 2
    looks[0].click().run()
    no_trouble(page)
    assert page.session_state["pneumoscope"].chosen.name == looks[0].help
    assert "Where did the answer come from?" in words(page)


def test_the_prevalence_changes_what_a_result_means() -> None:
    page = open_page(EVALUATION, prevalence="2")
    numbers = read_card()["test"]["numbers"]
    sensitivity, specificity = numbers["sensitivity"]["value"], numbers["specificity"]["value"]
    share = sensitivity * 0.02 / (sensitivity * 0.02 + (1 - specificity) * 0.98)
    assert f"sick with a chance of {100 * share:.1f} %" in words(page)
    slider(page, "prevalence").set_value(30.0).run()
    share = sensitivity * 0.3 / (sensitivity * 0.3 + (1 - specificity) * 0.7)
    assert f"sick with a chance of {100 * share:.1f} %" in words(page)
    assert page.query_params["prevalence"] == "30"


@pytest.mark.parametrize(
    ("sensitivity", "specificity", "prevalence"),
    [(0.98, 0.965, 0.02), (0.5, 0.5, 0.5), (1, 1, 0.33), (0, 0, 0.999), (1 / 3, 1 / 7, 1 / 11)],
)
def test_a_town_has_a_thousand_whole_people(sensitivity: float, specificity: float, prevalence: float) -> None:
    found, missed, alarmed, cleared = people(sensitivity, specificity, prevalence)
    assert found + missed + alarmed + cleared == PEOPLE
    assert found == pytest.approx(1000 * sensitivity * prevalence, abs=1)
    assert alarmed == pytest.approx(1000 * (1 - specificity) * (1 - prevalence), abs=1)
    html = town_html((found, missed, alarmed, cleared))
    assert html.count('class="pn-person') == PEOPLE
    assert html.count("pn-person pn-alarm") == alarmed


@pytest.mark.parametrize(
    "query",
    [
        {"threshold": "abc"},
        {"threshold": "nan"},
        {"threshold": "7"},
        {"threshold": "-1", "films": "zz"},
        {"prevalence": "x", "measure": "y"},
        {"prevalence": "inf"},
    ],
)
def test_nonsense_in_the_address_is_no_trouble(query: dict[str, str]) -> None:
    page = open_page(EVALUATION, **query)
    no_trouble(page)
    assert slider(page, "threshold").value == read_card()["threshold"]
    assert slider(page, "prevalence").value == 10
    assert not {"threshold", "prevalence", "films", "measure"} & set(page.query_params)
    assert sum(matrix(page).values()) == 779


def test_anothers_scores_fill_the_whole_page() -> None:
    page = upload(open_page(EVALUATION), table_of(300))
    no_trouble(page)
    assert sum(matrix(page).values()) == 300
    said = words(page)
    assert "mine.csv" in said and "300 films of 150 patients" in said
    assert slider(page, "threshold").value == 0.5
    assert len(page.get("plotly_chart")) == 5
    rows = [row for one in chart(page, 3)["data"] for row in one["y"]]
    assert {row.split(" (")[0] for row in rows} == {"all films", "view: AP", "view: PA"}
    next(button for button in page.button if "own films" in button.label).click().run()
    assert sum(matrix(page).values()) == 779


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("a,b\n1,2\n", "mine.csv has no column label and no column score"),
        ("label,score\n1,NaN\n0,0.5\n", "which is no number"),
        ("label,score\n1,1.5\n0,0.5\n", "outside 0 to 1"),
        ("id,label,score\na,1,0.5\na,0,0.5\n", "more than once"),
        (b"\x89PNG\xff\xfe\xfa", "not text in UTF-8"),
    ],
)
def test_what_cannot_be_read_is_said_and_the_page_stays(content: str | bytes, sentence: str) -> None:
    page = upload(open_page(EVALUATION), content)
    no_trouble(page)
    assert sentence in words(page)
    assert sum(matrix(page).values()) == 779


def test_one_class_shows_what_it_allows() -> None:
    page = upload(open_page(EVALUATION), "label,score\n1,0.9\n1,0.4\n1,0.7\n")
    no_trouble(page)
    assert matrix(page) == {"tn": 0, "fp": 0, "fn": 1, "tp": 2}
    assert "All films in this table are pneumonia" in words(page)


def test_a_table_that_cannot_be_read_leaves_the_one_before() -> None:
    page = upload(open_page(EVALUATION), table_of(300))
    page = upload(page, "label,score\n1,2\n")
    assert "outside 0 to 1" in words(page)
    assert sum(matrix(page).values()) == 300


def test_another_table_begins_at_its_own_threshold() -> None:
    page = open_page(EVALUATION, threshold="0.90", films="fn")
    page = upload(page, table_of(300))
    assert slider(page, "threshold").value == 0.5
    assert "films" not in page.query_params
    said = words(page)
    assert "none is of a patient who was trained on" not in said
    assert "here the films are those of the table" in said


def test_subgroups_are_those_of_this_table() -> None:
    page = upload(open_page(EVALUATION), table_of(300))
    page = upload(page, table_of(300).replace("id,label,score,patient,view", "id,label,score,patient,region"))
    rows = [row for one in chart(page, 3)["data"] for row in one["y"]]
    assert {row.split(" (")[0] for row in rows} == {"all films", "region: AP", "region: PA"}


def test_three_rows_are_enough() -> None:
    page = upload(open_page(EVALUATION), "label,score,view\n1,0.9,PA\n0,0.4,PA\n1,0.3,AP\n")
    no_trouble(page)
    assert sum(matrix(page).values()) == 3
    assert "Fewer than 30 films of a class" in words(page)


def test_many_rows_stay_usable_without_intervals() -> None:
    page = upload(open_page(EVALUATION), table_of(6_000))
    no_trouble(page)
    assert sum(matrix(page).values()) == 6_000
    assert any(button.label == "Work out the 95 % intervals" for button in page.button)
    slider(page, "threshold").set_value(0.61).run()
    no_trouble(page)


def run_folder(folder: Path, name: str, epochs: int) -> Path:
    run = Run.create(folder / name, {})
    for epoch in range(1, epochs + 1):
        phase = 1 if epoch <= 2 else 2
        numbers = {"loss": 1 / epoch, "val_loss": 1.2 / epoch, "accuracy": 0.8, "val_accuracy": 0.7, "val_auroc": 0.9}
        run.log("epoch", phase=phase, epoch=epoch, size=128, best=epoch != epochs, **numbers)
    return folder / name


def test_runs_lie_over_each_other_with_their_marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_folder(tmp_path, "first", 4)
    log = run_folder(tmp_path, "second", 3) / "events.jsonl"
    log.write_text(log.read_text() + '{"event": "step", "phase": 2, "epo')
    monkeypatch.setenv("PNEUMOSCOPE_RUNS", str(tmp_path))
    page = open_page(EVALUATION)
    no_trouble(page)
    spec = chart(page, 4)
    by_name = {one.get("name"): one for one in spec["data"]}
    assert by_name["first, validation"]["y"] == [pytest.approx(1.2 / k) for k in (1, 2, 3, 4)]
    assert len(by_name["second, validation"]["x"]) == 3, "half a line is left out"
    assert by_name["first, kept"]["x"] == [3], "the best epoch"
    assert spec["layout"]["shapes"][0]["x0"] == 2.5, "between phase 1 and phase 2"
    assert "second is training" in words(page)


def test_a_run_folder_that_is_none_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_folder(tmp_path, "good", 2)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "config.json").write_text('{"half": ')
    monkeypatch.setenv("PNEUMOSCOPE_RUNS", str(tmp_path))
    page = open_page(EVALUATION)
    no_trouble(page)
    assert len(page.get("plotly_chart")) == 5


def test_numbers_leave_as_a_table_no_spreadsheet_runs() -> None:
    rows = list(csv.reader(io.StringIO(as_csv((("a", "b"), [("=1+1", 2.5), ("x", math.inf)])))))
    assert rows == [["a", "b"], ["'=1+1", "2.5"], ["x", "inf"]]


def test_the_towns_words_know_when_nobody_is_called_sick() -> None:
    from ui.town import _words

    nothing, sure = Interval(value=0.0, low=0.0, high=0.0), Interval(value=1.0, low=1.0, high=1.0)
    assert "Nobody is called sick" in _words(nothing, sure, 0.1, people(0, 1, 0.1))
