"""Home: what this is, and a finished picture of a shipped sample."""

import streamlit as st

from explorer.figures import line
from explorer.ui import samples, shell
from explorer.ui.curve import curve

shell.require()
store = shell.store()

st.title("Loss-landscape explorer")
st.markdown(
    "See how trained networks lie to each other in **weight space**: is there a barrier between two checkpoints, how high is it,"
    " and how sure is that number?"
)

stories = samples.stories(store)
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
    help="Trained beforehand and shipped with the explorer; every point was measured, none is drawn from imagination.",
)
status = stories[picked or next(iter(stories))]
field = status.wish.field
points, _ = store.points(field.id)

left, right = st.columns([3, 2], gap="large")
with left:
    t = curve(
        [line.curve(field, points, "loss")],
        key=f"home-{status.id}",
        x_title=line.x_title(field),
        y_title=line.y_title(field, "loss"),
        x_range=(0.0, 1.0),
        pick=None,
        height=340,
        caption=f"{len(points)} measured points, {int(points.counts.sum()):,} {field.split} samples. Hover to read, click to inspect the model at a point.",
        alt=f"Loss along the straight line: {line.explain(field, points, 'loss')}",
    )
if t is not None:
    shell.go("interpolate", run=status.id, t=f"{t:g}")
with right:
    st.markdown(f"**{field.problem.title or field.problem.name}**")
    st.markdown(line.explain(field, points, "loss"))
    shell.link("interpolate", "Open this line", icon=":material/show_chart:", run=status.id)

st.divider()
first, second, third, fourth = st.columns(4, gap="large")
with first:
    st.markdown("**1 · Choose checkpoints**\n\nShipped samples, or your own files: `.safetensors`, or `.pt` read without running anything in it.")
    shell.link("checkpoints", "Checkpoints", icon=":material/inventory_2:")
with second:
    st.markdown(
        "**2 · Measure the line**\n\nThe loss between two models with a 95 % band, live while it computes. Every point is a model: click it, inspect it, save it."
    )
    shell.link("interpolate", "Interpolate", icon=":material/show_chart:")
with third:
    st.markdown(
        "**3 · Get rid of the barrier**\n\nPut the hidden units of both models in one order, or bend the way between them, and see what is left of it."
    )
    shell.link("align", "Align", icon=":material/join_inner:")
    shell.link("paths", "Paths", icon=":material/route:")
with fourth:
    st.markdown("**4 · Come back to it**\n\nEverything that was computed is kept, can be resumed, and has a link of its own.")
    shell.link("runs", "Runs", icon=":material/history:")
