"""What a page shows, as Python that makes it again in a notebook: the sources of single values, and the imports of the whole."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pprint import pformat

from explorer import api
from explorer.core import locations
from explorer.core.spec import Field, Loaded, Method, ProblemSpec, Recipe, Run, Spec, Study
from explorer.stats.preview_confirmation import is_preview

ROOMS = {"itertools": ("combinations",), "explorer.api": tuple(api.__all__)}


def program(body: str) -> str:
    """The body under the imports of the names that it uses and does not make itself: nothing else writes an import of the explorer into printed code."""
    names = [node for node in ast.walk(ast.parse(body)) if isinstance(node, ast.Name)]
    used = {n.id for n in names} - {n.id for n in names if isinstance(n.ctx, ast.Store)}
    found = {room: [name for name in names if name in used] for room, names in ROOMS.items()}
    return "\n".join(f"from {room} import {', '.join(names)}" for room, names in found.items() if names) + f"\n\n{body}"


def problem(spec: ProblemSpec) -> str:
    """A shipped problem by its name, any other one in full."""
    shipped = bool(spec.name) and (locations.root() / "sample_models" / spec.name / "problem.toml").is_file() and not spec.code
    return repr(spec.name) if shipped else whole(spec)


def spec_of(spec: ProblemSpec) -> str:
    """The same where a problem itself is wanted, not its name."""
    by_name = problem(spec)
    return by_name if by_name.startswith("Spec.") else f"read_problem({by_name})"


def model(recipe: Recipe) -> str:
    """A checkpoint by its file, any other model by its recipe."""
    return repr(str(locations.expand(recipe.path))) if isinstance(recipe, Loaded) and recipe.path else whole(recipe)


def models(recipes: tuple[Recipe, ...]) -> str:
    """Several of them, one a line, as recipes."""
    return "(\n" + "".join(f"    loaded({model(r)}),\n" for r in recipes) + ")"


def method(kind: str, how: Method) -> str:
    """A method with its options."""
    return f"method({kind!r}, {how.name!r}, {how.kwargs()!r})"


def how(run: Run) -> str:
    """What a line is measured on, as arguments that `interpolate`, `align` and `connect` share."""
    field = run.field
    return (
        f"how = dict(\n    problem={problem(field.problem)},\n    split={field.measured_on!r},\n    samples={field.samples},\n    buffers={field.buffers!r},\n"
        f"{precision(field)}    sampler={run.sampler.name!r},\n    options={run.sampler.kwargs()!r},\n)\n"
    )


def precision(field: Field) -> str:
    """The argument that makes a picture a preview; nothing for what is exact."""
    return f"    precision={field.precision!r},\n" if is_preview(field) else ""


def runs(named: Mapping[str, Run]) -> str:
    """Several runs, whole, and their points by the same names."""
    requests = "".join(f"    {name!r}: {whole(run)},\n" for name, run in named.items())
    return f"runs = {{\n{requests}}}\nmeasured = {{name: points(run) for name, run in runs.items()}}\n"


def studies(named: Mapping[str, Study]) -> str:
    """Several studies, and what they find by the same names."""
    asked = "".join(
        f"    {name!r}: study(\n        *{models(one.models)},\n        method={one.method.name!r}, method_options={one.method.kwargs()!r},"
        f" problem={problem(one.problem)},\n    ),\n"
        for name, one in named.items()
    )
    return f"studied = {{\n{asked}}}\n"


def whole(spec: Spec) -> str:
    """Anything that can be asked for, with all that is in it."""
    return f"Spec.from_json({pformat(spec.to_json(), width=140, compact=True, sort_dicts=False)})"


def drawn(stem: str) -> str:
    """A picture from its file, where no code measures it by itself."""
    return f'import plotly.io\n\n# The file that "JSON" above downloads.\nplotly.io.read_json("{stem}.json").show()'
