"""Planes of models, measured: through three models or closest to more, and around one model."""

# `takes` has put every default in before one of these is called.
# pyright: reportTypedDictNotRequiredAccess=false

from __future__ import annotations

from collections.abc import Mapping
from typing import Unpack

from explorer.api import _measuring
from explorer.api._keywords import Model, Planes, Watched, takes
from explorer.api._result_parts import measured_name
from explorer.api.plane_result import Plane, window_of
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.spec import Run, Shifted
from explorer.figures import plane as plane_figure
from explorer.figures.plane import Extreme
from explorer.stats.candidate_extremes import decided, deciding


@takes(Planes)
def landscape(*models: Model, margin: float = 0.25, **how: Unpack[Planes]) -> Plane:
    """Measure the plane through three models, or the one closest to more.

    `margin`: how far the picture reaches beyond the models on every side, as a share of its longer side. Refused for fewer than three models, and for three on
    one line.

    >>> plane = landscape(*(f"sample_models/digits-mlp/seed-{i}.safetensors" for i in range(3)), size=5)
    >>> plane.surface().z.shape, f"{plane.extremes()[1].value:.1f} nats at the highest point"
    ((5, 5), '1.3 nats at the highest point')
    """
    if not models:
        raise Refused("landscape needs three models or more, got none.")
    chart = registry.method("chart", "plane", {"margin": margin})
    spec, corners = _measuring.brought(models, how, alike=True)
    return _plane(_measuring.over(spec, corners, chart, how), how)


@takes(Planes)
def landscape_around(
    model: Model,
    *,
    directions: str = "random",
    options: Mapping[str, object] | None = None,
    towards: tuple[Model, Model] | None = None,
    extent: float = 1.0,
    **how: Unpack[Planes],
) -> Plane:
    """Measure the plane around a model along two directions, `extent` lengths of the first one to every side.

    `directions`, `options`: one of `methods("direct")`, which finds them, and its options; or `towards`: the two models that they lead to.

    >>> plane = landscape_around("sample_models/digits-mlp/seed-0.safetensors", extent=0.5, size=5)
    >>> middle = plane.surface().z[2, 2]
    >>> f"{middle:.2f} nats at the model itself", bool(middle == plane.extremes()[0].value)
    ('0.07 nats at the model itself', True)
    """
    spec, corners = _measuring.brought((model, *(towards or ())), how, alike=True)
    if towards is None:
        corners = Shifted.both(spec, corners[0], registry.method("direct", directions, options))
    return _plane(_measuring.over(spec, corners, registry.method("chart", "directions", {"extent": extent}), how), how)


@takes(Watched)
def decide(plane: Plane, metric: str = "loss", **how: Unpack[Watched]) -> tuple[Extreme, Extreme] | None:
    """Where a plane that was measured on some of the samples is lowest and highest, decided on all of them.

    They are measured at those places that may be either (explorer.stats.candidate_extremes). None where no value is finite. Where all samples were used, and
    of a preview, what the plane itself says.

    >>> plane = landscape_around("sample_models/digits-mlp/seed-0.safetensors", extent=0.5, size=5, samples=100)
    >>> [round(there.value, 2) for there in plane.extremes()], [round(there.value, 2) for there in decide(plane)]
    ([0.03, 0.43], [0.07, 0.46])
    """
    metric = measured_name(plane.run.field, metric)
    run = deciding(plane.run.field, plane.points, metric)
    if run is None:
        return plane.extremes(metric)
    found = decided(run, _measuring.measured(run, how))
    assert found is not None
    return plane_figure.extremes(run.field, found, metric, plane.window)


def _plane(run: Run, how: Planes) -> Plane:
    field, points = run.field, _measuring.measured(run, how)
    known = _measuring.store_of(how)[0].field(field.id)
    assert known is not None
    return Plane(run, points, window_of(field, known.gram), _measuring.again(field, points, how), _measuring.doubts(field, how), how["home"])
