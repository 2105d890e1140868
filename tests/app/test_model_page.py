"""The model card's page, for cards of any shape and for none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.app.reading import THE_MODEL, no_trouble, open_home, words
from tests.stand_in import StandInPredictor
from ui.card import Estimate, estimate, label, read_card, section_html, text
from ui.model_page import sections

pytestmark = pytest.mark.usefixtures("samples")

CARD: dict[str, Any] = {
    "name": "Pneumoscope <VGG16>",
    "command": "python train.py --data-dir <DIR>\npython train.py --resume RUN",
    "data": {"films": 5190, "license": "CC BY 4.0"},
    "stress": [{"change": "blur", "accuracy": 0.961}, {"change": "gamma 0.7", "accuracy": 0.955}],
    "test": {
        "films": 780,
        "auroc": {"value": 0.9981, "low": 0.9962, "high": 0.9993},
        "accuracy": {"value": 0.982, "ci95": [0.971, 0.99]},
    },
    "look_split": {"command": "python train.py --split look", "train": 3332},
    "not_for": ["adults", "any clinical use"],
}


def open_model(monkeypatch: pytest.MonkeyPatch, card: Path) -> Any:
    monkeypatch.setattr("ui.model_page.read_card", lambda: read_card(card))
    page = open_home()
    page.switch_page(THE_MODEL).run()
    no_trouble(page)
    return page


def test_card_is_shown_with_intervals_limits_first_and_nothing_lost(
    network: StandInPredictor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "card.json"
    path.write_text(json.dumps(CARD), encoding="utf-8")
    said = words(open_model(monkeypatch, path))
    assert "<strong>0.998</strong> <small>0.996 to 0.999</small>" in said
    assert "0.971 to 0.990" in said
    assert "<td>blur</td><td>0.961</td>" in said
    assert "5,190" in said
    assert "<code>python train.py --data-dir &lt;DIR&gt;<br>python train.py --resume RUN</code>" in said
    assert "Pneumoscope &lt;VGG16&gt;" in said and "<VGG16>" not in said
    assert said.index("any clinical use") < said.index("0.998") < said.index("gamma 0.7") < said.index("5,190")
    other = said.index("kept away from another network")
    assert said.index("Another network, on a look it never saw") < other < said.index("3,332")
    assert "not for clinical use" in said
    assert network.calls == []


@pytest.mark.parametrize("content", [None, "{not json", "[1, 2]", "\udcff"])
def test_missing_or_broken_card_is_one_sentence(
    network: StandInPredictor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "card.json"
    if content is not None:
        path.write_bytes(content.encode("utf-8", "surrogateescape"))
    said = words(open_model(monkeypatch, path))
    assert "The model card is not here yet" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    "written",
    [
        {"value": 0.9, "low": 0.8, "high": 0.95},
        {"value": 0.9, "lower": 0.8, "upper": 0.95},
        {"estimate": 0.9, "interval": [0.8, 0.95]},
        {"value": 0.9, "ci_95": {"low": 0.8, "high": 0.95}},
    ],
)
def test_estimates_are_known_however_they_are_written(written: dict[str, Any]) -> None:
    assert estimate(written) == Estimate(value=0.9, low=0.8, high=0.95)


@pytest.mark.parametrize("written", [{"value": 0.9}, {"low": 0.1, "high": 0.2}, 0.9, {"value": True, "ci": [0, 1]}])
def test_other_things_are_no_estimates(written: Any) -> None:
    assert estimate(written) is None


def test_labels_and_values_read_well() -> None:
    assert label("split_sizes") == "Split sizes"
    assert label("auroc") == "AUROC"
    assert [text(value) for value in (5190, 0.98765, True, None, "x")] == [
        "5,190",
        "0.988",
        "yes",
        "not known",
        "x",
    ]


def test_tables_of_tables_become_one_table() -> None:
    drawn = section_html({"blur": {"accuracy": 0.96, "auroc": 0.99}, "gamma": {"accuracy": 0.95}})
    assert drawn.count("<table") == 1
    assert "<td>Blur</td><td>0.960</td><td>0.990</td>" in drawn


def test_a_sentence_in_a_table_keeps_room_on_a_phone() -> None:
    drawn = section_html({"first": {"at": 0.5, "rule": "the highest accuracy there is"}, "second": {"at": 0.2}})
    assert '<td>0.500</td><td class="pn-words">the highest accuracy there is</td>' in drawn
    assert drawn.count("pn-words") == 1


def test_sections_keep_unknown_parts() -> None:
    assert [key for key, _ in sections({"zebra": {"a": 1}, "test": {"a": 1}, "limits": ["x"]})] == [
        "limits",
        "test",
        "zebra",
    ]
