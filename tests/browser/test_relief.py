"""The relief in a real browser: one picture with its map, turned and read, and what is not measured is seen as such."""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from explorer.core import locations

APP = Path(__file__).with_name("plane_app.py")
STILL = {"reduced_motion": "reduce"}


@pytest.fixture
def url(serve):
    """The page with nothing but a plane."""
    return serve(APP)


def opened(open_page, address: str, **context: object) -> Page:
    """A visitor at a relief."""
    page = open_page(**STILL | context)
    page.goto(address)
    expect(page.locator(".raised .grip")).to_be_visible()
    return page


def frames(page: Page) -> int:
    """How often the relief was drawn."""
    return page.evaluate("window.__explorer.p.frames")


def floor(page: Page) -> str:
    """Where the floor is drawn, which changes with every turn of the eye."""
    return page.locator(".behind .floor").get_attribute("d") or ""


def drawn(page: Page) -> Image.Image:
    """The stage as it is seen."""
    return Image.open(BytesIO(page.locator(".plane .stage").screenshot())).convert("RGB")


def where(page: Page, mark: str) -> tuple[float, float]:
    """The middle of a mark, in px of the stage."""
    box, stage = page.locator(mark).first.bounding_box(), page.locator(".plane .stage").bounding_box()
    assert box is not None and stage is not None
    return box["x"] + box["width"] / 2 - stage["x"], box["y"] + box["height"] / 2 - stage["y"]


def test_map_and_relief_switch_in_one_element_without_asking_python(open_page, url):
    """The same picture, mounted once; Python hears of it, and the picked place stays."""
    page = open_page(**STILL)
    page.goto(url)
    page.locator(".plane .grip").click(position={"x": 120, "y": 90})
    expect(page.get_by_text(re.compile(r"Told None Spot"))).to_be_visible()
    picked = page.locator(".plane .status").text_content()
    assert "in this cell" in (picked or "")
    page.get_by_role("button", name="Relief").click()
    expect(page.locator(".raised .behind .wall")).to_have_count(3)
    expect(page.locator(".plane .status")).to_have_text(picked or "")
    expect(page.get_by_text(re.compile("Told relief"))).to_be_visible()
    page.get_by_role("button", name="Map").click()
    expect(page.locator(".raised")).to_have_count(0)
    assert page.evaluate("window.__explorer.p.mounts") == 1


def test_the_triangle_is_a_view_of_the_same_element(open_page, url):
    """Of three models: a mark for every mixture; the one that is clicked is a place of the plane, and stands there on the map, too."""
    page = open_page(**STILL)
    page.goto(f"{url}/?show=three")
    page.get_by_role("button", name="Triangle").click()
    expect(page.locator(".plane .mixture")).to_have_count(15)
    expect(page.get_by_text(re.compile("Told triangle"))).to_be_visible()
    mark = page.locator(".plane .mixture").nth(6).bounding_box()  # 1/4, 1/4, 1/2
    assert mark is not None
    page.mouse.move(mark["x"] + mark["width"] / 2, mark["y"] + mark["height"] / 2)
    expect(page.locator(".plane .readout")).to_contain_text("0.25 seed-0 + 0.25 seed-1 + 0.5 bend")
    expect(page.locator(".plane .readout")).to_contain_text("loss (nat): 0.35")
    page.mouse.down()
    page.mouse.up()
    expect(page.get_by_text(re.compile(r"Spot\(x=-?0(\.0+)?(e-\d+)?, y=0\.65"))).to_be_visible()
    page.get_by_role("button", name="Map").click()
    expect(page.locator(".plane .mixture")).to_have_count(0)
    expect(page.locator(".plane .handle")).to_have_count(1)
    assert page.evaluate("window.__explorer.p.mounts") == 1


def test_where_there_are_no_mixtures_there_is_no_triangle(open_page, url):
    """The switch has two views."""
    page = open_page(**STILL)
    page.goto(url)
    expect(page.get_by_role("button", name="Relief")).to_be_visible()
    expect(page.get_by_role("button", name="Triangle")).to_have_count(0)


def test_the_relief_reads_the_value_that_the_map_has_at_the_place(open_page, url):
    """Pointing at a model's foot gives its own coordinates, and a click reaches Python with them; the map says the same of that place."""
    page = opened(open_page, f"{url}/?view=relief&show=bare")
    x, y = where(page, ".raised .foot >> nth=-1")
    page.locator(".plane .grip").hover(position={"x": x, "y": y})
    said = page.locator(".plane .readout")
    expect(said).to_be_visible()
    numbers = [float(n.replace("−", "-")) for n in re.findall(r"[−\d.]+", said.text_content() or "")]
    assert min(abs(numbers[0] - mx) + abs(numbers[1] - my) for mx, my in ((-1.2, 0.0), (1.2, 0.0), (0.0, 1.3))) < 0.12
    page.locator(".plane .grip").click(position={"x": x, "y": y})
    expect(page.get_by_text(re.compile(r"Told None Spot\(x="))).to_be_visible()
    told = page.locator(".plane .status").text_content()
    page.get_by_role("button", name="Map").click()
    expect(page.locator(".plane .status")).to_have_text(told or "")
    assert f": {numbers[2]:g} in this cell" in (told or "")


