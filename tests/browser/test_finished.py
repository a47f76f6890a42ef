"""Every page once everything on it is measured: what axe-core says of it in both themes (WCAG 2.1, A and AA), and that a click reaches all of it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from explorer import methods, places, stability
from explorer.api import loaded
from explorer.spec import Attack, Fused, Look, Trained
from explorer.store import RunStore
from explorer.ui import landscape_form, many, paths_form
from explorer.ui.align_form import Comparison as Alignment
from explorer.ui.compare_form import Comparison, Entry
from explorer.ui.soup_kitchen import Kitchen
from explorer.ui.trajectories import Trajectory
from explorer.worker import Worker
from tests.browser.axe import violations

expect.set_options(timeout=60_000)


def _wishes(tiny) -> dict[str, list]:
    """What brings each page into its finished state, by its address."""
    spec, a, b = tiny.problem.spec, loaded(tiny.a), loaded(tiny.b)
    line = tiny.run()
    alignment = Alignment(spec, (a, b), methods.method("align", "weight_matching"))
    ways = [paths_form.straight(spec, a, b), paths_form.trained(spec, a, b, methods.method("connect", "bezier", {"epochs": 1}))]
    pairs = [many._line(spec, a, b, how) for how in (None, "weight_matching")]
    attacked = [tiny.run(3), tiny.run(3, attack=Attack("linf", 0.1, 2))]
    branches = stability.branches(spec, methods.method("train", "sgd", {"epochs": 2}), [0, 1], (1, 2))
    copies = [stability.line(spec, branch) for branch in branches]
    plane = landscape_form.around(spec, a, methods.method("direct", "random"), 0.5, samples=64)
    kitchen = Kitchen(spec, (a, b))
    merged = Comparison(tuple(Entry(m, spec) for m in (a, b, Fused(spec, (a, b), methods.method("fuse", "uniform_soup"), name="uniform soup"))))
    how = methods.method("train", "sgd", {"epochs": 3})
    training = Trajectory(spec, tuple(Trained(spec, how, at=k) for k in (1, 2, 3)), (methods.method("sample", "trajectory"),))
    trained = [task.run for task in training.tasks()]
    return {
        "checkpoints": [Look(str(tiny.folder))],
        f"interpolate?run={line.id}": [line],
        f"align?run={alignment.after(1).id}": [alignment.before(1), alignment.after(1)],
        f"paths?runs={_ids(w.run for w in ways)}": [w.run for w in ways],
        f"paths?view=many&runs={_ids(p.run for p in pairs)}": [p.run for p in pairs],
        f"paths?view=conditions&runs={_ids(attacked)}": attacked,
        f"paths?view=stability&runs={_ids(copies)}": copies,
        f"landscape?runs={plane.id}": [plane],
        f"train?runs={_ids(trained)}": [*trained, training.plane()],
        f"soup?runs={kitchen.tasks()[0].run.id}": [*(t.run for t in kitchen.tasks()), *kitchen.studies()],
        f"compare?runs={_ids(e.run for e in merged.entries)}": [*(t.run for t in merged.tasks()), *(merged.ensemble(s) for s in ("val", "test"))],
        "runs": [],
    }


def _ids(runs) -> str:
    return ",".join(run.id for run in runs)


@pytest.fixture(scope="module")
def addresses(tiny, tmp_path_factory):
    """A folder in which everything was measured, and the pages that show it."""
    home = tmp_path_factory.mktemp("measured")
    store = RunStore(home / "store.sqlite")
    asked = _wishes(tiny)
    for wish in (w for wishes in asked.values() for w in wishes):
        store.want(wish)
    Worker(store, home).work_off()
    return home, list(asked)


@pytest.fixture
def url(serve, addresses):
    """The app on that folder."""
    return serve(places.root() / "app.py", env={"LOSS_EXPLORER_HOME": str(addresses[0]), "LOSS_EXPLORER_IDLE": "30"})


def _finished(page, address: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    if "=" in address:
        expect(page.get_by_test_id("stPopover").filter(has_text="Explain").first).to_be_visible()
    expect(page.locator("[data-testid=stApp][data-test-script-state=notRunning]")).to_be_visible()
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_to_mend_on_a_finished_page(url, open_page, addresses, scheme):
    """Contrast, names and roles of every page with its pictures, its row of actions and its tables."""
    page = open_page(color_scheme=scheme, viewport={"width": 1280, "height": 900})
    found: list[str] = []
    for address in addresses[1]:
        page.goto(f"{url}/{address}")
        _finished(page, address)
        found += [f"{address}: {line}" for line in violations(page)]
    assert not found, "\n".join(found)


def test_a_click_on_a_picture_at_rest_reaches_the_rest_of_the_page(url, page, addresses):
    """The link under the line has the picked point; a point under a condition leads to the models there, on another view."""
    line, under = (next(a for a in addresses[1] if a.startswith(start)) for start in ("interpolate", "paths?view=conditions"))
    page.goto(f"{url}/{line}")
    _finished(page, line)
    page.get_by_role("figure").first.click()
    expect(page).to_have_url(re.compile(r"[?&]t=0\."))
    page.get_by_test_id("stPopover").filter(has_text="Code").get_by_role("button").click()
    expect(page.get_by_test_id("stCode").filter(has_text=re.compile(r"/interpolate\?.*t=0\."))).to_be_visible()
    page.goto(f"{url}/{under}")
    _finished(page, under)
    page.get_by_role("figure").first.click()
    expect(page.get_by_role("button", name="Compare").first).to_be_visible()
    expect(page.get_by_text("The model at t =")).to_be_visible()
