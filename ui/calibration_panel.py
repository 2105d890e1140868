"""Whether the network keeps its word: calibration before and after the temperature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from model.calibration import Bin, reliability
from model.metrics import expected_calibration_error
from model.plots import calibration_plot
from ui.evaluation_charts import calibration_figure
from ui.plot_frame import Table, show_plot
from ui.scores import Source


def show_calibration(source: Source) -> None:
    """Draw reliability diagrams of a table before and after calibration."""
    before, after = source.before, source.after
    curves = {
        "before": reliability(before.labels, before.scores),
        "after": reliability(after.labels, after.scores),
    }
    errors = [expected_calibration_error(table.labels, table.scores) for table in (before, after)]
    st.html('<div class="pn-section"><h3>Does it keep its word?</h3></div>')
    left, right = st.columns([1, 1.4], gap="large")
    with left:
        st.html(
            f'<p class="pn-plot-title">Calibration error <b>{errors[0]:.3f}</b> before, <b>{errors[1]:.3f}</b> '
            "after</p>"
            f'<p class="pn-because">{_how(source)}</p>'
            '<p class="pn-fine">The error is how far what it says lies from what happens, averaged over the '
            "films of 15 "
            "bins of equal width (Guo et al., 2017). A temperature changes no order: ROC curve and AUROC stay.</p>"
        )
    with right:
        show_plot(
            "calibration",
            calibration_figure(curves),
            picture=lambda: calibration_plot(curves),
            numbers=lambda: _numbers(curves),
        )


def _how(source: Source) -> str:
    if source.temperature is None:
        return (
            "After: the log odds of each half of the patients were divided by the number, the temperature, that suits "
            "the other half best, so that no film was judged by what it had chosen itself."
        )
    doing = "more sure of itself" if source.temperature < 1 else "less sure of itself"
    return (
        f"The network's logits are divided by one number, its temperature: {source.temperature:.3f}, which makes it "
        f"{doing}. Validation films chose it, and the app uses it everywhere: what you see on the other pages is "
        "“after”."
    )


def _numbers(curves: Mapping[str, Sequence[Bin]]) -> Table:
    rows = [
        (when, one.start, one.stop, one.count, one.said, one.happened, one.low, one.high)
        for when, bins in curves.items()
        for one in bins
    ]
    return ("when", "from", "to", "films", "said", "happened", "low", "high"), rows
