"""The home page: drop a chest X-ray, read the prediction, see where the network looked.

streamlit run app.py
"""

from __future__ import annotations

from ui.frame import end_page, setup_page
from ui.home import show_home

setup_page("Pneumoscope", film_beside=False)
show_home()
end_page()
