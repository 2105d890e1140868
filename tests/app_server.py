"""The real app on a free port, as ``streamlit run app.py`` starts it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
LAUNCH = (sys.executable, "-m", "streamlit")
_START_S = 90.0


@dataclass(frozen=True, kw_only=True)
class AppServer:
    """A running app: its address, and the file its output goes to."""

    address: str
    log: Path

    def metrics(self) -> str:
        """Return what Streamlit reports about its memory."""
        with urllib.request.urlopen(f"{self.address}/_stcore/metrics", timeout=10) as reply:
            return str(reply.read().decode())


@contextmanager
def running_app(folder: Path, **environment: str) -> Iterator[AppServer]:
    """Start the app, wait until it answers, and stop it at the end.

    Parameters
    ----------
    folder : Path
        Where its output is written.
    environment : str
        Variables besides the usual ones.

    Raises
    ------
    RuntimeError
        The app ended or did not answer within 90 seconds; the message holds its output.
    """
    port = _free_port()
    server = AppServer(address=f"http://127.0.0.1:{port}", log=folder / "app.log")
    options = {"server.port": str(port), "server.address": "127.0.0.1", "server.headless": "true"}
    command = [*LAUNCH, "run", "app.py", *(f"--{key}={value}" for key, value in options.items())]
    with server.log.open("wb") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **environment}
        )
    try:
        _wait_until_healthy(server, process)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_healthy(server: AppServer, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{server.address}/_stcore/health", timeout=2) as reply:
                if reply.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise RuntimeError(f"The app did not start. Its output:\n{server.log.read_text(errors='replace')}")
