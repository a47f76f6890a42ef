"""Studies: what can be found out about models that is not a metric at a point."""

# `takes` has put every default in before one of these is called.
# pyright: reportTypedDictNotRequiredAccess=false

from __future__ import annotations

from collections.abc import Mapping
from typing import Unpack

from explorer.api import _measuring
from explorer.api._keywords import Merging, Model, takes
from explorer.api._progress import progress_of
from explorer.api._shown import Shown, Summary
from explorer.api.problems import under
from explorer.core import registry, significant_digits
from explorer.core.errors import Refused
from explorer.core.spec import Json, Study
from explorer.engine.run_study import examine

FEW, WIDE = 6, 100  # entries and letters that are written out


class Finding(Shown, dict[str, Json]):
    """What a study found: a dict, whose keys the docstring of the study's method describes."""

    def __init__(self, title: str, found: dict[str, Json]) -> None:
        super().__init__(found)
        self._title = title

    def _summary(self) -> Summary:
        return Summary(self._title, [("key", "value"), *((key, _short(value)) for key, value in self.items())])


@takes(Merging)
def study(*models: Model, method: str, method_options: Mapping[str, object] | None = None, **how: Unpack[Merging]) -> Finding:
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
    request = Study(under(spec, how["loss"]), recipes, registry.method("study", method, method_options))
    with progress_of(how["progress"], registry.title("study", method).split(":")[0]) as progress:
        found = examine(request, store, home, device=how["device"], progress=progress)
    assert isinstance(found, dict), "a study gives names to what it finds"
    names = ", ".join(model.name or model.id for model in recipes)
    return Finding(f"{registry.title('study', method)} Of: {names}", found)


def _short(value: Json) -> str:
    """The beginning of it, numbers as people read them."""
    match value:
        case {"value": int() | float() as middle, "low": int() | float() as low, "high": int() | float() as high}:
            return significant_digits.within(middle, low, high)
        case None | bool() | str():
            return "" if value is None else str(value)
        case int() | float():
            return significant_digits.number(value)
        case list():
            said = f"[{', '.join(map(_short, value[:FEW]))}{', …' if len(value) > FEW else ''}]"
        case dict():
            said = ", ".join(f"{key}: {_short(one)}" for key, one in [*value.items()][:FEW])
    return said if len(said) <= WIDE else f"{said[:WIDE]}…"
