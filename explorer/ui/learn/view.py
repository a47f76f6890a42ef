"""One lesson after another: predict, run, see. What a lesson holds is in explorer/lessons; this draws it. The Learn page."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import streamlit as st

from explorer import lessons
from explorer.core import glossary
from explorer.core.errors import Refused
from explorer.core.markdown import plain
from explorer.core.spec import Aligned, Run, Study
from explorer.lessons import Experiment, Lesson, Outcome, Shelf
from explorer.store.run_store import RunStore
from explorer.ui.charts import lesson_picture
from explorer.ui.charts.descent import descent, recorded
from explorer.ui.frame import query_state, shell
from explorer.ui.frame.polling import live
from explorer.ui.frame.run_set import active, progress, submit
from explorer.ui.learn import cards, exercises, predictions
from explorer.ui.learn.hands_on import HANDS
from explorer.ui.widgets import cost_caption, python_source
from explorer.ui.widgets.chart_actions import actions, corner

POLL_S = 0.3
STEPS = {"predict": "1 · Predict", "run": "2 · Run", "see": "3 · Compare"}
OVER = "learn-over"  # in the session: which lessons were seen to the end
SMALL = "<style>@media (max-width: 640px) { .katex-display > .katex { font-size: min(1.1em, 3.3vw) } }</style>"
LARGE = """<style>
[data-testid=stSidebar], [data-testid=stExpandSidebarButton] { display: none }
[data-testid=stMainBlockContainer] { --explorer-text: 19px; max-width: 1280px }
[data-testid=stMainBlockContainer] :is([data-testid=stMarkdownContainer] :is(p, li), label p, button p) { font-size: 1.4rem; line-height: 1.45 }
</style>"""


@dataclass(frozen=True)
class Part:
    """One of a lesson's runs and studies, and what it is called."""

    name: str
    run: Run | Study


@dataclass(frozen=True)
class LessonStep:
    """Where in which lesson one is: what the address says."""

    name: str
    step: str
    on: int

    @property
    def lesson(self) -> Lesson:
        return lessons.every()[self.name]

    @property
    def key(self) -> str:
        return f"{self.name}-{self.on}"


def presenting() -> bool:
    """Whether the address asks for large type and one picture."""
    return st.query_params.get("present") == "1"


def frame() -> None:
    """The style of the presenter mode."""
    if presenting():
        st.html(LARGE)


def current_step() -> LessonStep:
    """What the address asks for: a lesson by name or number; what it does not know is the first one."""
    every = lessons.every()
    asked = st.query_params.get("lesson", "")
    names = list(every)
    numbered = {str(i): name for i, name in enumerate(names, start=1)}
    name = asked if asked in every else numbered.get(asked, names[0])
    step = st.query_params.get("step", "")
    on = st.query_params.get("on", "0")
    known = on.isdecimal() and int(on) < len(every[name].variants)
    return LessonStep(name, step if step in STEPS else "predict", int(on) if known else 0)


def go(name: str, step: str = "predict", on: int = 0) -> None:
    """Turn to a step of a lesson (a callback)."""
    present = {"present": "1"} if presenting() else {}
    st.query_params.from_dict({"lesson": name, "step": step, **({"on": str(on)} if on else {}), **present, **predictions.address()})


def page(store: RunStore) -> None:
    """The lesson of the address; all of them, where it names none."""
    try:
        lessons.every()
    except Refused as refusal:  # a file of somebody's that was changed since the start
        st.error(str(refusal), icon=":material/error:")
        return
    predictions.keep()
    if "lesson" not in st.query_params and not presenting():
        cards.index(st.session_state.get(OVER, set()), open_lesson=go)
        return
    here = current_step()
    _top(here)
    lesson = here.lesson
    st.subheader(f"{list(lessons.every()).index(here.name) + 1} · {lesson.title}", anchor=False)
    try:
        experiment = lesson.experiment(Shelf.from_checkpoints(store.checkpoints()), here.on)
    except Refused as refusal:
        st.error(plain(str(refusal)), icon=":material/error:")
        return
    parts = [Part(name, run) for name, run in experiment.requests.items()]
    match here.step:
        case "predict":
            _predict(here)
        case "run":
            _run(store, here, parts)
        case _:
            _see(store, here, experiment, parts)


def _top(here: LessonStep) -> None:
    """Which lesson and which step; forward, back, reset, and large type. Every button has a key."""
    names = list(lessons.every())
    over: set[str] = st.session_state.setdefault(OVER, set())
    i, steps = names.index(here.name), list(STEPS)
    j = steps.index(here.step)
    before = (here.name, steps[j - 1], here.on) if j else (names[i - 1], "see", 0) if i else None
    after = (here.name, steps[j + 1], here.on) if j + 1 < len(steps) else (names[i + 1], "predict", 0) if i + 1 < len(names) else None

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
            steps,
            default=here.step,
            format_func=STEPS.__getitem__,
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
        if st.button("Reset all lessons", icon=":material/restart_alt:", shortcut="X", key="learn-reset"):
            _confirm_reset()
        if not presenting():
            st.button("All lessons", icon=":material/apps:", on_click=_leave, key="learn-all")
        label = "Leave presentation" if presenting() else "Present"
        st.button(label, icon=":material/present_to_all:", shortcut="F", on_click=_present, key="learn-present")


def _present() -> None:
    if presenting():
        st.query_params.pop("present")
    else:
        st.query_params["present"] = "1"


def _leave() -> None:
    """To the list of lessons (a callback)."""
    st.query_params.from_dict(predictions.address())


@st.dialog("Reset all lessons?")
def _confirm_reset() -> None:
    st.markdown("Every prediction is deleted, and the list of lessons opens.")
    if st.button("Reset", type="primary", on_click=_reset, key="learn-reset-confirmed"):
        st.rerun()


