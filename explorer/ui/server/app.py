"""What `loss-explorer app` has Streamlit serve: app.py, behind the gate for uploads, with what browsers may do with it, and with its style sheet from the start, with cookies for TLS alone where it is.

A folder of its own, as Streamlit puts the folder of what it serves first among the places of modules.
"""

from __future__ import annotations

import streamlit as st
from starlette.middleware import Middleware

from explorer.core import locations
from explorer.ui.frame import page
from explorer.ui.frame.content_policy import ContentPolicy
from explorer.ui.frame.early_style import EarlyStyle
from explorer.ui.frame.secure_cookies import SecureCookies
from explorer.ui.frame.upload_gate import UploadGate

BEFORE = [Middleware(ContentPolicy), Middleware(SecureCookies), Middleware(UploadGate), Middleware(EarlyStyle, style=page.SHEET)]
app = st.App(locations.root() / "app.py", middleware=BEFORE)
