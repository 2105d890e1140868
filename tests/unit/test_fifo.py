"""The queue in front of the network: one at a time, in the order they came."""

from __future__ import annotations

import threading
import time

import pytest

from model.fifo import FifoLock


def _until(condition: object) -> None:
    deadline = time.monotonic() + 5
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "waited five seconds in vain"
        time.sleep(0.001)


def test_waiters_are_served_in_order_and_alone() -> None:
    queue, served, inside = FifoLock(), [], []

    def visit(name: int) -> None:
        with queue:
            inside.append(name)
            assert len(inside) == 1
            served.append(name)
            inside.remove(name)

    threads = []
    with queue:
        for name in range(20):
            thread = threading.Thread(target=visit, args=(name,))
            thread.start()
            threads.append(thread)
            _until(lambda expected=name + 1: queue.waiting == expected)
    for thread in threads:
        thread.join(5)
    assert served == list(range(20))
    assert queue.waiting == 0
    assert not queue.busy


def test_an_error_inside_passes_the_turn_on() -> None:
    queue = FifoLock()
    with pytest.raises(ValueError, match="inside"), queue:
        raise ValueError("inside")
    with queue:
        assert queue.busy


def test_a_newcomer_does_not_pass_those_who_wait() -> None:
    queue, order = FifoLock(), []
    release = threading.Event()

    def first() -> None:
        with queue:
            release.wait(5)

    def later(name: str) -> None:
        with queue:
            order.append(name)

    holder = threading.Thread(target=first)
    holder.start()
    _until(lambda: queue.busy)
    waiter = threading.Thread(target=later, args=("waiter",))
    waiter.start()
    _until(lambda: queue.waiting == 1)
    release.set()
    later("newcomer")
    holder.join(5)
    waiter.join(5)
    assert order == ["waiter", "newcomer"]
