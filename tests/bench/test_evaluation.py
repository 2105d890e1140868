"""Intervals for many films, and what a threshold costs the server when there are many of them."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as oracle
from streamlit.testing.v1 import AppTest

from model.bootstrap import RESAMPLES, bootstrap
from tests.app.reading import EVALUATION, open_page
from tests.bench.conftest import Record
from tests.bench.report import Measurement
from tests.bench.timing import Times, interleaved

FILMS = 30_000
MANY = 300_000
ROUNDS = 5
PLAIN_RESAMPLES = 20


def films(count: int) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.str_]]:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, count)
    scores = np.clip(rng.normal(0.3 + 0.4 * labels, 0.25), 0, 1)
    return labels, scores, rng.integers(0, int(0.7 * count), count).astype(str)


def test_intervals_for_many_films(record: Record) -> None:
    labels, scores, patients = films(FILMS)
    times = interleaved(
        {
            "ours": lambda: bootstrap(labels, scores, patients).intervals(0.5),
            "loop": lambda: plain_loop(labels, scores, patients),
        },
        rounds=ROUNDS,
        warm_up=1,
    )
    ours, loop = times["ours"], times["loop"]
    record(
        Measurement(
            bar="intervals",
            what=f"{RESAMPLES:,} resamples by patient of {FILMS:,} films: eleven numbers with intervals, at 99 "
            "thresholds, and the bands of both curves",
            figure=ours.median,
            rule="below",
            limit=5,
            unit="s",
            numbers=f"{ours}, median of {ROUNDS}",
        ),
        Measurement(
            bar="intervals against a loop",
            what="The same against a loop over scikit-learn's functions for one threshold and no bands",
            figure=ours.median / (loop.median * RESAMPLES / PLAIN_RESAMPLES),
            rule="below",
            limit=0.2,
            numbers=f"{ours} against {loop} for {PLAIN_RESAMPLES} of {RESAMPLES:,} resamples",
        ),
    )


def test_moving_the_threshold_over_many_films(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    import ui.evaluation_page

    draw = ui.evaluation_page.show_threshold
    drawn: list[float] = []

    def timed(*arguments: Any) -> None:
        began = time.perf_counter()
        draw(*arguments)
        drawn.append(time.perf_counter() - began)

    monkeypatch.setattr(ui.evaluation_page, "show_threshold", timed)
    page = with_intervals(uploaded(open_page(EVALUATION), FILMS))
    drawn.clear()
    taken = []
    for threshold in (0.31, 0.62, 0.44, 0.77, 0.5, 0.23, 0.9):
        next(one for one in page.slider if one.key == "choose-threshold").set_value(threshold)
        began = time.perf_counter()
        page.run()
        taken.append(time.perf_counter() - began)
        assert not page.exception
    times, whole = Times(seconds=tuple(drawn)), Times(seconds=tuple(taken))
    record(
        Measurement(
            bar="threshold",
            what=f"Server time of moving the threshold over {FILMS:,} films with intervals: the part of the page that "
            "is drawn anew",
            figure=1000 * times.median,
            rule="below",
            limit=100,
            unit="ms",
            numbers=f"{times}, median of {len(taken)}; the whole page, under AppTest, {whole}",
        )
    )


def test_a_very_long_table(record: Record) -> None:
    taken = []
    for _ in range(3):
        page = open_page(EVALUATION)
        content = table(MANY)
        began = time.perf_counter()
        page = upload(page, content)
        taken.append(time.perf_counter() - began)
        assert not page.exception
    times = Times(seconds=tuple(taken))
    record(
        Measurement(
            bar="long table",
            what=f"From a CSV of {MANY:,} rows to the whole page without intervals, under AppTest",
            figure=times.median,
            rule="below",
            limit=3,
            unit="s",
            numbers=f"{times}, median of {len(taken)}; the file has {len(content) / 1e6:.0f} MB",
        )
    )


def plain_loop(labels: NDArray[np.int64], scores: NDArray[np.float64], patients: NDArray[np.str_]) -> None:
    names, place = np.unique(patients, return_inverse=True)
    members = np.split(np.argsort(place, kind="stable"), np.cumsum(np.bincount(place))[:-1])
    rng = np.random.default_rng(0)
    for _ in range(PLAIN_RESAMPLES):
        chosen = np.concatenate([members[k] for k in rng.integers(0, len(names), len(names))])
        truth, said = labels[chosen], scores[chosen]
        called = said >= 0.5
        for number in (
            oracle.accuracy_score,
            oracle.balanced_accuracy_score,
            oracle.recall_score,
            oracle.precision_score,
            oracle.f1_score,
            oracle.matthews_corrcoef,
        ):
            number(truth, called)
        for number in (oracle.roc_auc_score, oracle.average_precision_score, oracle.brier_score_loss):
            number(truth, said)


def table(count: int) -> bytes:
    labels, scores, patients = films(count)
    lines = [
        f"f{k},{y},{s:.6f},p{p},{'AP' if k % 3 else 'PA'}"
        for k, (y, s, p) in enumerate(zip(labels, scores, patients, strict=True))
    ]
    return ("id,label,score,patient,view\n" + "\n".join(lines)).encode()


def upload(page: AppTest, content: bytes) -> AppTest:
    page.file_uploader[0].set_value([("many.csv", content, "text/csv")])
    return page.run(timeout=60)


def uploaded(page: AppTest, count: int) -> AppTest:
    return upload(page, table(count))


def with_intervals(page: AppTest) -> AppTest:
    for label in ("Work out the 95 % intervals", "Measure the subgroups"):
        next(button for button in page.button if button.label == label).click().run()
        for job in page.session_state["pneumoscope"].jobs.values():
            job.answer.result(timeout=120)
        page.run()
    assert not page.exception
    return page
