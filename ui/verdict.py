"""The verdict in words, and the bar that shows the probability against the threshold."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from model.novelty import Doubt
    from model.predictor import Prediction

CLOSE_CALL = 0.5
NOT_CLINICAL = "For learning only. Not a medical device, not for clinical use."


@dataclass(frozen=True, kw_only=True)
class Words:
    """What the page says about a prediction.

    Attributes
    ----------
    headline : str
        The verdict, as a person would say it.
    because : str
        The comparison of probability and threshold behind it.
    tone : {"pneumonia", "normal"}
        Which color goes with it.
    close : bool
        Whether the probability is so near the threshold that the verdict could easily be the other.
    """

    headline: str
    because: str
    tone: Literal["pneumonia", "normal"]
    close: bool


def in_words(prediction: Prediction) -> Words:
    """Put a prediction into words.

    A call is close when probability and threshold are less than 0.5 apart on the scale of log odds, which
    is 12 percentage points around one half and less toward the ends.
    """
    sick = prediction.is_yes
    close = abs(_log_odds(prediction.probability) - _log_odds(prediction.threshold)) < CLOSE_CALL
    side = "above" if sick else "below"
    if prediction.probability == prediction.threshold:
        side = "exactly at"
    because = (
        f"{percent(prediction.probability)} is {side} the threshold of {percent(prediction.threshold)}, "
        f"so the network calls this film {prediction.verdict}."
    )
    headline = "Looks normal" if prediction.verdict == "normal" else f"Looks like {prediction.verdict}"
    because = because[:1].upper() + because[1:]
    return Words(headline=headline, because=because, tone="pneumonia" if sick else "normal", close=close)


def percent(share: float) -> str:
    """Write a share of 0..1 as a percentage that never claims certainty: 0.9999 is "over 99.9 %"."""
    if share > 0.999:
        return "over 99.9 %"
    if share < 0.001:
        return "under 0.1 %"
    return f"{100 * share:.1f} %"


def number(value: float) -> str:
    """Write any number with three digits that count, without powers of ten where those can be avoided."""
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}".replace("-", "−")
    return (f"{value:.3g}" if size >= 1e-4 or value == 0 else f"{value:.1e}").replace("-", "−")


def duration(seconds: float) -> str:
    """Write a duration for a person: "0.31 s", "12 ms"."""
    return f"{1000 * seconds:.0f} ms" if seconds < 0.1 else f"{seconds:.2f} s"


def verdict_html(prediction: Prediction, *, name: str, doctors: str | None) -> str:
    """Return the verdict panel as HTML; every text that came from outside is escaped.

    Parameters
    ----------
    prediction : Prediction
        What the network said.
    name : str
        What the film is called.
    doctors : str or None
        ``"NORMAL"`` or ``"PNEUMONIA"`` where the people who made the data set labeled this film.
    """
    if prediction.doubt is not None:
        return _doubt_html(prediction, prediction.doubt, name=name)
    words = in_words(prediction)
    close = '<p class="pn-close">A close call: a slightly different film could tip it.</p>' if words.close else ""
    return (
        f'<section class="pn-verdict pn-{words.tone}" data-verdict="{words.tone}">'
        f'<p class="pn-film-name">{escape(name)}</p>'
        f'<h1 class="pn-headline">{escape(words.headline)}</h1>'
        f"{gauge_html(prediction)}"
        f'<p class="pn-because">{escape(words.because)}</p>{close}{_doctors_html(prediction, doctors)}'
        f'<p class="pn-fine">The percentage says how much this film resembles the {escape(prediction.sides[1])} films '
        "the network learned from. It is not the chance that a person is ill.</p>"
        f'<p class="pn-disclaimer">{escape(NOT_CLINICAL)}</p>'
        "</section>"
    )


def doubt_sentence(doubt: Doubt) -> str:
    """Return why nothing should be trusted here, as the verdict says it."""
    return f"I would not trust a prediction here, because {doubt.because}."


def _doubt_html(prediction: Prediction, doubt: Doubt, *, name: str) -> str:
    words = in_words(prediction)
    return (
        '<section class="pn-verdict pn-doubt" data-verdict="doubt">'
        f'<p class="pn-film-name">{escape(name)}</p>'
        f'<h1 class="pn-headline pn-long">{escape(doubt_sentence(doubt))}</h1>'
        '<p class="pn-because">The network answers for anything, a cat included. Here is what it says all the same; '
        "you can still look at how it came to it.</p>"
        f"{gauge_html(prediction)}"
        f'<p class="pn-fine">{escape(words.because)}</p>'
        f'<p class="pn-disclaimer">{escape(NOT_CLINICAL)}</p>'
        "</section>"
    )


def gauge_html(prediction: Prediction) -> str:
    """Return the probability as a bar from 0 to 100 % with the threshold marked, as HTML."""
    reached, mark = 100 * prediction.probability, 100 * prediction.threshold
    probability, threshold = percent(prediction.probability), percent(prediction.threshold)
    label = f"Probability of {prediction.sides[1]} {probability}, threshold {threshold}"
    return (
        f'<div class="pn-gauge" role="img" aria-label="{escape(label)}">'
        f'<p class="pn-number"><span>{escape(probability)}</span>'
        f"<small>probability of {escape(prediction.sides[1])}</small></p>"
        f'<div class="pn-track"><div class="pn-fill" style="width:{reached:.2f}%"></div>'
        f'<div class="pn-tick" style="left:{mark:.2f}%"></div></div>'
        f'<div class="pn-scale"><span>0</span>'
        f'<span class="pn-mark" style="left:clamp(4.2rem,{mark:.2f}%,100% - 5.2rem)">'
        f"threshold {escape(threshold)}</span><span>100 %</span></div></div>"
    )


def _doctors_html(prediction: Prediction, doctors: str | None) -> str:
    if doctors is None or doctors.lower() not in prediction.sides:
        return ""
    agrees = doctors.lower() == prediction.verdict
    said = "pneumonia" if doctors.upper() == "PNEUMONIA" else "normal"
    ending = "The network agrees." if agrees else "The network disagrees: a mistake worth looking at."
    return f'<p class="pn-doctors">The doctors who labeled this film said <b>{said}</b>. {ending}</p>'


def _log_odds(share: float) -> float:
    inside = min(max(share, 1e-9), 1.0 - 1e-9)
    return math.log(inside / (1.0 - inside))
