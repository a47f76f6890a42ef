"""Every page in every state it can be in: empty, waiting, running, stopped, failed, done."""

import pytest
import torch
from streamlit.testing.v1 import AppTest

from explorer.api import loaded
from explorer.checkpoints import checkpoint_file
from explorer.core import locations, registry
from explorer.core.spec import Loaded, Look, Run
from explorer.engine.run_loop import keep
from explorer.stats import barriers
from explorer.store.run_store import RunStore
from tests import hostile
from tests.engine.test_inspect_checkpoints import int8_of
from tests.ui.conftest import button, words

PAGES = ["home", "learn", "checkpoints", "align", "interpolate", "paths", "runs"]


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_for_a_newcomer(visit, page):
    """A fresh store and nothing registered by the user: no exception, a title, and something to do."""
    app = visit(page)
    assert not app.exception
    assert app.title[0].value


@pytest.mark.parametrize("page", PAGES)
def test_every_page_of_the_folder_is_in_the_navigation(visit, page):
    """A page file that nobody can reach would be a mistake."""
    from explorer.ui.frame.shell import PAGES as SHOWN

    assert sorted(p.stem for p in (locations.root() / "pages").glob("*.py")) == sorted(name for name, _, _ in SHOWN)
    assert page in [name for name, _, _ in SHOWN]


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("state", ["waiting", "running", "stopped", "failed", "done"])
def test_every_page_in_every_state_of_a_run(visit, registered, store, home, page, state):
    """Whatever is going on behind it, a page shows something sensible and no exception."""
    run = registered.run(size=9)
    id = store.submit(run)
    if state != "waiting":
        store.claim("w")
        keep(run, store, home, report=lambda done, total, fresh, _: store.report(id, "w", done=done, total=total, fresh=fresh) and fresh < 4)
    if state == "stopped":
        store.stop(id)
    if state in ("stopped", "failed", "done"):
        store.release(id, "w", finished=state == "done", error="This file is gone. Register it again." if state == "failed" else None)
    assert store.status(id).state == state
    app = visit(page, run=id)
    assert not app.exception
    if page == "interpolate" and state == "failed":
        assert app.error[0].value == "This file is gone. Register it again."
    if page == "runs":
        assert state in words(app) or any(state in b.value for b in app.get("markdown"))


def bad_folder(tiny, folder, name):
    """A folder whose one checkpoint, or whose problem, is wrong in one way."""
    folder.mkdir()
    toml = (tiny.folder / "problem.toml").read_text()
    good = checkpoint_file.read(tiny.a).weights
    other = {
        "wide": {**good, "layers.0.weight": torch.zeros(20, 64)},
        "missing key": {k: v for k, v in good.items() if k != "layers.1.bias"},
        "NaN": {**good, "layers.1.bias": torch.full((10,), torch.nan)},
    }
    checkpoint_file.write(folder / "w.safetensors", other.get(name, good))
    (folder / "problem.toml").write_text(toml + "\n[split]\ntest = 0.0\n" if name == "empty data" else toml)
    if name in hostile.HOSTILE:
        (folder / "w.safetensors").unlink()
        hostile.HOSTILE[name](folder)
    return folder


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("wide", "layers.0.weight is 20×64, 12×64 expected"),
        ("missing key", "layers.1.bias is missing"),
        ("NaN", "NaN or infinite in layers.1.bias"),
        ("empty data", "test split of empty data is empty"),
        ("truncated_safetensors", "is damaged"),
        ("pickle_bomb", "one of it was run"),
        ("compressed_bomb", "compressed members"),
        ("expanded_tensor", "is expanded"),
    ],
)
def test_every_bad_input_is_one_clear_sentence_in_the_app(visit, tiny, work, tmp_path, name, sentence):
    """The same sentence as on the command line, and the page lives on."""
    folder = bad_folder(tiny, tmp_path / name, name)
    app = visit("checkpoints")
    app.text_input(key="path").set_value(str(folder))
    button(app, "Look").click().run()
    work()
    app.run()
    assert not app.exception
    assert sentence in "\n".join(e.value for e in [*app.error, *app.warning])
    assert "Traceback" not in words(app)
    assert not hostile.bomb_mark(folder).exists()


def test_runs_before_anything_was_wished(visit, store):
    """The empty state says what to do first."""
    for status in store.statuses("Run"):
        store.forget(status.id)
    app = visit("runs")
    assert not app.exception


