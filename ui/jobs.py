"""Work that takes seconds: done beside the page, with a bar that fills and a button that stops it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from weakref import ref

import streamlit as st

from model.errors import PneumoscopeError
from model.explain.work import Cancelled, Progress
from ui.frame import problem
from ui.job import Job
from ui.state import session

_WORKERS = 2
_KEPT_BYTES = 120_000_000
_LOOK_AGAIN_S = 0.4


@st.cache_resource(show_spinner=False)
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_WORKERS, thread_name_prefix="job")


def result_of(key: str) -> Any:
    """Return the result of a job that is done, or None."""
    job = session().jobs.get(key)
    if job is None or not job.answer.done() or job.answer.exception() is not None:
        return None
    return job.answer.result()


def show_job(key: str, label: str, work: Callable[[Progress], Any], *, help: str | None = None) -> Any:
    """Draw a job in whatever state it is, and return its result once there is one.

    Parameters
    ----------
    key : str
        Names the job with everything its result depends on.
    label : str
        What the button says that starts it.
    work : callable
        Does it, in another thread, and reports its progress. When the person has left, its next report ends it.
    help : str, optional
        What the button explains when pointed at.

    Returns
    -------
    object or None
        What `work` returned.
    """
    job = session().jobs.get(key)
    done = job is not None and job.answer.done()
    if job is not None and done:
        error = job.answer.exception()
        if error is None:
            return job.answer.result()
        if not isinstance(error, Cancelled):
            problem(_sentence(error))
    if job is None or done:
        st.button(label, key=f"start-{key}", on_click=_starter(key, work), icon=":material/play_arrow:", help=help)
        return None
    _watch(key)
    return None


def start(key: str, work: Callable[[Progress], Any]) -> Job:
    """Start a job for this session, or return it where it runs already."""
    held = session()
    running = held.jobs.get(key)
    if running is not None and not running.answer.done():
        return running
    job = Job(answer=Future())
    owner = ref(held)

    def report(share: float) -> None:
        job.share = share
        if job.stop.is_set() or owner() is None:
            raise Cancelled

    def run() -> None:
        try:
            report(0.0)
            job.answer.set_result(work(report))
        except BaseException as error:
            # Without its traceback, whose frames would keep everything alive that the work has touched.
            job.answer.set_exception(error.with_traceback(None))

    held.jobs.pop(key, None)
    held.jobs[key] = job
    _forget_oldest(held.jobs)
    job.turn = _pool().submit(run)
    return job


def cancel(key: str) -> None:
    """End a job: one that waits at once, one that runs at its next report."""
    job = session().jobs.get(key)
    if job is None:
        return
    job.stop.set()
    if job.turn is not None and job.turn.cancel():
        job.answer.set_exception(Cancelled())


def _forget_oldest(jobs: dict[str, Job]) -> None:
    """Keep as many finished jobs as fit, the newest ones."""
    room = _KEPT_BYTES
    for name in reversed([name for name, one in jobs.items() if one.answer.done()]):
        answer = jobs[name].answer
        room -= _weight(answer.result()) if answer.exception() is None else 0
        if room < 0:
            del jobs[name]


def _weight(result: Any) -> int:
    """How many bytes a result takes, to a kilobyte or so."""
    if isinstance(result, bytes):
        return len(result)
    if isinstance(result, list | tuple):
        return sum(map(_weight, result))
    if isinstance(result, dict):
        return sum(map(_weight, result.values()))
    return int(getattr(result, "nbytes", 0)) or sum(
        int(getattr(value, "nbytes", 0)) if not isinstance(value, dict) else _weight(value)
        for value in getattr(result, "__dict__", {}).values()
    )


def _starter(key: str, work: Callable[[Progress], Any]) -> Callable[[], None]:
    def begin() -> None:
        start(key, work)

    return begin


def _watch(key: str) -> None:
    @st.fragment(run_every=_LOOK_AGAIN_S)
    def bar() -> None:
        job = session().jobs.get(key)
        if job is None or job.answer.done():
            st.rerun()
            return
        with st.container(horizontal=True, vertical_alignment="center", key=f"job-{key}"):
            st.progress(job.share, text=_words(job))
            st.button(
                "Cancel",
                key=f"stop-{key}",
                on_click=cancel,
                args=(key,),
                icon=":material/close:",
                disabled=job.stop.is_set(),
            )

    bar()


def _words(job: Job) -> str:
    if job.stop.is_set():
        return "Stopping"
    if job.turn is not None and not job.turn.running():
        return "Waiting for its turn"
    return f"{100 * job.share:.0f} % done"


def _sentence(error: BaseException) -> str:
    if isinstance(error, PneumoscopeError):
        return str(error)
    return f"This stopped with an unexpected error ({type(error).__name__}); try again."
