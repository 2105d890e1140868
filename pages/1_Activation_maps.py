"""Activation maps: from the film to a layer, a channel, and one number."""

from __future__ import annotations

from ui.frame import end_page, setup_page
from ui.maps_page import show_maps

setup_page("Activation maps")
show_maps()
end_page()
