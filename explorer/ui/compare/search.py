"""The search for the best recipe of the models on the page: its form, the candidates as they come, and the merge that was chosen."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from explorer.core import needs, registry, significant_digits
from explorer.core.errors import Refused
from explorer.core.markdown import plain
from explorer.core.recipe_space import spaces
from explorer.core.spec import Fused, Method, Study
from explorer.figures import search as search_figure
from explorer.stats import metrics, search_words, units
from explorer.store.records import Trial, Trials
from explorer.store.run_store import RunStore
from explorer.ui.compare.form import Comparison
from explorer.ui.frame import failure, shell
from explorer.ui.frame.polling import live
from explorer.ui.widgets import method_form, study_panel
from explorer.ui.widgets.chart_actions import chart
from explorer.ui.widgets.download import download
from explorer.ui.widgets.recipe_view import export, exporting

STUDY = "recipes"
FIRST = ("task_arithmetic", "ties", "lines")
WITHOUT_BASE = ("average",)
FRONT = ("sampler", "trials", "metric", "each")  # options that are always shown
POLL_S = 0.5


def show(store: RunStore, comparison: Comparison) -> None:
    """Folded away until somebody opens it, or comes by a link to a search."""
    models = comparison.ingredients
    if len(models) < 2:
        return
    linked = _linked(store, comparison)
    with st.expander(
        "**Search for the best recipe** · many merges are tried, the best one is chosen",
        icon=":material/travel_explore:",
        key="search-recipes",
        on_change="rerun",
        expanded=linked is not None,
    ) as part:
        if not part.open:
            return
        first = plain(models[0].name or models[0].id)
        st.caption(
            "Tries many merges of these models, chooses one on the validation split, and reports it on the test split with the optimism of the choice."
            f" The base of methods that need one is {first}, the first model."
        )
        method = _form(comparison, linked)
        if method is not None:
            request = Study(comparison.problem, models, method)
            status = store.status(request.id)
            if st.button(
                "Search",
                icon=":material/travel_explore:",
                key="search-go",
                disabled=status is not None and status.state in ("done", "running", "waiting"),
            ):
                shell.resume(request)
                st.query_params["search"] = request.id
                st.rerun()
            linked = request if status is not None else linked
        if linked is not None and (status := store.status(linked.id)) is not None:
            best = _best(store, linked)
            busy = status.active or (best is not None and exporting(store, best))
            live(_live, every=POLL_S, busy=busy)(store, linked, busy)


def _linked(store: RunStore, comparison: Comparison) -> Study | None:
    """The search that the address names, where it is one of these models."""
    status = store.status(id) if (id := st.query_params.get("search", "")) else None
    request = status.request if status is not None else None
    return request if isinstance(request, Study) and request.method.name == STUDY and request.models == comparison.ingredients else None


def _searchable(models: int) -> list[str]:
    """Methods that take so many models and have numbers to search."""
    found: list[str] = []
    for name in registry.names("fuse"):
        try:
            (space,) = spaces([name], models, each=True)
        except Refused:
            continue
        if space.axes and needs.need(name) in ("weights", "base"):
            found.append(name)
    return found


def _form(comparison: Comparison, shown: Study | None) -> Method | None:
    """What is to be searched; None while it cannot be."""
    models, key = len(comparison.ingredients), f"search-{'-'.join(m.id[:6] for m in comparison.ingredients)}"
    names = _searchable(models)
    start = shown.method.kwargs() if shown is not None else {}
    usual = start.get("methods") or (FIRST if models > 2 else WITHOUT_BASE)
    assert isinstance(usual, tuple)
    picked = st.multiselect(
        "Methods", names, default=[n for n in names if n in usual], format_func=lambda n: n.replace("_", " "), key=f"{key}-methods"
    )
    options = {o.name: o for o in registry.options("study", STUDY)}
    values: dict[str, object] = {"methods": tuple(picked)}
    measurable = [m for m in metrics.offered(comparison.problem) if metrics.find(m).good and not metrics.find(m).exponential]
    for column, name in zip(st.columns(len(FRONT), vertical_alignment="bottom"), FRONT, strict=True):
        with column:
            if name == "metric":
                was = str(start.get("metric", "loss"))
                values[name] = st.selectbox(
                    "best by",
                    measurable,
                    index=measurable.index(was) if was in measurable else 0,
                    format_func=lambda m: metrics.find(m).called,
                    key=f"{key}-metric",
                )
            else:
                label = "a number for each model" if name == "each" else ""
                values[name] = method_form.field(options[name], start.get(name, options[name].default), key=f"{key}-{name}", label=label)
    with st.popover("More", icon=":material/tune:"):
        for name, option in options.items():
            if name not in values:
                label = "ranges, such as density=0.1:0.9 scale=1" if name == "ranges" else ""
                values[name] = method_form.field(option, start.get(name, option.default), key=f"{key}-{name}", label=label)
    try:
        method = registry.method("study", STUDY, values)
        spaces(picked, models, ranges=_texts(method["ranges"]), each=bool(values["each"]))
    except (Refused, ValueError) as refusal:
        st.error(plain(str(refusal)))
        return None
    return method


def _texts(value: object) -> tuple[str, ...]:
    assert isinstance(value, tuple)
    return tuple(map(str, value))


def _live(store: RunStore, request: Study, was_busy: bool) -> None:
    status = store.status(request.id)
    if status is None:
        return
    if status.state == "failed":
        failure.show(status)
    elif status.active:
        study_panel.under_way(status)
    elif status.state == "stopped":
        st.button("Resume the search", icon=":material/play_arrow:", on_click=shell.resume, args=(request,), key=f"search-resume-{request.id}")
    noted = store.noted(request.id)
    trials = Trials.from_json(noted).trials if noted is not None else ()
    _pictures(request, trials)
    best = _best(store, request)
    if best is not None and status.result is not None:
        _found(request, search_words.outcome(status.result))
        export(store, best, key="search-take")
    busy = status.active or (best is not None and exporting(store, best))
    if busy:
        shell.tend()
    if was_busy != busy:
        st.rerun()


def _pictures(request: Study, trials: tuple[Trial, ...]) -> None:
    """The candidates and their front, and the best so far."""
    if not trials:
        return
    metric = str(request.method["metric"])
    lower, scale, called = metrics.find(metric).good == "low", units.scale(metric), metrics.find(metric).called
    title = units.titled(f"val {called}", units.of_level(request.problem, metric))
    tried = [search_figure.Tried(t.method.name, search_words.numbers(t.method), _number(t.value), _number(t.moved)) for t in trials]
    left, right = st.columns(2, gap="medium")
    with left:
        figure = search_figure.candidates(tried, y_title=title, lower=lower, scale=scale)
        words = f"Validation {called} of {len(tried)} candidates against the size of their change from the first model, with the front of the two."
        chart(figure.update_layout(height=380), key="search-candidates", title="Candidates", stem="search-candidates", explain=words)
    with right:
        figure = search_figure.progress([t.value for t in tried], y_title=title, lower=lower, scale=scale)
        words = f"Validation {called} of each candidate in the order of the search, and the best so far."
        chart(figure.update_layout(height=380), key="search-progress", title="Best so far", stem="search-progress", explain=words)


def _found(request: Study, found: search_words.Outcome) -> None:
    """In words, and the front as a table."""
    names = [plain(m.name or m.id) for m in request.models]
    for sentence in search_words.says(found, request.problem, names):
        st.markdown(sentence)
    scale, unit, called = units.scale(found.metric), units.of_level(request.problem, found.metric), metrics.find(found.metric).called
    rows = pd.DataFrame(
        [
            {
                "method": found.methods[k].name.replace("_", " "),
                "numbers": search_words.numbers(found.methods[k]),
                "change": significant_digits.number(found.moved[k], 3),
                units.titled(f"val {called}", unit): significant_digits.number(scale * found.values[k]),
                f"{units.titled(f'test {called}', unit)}, 95 %": found.test[k].formatted(scale=scale),
            }
            for k in sorted(found.test, key=lambda k: found.moved[k])
        ]
    )
    st.caption("The front: what no other candidate is as good as with a smaller change from the first model.")
    st.dataframe(rows, hide_index=True, placeholder="")
    download("All candidates (CSV)", lambda: _table(found), "search.csv", mime="text/csv", icon=":material/table:", key="search-csv")


def _table(found: search_words.Outcome) -> str:
    rows = [
        {"method": m.name, "numbers": search_words.numbers(m), f"val {found.metric}": v, "change": d, "front": k in found.front}
        for k, (m, v, d) in enumerate(zip(found.methods, found.values, found.moved, strict=True))
    ]
    return pd.DataFrame(rows).to_csv(index=False)


def _best(store: RunStore, request: Study) -> Fused | None:
    """The chosen merge, once the search is done."""
    status = store.status(request.id)
    if status is None or status.state != "done" or status.result is None:
        return None
    found = search_words.outcome(status.result)
    method = found.methods[found.best]
    return Fused(request.problem, request.models, method, name=f"{method.name.replace('_', ' ')} (search)")


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
