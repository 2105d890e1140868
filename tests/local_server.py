"""A web server on this machine that can misbehave on purpose: cut off, stall, lie, refuse ranges."""

import contextlib
import http.server
import threading
import time
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Page:
    """What one address answers."""

    content: bytes
    kind: str = "application/octet-stream"
    status: int = 200
    cut_after: int | None = None
    """Close the connection after this many bytes of the first answer."""
    stall: float = 0.0
    """Seconds to wait before the first byte."""
    ranges: bool = True
    """Honor Range headers."""
    hide_length: bool = False
    """Leave Content-Length out."""


@dataclass
class LocalServer:
    """The server's address, its pages, and every request it got as (path, Range header)."""

    url: str = ""
    pages: dict[str, Page] = field(default_factory=dict)
    requests: list[tuple[str, str | None]] = field(default_factory=list)


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves the pages of a `LocalServer`."""

    state: LocalServer

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.state.requests.append((self.path, wanted))
        page = self.state.pages.get(self.path)
        if page is None:
            self.send_error(404)
            return
        time.sleep(page.stall)
        start = 0
        if wanted and page.ranges:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(page.content):
                self.send_error(416)
                return
        body = page.content[start:]
        self.send_response(206 if start else page.status)
        self.send_header("Content-Type", page.kind)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(page.content) - 1}/{len(page.content)}")
        if not page.hide_length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if page.cut_after is not None:
            body, page.cut_after = body[: page.cut_after], None
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""


def start(state: LocalServer) -> http.server.ThreadingHTTPServer:
    """Serve `state` on a free port of 127.0.0.1; the caller shuts it down."""
    handler = type("BoundHandler", (Handler,), {"state": state})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    return server
