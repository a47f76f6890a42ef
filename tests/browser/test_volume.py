"""The shipped volume and the pictures of a plane's minima in a real browser: cut, turned, picked, and pointed at together."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from explorer.core import locations
from explorer.store.run_store import RunStore
from explorer.ui.landscape import volume


@pytest.fixture(scope="module")
def shipped(tmp_path_factory) -> tuple[str, str]:
    """A new user's folder, and the shipped volume's run in it."""
    home = tmp_path_factory.mktemp("home")
    store = RunStore(home / "store.sqlite")
    store.absorb(locations.root() / "sample_models" / "samples.sqlite", pinned=True)
    return str(home), next(s.request.id for s in store.statuses("Run") if volume.can(s.request))


@pytest.fixture
def url(serve, shipped) -> str:
    """The app on that folder."""
    return serve(locations.root() / "app.py", env={"LOSS_EXPLORER_HOME": shipped[0], "LOSS_EXPLORER_IDLE": "30"})


def counts(page: Page) -> dict[str, float]:
    """The volume's counters."""
    return page.evaluate("Object.entries(window.__explorer).find(([key]) => /^volume-(?!slice)/.test(key))[1]")


def marks(page: Page) -> list[tuple[str, str]]:
    """Where the minima are drawn, which changes with every turn of the eye."""
    return page.locator(".volume circle.mark").evaluate_all("nodes => nodes.map(n => [n.getAttribute('cx'), n.getAttribute('cy')].join())")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 420)])
def test_the_shipped_volume_is_cut_turned_and_picked(url, open_page, shipped, scheme, width):
    """The slider finds another surface, a drag and the arrow keys turn it, a click on a minimum leads to its model; nothing is wider than the window."""
    page = open_page(color_scheme=scheme, viewport={"width": width, "height": 900}, reduced_motion="reduce")
    page.goto(f"{url}/landscape?runs={shipped[1]}")
    expect(page.locator(".volume circle.mark").first).to_be_visible()
    assert (before := counts(page)["triangles"]) > 0
    slider = page.get_by_label("Value of the surface")
    slider.focus()
    value = page.locator(".volume output").text_content() or ""
    for _ in range(8):
        page.keyboard.press("ArrowRight")
    expect(page.locator(".volume output")).not_to_have_text(value)
    assert counts(page)["triangles"] != before

    grip = page.locator(".volume .grip")
    grip.scroll_into_view_if_needed()
    box = grip.bounding_box()
    assert box is not None
    at = marks(page)
    page.mouse.move(x := box["x"] + 30, y := box["y"] + 30)
    page.mouse.down()
    page.mouse.move(x + 60, y + 20, steps=3)
    page.mouse.up()
    expect(page.locator(".volume circle.mark").first).not_to_have_attribute("cx", at[0].split(",")[0])
    assert "at=" not in page.url  # a drag picks nothing
    at = marks(page)
    grip.focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".volume circle.mark").first).not_to_have_attribute("cx", at[0].split(",")[0])

    spot = page.locator(".volume circle.mark").first.bounding_box()
    assert spot is not None
    page.mouse.click(spot["x"] + spot["width"] / 2, spot["y"] + spot["height"] / 2)
    expect(page).to_have_url(re.compile("at="))
    expect(page.get_by_text(re.compile("The model at"))).to_be_visible()
    expect(page.locator(".volume circle.picked")).to_have_count(1)
    assert counts(page)["mounts"] == 1
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
