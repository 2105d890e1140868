"""Heatmaps: where the layers spoke for the answer, and how far to believe them."""

from __future__ import annotations

from ui.frame import end_page, setup_page
from ui.heatmaps_page import show_heatmaps

setup_page("Heatmaps")
show_heatmaps()
end_page()
