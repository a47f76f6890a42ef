"""What brings every page into its finished state, on the tiny problem."""

from __future__ import annotations

from pathlib import Path

from explorer.api import loaded
from explorer.core import registry
from explorer.core.spec import Attack, Fused, Look, Study, Trained
from explorer.engine.worker import Worker
from explorer.stats import instability_analysis
from explorer.store.run_store import RunStore
from explorer.ui.align.form import Comparison as Alignment
from explorer.ui.compare import studies as compare_studies
from explorer.ui.compare.form import Comparison, Entry
from explorer.ui.landscape import form as landscape_form
from explorer.ui.paths import all_pairs_form
from explorer.ui.paths import form as paths_form
from explorer.ui.paths import plane as paths_plane
from explorer.ui.soup import triangle as soup_triangle
from explorer.ui.soup.measurements import Kitchen
from explorer.ui.train.trajectories import Trajectory
from explorer.ui.widgets import model_inspector


def work_off(tiny, home: Path) -> dict[str, list]:
    """The same requests, worked off into a folder."""
    store, asked = RunStore.within(home), requests(tiny)
    for request in (w for each in asked.values() for w in each):
        store.submit(request)
    Worker(store, home).work_off()
    return asked


def requests(tiny) -> dict[str, list]:
    """What brings each page into its finished state, by its address."""
    spec, a, b = tiny.problem.spec, loaded(tiny.a), loaded(tiny.b)
    line = tiny.run()
    picked = model_inspector.requests(line.field, (0.5,))
    alignment = Alignment(spec, (a, b), registry.method("align", "weight_matching"))
    ways = [paths_form.straight(spec, a, b), paths_form.trained(spec, a, b, registry.method("connect", "bezier", {"epochs": 1}))]
    pairs = [all_pairs_form.line(spec, a, b, how) for how in (None, "weight_matching")]
    attacked = [tiny.run(3), tiny.run(3, attack=Attack("linf", 0.1, 2))]
    branches = instability_analysis.branches(spec, registry.method("train", "sgd", {"epochs": 2}), [0, 1], (1, 2))
    copies = [instability_analysis.line(spec, branch) for branch in branches]
    plane = landscape_form.around(spec, a, registry.method("direct", "random"), landscape_form.wide(0.5), samples=64)
    other = landscape_form.around(spec, b, registry.method("direct", "random"), landscape_form.wide(0.5), samples=64)
    spectrum = Study(spec, tuple(landscape_form.models_of(plane.field)), registry.method("study", "spectrum"))
    kitchen, larder = Kitchen(spec, (a, b)), Kitchen(spec, (a, b, Fused(spec, (a, b), registry.method("fuse", "slerp"), name="arc")))
    merged = Comparison(tuple(Entry(m, spec) for m in (a, b, Fused(spec, (a, b), registry.method("fuse", "uniform_soup"), name="uniform soup"))))
    studies = [compare_studies.classes_of(merged, best) for best in (0, 1)]
    how = registry.method("train", "sgd", {"epochs": 3})
    training = Trajectory(spec, tuple(Trained(spec, how, at=k) for k in (1, 2, 3)), (registry.method("sample", "trajectory"),))
    trained = [task.run for task in training.tasks()]
    return {
        f"interpolate?run={line.id}&t=0.5": [line, *picked],
        "checkpoints": [Look(str(tiny.folder))],
        f"interpolate?run={line.id}": [line],
        f"align?run={alignment.after(1).id}": [alignment.before(1), alignment.after(1)],
        f"paths?runs={_ids(w.run for w in ways)}": [*(w.run for w in ways), paths_plane.runs(ways[1])[0]],
        f"paths?view=many&runs={_ids(p.run for p in pairs)}": [p.run for p in pairs],
        f"paths?view=conditions&runs={_ids(attacked)}": attacked,
        f"paths?view=stability&runs={_ids(copies)}": copies,
        f"landscape?runs={plane.id}": [plane, spectrum],
        f"landscape?runs={plane.id},{other.id}": [plane, other],
        f"landscape?runs={plane.id}&picture=relief": [plane],
        f"train?runs={_ids(trained)}": [*trained, training.plane()],
        f"soup?runs={kitchen.tasks()[0].run.id}": [*(t.run for t in kitchen.tasks()), *kitchen.studies()],
        f"soup?runs={larder.tasks()[0].run.id}&three=0,1,2": [*(t.run for t in larder.tasks()), soup_triangle._run(larder, [0, 1, 2])],
        f"compare?runs={_ids(e.run for e in merged.entries)}": [*(t.run for t in merged.tasks()), *merged.studies(), *studies],
        "runs": [],
    }


def _ids(runs) -> str:
    return ",".join(run.id for run in runs)
