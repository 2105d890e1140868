"""The page of grades: what is measured, and that its verdict can go either way."""

from __future__ import annotations

import numpy as np
import pytest

from model.explain.grades import FIRST_SEED, Grades, Row, grade, main, page
from model.explain.localization import overlap_at_equal_area, pointing_hit
from model.phantom import draw_phantom, phantom_truth
from tests.stand_in import small_predictor


def row(score: float, *, worse_by: float = 0.0) -> Row:
    return Row(
        hits=[score > 0.5, True], overlaps=[score], deletions=[1 - score + worse_by], insertions=[score - worse_by]
    )


def graded(mine: Row) -> Grades:
    rows = {"Grad-CAM, block5_conv3": mine, "*an edge detector*": row(0.3), "*a blob*": row(0.4)}
    return Grades(rows=rows, found=1, films=2)


def test_a_map_of_the_truth_is_perfect_and_one_beside_it_is_not() -> None:
    truth = phantom_truth(FIRST_SEED, sick=True).opacity
    assert pointing_hit(truth.astype(np.float32), truth)
    assert overlap_at_equal_area(truth.astype(np.float32), truth) == 1
    moved = np.roll(truth, 200, axis=1).astype(np.float32)
    assert overlap_at_equal_area(moved, truth) < 0.5


def test_every_map_is_graded_on_phantoms() -> None:
    found = grade(small_predictor(), films=2, graded=1, quiet=True)
    assert found.films == 2 and 0 <= found.found <= 2
    assert len(found.rows) == 4 * 2 + 3 + 2
    for name, one in found.rows.items():
        slow = name in ("Occlusion", "Integrated gradients", "SmoothGrad")
        assert len(one.hits) == len(one.overlaps) == (1 if slow else 2), name
        assert len(one.deletions) == len(one.insertions) == 1
    assert draw_phantom(FIRST_SEED, sick=True).truth.opacity.any()


@pytest.mark.parametrize(
    ("mine", "sentence"),
    [
        (row(0.9), "beats both baselines by every measure"),
        (row(0.2), "beats both baselines by no measure, and not by pointing, overlap, deletion, insertion"),
        (row(0.9, worse_by=0.8), "by pointing, overlap, and not by deletion, insertion"),
    ],
)
def test_the_verdict_follows_the_numbers(mine: Row, sentence: str) -> None:
    written = page([("A network", graded(mine))], graded=1)
    assert sentence in written
    assert "| *an edge detector* | 2 |" in written
    assert "It calls 1 of the 2 films pneumonia" in written


def test_a_checkpoint_that_is_not_there_is_a_sentence(tmp_path, capsys) -> None:  # noqa: ANN001
    assert main(["--checkpoint", str(tmp_path), "--out", str(tmp_path / "page.md")]) == 1
    assert "is missing" in capsys.readouterr().err
    assert not (tmp_path / "page.md").exists()
