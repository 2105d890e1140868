"""The one way from a page to the network: ask, see how many are ahead, get the answer once and keep it."""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakSet, ref

import streamlit as st

from model.errors import PneumoscopeError
from model.images import Radiograph
from ui.lightbox import bare_film
from ui.state import session

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from model.predictor import Prediction, Predictor, Sight

Question = Literal["predict", "explain"]

_LOGGER = logging.getLogger(__name__)
_WORKERS = 4
_REMEMBERED_ANSWERS = 512
_REMEMBERED_BYTES = 400_000_000
_LIGHT = 1_000_000
_SWEEP_S = 30.0
_LOOK_AGAIN_S = 0.15
_WARMING_UP = "Warming up the network. This happens once, when the server starts."


@dataclass(frozen=True, kw_only=True)
class Ticket:
    """A place in the queue.

    Attributes
    ----------
    answer : Future
        Holds the answer once the network has given it.
    earlier : tuple of Future
        The questions that were open when this one was asked.
    """

    answer: Future[Any]
    earlier: tuple[Future[Any], ...]

    @property
    def ahead(self) -> int:
        """How many earlier questions are still open."""
        return sum(not other.done() for other in self.earlier)


class Desk:
    """Loads the predictor once, in the background, and hands out answers in the order they were asked for.

    The same question about the same film is asked once: a second asker gets the first one's answer, also
    while it is still being worked out. Answers are kept while they fit: at most 512, and at most 400 MB of them (a
    `Sight` of VGG16 takes 65 MB, a prediction next to nothing).

    Parameters
    ----------
    load : callable
        Returns the predictor; called once, on another thread.
    """

    def __init__(self, load: Callable[[], Predictor]) -> None:
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="network")
        self._answers: OrderedDict[tuple[Question, str], Future[Any]] = OrderedDict()
        self._askers: dict[tuple[Question, str], WeakSet[Any]] = {}
        self._lock = threading.Lock()
        self.predictor: Future[Predictor] = self._pool.submit(load)

    def ask(self, question: Question, film: Radiograph, *, asker: object = None) -> Ticket:
        """Queue a question about a film, or join the same question if it was asked before.

        Parameters
        ----------
        question : {"predict", "explain"}
            What to ask.
        film : Radiograph
            About what.
        asker : object, optional
            On whose behalf. When all who asked for an answer are gone, so is the answer, at the next `sweep`; without
            an asker it stays until it no longer fits.
        """
        key = (question, film.sha256)
        with self._lock:
            if asker is not None:
                self._askers.setdefault(key, WeakSet()).add(asker)
            answer = self._answers.get(key)
            if answer is None or (answer.done() and answer.exception() is not None):
                earlier = _open(self._answers.values())
                answer = self._answers[key] = self._pool.submit(self._work, question, film)
                self._forget_oldest()
            elif answer.done():
                earlier = ()
                self._answers.move_to_end(key)
            else:
                earlier = _open(self._before(key))
        return Ticket(answer=answer, earlier=earlier)

    def sweep(self) -> None:
        """Forget the answers whose askers are all gone."""
        with self._lock:
            for key in [key for key, askers in self._askers.items() if not askers]:
                answer = self._answers.get(key)
                if answer is None or answer.done():
                    self._drop(key)

    def _work(self, question: Question, film: Radiograph) -> Prediction | Sight:
        predictor = self.predictor.result()
        return predictor.predict(film) if question == "predict" else predictor.explain(film)

    def _before(self, key: tuple[Question, str]) -> list[Future[Any]]:
        asked = list(self._answers)
        return [self._answers[other] for other in asked[: asked.index(key)]]

    def _forget_oldest(self) -> None:
        done = {key: _weight(answer) for key, answer in self._answers.items() if answer.done()}
        total = sum(done.values())
        for key, weight in done.items():
            if total > _REMEMBERED_BYTES and weight > _LIGHT:
                self._drop(key)
                total -= weight
            elif len(self._answers) > _REMEMBERED_ANSWERS:
                self._drop(key)

    def _drop(self, key: tuple[Question, str]) -> None:
        self._answers.pop(key, None)
        self._askers.pop(key, None)


