"""How far to believe a heatmap: its report card, and the check with a network that forgets."""

from __future__ import annotations

from hashlib import sha256
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from model.explain.cam import CAM_METHODS, heatmap
from model.explain.faithfulness import STEPS
from model.explain.randomization import Level, forget_from_the_top, learned_layers, similarity
from model.explain.report import BASELINES, HEATMAP, ReportCard, report_card
from ui.charts import curves_figure, similarity_figure
from ui.heatmap_choice import METHODS, Choice
from ui.heatmap_panels import overlaid
from ui.jobs import show_job
from ui.widgets import choose_step

if TYPE_CHECKING:
    from model.explain.cam import Heatmap
    from model.explain.work import Progress
    from model.predictor import Predictor
    from model.sight import Sight

# Three maps, each deleted and inserted, the untouched film included.
_LOOKS = 3 * 2 * (STEPS + 1)
_MEASURES = {
    "deletion_area": ("Taking away", "smaller is better"),
    "insertion_area": ("Giving back", "larger is better"),
    "pointing_hit": ("Hottest place in a box", ""),
    "overlap_at_equal_area": ("Overlap with the boxes", "larger is better"),
}


def show_report_card(
    predictor: Predictor,
    sight: Sight,
    found: Heatmap,
    choice: Choice,
    *,
    film: str,
    truth: NDArray[np.bool_] | None,
) -> ReportCard | None:
    """Draw the report card of a heatmap and return it, or the button that works it out."""
    st.html(
        '<div class="pn-section"><h3>Is this heatmap any good?</h3><p>Blur the film where the map is hottest: if '
        "those "
        "places mattered, the network should change its mind at once. Then start from a blurred film and give "
        "them back. "
        "An edge detector and a blob in the middle of the chest, which know nothing of the network, take the same "
        "test.</p></div>"
    )
    layer = "film" if choice.needs_time else choice.layer
    boxes = sha256(np.packbits(truth).tobytes()).hexdigest()[:12] if truth is not None else "none"
    key = f"card-{choice.method}-{layer}-{choice.side}-{boxes}-{film}-{predictor.version}"
    sign = 1.0 if choice.side == "yes" else -1.0

    def work(progress: Progress) -> ReportCard:
        return report_card(predictor, sight.film, found.values, sign=sign, truth=truth, progress=progress)

    card: ReportCard | None = show_job(key, "Grade this heatmap", work, help=f"Asks the network {_LOOKS} times.")
    if card is None:
        return None
    names = {HEATMAP: METHODS[choice.method].name, **{key: words.capitalize() for key, words in BASELINES.items()}}
    st.html(card_html(card, names))
    left, right = st.columns(2)
    side = predictor.classifier.sides[choice.side == "yes"]
    for column, which, words in (
        (left, "deletion", "Taking away: the faster a line falls, the better the map found what mattered."),
        (right, "insertion", "Giving back: the faster a line rises, the better."),
    ):
        with column:
            st.html(f'<p class="pn-fine">{words}</p>')
            st.plotly_chart(curves_figure(card, which=which, names=names, side=side), key=f"{which}-{key}")
    st.html(
        '<p class="pn-fine">A common misreading: a good grade says that the places mattered to this network, not that '
        "there is disease in them.</p>"
    )
    return card


def card_html(card: ReportCard, names: dict[str, str]) -> str:
    """Return a report card as a table, and the verdict on it in a sentence."""
    numbers = card.as_json()
    shown = {key: words for key, words in _MEASURES.items() if numbers[HEATMAP][key] is not None}
    head = "".join(f"<th>{escape(name)}<br><small>{escape(how)}</small></th>" for name, how in shown.values())
    rows = "".join(
        f"<tr><td>{escape(names[key])}</td>{''.join(f'<td>{_cell(numbers[key][m])}</td>' for m in shown)}</tr>"
        for key in numbers
    )
    better = card.beats_both()
    won = [words for words, beaten in better.items() if beaten]
    if len(won) == len(better):
        verdict = "It beats both maps that know nothing of the network."
    elif won:
        verdict = f"It beats both baselines by {' and '.join(won)} only. Take it with a grain of salt."
    else:
        verdict = "It does not beat the two maps that know nothing of the network. Do not lean on it for this film."
    return (
        f'<p class="pn-because">{verdict}</p><div class="pn-scroll"><table class="pn-table"><thead><tr><th></th>{head}'
        f"</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def show_randomization(predictor: Predictor, sight: Sight, choice: Choice, *, film: str) -> list[Level]:
    """Draw the check with its slider and return its steps, or the button that works it out and nothing."""
    st.html(
        '<div class="pn-section"><h3>Would it look the same without learning?</h3><p>Replace what the network '
        "learned by "
        "chance, from its last layer down, and draw the map again each time. A map that explains what was "
        "learned must "
        "fall apart. One that stays is an edge detector in disguise.</p></div>"
    )
    if choice.method not in CAM_METHODS:
        st.html('<p class="pn-fine">This check is for the methods of the Grad-CAM family; choose one of those.</p>')
        return []
    key = f"forget-{choice.method}-{film}-{predictor.version}"

    def work(progress: Progress) -> list[Level]:
        return list(forget_from_the_top(predictor, sight.film, method=choice.method, progress=progress))

    networks = len(learned_layers(predictor)) + 1
    levels: list[Level] | None = show_job(key, "Make it forget", work, help=f"Asks {networks} networks.")
    if levels is None:
        return []
    _show_levels(levels, sight, choice, predictor)
    return levels


def _show_levels(levels: list[Level], sight: Sight, choice: Choice, predictor: Predictor) -> None:
    names = ["nothing", *(level.forgotten for level in levels[1:])]
    now = st.session_state.get("forgotten", names[-1])
    now = now if now in names else names[-1]
    choose_step(
        "Forgotten down to", names, value=now, key="forgotten", on_choice=lambda name: _remember("forgotten", name)
    )
    step = names.index(now)
    maps = [level.summed[choice.layer, choice.side] for level in levels]
    alike = [similarity(maps[0], one, layer=choice.layer) for one in maps]
    left, middle, right = st.columns([1, 1, 2])
    for column, place in ((left, 0), (middle, step)):
        found = heatmap(maps[place], layer=choice.layer)
        words = "As it was learned" if place == 0 and column is left else f"Forgotten: {names[place]}"
        with column:
            st.image(
                overlaid(sight, found, choice.colors, 1.0),
                width="stretch",
                caption=words if found.has_evidence else f"{words}. No positive evidence.",
            )
    with middle:
        st.html(
            f'<p class="pn-because">Similarity <b>{alike[step]:.2f}</b></p><p class="pn-fine">This network says '
            f"{100 * levels[step].probability:.0f} % {escape(predictor.classifier.sides[1])}.</p>"
        )
    with right:
        st.plotly_chart(similarity_figure(names, alike, now=step), key="similarity")


def _remember(key: str, value: str) -> None:
    st.session_state[key] = value


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{float(value):.3f}"
