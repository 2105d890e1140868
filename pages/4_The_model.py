"""The model card: what the network learned from, how often it is right, and whom it is not for."""

from __future__ import annotations

from ui.frame import end_page, setup_page
from ui.model_page import show_model

setup_page("The model")
show_model()
end_page()
