"""Films in files and in archives: the same film from either, and a sentence for every way that fails."""

from __future__ import annotations

import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from model.datasets import places
from model.datasets.loaders import FROM_FILES, ZipLoader, members, read_member
from model.datasets.places import Place, find_place
from model.errors import DatasetError, ImageError


def _png(value: int) -> bytes:
    film = np.full((40, 50), value, dtype=np.uint8)
    film[:5] = 255 - value
    return cv2.imencode(".png", film)[1].tobytes()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "films.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("challenge/list.csv", "\ufeffname,label\na,1\n")
        file.writestr("challenge/images/", "")
        for k in range(20):
            file.writestr(f"challenge/images/{k}.png", _png(10 * k))
        file.writestr("challenge/images/.hidden.png", _png(1))
        file.writestr("challenge/images/deeper/x.png", _png(1))
    return path


def test_a_film_in_an_archive_is_the_film_in_a_file(archive: Path, tmp_path: Path) -> None:
    loader = ZipLoader(archive)
    (tmp_path / "3.png").write_bytes(_png(30))
    inside = loader.read(archive / "challenge/images/3.png")
    assert inside.sha256 == FROM_FILES.read(tmp_path / "3.png").sha256
    size, checksum = loader.stamp(archive / "challenge/images/3.png").split("-")
    assert size == FROM_FILES.stamp(tmp_path / "3.png") == str(len(_png(30)))
    assert checksum != loader.stamp(archive / "challenge/images/4.png").split("-")[1]


def test_many_threads_read_one_archive(archive: Path) -> None:
    loader = ZipLoader(archive)
    with ThreadPoolExecutor(8) as pool:
        films = list(pool.map(lambda k: loader.read(archive / f"challenge/images/{k % 20}.png"), range(200)))
    assert [round(float(f.pixels[20, 20]) * 255) for f in films] == [10 * (k % 20) for k in range(200)]


def test_an_archive_that_is_replaced_is_read_anew(archive: Path) -> None:
    assert "challenge/images/3.png" in members(archive)
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("other.png", _png(7))
    assert members(archive) == ("other.png",)
    with pytest.raises(FileNotFoundError):
        ZipLoader(archive).stamp(archive / "challenge/images/3.png")


def test_what_cannot_be_read_is_said(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImageError, match=r"films.zip holds no challenge/images/99.png"):
        ZipLoader(archive).read(archive / "challenge/images/99.png")
    data = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as file:
        start = file.getinfo("challenge/images/5.png").header_offset + 60
    data[start : start + 8] = b"\xff" * 8
    hurt = tmp_path / "hurt.zip"
    hurt.write_bytes(data)
    with pytest.raises(ImageError, match=r"images/5.png in hurt.zip is damaged or locked"):
        read_member(hurt, "challenge/images/5.png")
    (tmp_path / "cut.zip").write_bytes(archive.read_bytes()[:-60])
    with pytest.raises(DatasetError, match=r"cut.zip is no whole zip archive"):
        members(tmp_path / "cut.zip")
    monkeypatch.setattr("model.datasets.loaders.MAX_BYTES", 50)
    with pytest.raises(ImageError, match="smaller than"):
        read_member(archive, "challenge/images/6.png")


def test_a_place_is_a_folder_an_archive_or_a_folder_with_one(archive: Path, tmp_path: Path) -> None:
    unpacked = tmp_path / "unpacked"
    with zipfile.ZipFile(archive) as file:
        file.extractall(unpacked)
    folder = find_place(unpacked / "challenge", "list.csv")
    direct = find_place(archive, "list.csv")
    within = find_place(archive.parent, "list.csv")
    assert folder == Place(unpacked / "challenge")
    assert direct == within == Place(archive, "challenge/")
    for place in (folder, direct):
        assert place.holds("list.csv") and not place.holds("lists.csv")
        assert place.text("list.csv") == "name,label\na,1\n"
        films = place.films("images", ".png")
        assert set(films) == {f"{k}.png" for k in range(20)}
        assert place.loader.read(films["3.png"]).pixels[20, 20] == pytest.approx(30 / 255)
        assert place.films("nowhere", ".png") == {}


def test_a_place_that_does_not_hold_it_is_named(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"There is no .*nowhere.*that holds list.csv"):
        find_place(tmp_path / "nowhere", "list.csv")
    with pytest.raises(DatasetError, match=r"does not hold wrong.csv, nor do its 1 zip archive"):
        find_place(tmp_path, "wrong.csv")
    with pytest.raises(DatasetError, match=r"films.zip does not hold wrong.csv; give"):
        find_place(archive, "wrong.csv")
    (tmp_path / "latin.csv").write_bytes(b"na\xefve,1")
    with pytest.raises(DatasetError, match="no UTF-8 text"):
        places.Place(tmp_path).text("latin.csv")
