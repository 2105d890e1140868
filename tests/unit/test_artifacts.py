"""The sample films: fetched from a local wheel, damaged, interrupted and killed; toy bytes stand for them."""

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from model import artifacts
from model.artifacts import fetch_films, main, sample_films
from model.errors import ArtifactError
from tests.fake_wheel import write_wheel

ROOT = Path(__file__).resolve().parents[2]
TOY_FILMS = {name: f"film {name}".encode() * 500 for name, _ in artifacts.FILMS}

CHILD = """
import os, sys, time
from dataclasses import replace
from model import artifacts
wheel, digest, films = sys.argv[1], sys.argv[2], sys.argv[3]
artifacts.WHEEL = replace(artifacts.WHEEL, filename=wheel, sha256=digest)
artifacts.FILMS = tuple(tuple(line.split()) for line in films.split(";"))
flush = os.fsync
os.fsync = lambda handle: (time.sleep(0.02), flush(handle))
sys.exit(artifacts.main(["--films"]))
"""


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the toy wheel, which pip is told to use; the pinned hashes are those of the toys."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    trap = f"open({str(tmp_path / 'imported')!r}, 'w')".encode()
    members = {f"{artifacts.WHEEL_FOLDER}/{name}": content for name, content in TOY_FILMS.items()}
    path = write_wheel(folder / artifacts.WHEEL.filename, {"pneumonia_model_package/__init__.py": trap, **members})
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(artifacts, "WHEEL", replace(artifacts.WHEEL, sha256=digest))
    monkeypatch.setattr(
        artifacts,
        "FILMS",
        tuple((name, hashlib.sha256(TOY_FILMS[name]).hexdigest()) for name, _ in artifacts.FILMS),
    )
    monkeypatch.setenv("PNEUMOSCOPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


def test_the_pinned_films_are_eight_of_each_kind_by_turns() -> None:
    names = [name for name, _ in artifacts.FILMS]
    assert [name.startswith("NORMAL2-IM-") for name in names] == [True, False] * 8
    assert all("_bacteria_" in name for name in names[1::2])
    assert len({digest for _, digest in artifacts.FILMS}) == 16


def test_films_are_fetched_listed_and_not_fetched_twice(
    shelf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--films"]) == 0
    assert "Film 16 of 16" in capsys.readouterr().out
    films = sample_films()
    assert [film.path.name for film in films] == [name for name, _ in artifacts.FILMS]
    assert [film.label for film in films] == ["NORMAL", "PNEUMONIA"] * 8
    assert {(film.synthetic, film.credit) for film in films} == {(False, artifacts.CREDIT)}
    assert (films[0].slug, films[1].slug) == ("film-1427", "film-4874")
    assert len({film.slug for film in films}) == len({film.name for film in films}) == 16
    assert all(film.path.read_bytes() == TOY_FILMS[film.path.name] for film in films)
    assert names_in(tmp_path / "cache" / "films") == sorted(TOY_FILMS)
    assert not (tmp_path / "imported").exists()
    (shelf / artifacts.WHEEL.filename).unlink()
    assert main(["--films"]) == 0
    assert "are there and right" in capsys.readouterr().out


def test_only_what_is_missing_or_damaged_is_written_again(shelf: Path, tmp_path: Path) -> None:
    fetch_films(report=lambda _: None)
    folder = tmp_path / "cache" / "films"
    kept, damaged, missing = (folder / name for name, _ in artifacts.FILMS[:3])
    before = kept.stat().st_mtime_ns
    damaged.write_bytes(damaged.read_bytes()[:-1])
    missing.unlink()
    assert all(film.synthetic for film in sample_films())
    lines: list[str] = []
    fetch_films(report=lines.append)
    assert [line.split()[:4] for line in lines[1:-1]] == [
        ["Film", "1", "of", "2:"],
        ["Film", "2", "of", "2:"],
    ]
    assert kept.stat().st_mtime_ns == before
    assert not any(film.synthetic for film in sample_films())


def test_a_film_with_other_bytes_is_not_kept(shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = artifacts.FILMS[0][0], artifacts.FILMS[1][0]
    wrong = ((first, artifacts.FILMS[0][1]), (second, "0" * 64), *artifacts.FILMS[2:])
    monkeypatch.setattr(artifacts, "FILMS", wrong)
    with pytest.raises(ArtifactError, match=second):
        fetch_films(report=lambda _: None)
    assert names_in(tmp_path / "cache" / "films") == sorted([first, "incoming"])


def test_without_a_network_one_sentence_is_printed_and_the_app_keeps_synthetic_films(
    shelf: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (shelf / artifacts.WHEEL.filename).unlink()
    assert main(["--films"]) == 1
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "pneumonia-model-package==0.3.0" in message
    assert "python -m model.artifacts" in message
    films = sample_films()
    assert len(films) == 4
    assert {(film.synthetic, film.label) for film in films} == {(True, None)}
    assert all(film.path.is_file() for film in films)


def test_a_folder_that_cannot_be_written_is_told(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("PNEUMOSCOPE_CACHE", str(tmp_path / "file" / "cache"))
    assert main(["--films"]) == 1
    assert "PNEUMOSCOPE_CACHE" in capsys.readouterr().err


def test_ctrl_c_ends_with_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(**_: object) -> list[Path]:
        raise KeyboardInterrupt

    monkeypatch.setattr(artifacts, "fetch_films", interrupted)
    assert main(["--films"]) == 130
    assert capsys.readouterr().err == "Interrupted; run the command again to go on.\n"


def test_everything_is_fetched_unless_films_alone_are_asked_for(
    shelf: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(artifacts, "imagenet_weights", lambda: asked.append(True))
    assert main(["--films"]) == 0
    assert asked == []
    assert main([]) == 0
    assert asked == [True]


def start_child(shelf: Path) -> "subprocess.Popen[str]":
    films = ";".join(" ".join(film) for film in artifacts.FILMS)
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, artifacts.WHEEL.filename, artifacts.WHEEL.sha256, films],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_killed_at_any_moment_no_film_is_ever_half_written(shelf: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "films"
    progress = []
    for lines_before_the_kill in (1, 1, 2, 4, 7):
        child = start_child(shelf)
        assert child.stdout is not None
        for _ in range(lines_before_the_kill):
            child.stdout.readline()
        child.kill()
        assert child.wait() < 0
        child.stdout.close()
        films = [path for path in folder.iterdir() if path.suffix == ".jpeg" and not path.name.startswith(".")]
        assert all(path.read_bytes() == TOY_FILMS[path.name] for path in films)
        progress.append(len(films))
    assert progress == sorted(progress)
    assert 0 < progress[-1] < 16
    child = start_child(shelf)
    output, _ = child.communicate(timeout=60)
    assert child.returncode == 0, output
    assert names_in(folder) == sorted(TOY_FILMS)
    assert all((folder / name).read_bytes() == content for name, content in TOY_FILMS.items())
