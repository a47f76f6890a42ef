"""Studies: what can be found out about models that is not a metric at a point."""

# `takes` has put every default in before one of these is called.
# pyright: reportTypedDictNotRequiredAccess=false

from __future__ import annotations

from collections.abc import Mapping
from typing import Unpack

from explorer.api import _measuring
from explorer.api._keywords import Merging, Model, takes
from explorer.api.problems import under
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.spec import Json, Study
from explorer.engine.run_study import examine


@takes(Merging)
def study(*models: Model, method: str, method_options: Mapping[str, object] | None = None, **how: Unpack[Merging]) -> Json:
    """Find something out about models; what it is, as the method's docstring describes it.

    `method`, `method_options`: one of `methods("study")`, such as `calibration`, `sharpness`, `kinship` or `ensemble`, and its options. Refused when the method
    does not take these models or options.

    >>> found = study("sample_models/digits-mlp/seed-0.safetensors", "sample_models/digits-mlp/seed-1.safetensors", method="answers")
    >>> sorted(found)
    ['by_class', 'disagree']
    """
    if not models:
        raise Refused("study needs models to look at, got none.")
    spec, recipes = _measuring.brought(models, how)
    store, home = _measuring.store_of(how)
    return examine(Study(under(spec, how["loss"]), recipes, registry.method("study", method, method_options)), store, home, device=how["device"])
