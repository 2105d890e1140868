"""One piece of work that a session has begun."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any


@dataclass(kw_only=True, eq=False)
class Job:
    """One piece of work.

    Attributes
    ----------
    answer : Future
        Holds the result when it is done.
    share : float
        How much is done, 0..1.
    stop : threading.Event
        Set to end it.
    turn : Future or None
        Its place among the work of all sessions.
    """

    answer: Future[Any]
    share: float = 0.0
    stop: threading.Event = field(default_factory=threading.Event)
    turn: Future[None] | None = None
