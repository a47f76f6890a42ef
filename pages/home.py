"""Home: what this is, and a finished picture of a shipped sample."""

import streamlit as st

from explorer.core import glossary
from explorer.core.spec import Run
from explorer.figures import line
from explorer.stats import line_words
from explorer.ui.charts.curve import curve
from explorer.ui.frame import page, shell, shipped_stories
from explorer.ui.interpolate import view as interpolate_view
from explorer.ui.widgets.chart_actions import corner

page.require()
store = shell.store()

st.title("Loss-landscape explorer")
st.markdown(
    glossary.linked(
        "See how trained networks relate in [[weight space]]: is there a [[barrier]] between two [[checkpoints|checkpoint]], how high is it, and how"
        " [[certain|interval]] is that number?"
    )
)

stories = shipped_stories.stories(store)
if not stories:
    st.info("No sample is installed. Register your own checkpoints to begin.", icon=":material/info:")
    shell.link("checkpoints", "Choose checkpoints", icon=":material/inventory_2:")
    st.stop()

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
        caption=f"{len(points)} measured points, {int(points.counts.sum()):,} {field.split} samples.",
        does="see the model at a point",
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
    st.markdown(
        "**You study networks**\n\nBarriers with 95 % intervals, live while they are measured; the order of hidden units, curved paths, planes, sharpness."
    )
    shell.link("interpolate", "Measure a line", icon=":material/show_chart:")
    shell.link("align", "Align hidden units", icon=":material/join_inner:")
    shell.link("paths", "Train a curved path", icon=":material/route:")
    shell.link("landscape", "View a plane", icon=":material/landscape:")
with teacher:
    st.markdown(
        "**You teach**\n\nPredict the result, run the experiment in seconds, compare. Every step of a lesson has a link, and can be shown in large type."
    )
    shell.link("learn", "Lessons", icon=":material/school:")
    shell.link("learn", "Glossary", icon=":material/menu_book:", view="glossary")
    shell.link("learn", "Tour of the app", icon=":material/tour:", view="tour")
with practitioner:
    st.markdown("**You have models to merge**\n\nYour own files, read without running anything in them. Every point is a model: inspect it, save it.")
    shell.link("checkpoints", "Add your checkpoints", icon=":material/inventory_2:")
    shell.link("soup", "Make a soup", icon=":material/soup_kitchen:")
    shell.link("compare", "Compare merging methods", icon=":material/balance:")
    shell.link("runs", "Return to a run", icon=":material/history:")
