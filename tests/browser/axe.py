"""What axe-core has against a page at rest, by WCAG 2.1 A and AA.

One exception, Streamlit's own: where the sidebar has sections, their headings stand between the items of one list. The rules on lists are therefore not
applied to the sidebar's items, and to everything else they are.
"""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

LISTS = ("list", "listitem")
ITEMS = "[data-testid=stSidebarNavItems]"
LEVELS = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
AT_REST = "!document.querySelector('[data-stale=true]') && document.getAnimations().every((a) => a.playState !== 'running')"


def violations(page: Page) -> list[str]:
    """One line for each node that breaks a rule."""
    page.wait_for_function(AT_REST)  # what fades in has too little contrast for a moment
    rest = {"runOnly": LEVELS, "rules": {rule: {"enabled": False} for rule in LISTS}, "resultTypes": ["violations"]}
    lists = {"runOnly": {"type": "rule", "values": list(LISTS)}, "resultTypes": ["violations"]}
    found = [
        *Axe().run(page, options=rest).response["violations"],
        *Axe().run(page, context={"exclude": [[ITEMS]]}, options=lists).response["violations"],
    ]
    return [f"{v['id']}: {n['target']}: {n['html']}" for v in found for n in v["nodes"]]
