"""Evaluation: how good the network is, how sure one can be of that, and for whom."""

from __future__ import annotations

from ui.evaluation_page import show_evaluation
from ui.frame import end_page, setup_page

setup_page("Evaluation")
show_evaluation()
end_page()
