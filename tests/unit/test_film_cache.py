"""Decoded films on disk: found again, kept whole by kill, full disk and company, and never stale."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from model.datasets import Example
from model.datasets.loaders import FROM_FILES
from model.errors import DatasetError
from model.film_cache import FILE, FilmCache
from model.films import cache_for, read_films
from model.images import Radiograph

ROOT = Path(__file__).parents[2]


def _examples(folder: Path, count: int) -> list[Example]:
    folder.mkdir(exist_ok=True)
    for k in range(count):
        film = np.full((40, 40), k % 200, dtype=np.uint8)
        film[:4, :4] = 255
        cv2.imwrite(str(folder / f"{k:04d}.png"), film)
    return [Example(path=folder / f"{k:04d}.png", label=k % 2, patient=f"p{k}", split="train") for k in range(count)]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return the list of films that are decoded from now on."""
    seen: list[Path] = []
    plain = type(FROM_FILES).read

    def read(self: object, path: Path) -> Radiograph:
        seen.append(path)
        return plain(FROM_FILES, path)

    monkeypatch.setattr(type(FROM_FILES), "read", read)
    return seen


def test_a_film_is_decoded_once_and_the_same_from_the_cache(tmp_path: Path, reads: list[Path]) -> None:
    examples = _examples(tmp_path / "films", 30)
    plain = read_films(examples)
    first = read_films(examples, cache=FilmCache(tmp_path / "cache"))
    assert len(reads) == 60
    again = read_films(examples, cache=FilmCache(tmp_path / "cache"))
    assert len(reads) == 60, "another program decodes nothing"
    for films in (first, again):
        assert films.examples == plain.examples and len(films) == len(films.grids) == 30
        for k in range(30):
            np.testing.assert_array_equal(films.gray(k), plain.gray(k))
    some = again.some(np.array([7, 3]))
    assert [e.patient for e in some.examples] == ["p7", "p3"]
    np.testing.assert_array_equal(some.gray(1), plain.gray(3))


def test_a_replaced_film_is_decoded_anew_and_a_copy_is_kept_once(tmp_path: Path, reads: list[Path]) -> None:
    examples = _examples(tmp_path / "films", 12)
    cache = FilmCache(tmp_path / "cache")
    read_films(examples, cache=cache)
    shutil.copy(examples[8].path, examples[5].path)
    copied = read_films(examples, cache=cache)
    assert [path.name for path in reads[12:]] == ["0005.png"]
    assert int(copied.grids[5][100, 100]) == 8
    assert cache.count() == 12, "the copy is the film it is a copy of"


def test_what_a_file_says_and_what_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    examples = _examples(tmp_path / "films", 200)
    examples[3].path.write_bytes(b"no film")
    examples[4].path.unlink()
    monkeypatch.setattr("model.films.facts_of", lambda film: {"age": "7", "view": "PA"})
    for _ in range(2):
        films = read_films(examples, cache=FilmCache(tmp_path / "cache"))
        assert [path.name for path, _ in films.unreadable] == ["0003.png", "0004.png"]
        assert all(e.attributes == {"age": "7", "view": "PA"} for e in films.examples)
        assert int(films.grids[3][100, 100]) == 5


def _filling(folder: Path, cache: Path, *, limit: int = 0) -> subprocess.Popen[str]:
    code = f"""
from pathlib import Path
from model.datasets import Example
from model.errors import DatasetError
from model.film_cache import FilmCache
from model.films import read_films
paths = sorted(Path({str(folder)!r}).iterdir())
examples = [Example(path=p, label=0, patient=p.stem, split="train") for p in paths]
cache = FilmCache(Path({str(cache)!r}))
print("ready", flush=True)
try:
    print(len(read_films(examples, cache=cache)), flush=True)
except DatasetError as error:
    print(error, flush=True)
"""

    command = [sys.executable, "-c", code]
    if limit:
        # Without the signal a write beyond the limit fails as it does on a full disk.
        command = ["sh", "-c", f'trap \'\' XFSZ; ulimit -f {limit // 512}; exec "$0" "$@"', *command]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def _whole(cache: Path, examples: list[Example]) -> int:
    """Check every film that the cache holds, and return how many there are."""
    database = sqlite3.connect(cache / FILE)
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    held = dict(database.execute("SELECT source, grid FROM sources JOIN films ON film = number"))
    database.close()
    values = {e.path.stem: int(e.path.stem) % 200 for e in examples}
    for source, grid in held.items():
        name = Path(source.split(" ")[0]).stem
        assert len(grid) == 224 * 224 and grid[100 * 224 + 100] == values[name]
    return len(held)


def test_two_processes_fill_one_cache_at_once(tmp_path: Path) -> None:
    examples = _examples(tmp_path / "films", 150)
    both = [_filling(tmp_path / "films", tmp_path / "cache") for _ in range(2)]
    said = [process.communicate(timeout=300)[0] for process in both]
    assert said == ["ready\n150\n"] * 2
    assert _whole(tmp_path / "cache", examples) == 150


def test_a_killed_process_leaves_whole_films_and_the_next_goes_on(tmp_path: Path, reads: list[Path]) -> None:
    examples = _examples(tmp_path / "films", 400)
    process = _filling(tmp_path / "films", tmp_path / "cache")
    assert process.stdout is not None
    process.stdout.readline()
    started = time.monotonic()
    while time.monotonic() - started < 60:
        if FilmCache(tmp_path / "cache").count() >= 20:
            break
    process.kill()
    process.communicate()
    kept = _whole(tmp_path / "cache", examples)
    assert kept >= 20
    films = read_films(examples, cache=FilmCache(tmp_path / "cache"))
    assert len(reads) == 400 - kept and len(films) == 400


def test_a_full_disk_is_a_sentence_and_what_was_kept_stays(tmp_path: Path) -> None:
    examples = _examples(tmp_path / "films", 150)
    said = _filling(tmp_path / "films", tmp_path / "cache", limit=2_000_000).communicate(timeout=300)[0]
    assert "films.sqlite cannot be used (" in said and "free some space or give another folder" in said
    assert 0 < _whole(tmp_path / "cache", examples) < 150
    assert len(read_films(examples, cache=FilmCache(tmp_path / "cache"))) == 150


def test_a_folder_that_cannot_be_written_and_a_damaged_file_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match=r"The cache folder .*file/cache cannot be written .*--cache"):
        FilmCache(tmp_path / "file" / "cache")
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / FILE).write_bytes(b"this is no database " * 1000)
    with pytest.raises(DatasetError, match=r"films.sqlite is no cache of films or damaged .*delete it"):
        FilmCache(tmp_path / "cache")


def test_a_film_that_vanished_from_the_cache_is_named(tmp_path: Path) -> None:
    cache = FilmCache(tmp_path)
    with pytest.raises(DatasetError, match="Film 5 is gone from the cache"):
        cache.grid(5)


def test_small_sets_stay_in_memory_and_large_ones_do_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PNEUMOSCOPE_CACHE", str(tmp_path))
    assert cache_for(10_000) is None
    large, asked = cache_for(10_001), cache_for(3, str(tmp_path / "mine"))
    assert large is not None and large.path == tmp_path / "films" / FILE
    assert asked is not None and asked.path == tmp_path / "mine" / FILE


def test_many_open_a_new_cache_at_once(tmp_path: Path) -> None:
    together = threading.Barrier(4)

    def opened(attempt: int) -> FilmCache:
        together.wait()
        return FilmCache(tmp_path / str(attempt))

    with ThreadPoolExecutor(4) as pool:
        for attempt in range(60):
            assert len(list(pool.map(opened, [attempt] * 4))) == 4
