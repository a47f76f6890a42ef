"""Home: a landscape at once, and three doors that each lead to a picture."""

import numpy as np
import pytest

from explorer.core import locations
from explorer.figures.landscape import height
from explorer.ui.home import stage
from explorer.ui.landscape.picture import Picture, current_view
from tests.ui.conftest import words


@pytest.fixture
def shipped(store):
    """The user's store with the samples in it."""
    store.absorb(locations.root() / "sample_models" / "samples.sqlite")
    return store


def test_the_first_picture_is_shipped_and_its_two_walks_join_the_same_models(shipped):
    """The straight line goes over a ridge and the trained path around it, on the very ground that is drawn."""
    run = stage.shipped(shipped)
    assert run is not None
    there = current_view(shipped, Picture(run, 17), stage.STYLE, [])
    assert there is not None
    straight, trained = stage.walks(there)
    for walk in (straight, trained):
        ends = np.array([[walk.x[0], walk.y[0]], [walk.x[-1], walk.y[-1]]])
        assert ends == pytest.approx(np.array([[m.x, m.y] for m in (there.markers[0], there.markers[-1])]), abs=1e-6)
    over, around = (height(stage.around(there.drawn, [straight, trained]), walk.x, walk.y).max() for walk in (straight, trained))
    assert over > 0.5 > 0.25 > around


def test_the_words_under_it_say_both_rises_with_their_intervals(visit):
    """And the page says in one sentence what it is for."""
    app = visit("home")
    assert not app.exception
    assert "On the straight line from seed-0 to seed-1 the loss rises by" in words(app)
    assert "only where no" in words(app)


def test_each_door_leads_to_a_picture_that_is_there(visit, shipped):
    """Behind them nothing has to be measured before there is something to see."""
    app = visit("home")
    labels = {link.proto.label: link.proto.page for link in app.get("page_link")}
    assert {"Explore the landscape", "Open this lesson", "Make a soup"} <= set(labels)
    run = stage.shipped(shipped)
    behind = [visit("landscape", runs=run.id, picture="relief"), visit("learn", lesson="two_neurons", step="run"), visit("soup"), visit("paths")]
    assert not any(page.exception for page in behind)
    assert "The lowest measured loss is" in words(behind[0])
