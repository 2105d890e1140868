"""`python -m model.explain`: what it writes, and what it says when it cannot."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.explain.__main__ import main
from model.predictor import Predictor
from tests.unit.test_graph import classifier
from tests.unit.zoo import build


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(classifier(build("nested")))


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "a.film.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (32, 32), np.uint8)).resize((50, 40)).save(path)
    return path


@pytest.fixture(autouse=True)
def small_films(monkeypatch: pytest.MonkeyPatch, predictor: Predictor) -> None:
    from model.preprocess import to_grid

    monkeypatch.setattr(predictor, "prepare", lambda film: to_grid(film.pixels, size=32)[:, :, None])


def test_everything_is_written_at_the_films_size(picture: Path, predictor: Predictor, tmp_path: Path) -> None:
    out = tmp_path / "new" / "folder"
    arguments = [str(picture), "--out", str(out), "--method", "grad-cam,smoothgrad", "--layer", "all", "--steps", "4"]
    assert main(arguments, predictor=predictor) == 0
    content = json.loads((out / "a.film.json").read_text())
    assert [(row["method"], row["layer"]) for row in content["heatmaps"]] == [
        ("grad-cam", "first"),
        ("grad-cam", "last"),
        ("smoothgrad", "film"),
    ]
    sight = predictor.explain(_read(picture))
    assert content["probability"] == pytest.approx(sight.prediction.probability)
    assert content["evidence_for"] == content["verdict"]
    assert "not for clinical use" in content["notice"]
    side = "yes" if content["verdict"] == "b" else "no"
    for row in content["heatmaps"]:
        png, npz = (out / name for name in row["files"])
        with Image.open(png) as drawn:
            assert drawn.size == (50, 40)
        with np.load(npz, allow_pickle=False) as stored:
            assert stored["map"].shape == (40, 50) and stored["map"].dtype == np.float32
            assert stored["map"].min() >= 0 and stored["map"].max() <= 1
            assert float(stored["maximum"]) == pytest.approx(row["maximum"])
            if row["method"] == "grad-cam":
                expected = np.maximum(sight.summed["grad-cam", row["layer"], side], 0)
                np.testing.assert_allclose(stored["raw"], expected, atol=1e-4 * max(expected.max(), 1e-9))
        assert set(row["report_card"]) == {"heatmap", "edges", "centre"}
    assert not [path for path in out.iterdir() if path.suffix not in (".png", ".npz", ".json")]


def test_boxes_go_into_the_report_card(picture: Path, predictor: Predictor, tmp_path: Path) -> None:
    table = tmp_path / "boxes.csv"
    table.write_text("path,x,y,width,height\nfilms/a.film.png,0,0,50,40\nother,1,1,1,1\n")
    arguments = [str(picture), "--out", str(tmp_path / "o"), "--steps", "2", "--boxes", str(table)]
    assert main(arguments, predictor=predictor) == 0
    (row,) = json.loads((tmp_path / "o" / "a.film.json").read_text())["heatmaps"]
    assert row["report_card"]["centre"]["overlap_at_equal_area"] == 1.0, "the box is the whole film"
    table.write_text("path,x,y,width,height\nother,1,1,1,1\n")
    assert main(arguments, predictor=predictor) == 0
    (row,) = json.loads((tmp_path / "o" / "a.film.json").read_text())["heatmaps"]
    assert row["report_card"]["centre"]["overlap_at_equal_area"] is None


def test_the_side_can_be_chosen(picture: Path, predictor: Predictor, tmp_path: Path) -> None:
    for side, name in (("yes", "b"), ("no", "a")):
        assert (
            main([str(picture), "--out", str(tmp_path / side), "--side", side, "--steps", "2"], predictor=predictor)
            == 0
        )
        assert json.loads((tmp_path / side / "a.film.json").read_text())["evidence_for"] == name


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--method", "magic"], "There is no method 'magic'; there are grad-cam, grad-cam++"),
        (["--boxes", "absent.csv"], "absent.csv cannot be read"),
        (["--layer", "block9"], "There is no layer 'block9'; there are first, last, or all."),
    ],
)
def test_unknown_names_get_a_sentence(
    more: list[str],
    sentence: str,
    picture: Path,
    predictor: Predictor,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([str(picture), "--out", str(tmp_path / "o"), *more], predictor=predictor) == 1
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("steps", ["0", "-3"])
def test_no_steps_are_refused(steps: str, picture: Path, predictor: Predictor, tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        main([str(picture), "--out", str(tmp_path / "o"), "--steps", steps], predictor=predictor)


def test_files_that_are_no_film_get_a_sentence(
    predictor: Predictor, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.png").write_text("hello")
    for name in ("text.png", "absent.png"):
        assert main([str(tmp_path / name), "--out", str(tmp_path / "o")], predictor=predictor) == 1
        said = capsys.readouterr().err
        assert said.count("\n") == 1 and "Traceback" not in said


def test_an_out_that_is_a_file_gets_a_sentence(
    picture: Path, predictor: Predictor, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "o").write_text("")
    assert main([str(picture), "--out", str(tmp_path / "o")], predictor=predictor) == 1
    assert "cannot be written" in capsys.readouterr().err


def _read(path: Path):  # noqa: ANN202
    from model.images import read_radiograph

    return read_radiograph(path)
