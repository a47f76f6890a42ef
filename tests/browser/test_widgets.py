"""The widgets of notebooks in a real browser: their modules under a model like anywidget's, on a page that knows nothing of Streamlit."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from explorer.figures import frontend, told
from explorer.figures.curve import Curve, Peak
from explorer.figures.plane import Marker, Surface

# As anywidget does it: the module from a blob, `render` with a model and an element. The style is a notebook's that would spoil the picture.
PAGE = """<!doctype html><title>notebook</title>
<style>.curve {{ display: none }} ul, svg, canvas, button {{ position: fixed; opacity: 0.1 }}</style>
<body style="--jp-content-font-color1: rgb(1 2 3)"><div id="cell"></div>
<script type="module">
  const heard = {{}};
  const kept = {{ data: {data}, pick: null }};
  const model = {{
    get: (name) => kept[name],
    set: (name, value) => {{ kept[name] = value; }},
    save_changes: () => {{ window.saved = structuredClone(kept.pick); }},
    on: (event, then) => {{ (heard[event] ??= new Set()).add(then); }},
    off: (event, then) => heard[event]?.delete(then),
  }};
  window.tell = (data) => {{ kept.data = data; for (const then of heard["change:data"] ?? []) then(); }};
  window.listeners = () => heard["change:data"]?.size ?? 0;
  const address = URL.createObjectURL(new Blob([{module}], {{ type: "text/javascript" }}));
  const widget = (await import(address)).default;
  window.leave = await widget.render({{ model, el: document.getElementById("cell") }});
  window.ready = true;
</script>"""

T = np.linspace(0, 1, 5)
LINE = Curve("seed-0 → seed-1", T, np.array([1.0, 2.0, 3.0, 2.0, 1.0]), chord=(1.0, 1.0), peak=Peak(0.5, 1.0, 3.0, "barrier 2"))


def curves(line: Curve) -> dict[str, object]:
    return told.curves([line], key="c", x_title="t   (0 = a, 1 = b)", y_title="loss", alt="the loss", x_range=(0.0, 1.0), does="pick a point")


def surface() -> dict[str, object]:
    x = np.linspace(-1, 1, 5)
    grid = Surface(x, x, x[None, :] ** 2 + x[:, None] ** 2, np.zeros((5, 5), dtype=bool))
    return told.plane(grid, [Marker("a", 0.0, 0.0), Marker("b", 1.0, 0.0)], [], key="p", z_title="loss", alt="the loss")


def in_javascript(data: dict[str, object]) -> str:
    """As anywidget hands it over: bytes are a DataView."""
    parts = [
        f"{json.dumps(k)}: {f'new DataView(Uint8Array.from({list(v)}).buffer)' if isinstance(v, bytes) else json.dumps(v)}" for k, v in data.items()
    ]
    return f"{{{', '.join(parts)}}}"


@pytest.fixture
def shown(page: Page):
    """`shown(name, data) -> Page` once the widget is drawn."""

    def show(name: str, data: dict[str, object]) -> Page:
        text = PAGE.format(data=in_javascript(data), module=json.dumps(frontend.widget(name)).replace("</", "<\\/"))
        page.set_content(text)
        page.wait_for_function("window.ready && window.__explorer && Object.values(window.__explorer)[0].draws > 0")
        return page

    return show


def test_a_curve_is_hovered_and_clicked(shown):
    """The readout shows the value at the pointer; a click is what Python gets as `pick`."""
    page = shown("curve", curves(LINE))
    grip = page.get_by_role("slider")
    box = grip.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
    expect(page.locator(".readout")).to_contain_text("t = 0.5")
    expect(page.locator(".readout")).to_contain_text("3")
    page.mouse.click(box["x"] + box["width"] / 4, box["y"] + 40)
    expect(page.locator(".status")).to_contain_text("t = 0.25: seed-0 → seed-1 2.")
    assert page.evaluate("window.saved.x") == 0.25
    page.keyboard.press("Escape")
    assert page.evaluate("window.saved.x") is None


def test_the_notebooks_style_and_the_widgets_do_not_meet(shown):
    """The page hides what has our names: the picture is seen all the same, in the notebook's colour of text; and the page keeps its own look."""
    page = shown("curve", curves(LINE))
    expect(page.locator(".curve")).to_be_visible()
    assert page.locator(".curve").evaluate("node => getComputedStyle(node).color") == "rgb(1, 2, 3)"
    assert page.locator(".curve .head ul").evaluate("node => getComputedStyle(node).position") == "static"
    page.evaluate("document.body.append(Object.assign(document.createElement('div'), { className: 'curve', textContent: 'theirs' }))")
    assert page.locator("body > .curve").evaluate("node => getComputedStyle(node).display") == "none"


def test_new_points_are_drawn_in_place(shown):
    """The element stays, so that a hover and the handle do; the picture has the points that Python told."""
    page = shown("curve", curves(replace(LINE, x=T[:3], y=LINE.y[:3], peak=None, chord=None)))
    page.locator(".curve").evaluate("node => { window.element = node; }")
    points = page.locator(".stage > svg path.dot")
    expect(points).to_have_count(3)
    page.get_by_role("slider").click()
    page.evaluate("data => window.tell(data)", curves(LINE))
    expect(points).to_have_count(5)
    assert page.locator(".curve").evaluate("node => node === window.element")
    expect(page.locator(".status")).to_contain_text("t = 0.5")


def test_a_plane_is_clicked_at_its_distances(shown):
    """The middle of the picture is the place (0, 0)."""
    page = shown("plane", surface())
    grip = page.get_by_role("application")
    grip.hover()
    expect(page.locator(".readout")).to_contain_text("loss: 0 in this cell")
    grip.click()
    sent = page.evaluate("window.saved")
    assert abs(sent["x"]) < 0.02 and abs(sent["y"]) < 0.02
    colours = page.locator("canvas").evaluate(
        "c => new Set(new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer)).size"
    )
    assert colours > 5


def test_a_widget_that_leaves_leaves_nothing(shown):
    """Neither an element nor a listener stays when the cell is run again."""
    page = shown("curve", curves(LINE))
    assert page.evaluate("window.listeners()") == 1
    page.evaluate("window.leave()")
    assert page.evaluate("[document.getElementById('cell').childElementCount, window.listeners()]") == [0, 0]
