"""Long work tells how far it is, and stops when whoever listens no longer wants it."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[float], None]
"""Called with the share that is done, 0..1; may raise `Cancelled`, which ends the work at that point."""


class Cancelled(Exception):  # noqa: N818  # not an error: somebody changed their mind
    """Raised by a `Progress` to stop the work."""


def unwatched(share: float) -> None:
    """Ignore how far the work is."""


def part(progress: Progress, start: float, stop: float) -> Progress:
    """Return a progress for one part of the work, which runs from `start` to `stop` of the whole."""
    return lambda share: progress(start + (stop - start) * share)
