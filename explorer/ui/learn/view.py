"""One lesson after another: predict, run, see. What a lesson holds is in explorer/lessons; this draws it. The Learn page."""

from __future__ import annotations

from functools import partial

import streamlit as st

from explorer import lessons
from explorer.core import glossary
from explorer.core.errors import Refused
from explorer.core.markdown import plain
from explorer.core.spec import Aligned, Run, Study
from explorer.lessons import Experiment, Outcome, Shelf
from explorer.store.run_store import RunStore
from explorer.ui.charts import lesson_picture
from explorer.ui.charts.descent import descent, recorded
from explorer.ui.frame import query_state, shell
from explorer.ui.learn import cards, classroom, exercises, findings, handouts, predictions, running, stages, steps
from explorer.ui.learn.hands_on import HANDS
from explorer.ui.learn.running import Part
from explorer.ui.learn.steps import LessonStep, go, presenting
from explorer.ui.widgets import cost_caption
from explorer.ui.widgets.chart_actions import actions

OVER = "learn-over"  # in the session: which lessons were seen to the end


def page(store: RunStore) -> None:
    """The lesson of the address; all of them, where it names none."""
    try:
        lessons.every()
    except Refused as refusal:  # a file of somebody's that was changed since the start
        st.error(str(refusal), icon=":material/error:")
        return
    if code := st.query_params.get("room"):
        classroom.join(code)
        return
    predictions.keep()
    if "lesson" not in st.query_params and not presenting():
        classroom.door()
        cards.index(st.session_state.get(OVER, set()), open_lesson=go)
        return
    here = steps.current_step()
    lesson = here.lesson
    title = f"{list(lessons.every()).index(here.name) + 1} · {lesson.title}"
    if presenting():
        st.title(title, anchor=False)
    _top(here)
    if not presenting():
        st.subheader(title, anchor=False)
    try:
        experiment = lesson.experiment(Shelf.from_checkpoints(store.checkpoints()), here.on)
    except Refused as refusal:
        st.error(plain(str(refusal)), icon=":material/error:")
        return
    parts = [Part(name, run) for name, run in experiment.requests.items()]
    if presenting():
        stages.show(store, here, experiment, parts)
        return
    match here.step:
        case "predict":
            _predict(here)
        case "run":
            _run(store, here, parts)
        case _:
            _see(store, here, experiment, parts)
    handouts.offer(here, lambda: findings.outcome(store, here, experiment) if running.done(store, parts) else None)


def _top(here: LessonStep) -> None:
    """Which lesson and which step; forward, back, reset, and large type. Every button has a key."""
    names = list(lessons.every())
    over: set[str] = st.session_state.setdefault(OVER, set())
    known = steps.of(here.lesson)
    i, order = names.index(here.name), list(known)
    j = order.index(here.step)
    before = (here.name, order[j - 1], here.on) if j else (names[i - 1], list(steps.of(lessons.every()[names[i - 1]]))[-1], 0) if i else None
    after = (here.name, order[j + 1], here.on) if j + 1 < len(order) else (names[i + 1], "", 0) if i + 1 < len(names) else None

    def chosen() -> None:
        if (name := query_state.moved(f"learn-lesson-{here.name}", here.name)) is not None:
            go(name)

    def stepped() -> None:
        if (step := query_state.moved(f"learn-step-{here.name}-{here.step}", here.step)) is not None:
            go(here.name, step, here.on)

    if not presenting():
        st.selectbox(
            "Lesson",
            names,
            index=i,
            format_func=lambda n: f"{names.index(n) + 1} · {lessons.every()[n].title}",
            key=f"learn-lesson-{here.name}",
            on_change=chosen,
            help=f"Completed: {len(over)} of {len(names)}.",
        )
    with st.container(horizontal=True, vertical_alignment="center", key="learn-steps"):
        st.segmented_control(
            "Step",
            order,
            default=here.step,
            format_func=known.__getitem__,
            key=f"learn-step-{here.name}-{here.step}",
            on_change=stepped,
            label_visibility="collapsed",
        )
        st.button(
            "Back", icon=":material/arrow_back:", shortcut="P", disabled=before is None, on_click=partial(go, *before or ("",)), key="learn-back"
        )
        st.button(
            "Next", icon=":material/arrow_forward:", shortcut="N", disabled=after is None, on_click=partial(go, *after or ("",)), key="learn-next"
        )
        if not presenting():
            if st.button("Reset all lessons", icon=":material/restart_alt:", shortcut="X", key="learn-reset"):
                _confirm_reset()
            st.button("All lessons", icon=":material/apps:", on_click=steps.leave, key="learn-all")
        label = "Leave presentation" if presenting() else "Present"
        st.button(label, icon=":material/present_to_all:", shortcut="F", on_click=steps.present, key="learn-present")


