"""First come, first served: one thread at a time in front of the network."""

from __future__ import annotations

import threading
from collections import deque
from types import TracebackType


class FifoLock:
    """A lock that serves its waiters in the order they came.

    A plain ``threading.Lock`` may let a newcomer pass those who wait; under load some visitors would then wait for
    many seconds while others never do.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._turns: deque[threading.Event] = deque()
        self._busy = False

    @property
    def waiting(self) -> int:
        """How many threads wait for their turn at this moment."""
        return len(self._turns)

    @property
    def busy(self) -> bool:
        """Whether a thread holds the lock."""
        return self._busy

    def __enter__(self) -> None:
        with self._guard:
            if not self._busy:
                self._busy = True
                return
            turn = threading.Event()
            self._turns.append(turn)
        try:
            turn.wait()
        except BaseException:
            with self._guard:
                if turn in self._turns:
                    self._turns.remove(turn)
                else:
                    self._pass_on()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._guard:
            self._pass_on()

    def _pass_on(self) -> None:
        if self._turns:
            self._turns.popleft().set()
        else:
            self._busy = False
