"""The lessons' moving pictures in a real browser, by keys and buttons: they compute what numpy computes, and each frame takes a moment."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect
from scipy.optimize import minimize

from explorer.lessons import _toys, two_neurons
from tests.browser.axe import violations

Serve = Callable[..., str]  # the fixtures of conftest.py
SCRIPT = Path(__file__).with_name("toys_app.py")
KINDS = ("walk", "bend", "ellipses", "pour", "vote")
FRAME = 100  # ms, on a busy machine
WALK_STARTS = (1.2, 1.25)


@pytest.fixture(scope="session")
def url(serve: Serve) -> str:
    return serve(SCRIPT)


def opened(page: Page, url: str, kind: str):
    """Its line of words, once it is drawn."""
    page.goto(f"{url}/?kind={kind}")
    status = page.locator(".toy .status")
    expect(status).not_to_be_empty()
    return status


def numbers(status) -> list[float]:
    """Those of a line of words, in order."""
    text = status.text_content().replace("−", "-")
    return [float(n) for n in re.findall(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e-?\d+)?", text)]


def slide(page: Page, name: str, value: float) -> None:
    page.get_by_role("slider", name=name).evaluate("(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input')); }", value)


def stepped(start, rate):
    """A step of gradient descent on the loss of two neurons, by finite differences."""
    at, h = np.array(start), 1e-5
    slope = [(two_neurons.loss(*(at + h * e)) - two_neurons.loss(*(at - h * e))) / (2 * h) for e in np.eye(2)]
    return at - rate * np.array(slope)


def test_without_noise_both_seeds_take_the_same_step_of_gradient_descent(page: Page, url: str):
    """And the ball's first step is that as well; with noise they part."""
    status = opened(page, url, "walk")
    slide(page, "Noise of the gradient", 0)
    page.get_by_role("button", name="One step").click()
    expect(status).to_contain_text("Step 1,")
    expected = float(two_neurons.loss(*stepped(WALK_STARTS, 0.1)))
    assert numbers(status)[3:] == pytest.approx([expected, expected, expected, 0.0], rel=1e-3)
    page.get_by_role("button", name="Reset").click()
    expect(status).to_contain_text("Step 0,")
    page.get_by_role("button", name="One step").click()
    a, b, _, _ = numbers(status)[3:]
    assert a != b


def test_walkers_walk_within_a_frames_time(page: Page, url: str):
    """Run, then Pause: steps have been taken, and each drawing took less than a tenth of a second; the start is moved by an arrow key."""
    status = opened(page, url, "walk")
    page.get_by_role("button", name="Run").click()
    expect(status).to_contain_text(re.compile(r"Step [2-9]\d,"))
    page.get_by_role("button", name="Pause").click()
    assert page.evaluate("window.__explorer.toy.moveMs") < FRAME
    page.get_by_role("button", name=re.compile(r"^Start: \(1\.20, 1\.25\)")).press("ArrowRight")
    expect(page.get_by_role("button", name=re.compile(r"^Start: \(1\.23, 1\.25\)"))).to_be_visible()
    expect(status).to_contain_text("Step 0,")


def test_whoever_wants_no_motion_sees_where_it_leads(open_page, url: str):
    """All steps at once, and nothing goes on."""
    page = open_page(reduced_motion="reduce")
    status = opened(page, url, "walk")
    page.get_by_role("button", name="Run").click()
    expect(status).to_contain_text("Step 375,")
    expect(page.get_by_role("button", name="Run")).to_be_visible()