@st.dialog("Reset all lessons?")
def _confirm_reset() -> None:
    st.markdown("Every prediction is deleted, and the list of lessons opens.")
    if st.button("Reset", type="primary", on_click=_reset, key="learn-reset-confirmed"):
        st.rerun()


def _reset() -> None:
    """Forget every prediction and begin again."""
    for key in [k for k in st.session_state if str(k).startswith("learn-")]:
        del st.session_state[key]
    st.query_params.clear()


def _predict(here: LessonStep) -> None:
    lesson = here.lesson
    st.markdown(glossary.linked(lesson.claim))
    guesses = predictions.made()
    with st.container(border=True):
        picked = st.radio(lesson.question, range(len(lesson.choices)), index=guesses.get(here.name), format_func=lesson.choices.__getitem__, key=f"learn-guess-{here.name}")  # fmt: skip
        if picked is not None:
            guesses[here.name] = picked
            predictions.keep()
        st.button(
            "Lock in",
            type="primary",
            icon=":material/check:",
            disabled=picked is None,
            on_click=go,
            args=(here.name, "run", here.on),
            key="learn-predicted",
        )


def _run(store: RunStore, here: LessonStep, parts: list[Part]) -> None:
    lesson = here.lesson
    if lesson.hands:
        HANDS[lesson.hands]()
    if not parts:
        st.button("See", type="primary", icon=":material/visibility:", on_click=go, args=(here.name, "see", here.on), key="learn-see")
        return
    running.on_which(here, "run")
    if not running.requested(store, parts):
        many = f"These {len(parts)} parts of the experiment are" if len(parts) > 1 else "This experiment is"
        st.markdown(f"{many} measured on the shipped models: **{', '.join(p.name for p in parts)}**.")
        runs = [part.run for part in parts]
        cost_caption.caption(store, [r for r in runs if isinstance(r, Run)], [r for r in runs if isinstance(r, Study)])
    running.follow(store, here, parts)


def _see(store: RunStore, here: LessonStep, experiment: Experiment, parts: list[Part]) -> None:
    running.on_which(here, "see")
    if not running.done(store, parts):
        st.markdown("This experiment has not been run here yet." if not running.requested(store, parts) else "The experiment is running.")
        running.follow(store, here, parts)
        return
    if (seen := findings.outcome(store, here, experiment)) is None:
        return
    st.session_state.setdefault(OVER, set()).add(here.name)
    findings.verdict(here, seen)
    left, right = st.columns([3, 2], gap="large")
    with left:
        lesson_picture.draw(seen, key=f"learn-{here.key}", height=380)
        if here.lesson.descends:
            _descents(here, experiment)
        exercises.folded(here.lesson)
    with right:
        st.markdown(seen.sentence)
    _take(here, experiment, seen)
    findings.tell(here.lesson)
    shell.link(experiment.target.page, "Try it on your models", icon=":material/open_in_new:", **experiment.target.query)


def _descents(here: LessonStep, experiment: Experiment) -> None:
    """How each matching of the lesson went, step by step."""
    for name, run in experiment.runs.items():
        moved = next((corner for corner in run.field.corners if isinstance(corner, Aligned) and corner.which), None)
        if moved is None:
            continue
        st.markdown(f"**{name.capitalize()}, step by step**")
        try:
            found = recorded(moved)
        except Refused as refusal:
            st.error(plain(str(refusal)), icon=":material/error:")
            continue
        if found is None:
            st.caption("Its steps are not on this machine; *Try it on your models* aligns the networks again.")
        else:
            descent(found, key=f"learn-{here.key}-{name.split()[0]}", height=260)


def _take(here: LessonStep, experiment: Experiment, seen: Outcome) -> None:
    def compare() -> None:
        st.caption("The same experiment on other models, or this one beside others on its own page.")
        for k, name in enumerate(here.lesson.variants):
            if k != here.on:
                st.button(name, on_click=go, args=(here.name, "see", k), key=f"learn-other-{here.key}-{k}", width="stretch")
        shell.link(experiment.target.page, f"Open in {experiment.target.page.capitalize()}", icon=":material/open_in_new:", **experiment.target.query)

    on = f"&on={here.on}" if here.on else ""
    actions(
        key=f"learn-{here.key}",
        stem=here.name,
        explain=f"{seen.sentence}\n\n{lesson_picture.LIMITS}",
        compare=compare,
        table=lambda: lesson_picture.table(seen),
        figure=lambda: lesson_picture.figure(seen, here.lesson.title),
        code=findings.code(here.name, experiment),
        link=f"/learn?lesson={here.name}&step=see{on}",
    )