def test_a_line_is_wished_measured_and_shown(visit, registered, store, work):
    """Explore → waiting → the worker → barrier, interval, and ends that equal the checkpoints."""
    field = registered.field()
    app = visit("interpolate", a=field.corners[0].digest, b=field.corners[1].digest)
    assert not app.exception
    button(app, "Explore").click().run()
    assert not app.exception
    (run,) = [s for s in store.statuses("Run") if s.state == "waiting"]
    assert run.request.field.id == field.id
    assert "Waiting for a worker" in app.get("progress")[0].proto.text
    work()
    app.run()
    assert not app.exception
    text = words(app)
    assert "equals **a** loaded by itself" in text
    assert "equals **b** loaded by itself" in text
    assert "95 % interval" in text
    assert "A barrier**: the interval excludes zero" in text


def test_a_permalink_shows_the_finished_run(visit, registered, store, home):
    """The link alone brings everything back."""
    run = registered.run()
    id = store.submit(run)
    keep(run, store, home, report=lambda *_: True)
    store.claim("w")
    store.release(id, "w", finished=True)
    app = visit("interpolate", run=id)
    assert not app.exception
    assert [m.label for m in app.metric] == ["Barrier"]


def test_a_link_to_a_run_that_is_not_here_says_so(visit, registered):
    """No blank page, no exception: what is missing, and how to get it."""
    app = visit("interpolate", run="0123456789abcdef")
    assert not app.exception
    assert "There is no run" in app.warning[0].value


@pytest.mark.parametrize("typed", [{"t": "nan"}, {"t": "inf"}, {"t": "-3"}, {"t": "x"}, {"metric": "f1"}, {"log": "maybe"}])
def test_a_link_with_nonsense_in_it_shows_the_run_all_the_same(visit, registered, store, work, typed):
    """What cannot be understood is left out; nothing is requested it."""
    run = registered.run()
    store.submit(run)
    work()
    visit("interpolate", run=run.id)
    work()  # what the models along the path answer, which comes by itself
    app = visit("interpolate", run=run.id, **typed)
    assert not app.exception
    assert not store.waiting()
    assert "95 % interval" in words(app)


def test_a_redraw_works_out_no_barrier_that_is_known(visit, registered, store, work, monkeypatch):
    """The picture, its words, the numbers beside it and the actions below need one barrier: it is worked out once, and not at all when the page is
    drawn again."""
    run = registered.run()
    store.submit(run)
    work()
    asked = []
    monkeypatch.setattr(barriers, "_barriers", {})
    monkeypatch.setattr(
        barriers, "_worked_out", lambda *given, plain=barriers._worked_out: asked.append(given[0].values[:, given[1]].tobytes()) or plain(*given)
    )
    mine = store.points(run.field.id)[0].values[:, 0].tobytes()  # the first page of a visit draws other lines
    app = visit("interpolate", run=run.id)
    assert not app.exception and "95 % interval" in words(app)
    assert asked.count(mine) == 1
    app.run()
    assert asked.count(mine) == 1


def test_a_link_to_something_else_than_a_line_is_not_taken_for_one(visit, registered, store):
    """The id of a look, or of a confusion matrix, says that there is no such run."""
    field = registered.field(metrics=("confusion",))
    for request in (Look(str(registered.folder)), Run(field, registry.method("sample", "given"))):
        store.submit(request)
        app = visit("interpolate", run=request.id)
        assert not app.exception
        assert "There is no run" in app.warning[0].value


@pytest.mark.parametrize("metric", ["loss", "error"])
def test_a_picked_point_shows_that_model(visit, registered, store, work, metric):
    """t in the link asks for the model there; once measured, accuracy, confusion and a file are offered."""
    run = registered.run()
    store.submit(run)
    work()
    app = visit("interpolate", run=run.id, t="0.25", metric=metric)
    assert not app.exception
    assert "The model at t = 0.25" in words(app)
    button(app, "Save as checkpoint").click().run()
    work()
    app.run()
    assert not app.exception
    assert "Saved at" in words(app)
    assert {"test accuracy", "test loss"} <= {m.label for m in app.metric}


