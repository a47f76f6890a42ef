"""The explorer in a notebook: the engine and the store of the app, without a browser or a worker. Pages print code that imports from here.

    from explorer.api import align, connect, interpolate, landscape

    line = interpolate("a.safetensors", "b.safetensors", problem="digits-mlp")
    print(line.barrier("loss"))
    line.figure().show()
    print(align("a.safetensors", "b.safetensors", method="weight_matching").pairs[0].reduction())
    print(connect("a.safetensors", "b.safetensors", method="bezier", method_options={"epochs": 60}).barrier("error"))
    landscape("a.safetensors", "b.safetensors", "c.safetensors").figure().show()
    interpolate(net_a, net_b, data=loader, loss=nn.CrossEntropyLoss())  # objects in memory: live_problem says what they may be

To write a method, a data source, a network or a loss, import what it needs from `explorer.api.plugin`. These two are stable; every other module may move. What
is here is imported when it is first used.
"""

from typing import TYPE_CHECKING

from explorer.api._lazily import lazily

if TYPE_CHECKING:
    from explorer.api._keywords import Reporter
    from explorer.api.lines import align, connect, interpolate, paths
    from explorer.api.live import live_problem
    from explorer.api.looks import Models, look
    from explorer.api.model_map_result import ModelMap, model_map
    from explorer.api.models import fuse, loaded, make, read_recipe, train
    from explorer.api.plane_result import Plane
    from explorer.api.planes import decide, landscape, landscape_around
    from explorer.api.problems import find_problem, read_problem, under
    from explorer.api.results import AlignedModels, Line, Pair
    from explorer.api.runs import lesson, points, run_lesson
    from explorer.api.searches import Found, search
    from explorer.api.studies import Finding, study
    from explorer.api.task_tables import Tasks, tasks
    from explorer.api.test_sets import on_test_sets, values_on_test_sets
    from explorer.api.topology_result import Topology, topology
    from explorer.api.volumes import Volume, landscape_volume
    from explorer.core.errors import Refused
    from explorer.core.points import Points
    from explorer.core.registry import method
    from explorer.core.registry import names as methods
    from explorer.core.spec import Aligned, Attack, Connected, Field, Fused, Loaded, Method, ProblemSpec, Recipe, Run, Shifted, Spec, Trained
    from explorer.methods.sample.trajectory import averages
    from explorer.stats.barriers import Barrier, barrier, highest
    from explorer.stats.hidden_peaks import Hidden, hidden
    from explorer.stats.intervals import Estimate
    from explorer.stats.soup_analysis import row_of
    from explorer.stats.soup_analysis import walk as greedy_path
    from explorer.training.recorder import Recorder
    from explorer.training.trainer_callbacks import lightning_recorder, transformers_recorder
else:
    __getattr__ = lazily(__name__, __file__)

__all__ = [
    "Aligned",
    "AlignedModels",
    "Attack",
    "Barrier",
    "Connected",
    "Estimate",
    "Field",
    "Finding",
    "Found",
    "Fused",
    "Hidden",
    "Line",
    "Loaded",
    "Method",
    "ModelMap",
    "Models",
    "Pair",
    "Plane",
    "Points",
    "ProblemSpec",
    "Recipe",
    "Recorder",
    "Refused",
    "Reporter",
    "Run",
    "Shifted",
    "Spec",
    "Tasks",
    "Topology",
    "Trained",
    "Volume",
    "align",
    "averages",
    "barrier",
    "connect",
    "decide",
    "find_problem",
    "fuse",
    "greedy_path",
    "hidden",
    "highest",
    "interpolate",
    "landscape",
    "landscape_around",
    "landscape_volume",
    "lesson",
    "lightning_recorder",
    "live_problem",
    "loaded",
    "look",
    "make",
    "method",
    "methods",
    "model_map",
    "on_test_sets",
    "paths",
    "points",
    "read_problem",
    "read_recipe",
    "row_of",
    "run_lesson",
    "search",
    "study",
    "tasks",
    "topology",
    "train",
    "transformers_recorder",
    "under",
    "values_on_test_sets",
]
