"""The loss-landscape explorer in a browser: `loss-explorer app`, or `streamlit run app.py`."""

from explorer.ui.frame import page

page.frame()
