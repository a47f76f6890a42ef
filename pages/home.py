"""Home: a landscape to look at, three doors, and the finished lines of the shipped samples."""

import streamlit as st

from explorer.core import glossary
from explorer.core.spec import Run
from explorer.figures import line
from explorer.stats import line_words
from explorer.ui.charts.curve import curve
from explorer.ui.frame import page, shell, shipped_stories
from explorer.ui.home import stage
from explorer.ui.interpolate import view as interpolate_view
from explorer.ui.widgets.chart_actions import corner

page.require()
store = shell.store()

st.title("Loss-landscape explorer")
st.markdown(
    glossary.linked(
        "Two networks trained alike can be averaged only where no [[barrier]] lies between them in [[weight space]]: here you see whether one does, how high it"
        " is with its [[95 % interval|interval]], and which path leads around it."
    )
)

stories = shipped_stories.stories(store)
if not stories:
    st.info("No sample is installed. Register your own checkpoints to begin.", icon=":material/info:")
    shell.link("checkpoints", "Choose checkpoints", icon=":material/inventory_2:")
    st.stop()

shown = stage.shipped(store)
seen, doors = st.columns([5, 3], gap="large")
with seen:
    if shown is not None:
        stage.draw(store, shown)
        st.caption(stage.words(store, shown))
with doors:
    with st.container(border=True):
        st.markdown("**You study networks.** Turn this landscape and click anywhere: every point is a model.")
        if shown is not None:
            shell.link("landscape", "Explore the landscape", icon=":material/landscape:", runs=shown.id, picture="relief")
    with st.container(border=True):
        st.markdown("**You teach.** Start with two neurons, whose whole landscape fits on a screen.")
        shell.link("learn", "Open this lesson", icon=":material/school:", lesson="two_neurons", step="run")
    with st.container(border=True):
        st.markdown("**You have models to merge.** See which of eight fine-tunes make a good average.")
        shell.link("soup", "Make a soup", icon=":material/soup_kitchen:")

st.subheader("Walk from one network to another")
picked = st.pills(
    "Sample",
    list(stories),
    default=next(iter(stories)),
    key="story",
    bind="query-params",
    help="Trained beforehand and shipped with the explorer; every point was measured, none is invented.",
)
status = stories[picked or next(iter(stories))]
run = status.request
assert isinstance(run, Run)
field = run.field
points, _ = store.points(field.id)

left, right = st.columns([3, 2], gap="large")
with left:
    t = curve(
        [line.curve(field, points, "loss")],
        key=(key := f"home-{status.id}"),
        x_title=line.x_title(field),
        y_title=line.y_title(field, "loss"),
        x_range=(0.0, 1.0),
        pick=None,
        height=340,
        caption=f"{len(points)} measured points, {int(points.counts.sum()):,} {field.measured_on} samples.",
        does="see the model at a point",
        play=True,
        alt=f"Loss along the straight line: {line_words.explain(field, points, 'loss', sampler=run.sampler)}",
    )
    corner(
        key=key,
        stem="line",
        title="Loss along the straight line",
        figure=lambda: line.figure_of(field, points, "loss"),
        explain=line_words.explain(field, points, "loss", sampler=run.sampler),
        code=interpolate_view.program(run),
    )
if t is not None:
    shell.go("interpolate", run=status.id, t=f"{t:g}")
with right:
    st.markdown(f"**{field.problem.title or field.problem.name}**")
    st.markdown(line_words.explain(field, points, "loss", sampler=run.sampler))
    shell.link("interpolate", "Open this line", icon=":material/show_chart:", run=status.id)

st.divider()
researcher, teacher, practitioner = st.columns(3, gap="large")
with researcher:
    shell.link("interpolate", "Measure a line", icon=":material/show_chart:")
    shell.link("align", "Align hidden units", icon=":material/join_inner:")
    shell.link("paths", "Train a curved path", icon=":material/route:")
    shell.link("landscape", "View a plane", icon=":material/landscape:")
with teacher:
    shell.link("learn", "Lessons", icon=":material/school:")
    shell.link("learn", "Glossary", icon=":material/menu_book:", view="glossary")
    shell.link("learn", "Tour of the app", icon=":material/tour:", view="tour")
with practitioner:
    shell.link("checkpoints", "Add your checkpoints", icon=":material/inventory_2:")
    shell.link("compare", "Compare merging methods", icon=":material/balance:")
    shell.link("runs", "Return to a run", icon=":material/history:")