@st.cache_resource(show_spinner=False)
def desk() -> Desk:
    """Return the server's one `Desk`; the first call starts loading the network and does not wait for it."""
    opened = Desk(_shipped)
    threading.Thread(target=_sweep_forever, args=(ref(opened),), daemon=True, name="sweeper").start()
    return opened


def explain(film: Radiograph, *, place: DeltaGenerator) -> Sight:
    """Return everything the network did with a film, telling the person why it takes time.

    Parameters
    ----------
    film : Radiograph
        The film.
    place : DeltaGenerator
        An ``st.empty()`` that shows the waiting state and is emptied afterwards.

    Raises
    ------
    model.errors.PneumoscopeError
        The network could not be loaded or could not answer.
    """
    sight: Sight = _wait("explain", film, place)
    return sight


def predict(film: Radiograph, *, place: DeltaGenerator) -> Prediction:
    """Return the prediction alone, which is cheaper; see `explain` for the parameters and errors."""
    prediction: Prediction = _wait("predict", film, place)
    return prediction


def predictor() -> Predictor:
    """Return the network that answers; waits until it is loaded."""
    return _predictor()


def version() -> str:
    """Return the fingerprint of the network that answers; waits until it is loaded."""
    return str(_predictor().version)


def _wait(question: Question, film: Radiograph, place: DeltaGenerator) -> Any:
    _until_done(desk().predictor, lambda: _WARMING_UP, film, place)
    _predictor()
    ticket = desk().ask(question, film, asker=session())
    _until_done(ticket.answer, lambda: _queue_sentence(ticket.ahead), film, place)
    return _result(ticket.answer)


def _until_done(answer: Future[Any], sentence: Callable[[], str], film: Radiograph, place: DeltaGenerator) -> None:
    said = ""
    while not answer.done():
        now = sentence()
        if now != said:
            picture = bare_film(film.sha256, film.pixels)
            place.html(
                f'<div class="pn-waiting" role="status"><span class="pn-waiting-film"><img src="{picture}" alt="">'
                f'</span><span class="pn-waiting-words">{escape(now)}</span></div>'
            )
        said = now
        wait([answer], timeout=_LOOK_AGAIN_S)
    place.empty()


def _predictor() -> Predictor:
    loading = desk().predictor
    try:
        predictor: Predictor = _result(loading)
    except PneumoscopeError:
        desk.clear()
        raise
    return predictor


def _result(answer: Future[Any]) -> Any:
    try:
        return answer.result()
    except PneumoscopeError:
        raise
    except Exception as error:
        _LOGGER.exception("The network failed.")
        raise PneumoscopeError(
            f"The network stopped with an unexpected error ({type(error).__name__}); reload the page to try again, "
            "and if it happens again, look at what the app wrote where it was started."
        ) from error


def _queue_sentence(ahead: int) -> str:
    if ahead == 0:
        return "The network is looking at the film."
    return f"Waiting: {ahead} ahead of you."


def _weight(answer: Future[Any]) -> int:
    """How many bytes a finished answer keeps alive."""
    return getattr(answer.result(), "nbytes", 0) if answer.exception() is None else 0


def _sweep_forever(opened: ref[Desk]) -> None:
    while True:
        time.sleep(_SWEEP_S)
        known = opened()
        if known is None:
            return
        known.sweep()
        del known


def _open(answers: Iterable[Future[Any]]) -> tuple[Future[Any], ...]:
    return tuple(answer for answer in answers if not answer.done())


def _shipped() -> Predictor:
    from model.own_model import chosen_classifier
    from model.predictor import Predictor

    predictor = Predictor(chosen_classifier())
    predictor.warm_up()
    # After every run of a page Streamlit collects garbage, which goes through all of TensorFlow's and the network's
    # objects each time: half a second in which nothing else happens. They are here to stay, so they are left out.
    gc.collect()
    gc.freeze()
    return predictor
