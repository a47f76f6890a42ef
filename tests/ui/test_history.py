"""Home and Runs in a store with a long history."""

from __future__ import annotations

import dataclasses

import pytest

from explorer.core.spec import Loaded
from explorer.ui.runs.view import PAGE
from explorer.ui.runs.view import _title as title
from tests.ui.conftest import words

RUNS = 1100  # more than any page reads at once


@pytest.fixture
def long(tiny, store):
    """So many finished runs of other models, each newer than what ships; and a failed one before all of them."""
    base = tiny.run()

    def run(n: int):
        return dataclasses.replace(
            base, field=dataclasses.replace(base.field, corners=(Loaded(f"{n:064x}", name=f"model {n}"), base.field.corners[1]))
        )

    for n in range(RUNS):
        store.submit(run(n))
        claimed = store.claim("w")
        store.release(claimed.id, "w", finished=n > 0, error=None if n else "It is gone.")


def test_home_shows_its_samples_behind_a_thousand_runs(visit, long):
    """They are the oldest of the store."""
    app = visit("home")
    assert not app.exception
    assert not app.info
    assert len(next(p for p in app.button_group if p.key == "story").options) > 2


def test_runs_counts_all_and_turns_pages(visit, long, store):
    """Every run is on exactly one page, newest first, and the number said is that of all."""
    app = visit("runs")
    listed = store.statuses(limit=10 * RUNS, clicks=False)
    assert f"{len(listed):,} runs" in words(app)
    (page,) = app.number_input
    assert page.label == f"Page, 1 to {-(-len(listed) // PAGE)}"
    for number in (1, 2, -(-len(listed) // PAGE)):
        app.number_input[0].set_value(number).run()
        assert not app.exception
        there = listed[(number - 1) * PAGE : number * PAGE]
        assert [row["run"] for row in app.dataframe[0].value.to_dict("records")] == [title(s.request) for s in there]
        assert there[0].id in words(app), "the first is the one that is told of"


def test_narrowing_the_list_finds_what_is_old_and_begins_at_its_first_page(visit, long, store):
    """From a late page, and though the only failed run is older than a thousand others."""
    app = visit("runs")
    app.number_input[0].set_value(50).run()
    next(p for p in app.button_group if p.key == "states").set_value(["failed"]).run()
    assert not app.exception
    assert not app.number_input
    assert "1 run · " in words(app)
    assert "It is gone." in words(app)
    next(p for p in app.button_group if p.key == "states").set_value(["failed", "done"]).run()
    assert app.number_input[0].value == 1


def test_the_list_is_narrowed_by_what_is_in_a_run(visit, long, store):
    """By a model's name, by the kind of picture and by the family, each by itself, over all pages."""
    app = visit("runs")
    app.text_input[0].set_value("Model 77").run()
    assert not app.exception
    assert "11 runs · " in words(app), "77, and 770 to 779"
    assert all("model 77" in row for row in app.dataframe[0].value["run"])
    app.text_input[0].set_value("").run()
    next(s for s in app.selectbox if s.label == "Picture of a").set_value("plane").run()
    assert not app.exception
    assert set(app.dataframe[0].value["opens on"]) == {"Landscape"}
    next(s for s in app.selectbox if s.label == "Picture of a").set_value("").run()
    family = next(s for s in app.selectbox if s.label == "Family")
    title_of = next(f.problem.title for f in store.checkpoints() if "vit" in f.path)
    family.set_value(title_of).run()
    assert set(app.dataframe[0].value["family"]) == {title_of}