def test_a_bend_is_trained_to_the_lowest_mean_loss(page: Page, url: str):
    """First it is worse than the straight line; trained it is where scipy's minimum is."""
    t = np.linspace(0, 1, 61)
    status = opened(page, url, "bend")
    line = _toys.along_bezier(t, np.mean(_toys.ENDS, axis=0))
    before = _toys.along_bezier(t)
    assert numbers(status)[2:] == pytest.approx([before.max(), before.mean(), line.max()], rel=1e-3)
    page.get_by_role("button", name="Train the bend").click()
    expect(page.get_by_role("button", name="Train the bend")).to_be_visible()  # it rests again
    best = minimize(lambda bend: float(_toys.along_bezier(t, bend).mean()), _toys.BEND, tol=1e-12)
    x, y, _, highest, mean, _ = numbers(status)
    assert [x, y] == pytest.approx(best.x, abs=0.02)
    assert mean == pytest.approx(best.fun, rel=0.02)
    assert highest < 0.05 * line.max()


def test_ellipses_merge_as_in_numpy(page: Page, url: str):
    """Slanted: three places and three losses. Along the axes the Fisher mean is the minimum of the sum."""
    status = opened(page, url, "ellipses")
    expected = [float(_toys.total(place)) for place in _toys.means().values()]
    assert numbers(status)[:3] == pytest.approx(expected, rel=1e-3)
    page.get_by_role("button", name="Along the axes").click()
    mean, fisher, best = numbers(status)[:3]
    assert fisher == best < mean
    page.get_by_role("button", name=re.compile("^Middle of A")).press("ArrowUp")
    assert numbers(status)[0] != mean
    page.get_by_role("button", name="Reset").click()
    assert numbers(status)[:3] == pytest.approx(expected, rel=1e-3)


def test_a_soup_with_equal_shares_is_measured_and_any_other_interpolated(page: Page, url: str):
    """Weights 1, 1, ½ are two fifths of the soup of two (0.3) and three fifths of that of three (0.7)."""
    status = opened(page, url, "pour")
    expect(status).to_have_text("Measured on the test samples: 0.7 [0.7, 0.7] nat.")
    third = page.get_by_role("slider", name="tune-3")
    for _ in range(2):
        third.press("Shift+ArrowDown")
    assert third.get_attribute("aria-valuenow") == "0.5"
    expect(status).to_have_text("Interpolated between 2 measured soups: about 0.54 nat.")
    for _ in range(2):
        third.press("Shift+ArrowDown")
    expect(status).to_have_text("Measured on the test samples: 0.3 [0.3, 0.3] nat.")
    for name in ("tune-1", "tune-2"):
        for _ in range(4):
            page.get_by_role("slider", name=name).press("Shift+ArrowDown")
    expect(status).to_have_text("The pot is empty. Drag a bar up.")


def test_signs_vote_as_in_numpy(page: Page, url: str):
    """For the changes as they are, for fewer, and for one that was dragged to the other sign by its keys."""
    status = opened(page, url, "vote")

    def merged():
        return [float(n) for n in re.findall(r"-?\d\.\d\d", status.text_content().replace("−", "-").partition("TIES:")[2])]

    assert merged() == pytest.approx([*_toys.ties(), *_toys.CHANGES.mean(axis=0)], abs=0.00501)
    slide(page, "Changes kept of each model", 2)
    assert merged()[:6] == pytest.approx(_toys.ties(kept=2), abs=0.00501)
    dragged = _toys.CHANGES.copy()
    dragged[0, 0] = -0.95
    lever = page.get_by_role("slider", name="Change of weight 1 in model A")
    for _ in range(7):
        lever.press("Shift+ArrowDown")
    assert merged()[:6] == pytest.approx(_toys.ties(dragged, kept=2), abs=0.00501)
    page.get_by_role("button", name="Next step").click()
    expect(status).to_contain_text("Before.")
    page.get_by_role("button", name="Play").click()
    expect(status).to_contain_text("Merged.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", KINDS)
def test_axe_finds_nothing_to_mend(open_page, url: str, kind, scheme):
    """In both themes, at the width of a phone, where nothing sticks out."""
    page = open_page(color_scheme=scheme, viewport={"width": 420, "height": 900})
    opened(page, url, kind)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert [v for v in violations(page) if ".toy" in v or "toy" in v] == []
