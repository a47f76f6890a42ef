"""A merged model of the app as a recipe of mergekit's form, and such a recipe as a method of the app.

Where a method says something that recipes cannot (a threshold over the whole model, an election by count, the angle of whole models), it is refused rather
than written down as something else.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from explorer.checkpoints import sharded
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.spec import Fused, Loaded, Method, Value
from explorer.merging.mergekit import text
from explorer.merging.mergekit.known import METHODS
from explorer.merging.mergekit.recipe import Given, Module, Recipe, Setting, Settings, Slice, Source


def recipe_of(fused: Fused) -> str:
    """YAML that mergekit and `loss-explorer fuse` read. Its models are checkpoints as they lie on the disk."""
    models: list[str] = []
    for model in fused.models:
        if not isinstance(model, Loaded):
            raise Refused(f"A recipe names files, and {model.name or model.id} has no file yet. Save it first, and merge the file.")
        path = Path(model.path)
        models.append(str(path.parent if path.name in sharded.SINGLE else path))
    return text.write(written(fused.method, models))


def method_of(given: str) -> tuple[Method, tuple[str, ...]]:
    """The method and the models' paths of a recipe that holds for all tensors alike; the base first. Refused where the app has no such method."""
    recipe, _ = text.read(given)
    if len(recipe.modules) != 1:
        raise Refused("The recipe merges modules of the network apart, and a method of the app merges all of it. Use `loss-explorer fuse`.")
    (module,) = recipe.modules
    part = module.slices[0]
    if not module.whole:
        raise Refused("The recipe stacks layers, which makes another architecture. Use `loss-explorer fuse`.")
    known = METHODS[recipe.method]
    base = part.base or recipe.base
    sources = sorted(part.sources, key=lambda s: s.model != base) if known.base == "required" else list(part.sources)
    others = [s for s in sources if known.base != "required" or s.model != base]

    def value(key: str, source: Source | None = None) -> float | bool:
        parameter = known.each[key] if source else known.shared[key]
        for scope in (source.settings if source else {}, part.settings, module.settings, recipe.settings):
            if key in scope:
                (setting, *rest) = scope[key]
                if rest or setting.part or isinstance(setting.value, tuple):
                    raise Refused(f"The recipe's {key} differs between tensors, and a method of the app has one. Use `loss-explorer fuse`.")
                return setting.value if isinstance(setting.value, bool) else float(setting.value)
        if parameter.default is None:
            raise Refused(f"The recipe gives no {key}{f' for {source.model}' if source else ''}. Add it.")
        return parameter.default

    def one(key: str) -> float:
        values = {value(key, s) for s in others}
        if len(values) != 1:
            raise Refused(f"The recipe's {key} differs between models, and a method of the app has one. Use `loss-explorer fuse`.")
        return float(values.pop())

    weights = tuple(float(value("weight", s)) for s in others) if "weight" in known.each else ()
    scale = float(value("lambda")) if "lambda" in known.shared else 1.0
    total = sum(weights)
    elect = "mass" if recipe.method.endswith("ties") or recipe.method == "della" else "none"
    if recipe.method not in ("linear", "task_arithmetic") and "normalize" in known.shared and not value("normalize"):
        if elect != "none" or not total:
            raise Refused(f"The app's {recipe.method} divides by the weights that agree, and the recipe does not. Use `loss-explorer fuse`.")
        scale *= total  # Σ wᵢ·τᵢ is the weighted mean times Σ wᵢ
    options: Mapping[str, Value]
    match recipe.method:
        case "linear":
            name, options = "average", {"weights": weights, "normalise": bool(value("normalize"))}
        case "slerp":
            name, options = "slerp", {"t": float(value("t"))}
        case "karcher":
            name, options = "karcher", {}
        case "task_arithmetic":
            name, options = "task_arithmetic", {"coefficients": tuple(scale * w / (total if value("normalize") else 1) for w in weights)}
        case "ties":
            name, options = "ties", {"density": one("density"), "trim": "tensor", "weights": weights, "scale": scale}
        case "dare_linear" | "dare_ties":
            name, options = "dare", {"drop": 1 - one("density"), "elect": elect, "weights": weights, "scale": scale}
        case "breadcrumbs" | "breadcrumbs_ties":
            name, options = "breadcrumbs", _shares(one("density"), one("gamma")) | {"elect": elect, "weights": weights, "scale": scale}
        case "della" | "della_linear":
            name, options = "della", {"drop": 1 - one("density"), "spread": 2 * one("epsilon"), "elect": elect, "weights": weights, "scale": scale}
        case "model_stock" if not value("filter_wise"):
            name, options = "model_stock", {}
        case "multislerp" if not base and value("normalize_weights"):
            name, options = "multislerp", {"weights": weights}
        case "nearswap":
            name, options = "nearswap", {"t": float(value("t"))}
        case "arcee_fusion":
            name, options = "arcee_fusion", {}
        case "sce":
            name, options = "sce", {"select": float(value("select_topk"))}
        case "ram":
            name, options = "ram", {"changed": float(value("epsilon"))}
        case "ramplus_tl":
            name, options = "ram", {"changed": float(value("epsilon")), "boost": float(value("r")), "most": float(value("alpha"))}
        case _:
            raise Refused(f"The app has no method equivalent to {recipe.method}. Use `loss-explorer fuse`.")
    return registry.method("fuse", name, options), tuple(s.model for s in sources)


