"""What measured points cannot show is said beside what they show, on every page that draws a path."""

from dataclasses import replace

from explorer.core import registry
from explorer.stats.hidden_peaks import hidden
from explorer.stats.line_words import unseen
from tests.ui.conftest import words
from tests.ui.test_align import comparison, requested
from tests.ui.test_paths import address, ways

FIVE = registry.method("sample", "adaptive", {"budget": 5})


def test_interpolate_says_that_the_budget_ended_the_sampling(visit, registered, store, work):
    """A line with five points says so; the same line with the usual budget says how little is open."""
    few = replace(registered.run(size=5), sampler=FIVE)
    store.submit(few)
    work()
    found = hidden(store.points(few.field.id)[0])
    assert found is not None
    assert found.out_of_budget(FIVE)
    said = words(visit("interpolate", run=few.id))
    assert "Sampling stopped at its budget of 5 points" in said
    assert "could still hide there" in said
    enough = replace(few, sampler=registry.method("sample", "adaptive"))
    store.submit(enough)
    work()
    said = words(visit("interpolate", run=enough.id))
    assert "Sampling stopped" not in said
    assert unseen(enough.field, store.points(enough.field.id)[0], "loss", enough.sampler) in said


def test_align_says_it_of_both_lines(visit, registered, store, work):
    """Before and after, each with its own width."""
    found = comparison(registered)
    id = requested(store, found)
    work()
    said = words(visit("align", run=id))
    for when, run in (("Before", found.before(1)), ("After", found.after(1))):
        assert f"*{when}:* {unseen(run.field, store.points(run.field.id)[0], 'loss', run.sampler)}" in said


def test_paths_says_it_of_each_path(visit, registered, store, work):
    """In the table, and of a path that its budget ended beside its number of points."""
    straight, curved = ways(registered, "bezier")
    curved = replace(curved, run=replace(curved.run, sampler=FIVE))
    for way in (straight, curved):
        store.submit(way.run)
    work()
    table = visit("paths", runs=address([straight, curved])).dataframe[0].value
    for i, way in enumerate((straight, curved)):
        found = hidden(store.points(way.run.field.id)[0])
        assert found is not None
        assert float(table["higher between (nat)"][i].removeprefix("≈ ")) == float(f"{found.above:.2g}")
        assert float(table["hidden width"][i].removeprefix("< ")) == float(f"{found.width:.3g}")
    assert table["points"][1] == "5, all of its budget"
