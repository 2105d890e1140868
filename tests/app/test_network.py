"""The queue in front of the network: order, places, shared answers, failures."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event
from typing import Any, cast

import numpy as np
import pytest

from model.errors import CheckpointError
from model.images import Radiograph
from tests.app.reading import open_home, words
from tests.stand_in import StandInPredictor
from ui.network import Desk


def film(number: int) -> Radiograph:
    return Radiograph(
        pixels=np.full((40, 40), number / 10, dtype=np.float32),
        original_size=(40, 40),
        format="PNG",
        sha256=f"{number:064x}",
    )


def desk_over(stand_in: StandInPredictor) -> Desk:
    return Desk(cast(Callable[[], Any], lambda: stand_in))


def test_places_in_the_queue_are_counted_and_melt_away() -> None:
    gate, stand_in = Event(), StandInPredictor()
    stand_in.before = lambda: cast(None, gate.wait(10))
    desk = desk_over(stand_in)
    tickets = [desk.ask("explain", film(number)) for number in range(3)]
    assert [ticket.ahead for ticket in tickets] == [0, 1, 2]
    gate.set()
    for ticket in tickets:
        ticket.answer.result(timeout=10)
    assert [ticket.ahead for ticket in tickets] == [0, 0, 0]


def test_same_question_is_asked_once_and_keeps_its_place() -> None:
    gate, stand_in = Event(), StandInPredictor()
    stand_in.before = lambda: cast(None, gate.wait(10))
    desk = desk_over(stand_in)
    first, second = desk.ask("explain", film(1)), desk.ask("explain", film(2))
    again = desk.ask("explain", film(1))
    assert again.answer is first.answer
    assert (again.ahead, second.ahead) == (0, 1)
    gate.set()
    second.answer.result(timeout=10)
    assert desk.ask("explain", film(1)).answer is first.answer
    assert len(stand_in.calls) == 2


def test_predicting_and_explaining_are_two_questions() -> None:
    stand_in = StandInPredictor()
    desk = desk_over(stand_in)
    desk.ask("predict", film(1)).answer.result(timeout=10)
    desk.ask("explain", film(1)).answer.result(timeout=10)
    assert [question for question, _ in stand_in.calls] == ["predict", "explain"]


def test_failed_question_is_asked_again() -> None:
    stand_in, failures = StandInPredictor(), [ValueError("once")]

    def fail_once() -> None:
        if failures:
            raise failures.pop()

    stand_in.before = fail_once
    desk = desk_over(stand_in)
    with pytest.raises(ValueError, match="once"):
        desk.ask("predict", film(1)).answer.result(timeout=10)
    assert desk.ask("predict", film(1)).answer.result(timeout=10).probability == pytest.approx(0.1)


def test_answers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.network._REMEMBERED_ANSWERS", 3)
    stand_in = StandInPredictor()
    desk = desk_over(stand_in)
    for number in (1, 2, 3, 4, 5):
        desk.ask("predict", film(number)).answer.result(timeout=10)
    desk.ask("predict", film(5)).answer.result(timeout=10)
    assert len(stand_in.calls) == 5
    desk.ask("predict", film(1)).answer.result(timeout=10)
    assert len(stand_in.calls) == 6


def test_answers_are_bounded_by_bytes_and_light_ones_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = StandInPredictor()
    desk = desk_over(stand_in)
    weight = desk.ask("explain", film(1)).answer.result(timeout=10).nbytes
    monkeypatch.setattr("ui.network._REMEMBERED_BYTES", 2.5 * weight)
    desk.ask("predict", film(1)).answer.result(timeout=10)
    for number in (2, 3, 4, 5):
        desk.ask("explain", film(number)).answer.result(timeout=10)
    kept = [key for key, answer in desk._answers.items() if key[0] == "explain"]
    assert [number for _, number in kept] == [f"{number:064x}" for number in (3, 4, 5)]
    stand_in.calls.clear()
    desk.ask("predict", film(1)).answer.result(timeout=10)
    assert stand_in.calls == []


def test_answers_go_when_all_who_asked_are_gone() -> None:
    class Visitor:
        pass

    desk, one, other = desk_over(StandInPredictor()), Visitor(), Visitor()
    for visitor in (one, other):
        desk.ask("explain", film(1), asker=visitor).answer.result(timeout=10)
    desk.ask("explain", film(2)).answer.result(timeout=10)
    del visitor, one
    desk.sweep()
    assert len(desk._answers) == 2
    del other
    desk.sweep()
    assert [key for _, key in desk._answers] == [film(2).sha256]


def test_network_that_fails_to_load_says_so_to_every_asker() -> None:
    def broken() -> Any:
        raise CheckpointError("no network")

    desk = Desk(broken)
    with pytest.raises(CheckpointError, match="no network"):
        desk.ask("predict", film(1)).answer.result(timeout=10)


@pytest.mark.usefixtures("samples")
def test_page_says_how_many_are_ahead(network: StandInPredictor, monkeypatch: pytest.MonkeyPatch) -> None:
    from ui import network as module

    gate, said = Event(), []
    network.before = lambda: cast(None, gate.wait(20))
    sentence = module._queue_sentence

    def note(ahead: int) -> str:
        said.append(sentence(ahead))
        gate.set()
        return said[-1]

    monkeypatch.setattr("ui.network._queue_sentence", note)
    others = [module.desk().ask("predict", film(number)) for number in (1, 2)]
    page = open_home(sample="synthetic-1-clear")
    assert said[0] == "Waiting: 2 ahead of you."
    assert all(ticket.answer.done() for ticket in others)
    assert not page.exception
    assert "data-verdict" in words(page)
    assert "Waiting" not in words(page)