def written(method: Method, models: list[str]) -> Recipe:
    """One of the app's methods as a recipe; the first model is the base where it has one."""
    given = method.kwargs()
    based = registry.has_base(method.name)
    others = models[1:] if based else models
    weights = _floats(given.get("weights") or given.get("coefficients")) or (1 / len(others),) * len(others)
    for option, wanted in (("trim", "tensor"), ("scope", "tensor")):
        if given.get(option, wanted) != wanted:
            raise Refused(
                f"A recipe cannot express {option}={given[option]} of {method.name}. Choose {option}={wanted}, or save the merged model itself."
            )
    if given.get("elect") == "count":
        raise Refused(f"A recipe cannot express elect=count of {method.name}. Choose elect=mass, or save the merged model itself.")
    shared: Mapping[str, Given] = {}
    each: list[dict[str, float]] = [{"weight": w} for w in weights]
    elect, base = given.get("elect", "none") != "none", models[0] if based else ""
    if method.name in ("ties", "dare", "breadcrumbs", "della"):
        shared = {"normalize": True, "lambda": _float(given["scale"])}
    match method.name:
        case "average":
            name, shared = "linear", {"normalize": bool(given["normalise"])}
        case "uniform_soup":
            name, shared, each = "linear", {"normalize": True}, [{"weight": 1.0} for _ in others]
        case "interpolate":
            t = _float(given["t"])
            name, shared, each = "linear", {"normalize": False}, [{"weight": 1 - t}, {"weight": t}]
        case "slerp":
            name, shared, each, base = "slerp", {"t": _float(given["t"])}, [{} for _ in others], models[0]
        case "karcher" if len({*weights}) == 1:
            name, shared, each = "karcher", {"max_iter": _float(given["steps"]), "tol": _float(given["tolerance"])}, [{} for _ in others]
        case "task_arithmetic":
            name, shared = "task_arithmetic", {"normalize": False, "lambda": 1.0}
        case "ties":
            name, each = "ties", [e | {"density": _float(given["density"])} for e in each]
        case "dare":
            name, each = "dare_ties" if elect else "dare_linear", [e | {"density": 1 - _float(given["drop"])} for e in each]
        case "breadcrumbs":
            low, high = _float(given["smallest"]), _float(given["largest"])
            name, each = "breadcrumbs_ties" if elect else "breadcrumbs", [e | {"density": 1 - low - high, "gamma": high} for e in each]
        case "della":
            drop, half = _float(given["drop"]), _float(given["spread"]) / 2
            name, each = "della" if elect else "della_linear", [e | {"density": 1 - drop, "epsilon": half} for e in each]
        case "model_stock" | "arcee_fusion":
            name, each = method.name, [{} for _ in others]
        case "multislerp":
            name, shared = "multislerp", {"normalize_weights": True}
        case "nearswap":
            name, shared, each = "nearswap", {"t": _float(given["t"])}, [{} for _ in others]
        case "sce":
            name, shared, each = "sce", {"select_topk": _float(given["select"])}, [{} for _ in others]
        case "ram":
            plus = {"r": _float(given["boost"]), "alpha": _float(given["most"])} if given["boost"] else {}
            name, shared, each = "ramplus_tl" if plus else "ram", {"epsilon": _float(given["changed"]), **plus}, [{} for _ in others]
        case _:
            raise Refused(f"mergekit has no recipe for {method.name} with these options. Save the merged model itself.")
    sources = tuple(Source(m, None, _settings(e)) for m, e in zip(others, each, strict=True))
    listed = sources if base in ("", *others) else (*sources, Source(base))
    return Recipe(name, (Module((Slice(listed),)),), base, _settings(shared))


def _shares(density: float, gamma: float) -> dict[str, Value]:
    return {"smallest": max(0.0, 1 - density - gamma), "largest": min(gamma, 1 - density)}


def _settings(values: Mapping[str, Given]) -> Settings:
    return {name: (Setting(value),) for name, value in values.items()}


def _float(value: object) -> float:
    assert isinstance(value, int | float)
    return float(value)


def _floats(value: object) -> tuple[float, ...]:
    return tuple(_float(v) for v in value) if isinstance(value, tuple) else ()
