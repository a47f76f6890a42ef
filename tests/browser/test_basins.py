"""Merge tree, terrain and plane in a real browser: what is pointed at in one is marked in all."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from explorer.core import locations


def point_at(page: Page, spot: Locator) -> None:
    """The pointer on the middle of what is drawn."""
    spot.scroll_into_view_if_needed()
    box = spot.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


def test_a_minimum_pointed_at_is_marked_in_tree_terrain_and_plane(serve, open_page, tmp_path_factory):
    """From the tree its basin is outlined in the plane, from the plane its leaf is marked in the tree; nothing stays when the pointer leaves."""
    home = tmp_path_factory.mktemp("home")
    url = serve(locations.root() / "app.py", env={"LOSS_EXPLORER_HOME": str(home), "LOSS_EXPLORER_IDLE": "30"})
    page = open_page(viewport={"width": 1440, "height": 1400}, reduced_motion="reduce")
    page.goto(f"{url}/landscape")
    plane, tree, terrain = page.locator(".plane").first, page.locator(".basins").nth(0), page.locator(".basins").nth(1)
    expect(plane.locator(".grip")).to_be_visible()
    page.locator(".st-key-topology summary").first.click()
    expect(page.locator(".basins")).to_have_count(3)
    expect(tree.locator(".leaf").first).to_be_visible()
    assert plane.locator(".region").count() == 0

    point_at(page, tree.locator(".leaf").first)
    expect(tree.locator(".leaf.marked")).to_have_count(1)
    expect(terrain.locator(".leaf.marked")).to_have_count(1)
    expect(plane.locator("path.region:not(.under)")).to_have_count(1)
    number = tree.locator(".leaf.marked").get_attribute("cx")
    outline = plane.locator("path.region:not(.under)").get_attribute("d")
    place, grip = plane.locator(".region-mark").first.bounding_box(), plane.locator(".grip").bounding_box()
    assert place is not None
    assert grip is not None

    page.mouse.move(2, 2)
    expect(plane.locator(".region")).to_have_count(0)
    expect(tree.locator(".leaf.marked")).to_have_count(0)
    expect(terrain.locator(".leaf.marked")).to_have_count(0)

    at = {"x": place["x"] + place["width"] / 2 - grip["x"], "y": place["y"] + place["height"] / 2 - grip["y"]}
    plane.locator(".grip").hover(position=at)
    expect(tree.locator(".leaf.marked")).to_have_attribute("cx", number or "")
    expect(terrain.locator(".leaf.marked")).to_have_count(1)
    expect(plane.locator("path.region:not(.under)")).to_have_attribute("d", outline or "")