def test_a_point_measured_while_the_page_is_drawn_is_looked_for_again(visit, registered, store, work, monkeypatch):
    """The worker may finish between the reading of the points and the end of the drawing: the page must not rest on the old points."""
    run = registered.run()
    store.submit(run)
    work()

    def clicked():
        """What a click on the picture runs: the live part alone, on a page that was not polling."""
        import streamlit as st

        from explorer.ui.frame import shell
        from explorer.ui.interpolate import view as interpolate_view
        from explorer.ui.widgets import model_inspector

        shell.navigation(hidden=True)  # links lead to pages that are known
        run = shell.store().status(st.query_params["run"])
        if "clicked" in st.session_state:
            interpolate_view.show(shell.store(), run.id)
        else:
            st.session_state["clicked"] = True
            st.query_params["t"] = "0.3"
            model_inspector.inspect(shell.store(), run.request.field, (0.3,))
            interpolate_view._live(shell.store(), run.id, "loss", False, [], False)

    read = RunStore.points

    def late(self, *args, **kwargs):
        """The points as they were, while the worker ends everything just after."""
        found = read(self, *args, **kwargs)
        if store.waiting():
            monkeypatch.setattr(RunStore, "points", read)
            work()
        return found

    monkeypatch.setattr(RunStore, "points", late)
    app = AppTest.from_function(clicked, default_timeout=60)
    app.query_params["run"] = run.id
    app.run()
    app.run()  # the store has changed since it was read, so a browser looks again
    assert not app.exception
    assert "Measuring…" not in words(app)
    assert {"test accuracy", "test loss"} <= {m.label for m in app.metric}


def test_a_running_line_can_be_stopped_and_resumed(visit, registered, store, home):
    """Stop keeps what is there and offers to resume."""
    run = registered.run(size=9)
    id = store.submit(run)
    store.claim("w")
    keep(run, store, home, report=lambda done, total, fresh, message: store.report(id, "w", done=done, total=total, fresh=fresh) and fresh < 3)
    app = visit("interpolate", run=id)
    assert "of 9" in app.get("progress")[0].proto.text
    button(app, "Stop").click().run()
    store.release(id, "w")
    app.run()
    assert store.status(id).state == "stopped"
    assert "What was measured is kept" in words(app)
    button(app, "Resume").click().run()
    assert store.status(id).state == "waiting"


def test_a_failed_line_says_why_in_one_sentence(visit, registered, store, work):
    """The worker's refusal is what the page shows; no traceback."""
    a, b = (Loaded("ab" * 32, name="gone"), registered.field().corners[1])
    id = store.submit(Run(registered.field(corners=(a, b)), registry.method("sample", "grid", {"size": 5})))
    work()
    app = visit("interpolate", run=id)
    assert not app.exception
    assert "gone is not where it was" in app.error[0].value


def test_checkpoints_shows_a_family_with_accuracy_and_distances(visit, registered):
    """Table, distances, cosines, and the way to the line."""
    app = visit("checkpoints")
    family = next(p for p in app.get("button_group") if str(p.key).startswith("family-"))
    assert not app.exception
    assert family is not None
    assert "Select two to compare" in words(app)


def test_a_family_of_ones_own_can_be_taken_off_the_list(visit, registered, store):
    """The list shrinks; the files stay."""
    app = visit("checkpoints")
    own = next(f"{f.problem.id} {registered.folder}" for f in store.checkpoints() if f.name == "a")
    app.session_state["family-shown"] = own
    app.run()
    button(app, "Remove this family from the list").click().run()
    assert not app.exception
    assert not [f for f in store.checkpoints() if f.path == str(registered.a)]
    assert registered.a.exists()


def test_a_path_that_is_not_there_is_said_at_once(visit):
    """No worker is needed to see that there is nothing."""
    app = visit("checkpoints")
    app.text_input(key="path").set_value("/nowhere/at/all")
    button(app, "Look").click().run()
    assert app.error[0].value == "all does not exist (in /nowhere/at). Check the path."


def test_a_quantised_file_is_dequantised_by_a_tick(visit, registered, store, work, tmp_path):
    """Without it, the file's line says what it is and names the tick."""
    file = int8_of(registered.a, tmp_path)
    (tmp_path / "problem.toml").write_text((registered.folder / "problem.toml").read_text())
    app = visit("checkpoints")
    app.text_input(key="path").set_value(str(file))
    button(app, "Look").click().run()
    work()
    app.run()
    assert any("int8.safetensors is quantised" in e.value and "tick it on the Checkpoints page" in e.value for e in app.error)
    app.checkbox(key="path-dequantise").check()
    button(app, "Look").click().run()
    work()
    app.run()
    assert not app.exception
    assert any("**int8#dequantised** is a checkpoint" in s.value for s in app.success)
    assert [f.path for f in store.checkpoints()][-1] == f"{file}#dequantised"