def _reset() -> None:
    """Forget every prediction and begin again."""
    for key in [k for k in st.session_state if str(k).startswith("learn-")]:
        del st.session_state[key]
    st.query_params.from_dict({"present": "1"} if presenting() else {})


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
    _on_which(here, "run")
    if not _requested(store, parts):
        many = f"These {len(parts)} parts of the experiment are" if len(parts) > 1 else "This experiment is"
        st.markdown(f"{many} measured on the shipped models: **{', '.join(p.name for p in parts)}**.")
        runs = [part.run for part in parts]
        cost_caption.caption(store, [r for r in runs if isinstance(r, Run)], [r for r in runs if isinstance(r, Study)])
    _follow(store, here, parts)


def _requested(store: RunStore, parts: list[Part]) -> bool:
    return all(store.status(p.run.id) is not None for p in parts)


def _follow(store: RunStore, here: LessonStep, parts: list[Part]) -> None:
    """The button to run, then how far it is, then the way on."""
    busy = active(store, parts)
    live(_progress, every=POLL_S, busy=busy)(store, here, parts, busy)


def _progress(store: RunStore, here: LessonStep, parts: list[Part], was_busy: bool) -> None:
    busy = active(store, parts)
    if not _requested(store, parts):
        st.button("Run the experiment", type="primary", icon=":material/play_arrow:", on_click=_submit, args=(parts,), key="learn-run")
    elif _done(store, parts):
        st.success("Measured.", icon=":material/check:")
        st.button("See the result", type="primary", icon=":material/visibility:", on_click=go, args=(here.name, "see", here.on), key="learn-see")
    else:
        progress(store, parts, key="learn")
    if was_busy != busy:
        st.rerun()
    if busy:
        shell.tend()


def _submit(parts: list[Part]) -> None:
    submit(parts)


def _done(store: RunStore, parts: list[Part]) -> bool:
    return all((s := store.status(p.run.id)) is not None and s.state == "done" for p in parts)


def _on_which(here: LessonStep, step: str) -> None:
    """Which of the shipped models the experiment is run on."""
    if len(here.lesson.variants) < 2:
        return
    key = f"learn-on-{here.key}"

    def chosen() -> None:
        if (on := query_state.moved(key, here.on)) is not None:
            go(here.name, step, on)

    st.selectbox(
        "Run it on", range(len(here.lesson.variants)), index=here.on, format_func=here.lesson.variants.__getitem__, key=key, on_change=chosen
    )


def _see(store: RunStore, here: LessonStep, experiment: Experiment, parts: list[Part]) -> None:
    if not presenting():
        _on_which(here, "see")
    if not _done(store, parts):
        st.markdown("This experiment has not been run here yet." if not _requested(store, parts) else "The experiment is running.")
        _follow(store, here, parts)
        return
    measured = {name: store.points(run.field.id)[0] for name, run in experiment.runs.items()}
    studied = {name: status.result for name, study in experiment.studies.items() if (status := store.status(study.id)) is not None}
    try:
        seen = here.lesson.answer(measured, studied)
    except Refused as refusal:
        st.error(plain(str(refusal)), icon=":material/error:")
        return
    st.session_state.setdefault(OVER, set()).add(here.name)
    _verdict(here, seen)
    if presenting():
        lesson_picture.draw(seen, key=(key := f"learn-large-{here.key}"), height=480)
        corner(
            key=key,
            stem=here.name,
            title=here.lesson.title,
            figure=lambda: lesson_picture.figure(seen, here.lesson.title),
            explain=f"{seen.sentence}\n\n{lesson_picture.LIMITS}",
            code=code(here.name, experiment),
        )
        st.markdown(seen.sentence)
        return
    left, right = st.columns([3, 2], gap="large")
    with left:
        lesson_picture.draw(seen, key=f"learn-{here.key}", height=380)
        if here.lesson.descends:
            _descents(here, experiment)
        exercises.folded(here.lesson)
    with right:
        st.markdown(seen.sentence)
    _take(here, experiment, seen)
    _tell(here.lesson)
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


def _verdict(here: LessonStep, seen: Outcome) -> None:
    guess = predictions.made().get(here.name)
    right = here.lesson.choices[seen.answer]
    if guess is None:
        st.info(f"{here.lesson.question} Measured: **{right}**.", icon=":material/visibility:")
    elif guess == seen.answer:
        st.success(f"You predicted **{right}**: correct.", icon=":material/check:")
    else:
        st.warning(f"You predicted **{here.lesson.choices[guess]}**. Measured: **{right}**.", icon=":material/lightbulb:")


def formula(lesson: Lesson) -> None:
    """In lines, and on a narrow screen in letters that fit it."""
    st.html(SMALL)
    st.latex(r"\begin{gathered}" + r"\\[6pt] ".join(lesson.formula.split(r"\qquad")) + r"\end{gathered}")


def _tell(lesson: Lesson) -> None:
    """The formula, what is behind it, and the paper."""
    if lesson.formula:
        formula(lesson)
    st.markdown(glossary.linked(lesson.text))
    if lesson.paper:
        st.caption(lesson.paper)


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
        code=code(here.name, experiment),
        link=f"/learn?lesson={here.name}&step=see{on}",
    )


def code(name: str, experiment: Experiment) -> str:
    """Python that measures the same and reads the same answer."""
    body, studied = python_source.runs(experiment.runs), ""
    if experiment.studies:
        body += python_source.studies(experiment.studies)
        studied = ", studied"
    return python_source.program(f"{body}seen = lesson({name!r}).answer(measured{studied})\nprint(seen.answer, seen.sentence)")