def test_keys_turn_and_zoom_and_bring_the_first_view_back(open_page, url):
    """And under reduced motion nothing moves by itself."""
    page = opened(open_page, f"{url}/?view=relief")
    first, before = floor(page), frames(page)
    page.wait_for_function("() => new Promise((done) => setTimeout(() => done(true), 400))")
    assert frames(page) == before, "it turned by itself"
    page.locator(".plane .grip").focus()
    seen = [first]
    for key in ("ArrowRight", "ArrowUp", "+"):
        page.keyboard.press(key)
        expect(page.locator(".behind .floor")).not_to_have_attribute("d", seen[-1])
        seen.append(floor(page))
    assert len(set(seen)) == 4
    page.keyboard.press("Home")
    expect(page.locator(".behind .floor")).to_have_attribute("d", first)


def test_it_turns_until_it_is_touched(open_page, url):
    """A press on it ends the turning, for good."""
    page = opened(open_page, f"{url}/?view=relief", reduced_motion="no-preference")
    page.wait_for_function(f"window.__explorer.p.frames > {frames(page) + 2}")
    turn = page.get_by_role("button", name="Turn")
    expect(turn).to_have_attribute("aria-pressed", "true")
    page.locator(".plane .grip").click(position={"x": 200, "y": 200})
    expect(turn).to_have_attribute("aria-pressed", "false")


def test_holes_and_what_diverged_are_seen_as_such(open_page, url):
    """A hole shows the hatched floor; the plateau of what diverged has grey stripes, and the legend says both."""
    page = opened(open_page, f"{url}/?view=relief&show=holes&size=33")
    expect(page.get_by_text("not measured yet")).to_be_visible()
    expect(page.get_by_text("diverged", exact=True)).to_be_visible()
    expect(page.locator(".behind .hole")).to_have_count(1)
    picture = drawn(page)
    grey = sum(1 for r, g, b in picture.getdata() if max(r, g, b) - min(r, g, b) < 6 and 40 < r < 190)
    whole = opened(open_page, f"{url}/?view=relief&size=33")
    plain = sum(1 for r, g, b in drawn(whole).getdata() if max(r, g, b) - min(r, g, b) < 6 and 40 < r < 190)
    assert grey > plain + 500


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 420)])
def test_names_and_numbers_stay_inside_the_picture(open_page, url, scheme, width):
    """Of every model its name, of every axis its ticks; nothing is wider than the window."""
    page = opened(open_page, f"{url}/?view=relief", color_scheme=scheme, viewport={"width": width, "height": 900})
    for name in ("seed-0", "seed-1", "bend"):
        expect(page.locator(".raised text.pin", has_text=re.compile(f"^{name}$"))).to_be_visible()
    outside = page.evaluate(
        """() => {
        const root = [...document.querySelectorAll("*")].map((node) => node.shadowRoot ?? node).find((node) => node.querySelector?.(".plane .stage"));
        const box = root.querySelector(".plane .stage").getBoundingClientRect();
        const texts = [...root.querySelectorAll(".plane .stage text")].filter((node) => node.textContent);
        return [texts.length, texts.filter((node) => { const at = node.getBoundingClientRect(); return at.left < box.left - 1 || at.right > box.right + 1; }).map((node) => node.textContent)];
    }"""
    )
    assert outside[0] > 10
    assert outside[1] == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_the_ball_on_the_relief_and_the_point_on_the_curve_move_together(open_page, url):
    """Scrubbing moves both; so does play, until its end."""
    page = opened(open_page, f"{url}/?view=relief&show=linked")
    expect(page.locator(".curve:not(.plane) .stage path.line").first).to_be_visible()  # it listens
    page.get_by_role("slider", name="Place on straight line").fill("250")
    expect(page.locator(".raised .ball")).to_have_count(2)  # on the other path as well
    expect(page.locator(".curve:not(.plane) .readout")).to_contain_text("t = 0.25")
    page.get_by_role("button", name="Play along straight line").click()
    expect(page.locator(".plane output").first).to_have_text("t = 1.00")
    expect(page.locator(".curve:not(.plane) .readout")).to_contain_text("t = 1")
    expect(page.get_by_role("button", name="Play along straight line")).to_be_visible()


def test_a_picture_that_comes_later_stands_where_the_others_do(open_page, url):
    """A curve that is shown after somebody has walked on the plane asks, and the place on the plane stays."""
    page = opened(open_page, f"{url}/?view=relief&show=late")
    page.get_by_role("slider", name="Place on straight line").fill("250")
    expect(page.locator(".plane output").first).to_have_text("t = 0.25")
    page.get_by_text("Show the curve").click()
    expect(page.locator(".curve:not(.plane) .readout")).to_contain_text("t = 0.25")
    expect(page.locator(".plane output").first).to_have_text("t = 0.25")


def test_home_walks_a_ball_and_its_first_door_leads_to_the_landscape(open_page, serve, tmp_path_factory):
    """From shipped data, with nobody at work: the walk begins by itself, the loss beside the ball, and one click opens that very plane as a relief."""
    app = serve(locations.root() / "app.py", env={"LOSS_EXPLORER_HOME": str(tmp_path_factory.mktemp("home")), "LOSS_EXPLORER_HIRE": "no"})
    page = open_page()
    page.goto(app)
    expect(page.locator(".raised .ball")).to_have_count(1)
    expect(page.locator(".raised .flag")).to_have_text(re.compile(r"^test loss ≈ 0\.\d+$"))
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    page.get_by_role("link", name="Explore the landscape").click()
    expect(page).to_have_url(re.compile(r"/landscape\?.*picture=relief"))
    expect(page.locator(".raised .behind .wall")).to_have_count(3)
