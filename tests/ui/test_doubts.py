"""On a page, what makes a model's numbers doubtful stands beside these numbers."""

import pytest

from explorer.core.spec import Look
from tests.commands.test_doubts import FAR, scaled
from tests.ui.conftest import button

__all__ = ["scaled"]


@pytest.fixture
def looked_at(scaled, store, work):
    """The three models, registered; their digests by name."""
    store.submit(Look(str(scaled)))
    work()
    return {facts.name: facts.digest for facts in store.checkpoints()}


def warned(app):
    """How often a page says it of the model."""
    assert not app.exception
    return sum(FAR.split("test")[0] in w.value for w in app.warning)


def test_the_checkpoints_page_says_so(visit, looked_at):
    """Once for each model in the family."""
    assert warned(visit("checkpoints")) == 1


@pytest.mark.parametrize(
    ("page", "label"),
    [("interpolate", "Explore"), ("align", "Align"), ("paths", "Compare"), ("compare", "Compare"), ("soup", "Measure"), ("landscape", "Draw")],
)
def test_a_page_that_quotes_numbers_of_a_model_says_so(visit, work, store, looked_at, page, label):
    """Once, however many lines or splits it shows."""
    app = visit(page, a=looked_at["far"], b=looked_at["good"])
    button(app, label).click().run()
    for _ in range(2):
        work()
        app.run()
    assert warned(app) == 1
