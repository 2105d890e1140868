"""Boxes from a CSV."""

from __future__ import annotations

import pytest

from model.artifacts import SYNTHETIC_FOLDER
from model.datasets.base import Box
from model.errors import DatasetError
from model.marks import boxes_for, read_boxes


def test_rsnas_labels_are_read() -> None:
    text = "patientId,x,y,width,height,Target\na,1,2,3,4,1\na,5.5,6,7,8,1\nb,,,,,0\n"
    found = read_boxes(text, name="labels.csv")
    assert found == {"a": (Box(x=1, y=2, width=3, height=4), Box(x=5.5, y=6, width=7, height=8))}
    assert boxes_for("folder/a.dcm", found) == found["a"]
    assert boxes_for("b.dcm", found) == ()


@pytest.mark.parametrize("column", ["path", "file", "image", "name", "Image Index"])
def test_other_names_for_the_film(column: str) -> None:
    found = read_boxes(f"\ufeff{column};x;y;width;height\nfilms/a.b.png;1;2;3;4\n", name="b.csv")
    assert list(found) == ["a.b"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "no column that names the film"),
        ("film,x,y\n", "no column that names the film"),
        ("path,x,y,w,h\n", "has no column width and no column height"),
        ("path,x,y,width,height\na,1,2,three,4\n", "has the box 1, 2, three, 4 for a"),
        ("path,x,y,width,height\na,1,2,0,4\n", "the last two above 0"),
        ("path,x,y,width,height\na,1,2,nan,4\n", "expected four numbers"),
        ("path,x,y,width,height\na,1\n", "line 2"),
    ],
)
def test_what_cannot_be_read_gets_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(DatasetError, match=sentence):
        read_boxes(text, name="b.csv")


def test_dots_in_a_name_belong_to_it() -> None:
    found = read_boxes("patientId,x,y,width,height\n1.2.840.111,1,2,3,4\n1.2.840.222,5,6,7,8\n", name="b.csv")
    assert boxes_for("1.2.840.111.dcm", found) == (Box(x=1, y=2, width=3, height=4),)
    assert len(found) == 2


def test_rows_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.marks._MOST_ROWS", 2)
    with pytest.raises(DatasetError, match="more than 2 rows"):
        read_boxes("path,x,y,width,height\n" + "a,1,2,3,4\n" * 3, name="b.csv")


def test_boxes_of_the_samples_lie_on_them() -> None:
    found = read_boxes((SYNTHETIC_FOLDER / "boxes.csv").read_text(), name="boxes.csv")
    assert {name: len(boxes) for name, boxes in found.items()} == {"synthetic-3-opacity": 2, "synthetic-4-opacity": 3}
    for boxes in found.values():
        for box in boxes:
            assert box.x >= 0 and box.x + box.width <= 400 and box.y >= 0 and box.y + box.height <= 400
