"""The units of a matching in a real browser: played and scrubbed by its steps, without Python."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

Serve = Callable[..., str]  # the fixtures of conftest.py

SCRIPT = Path(__file__).with_name("units_app.py")
FRAME = 100  # ms


@pytest.fixture(scope="session")
def url(serve: Serve) -> str:
    return serve(SCRIPT)


def marks(page: Page) -> dict[str, list[list[float]]]:
    """By their class, where the marks of the units stand, in px."""
    return page.locator(".units").evaluate(
        """(root) => Object.fromEntries([...root.querySelectorAll(".stage .mark")].map((node) =>
          [node.classList[1], node.getAttribute("d").split("M").slice(1).map((at) => at.replace("h0", "").split(" ").map(Number))]))"""
    )


def stand(page: Page, step: float, of: int) -> None:
    """Scrub there."""
    page.locator(".units .player input").evaluate(
        "(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input')); }", round(1000 * step / of)
    )


def test_the_result_is_shown_until_somebody_scrubs(page: Page, url: str):
    """At first the last permutation; at a step, that step's, with its value; the step between moves only what that step swaps."""
    page.goto(url)
    status = page.locator(".units .status")
    expect(status).to_contain_text("Step 24 of 24: distance 15.1; it moved 2 of these units. 48 of 512 units of layer stand elsewhere")
    stand(page, 0, 24)
    expect(status).to_contain_text("Before the first of 24 steps: distance 20. 0 of 512")
    found = marks(page)
    assert len(found["moves"]) == 2
    assert len(found["stays"]) == 510
    assert "moved" not in found
    (x, y), (u, v) = found["moves"]
    assert u > x
    assert v > y
    stand(page, 1, 24)
    expect(status).to_contain_text("Step 1 of 24: distance 19; it moved 2 of these units. 2 of 512")
    assert [[x, v], [u, y]] == marks(page)["moved"]


def test_the_marks_glide_between_two_steps(page: Page, url: str):
    """In the middle of a glide both stand between their rows, and no other has moved."""
    page.goto(url)
    expect(page.locator(".units .status")).to_contain_text("Step 24")
    stand(page, 0, 24)
    before = marks(page)
    stand(page, 0.336, 24)  # the slider goes by thousandths of the road
    middle = marks(page)
    assert middle["stays"] == before["stays"]
    (_, y), (_, v) = before["moves"]
    assert all(y < row < v for _, row in middle["moves"])


def test_it_plays_within_a_frames_time_and_the_descent_walks_along(page: Page, url: str):
    """From the start to the result, 512 units, each drawing in less than a tenth of a second; the linked curve ends at the same step."""
    page.goto(url)
    expect(page.locator(".units .status")).to_contain_text("Step 24")
    page.locator(".units .stage > svg").evaluate(
        """(svg) => { window.slowest = 0; let last = 0;
          new MutationObserver(() => { const now = performance.now(); if (last) window.slowest = Math.max(window.slowest, now - last); last = 0; })
            .observe(svg, { childList: true, subtree: true });
          const tick = () => { last = performance.now(); requestAnimationFrame(tick); }; tick(); }"""
    )
    page.locator(".units").get_by_role("button", name="Play along the matching").click()
    expect(page.locator(".units .status")).to_contain_text("Before the first")
    expect(page.locator(".units .status")).to_contain_text("Step 24")
    expect(page.locator(".units").get_by_role("button", name="Play along the matching")).to_be_visible()
    assert 0 < page.evaluate("window.slowest") < FRAME
    expect(page.locator(".curve:not(.units) output")).to_have_text("step = 24.00")


def test_of_a_result_without_steps_there_is_nothing_to_play(page: Page, url: str):
    """Only the marks, and what they say under the pointer."""
    page.goto(f"{url}/?show=result")
    expect(page.locator(".units .status")).to_have_text("48 of 512 units of layer stand elsewhere than before.")
    expect(page.locator(".units .player")).to_be_hidden()
    expect(page.locator(".units ul")).not_to_contain_text("moving")
    page.locator(".units .grip").hover(position={"x": 1, "y": 1})
    expect(page.locator(".units .readout")).to_have_text(re.compile("unit [01] of B.*with unit [01] of A"))
