"""`python -m model.predict` with a network that answers a film's mean gray, and once with the real one."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from model.images import Radiograph
from model.predict import find_films, main
from model.predictor import Prediction

ROOT = Path(__file__).resolve().parents[2]


class MeanGray:
    """Calls a film's mean gray its probability; the threshold is a half."""

    def predict(self, film: Radiograph) -> Prediction:
        probability = float(film.pixels.mean())
        if probability > 0.99:
            raise RuntimeError("too bright for me")
        return Prediction(
            probability=probability,
            logits=(0.0, 0.0),
            threshold=0.5,
            verdict="pneumonia" if probability >= 0.5 else "normal",
            seconds=0.001,
        )


def write_film(path: Path, gray: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((64, 64), gray - 1, dtype=np.uint8)
    pixels[::2] = gray + 1
    Image.fromarray(pixels).save(path, "PNG")
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, list[dict[str, Any]]]:
    status = main([str(argument) for argument in arguments], load=lambda _: MeanGray())
    return status, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_film_gives_one_line_with_all_its_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film = write_film(tmp_path / "film.png", 51)
    status, (line,) = run(capsys, film)
    assert status == 0
    assert line.pop("milliseconds") > 0
    assert line == {
        "path": str(film),
        "sha256": hashlib.sha256(film.read_bytes()).hexdigest(),
        "probability": 0.2,
        "verdict": "normal",
        "threshold": 0.5,
    }


def test_bad_films_get_a_sentence_and_the_others_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_film(tmp_path / "a.png", 153)
    (tmp_path / "b.png").write_text("no picture at all")
    write_film(tmp_path / "c.png", 254)
    write_film(tmp_path / "d.png", 51)
    status, lines = run(capsys, tmp_path, tmp_path / "absent.png")
    assert status == 1
    assert [line.get("verdict") for line in lines] == ["pneumonia", None, None, "normal", None]
    assert [set(line) for line in lines[1:3]] == [{"path", "error"}] * 2
    assert "too bright for me" in lines[2]["error"]
    assert lines[4] == {"path": str(tmp_path / "absent.png"), "error": "There is no such file or folder."}
    assert not any("Traceback" in line.get("error", "") for line in lines)


def test_folders_are_searched_in_order_without_hidden_files(tmp_path: Path) -> None:
    for name in ("b/2.png", "b/1", "a.png", ".hidden.png", ".git/x.png", "c/.x/y.png", "c/d/z.dcm"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "c" / "loop").symlink_to(tmp_path)
    found = [(str(path.relative_to(tmp_path)), problem) for path, problem in find_films([tmp_path])]
    assert found == [("a.png", None), ("b/1", None), ("b/2.png", None), ("c/d/z.dcm", None)]
    assert list(find_films([tmp_path / ".hidden.png"])) == [(tmp_path / ".hidden.png", None)]


def test_paths_that_lead_nowhere_are_told(tmp_path: Path) -> None:
    empty, pipe, link = tmp_path / "empty", tmp_path / "pipe", tmp_path / "films" / "link.png"
    empty.mkdir()
    os.mkfifo(pipe)
    link.parent.mkdir()
    link.symlink_to(tmp_path / "gone.png")
    assert list(find_films([empty, pipe, link.parent])) == [
        (empty, "This folder holds no files."),
        (pipe, "This is neither a file nor a folder."),
        (link, "This link leads nowhere."),
    ]


def test_the_json_file_holds_the_lines_that_were_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film, target = write_film(tmp_path / "film.png", 51), tmp_path / "out" / "results.jsonl"
    status, lines = run(capsys, film, tmp_path / "absent", "--json", target)
    assert status == 1
    assert [json.loads(line) for line in target.read_text().splitlines()] == lines
    assert [path.name for path in target.parent.iterdir()] == ["results.jsonl"]


def test_an_interrupted_run_leaves_the_old_json_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Interrupted:
        def predict(self, film: Radiograph) -> Prediction:
            raise KeyboardInterrupt

    film, target = write_film(tmp_path / "film.png", 51), tmp_path / "out" / "results.jsonl"
    target.parent.mkdir()
    target.write_text("old\n")
    assert main([str(film), "--json", str(target)], load=lambda _: Interrupted()) == 130
    assert target.read_text() == "old\n"
    assert [path.name for path in target.parent.iterdir()] == ["results.jsonl"]


def test_a_json_file_that_cannot_be_written_is_told_before_the_network_is_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    target = tmp_path / "file" / "results.jsonl"
    arguments = [str(tmp_path), "--json", str(target)]
    assert main(arguments, load=lambda _: pytest.fail("the network was loaded")) == 1
    assert str(target) in capsys.readouterr().err


def test_a_missing_checkpoint_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film = write_film(tmp_path / "film.png", 51)
    assert main([str(film), "--checkpoint", str(tmp_path / "absent")]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert str(tmp_path / "absent") in captured.err


def test_lines_are_flushed_as_they_come_and_a_closed_pipe_is_no_crash(tmp_path: Path) -> None:
    films = [str(write_film(tmp_path / f"{number}.png", 51)) for number in range(3)]
    script = (
        "import sys\n"
        "from types import SimpleNamespace\n"
        "from model.predict import main\n"
        "class Waiting:\n"
        "    films = 0\n"
        "    def predict(self, film):\n"
        "        self.films += 1\n"
        "        if self.films == 2:\n"
        "            sys.stdin.readline()\n"
        "        return SimpleNamespace(probability=0.2, verdict='normal', threshold=0.5, doubt=None)\n"
        "sys.exit(main(sys.argv[1:], load=lambda _: Waiting()))\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script, *films],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdin is not None
    assert child.stderr is not None
    assert json.loads(child.stdout.readline())["path"] == films[0]
    child.stdout.close()
    child.stdin.write("\n")
    child.stdin.close()
    assert "Traceback" not in (complaint := child.stderr.read()), complaint
    child.stderr.close()
    assert child.wait(timeout=30) == 1


@pytest.mark.slow
def test_the_shipped_network_reads_a_sample_film() -> None:
    film = sorted((ROOT / "assets" / "samples").glob("*.png"))[0]
    result = subprocess.run(
        [sys.executable, "-m", "model.predict", str(film)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    (line,) = (json.loads(text) for text in result.stdout.splitlines())
    assert 0 <= line["probability"] <= 1
    assert line["verdict"] == ("pneumonia" if line["probability"] >= line["threshold"] else "normal")
    assert line["sha256"] == hashlib.sha256(film.read_bytes()).hexdigest()