def test_another_set_of_weights_in_a_file_is_registered_by_a_button(visit, registered, store, work, tmp_path):
    """Beside the one that was taken; then it is a model like any other, and the button goes."""
    weights = [checkpoint_file.read(p).weights for p in (registered.a, registered.b)]
    torch.save({"model": weights[0], "ema": weights[1]}, tmp_path / "last.pth")
    (tmp_path / "problem.toml").write_text((registered.folder / "problem.toml").read_text())
    app = visit("checkpoints")
    app.text_input(key="path").set_value(str(tmp_path / "last.pth"))
    button(app, "Look").click().run()
    work()
    app.run()
    button(app, "Also register ema of last.pth").click().run()
    work()
    app.run()
    assert not app.exception
    assert [(f.name, f.others) for f in store.checkpoints()][-2:] == [("last", ("ema",)), ("last#ema", ("model",))]
    assert not any("Also register" in b.label for b in app.button)


def test_a_broken_file_is_named_and_the_good_ones_beside_it_are_taken(visit, registered, store, work, tmp_path):
    """One bad file in a folder does not hide the others, and the family of the good ones is what is shown now."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    (folder / "problem.toml").write_text((registered.folder / "problem.toml").read_text())
    (folder / "good.safetensors").write_bytes(registered.a.read_bytes())
    (folder / "cut.safetensors").write_bytes(registered.a.read_bytes()[:100])
    app = visit("checkpoints")
    app.text_input(key="path").set_value(str(folder))
    button(app, "Look").click().run()
    work()
    app.run()
    assert not app.exception
    assert any("cut.safetensors" in e.value for e in app.error)
    assert any("**good** is a checkpoint" in s.value for s in app.success)
    (group,) = (p for p in app.get("button_group") if str(p.key).startswith("family-"))
    assert group.value.endswith(f" {folder}")
    shown = {tuple(d.value["name"]) for d in app.dataframe if "test accuracy" in d.value}
    assert shown == {("good",)}, "the table is of the family that is highlighted"


def test_runs_lists_what_was_asked_with_its_barrier(visit, registered, store, work):
    """Newest first, with the number, and every state has its word."""
    run = registered.run()
    store.submit(run)
    store.submit(Look("/nowhere"))
    work()
    store.submit(registered.run(size=7))
    app = visit("runs")
    assert not app.exception
    text = words(app)
    assert "**a → b** · Tiny digits" in text
    assert "waiting" in text
    app.session_state["states"] = ["done"]
    assert "barrier" in words(app.run())


def test_a_list_narrowed_to_finished_runs_rests_while_another_runs(visit, registered, store, work):
    """The page draws itself anew when the last run ends, not when the last run that is listed has ended."""
    store.submit(registered.run())
    work()
    store.submit(registered.run(size=7))
    app = visit("runs")
    app.session_state["states"] = ["done"]
    app.run()
    assert not app.exception
    assert "**a → b** · Tiny digits" in words(app)


def test_a_line_without_labels_is_asked_for_in_the_form(visit, registered, store, work):
    """Loss → divergence → Explore: how far the answers go from A's, 0 at A; the form remembers the choice."""
    a, b = registered.field().corners
    app = visit("interpolate", a=a.digest, b=b.digest)
    next(s for s in app.selectbox if s.label == "Loss").select("divergence").run()
    next(b for b in app.button if b.label == "Explore").click().run()
    assert not app.exception
    (run,) = (s.request for s in store.statuses("Run") if s.request.field.problem.loss == "divergence")
    assert [c.digest for c in run.field.corners] == [a.digest, b.digest]
    work()
    app = visit("interpolate", run=run.id)
    assert not app.exception
    assert next(s for s in app.selectbox if s.label == "Loss").value == "divergence"
    points, _ = store.points(run.field.id)
    loss = points.sorted().means()[:, 0]
    assert loss[0] == pytest.approx(0, abs=1e-6) and loss[-1] > 0.01


def test_a_line_to_a_model_that_diverged_or_is_gone_waits_for_nothing(visit, store, work, registered, tmp_path):
    """What is measured as far as it goes, or has failed, says why there is no barrier, and not that one will come."""
    copy = tmp_path / "other.safetensors"
    for scale, said in ((1e30, "no finite loss"), (1.001, "is not where it was")):
        checkpoint_file.write(copy, {name: w * scale for name, w in checkpoint_file.read(registered.a).weights.items()}, replace=True)
        run = registered.run(5, corners=(loaded(registered.b), loaded(copy)))
        if scale < 2:
            copy.unlink()
        store.submit(run)
        work()
        app = visit("interpolate", run=run.id)
        assert not app.exception
        (error,) = app.error
        assert said in error.value
        assert not app.metric
