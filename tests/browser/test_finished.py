"""Every page once everything on it is measured: what axe-core says of it in both themes (WCAG 2.1, A and AA), and that a click reaches all of it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from explorer.core import locations
from tests.browser.axe import violations
from tests.finished import work_off

PAPER = """() => {
  const [red, green, blue] = getComputedStyle(document.querySelector("[data-testid=stApp]")).backgroundColor.match(/\\d+/g);
  return +red + +green + +blue > 384 ? "light" : "dark";
}"""


@pytest.fixture(scope="module")
def addresses(tiny, tmp_path_factory):
    """A folder in which everything was measured, and the pages that show it."""
    home = tmp_path_factory.mktemp("measured")
    return home, list(work_off(tiny, home))


@pytest.fixture
def url(serve, addresses):
    """The app on that folder."""
    return serve(locations.root() / "app.py", env={"LOSS_EXPLORER_HOME": str(addresses[0]), "LOSS_EXPLORER_IDLE": "30"})


def _finished(page, address: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    if "=" in address:
        expect(page.get_by_role("button", name="Explain", exact=True)).to_be_visible()
    expect(page.locator("[data-testid=stApp][data-test-script-state=notRunning]")).to_be_visible()
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)


def test_axe_finds_nothing_to_mend_on_a_finished_page(url, open_page, addresses):
    """Contrast, names and roles of every page with its pictures, its row of actions and its tables, in both themes."""
    page = open_page(color_scheme="light", viewport={"width": 1280, "height": 900})
    found: list[str] = []
    for address in addresses[1]:
        page.goto(f"{url}/{address}")
        _finished(page, address)
        for scheme in ("light", "dark") if page.evaluate("matchMedia('(prefers-color-scheme: light)').matches") else ("dark", "light"):
            page.emulate_media(color_scheme=scheme)
            page.wait_for_function(f"scheme => ({PAPER})() === (scheme === 'light' ? 'light' : 'dark')", arg=scheme)
            found += [f"{scheme}, {address}: {line}" for line in violations(page)]
    assert not found, "\n".join(found)


def test_a_click_on_a_picture_at_rest_reaches_the_rest_of_the_page(url, page, addresses):
    """The link under the line has the picked point; a point under a condition leads to the models there, on another view."""
    line, under = (next(a for a in addresses[1] if a.startswith(start)) for start in ("interpolate", "paths?view=conditions"))
    page.goto(f"{url}/{line}")
    _finished(page, line)
    page.get_by_role("figure").first.click()
    expect(page).to_have_url(re.compile(r"[?&]t=0\."))
    page.get_by_role("button", name="Code", exact=True).click()
    expect(page.get_by_test_id("stCode").filter(has_text=re.compile(r"/interpolate\?.*t=0\."))).to_be_visible()
    page.goto(f"{url}/{under}")
    _finished(page, under)
    page.get_by_role("figure").first.click()
    expect(page.get_by_role("button", name="Compare").first).to_be_visible()
    expect(page.get_by_text("The model at t =")).to_be_visible()
