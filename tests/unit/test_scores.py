"""Tables of scores: what is read, and the one sentence for what is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from model.errors import EvaluationError
from model.scores import MOST_BYTES, read_scores, write_scores

PLAIN = """film,y_true,probability,patient_id,view,Age,operator
a,1,0.9,p1,PA,3,x
b,normal,.2,p1,AP,41,x
c,0,1e-3,,PA,,x
"""


def test_a_plain_table() -> None:
    table = read_scores(PLAIN.encode())
    assert table.ids.tolist() == ["a", "b", "c"]
    assert table.labels.tolist() == [1, 0, 0]
    assert table.scores.tolist() == [0.9, 0.2, 0.001]
    assert table.patients.tolist() == ["p1", "p1", "film c"]
    assert table.by_patient and not table.notes
    assert {name: values.tolist() for name, values in table.attributes.items()} == {
        "view": ["PA", "AP", "PA"],
        "age": ["3", "41", ""],
    }


@pytest.mark.parametrize("text", [PLAIN.replace(",", ";"), PLAIN.replace(",", "\t"), "\ufeff" + PLAIN])
def test_other_ways_of_writing_it(text: str) -> None:
    assert read_scores(text.encode()).digest == read_scores(PLAIN.encode()).digest


def test_utf_16_as_spreadsheets_save_it() -> None:
    assert read_scores(PLAIN.encode("utf-16")).digest == read_scores(PLAIN.encode()).digest


def test_columns_are_part_of_what_a_table_is() -> None:
    other = read_scores(PLAIN.replace("view", "region").encode())
    assert other.digest != read_scores(PLAIN.encode()).digest
    assert read_scores(PLAIN.replace("AP", "LL").encode()).digest != read_scores(PLAIN.encode()).digest


def test_empty_columns_and_numbers_written_longer_are_no_trouble() -> None:
    table = read_scores(b"label,score,,\n1.00,0.5,,\n0.,1,,\n")
    assert table.labels.tolist() == [1, 0] and not table.attributes


@pytest.mark.parametrize(
    "content",
    [
        b"label,score\r1,0.5\r0,0.25\r",
        b" \r\nlabel;score\r\n1;0.5\r\n0;0.25\r\n",
        b"sep=;\nlabel;score\n1;0.5\n0;0.25\n",
        b",label,score\n0,1,0.5\n1,0,0.25\n",
        b"id,label,score\n,1,0.5\n,0,0.25\n",
        b'{"label": 1, "score": 0.5, "note": "a\xe2\x80\xa8b"}\n{"label": 0, "score": 0.25}\n\n',
        b'{"label": 1, "score": 0.5, "id": "\\ud800"}\n{"label": 0, "score": 0.25}\n',
    ],
)
def test_files_as_other_programs_write_them(content: bytes) -> None:
    table = read_scores(content)
    assert table.labels.tolist() == [1, 0] and table.scores.tolist() == [0.5, 0.25]
    assert not table.attributes and not any("cut off" in note for note in table.notes)


def test_whole_numbers_stay_whole_where_one_is_missing() -> None:
    lines = [f'{{"id": {12345678901234567 + k}, "label": {k % 2}, "score": 0.5}}' for k in range(3)]
    table = read_scores("\n".join([*lines, '{"label": 1, "score": 0.5}']).encode())
    assert table.ids.tolist() == ["12345678901234567", "12345678901234568", "12345678901234569", "row 4"]


def test_lines_are_those_of_the_file() -> None:
    with pytest.raises(EvaluationError, match="lines 4 and 6"):
        read_scores(b"id,label,score\n\n\na,1,.9\n\na,0,.1\n")
    with pytest.raises(EvaluationError, match="in line 3"):
        read_scores(b'{"label": 1, "score": 0.5}\n\n{"label": 0, "score": 7}\n')


def test_a_subgroup_never_takes_the_place_of_a_score(tmp_path: Path) -> None:
    table = read_scores(PLAIN.encode()).with_attributes({"score": np.array(["9"] * 3), "Label": np.array(["x"] * 3)})
    write_scores(tmp_path / "scores.jsonl", table)
    assert read_scores((tmp_path / "scores.jsonl").read_bytes()).scores.tolist() == [0.9, 0.2, 0.001]


def test_a_decimal_comma_where_semicolons_separate() -> None:
    table = read_scores(b"label;score\n1;0,75\n0;0\n0;1,0\n")
    assert table.scores.tolist() == [0.75, 0, 1]


def test_without_patients_each_film_is_one() -> None:
    table = read_scores(b"label,score\n1,0.5\n0,0.25\n")
    assert table.patients.tolist() == ["row 1", "row 2"]
    assert not table.by_patient and "patient of its own" in table.notes[0]


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    table = read_scores(PLAIN.encode())
    write_scores(tmp_path / "scores.jsonl", table, {"doubt": ["", "inverted", ""]})
    again = read_scores((tmp_path / "scores.jsonl").read_bytes())
    assert again.digest == table.digest
    assert again.attributes["view"].tolist() == table.attributes["view"].tolist()


def test_half_a_line_at_the_end_is_left_out() -> None:
    table = read_scores(b'{"label": 1, "score": 0.5}\n{"label": 0, "score": 0.25}\n{"label": 0, "sco')
    assert len(table) == 2
    assert "cut off" in table.notes[0]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "is empty"),
        ("label,score\n", "no films under it"),
        ("a,b\n1,2\n", "no column label and no column score; its columns are: a, b"),
        ("label,score\n1,nan\n", "score “nan” in line 2, which is no number"),
        ("label,score\n0,0.5\n1,\n", "score “” in line 3, which is no number"),
        (
            "label,score\n1,1.2\n0,3\n0,-1\n",
            r"score “1.2” in line 2 \(and 2 more such lines\), which lies outside 0 to 1",
        ),
        ("label,score\n1,inf\n", "outside 0 to 1"),
        ("label,score\n2,0.5\n", "label “2” in line 2; expected 0 or 1"),
        ("id,label,score\na,1,.3\nb,0,.4\na,0,.4\n", "1 film.* more than once, first “a” in lines 2 and 4"),
        ("label,score,LABEL\n1,1,1\n", "column “label” twice"),
        ("label,score\n1,.5,7\n0,.5,7\n", "more fields than its first line"),
        ("label,score\n1,.5\n0,.5,7,8\n", "is no table: .*line 3"),
        ('{"label": 1, "score": 0.5}\n{"la\n{"label": 0, "score": 0.5}\n', "line 2, is no JSON"),
        ('{"label": 1, "score": 0.5}\n[1]\n', "line 2, holds no JSON object"),
        ("[1, 2]", "is a JSON list"),
        ("PK\x03\x04", "Excel"),
        ('{"label": 1, "label ": 0, "score": 0.5}', "column “label” twice"),
        ('{"label": 1, "score": 0.5, "a": ' + 100_000 * "[", "no JSON on a line of its own"),
        ("id,label,score\n" + 400 * "x" + ",1,0.5\n", "name of 400 characters in line 2"),
        (",".join(f"c{k}" for k in range(1200)) + "\n", "has 1,200 columns"),
        ('{"label": 1}\n{"label": 0, "score": 0.5}\n', "score “” in line 1"),
        ('{"label": 1, "score": 2.5}\n{"label": 0, "score": 0.5}\n', "score “2.5” in line 1"),
    ],
)
def test_what_cannot_be_read_gets_one_sentence(content: str, sentence: str) -> None:
    with pytest.raises(EvaluationError, match=sentence) as caught:
        read_scores(content.encode(), name="mine.csv")
    assert str(caught.value).startswith("mine.csv") and "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n\xff\xfe\x00", b"\xff\xfe\x00\xd8\x00"])
def test_what_is_no_text_is_refused(content: bytes) -> None:
    with pytest.raises(EvaluationError, match="UTF-8"):
        read_scores(content)


def test_a_table_that_is_too_large_is_refused() -> None:
    with pytest.raises(EvaluationError, match="MB"):
        read_scores(b" " * (MOST_BYTES + 1))


def test_many_rows() -> None:
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(0, 2, 300_000), rng.random(300_000)
    text = "label,score\n" + "\n".join(f"{y},{s:.6f}" for y, s in zip(labels, scores, strict=True))
    table = read_scores(text.encode())
    assert len(table) == 300_000
    assert table.labels.sum() == labels.sum()


def test_a_part_keeps_its_columns() -> None:
    part = read_scores(PLAIN.encode()).where(np.array([True, False, True]))
    assert part.ids.tolist() == ["a", "c"] and part.attributes["view"].tolist() == ["PA", "PA"]
    assert part.classes == 2
    assert part.with_scores(np.array([0.0, 1.0])).scores.tolist() == [0, 1]
