"""The text of a recipe, read and written. YAML as mergekit's configuration; what mergekit passes over in silence is said.

    merge_method, base_model, dtype, out_dtype, tokenizer_source or tokenizer: {source}, parameters
    and one of    models: [{model, parameters}]
                  slices: [{sources: [{model, layer_range: [from, to), parameters}], base_model, parameters}]
                  modules: {name: {models or slices, parameters}} (explorer.merging.mergekit.modules)

A model is `path` or `path+adapter`, or the same as a mapping. A parameter is a number, a list of numbers (a gradient over the layers), or a list of
{filter, value}: a filter is a part of a tensor's name. A recipe may come from anyone: it is data, bounded in size, and a key that is there twice is refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from difflib import get_close_matches
from typing import TypeAlias, cast

import yaml

from explorer.core.errors import Refused
from explorer.core.files import short
from explorer.merging.mergekit.known import METHODS
from explorer.merging.mergekit.recipe import Given, Module, Recipe, Setting, Settings, Slice, Source, TokenRule

LIMIT = 2**20  # characters of a recipe
NODES = 100_000  # and of what its references unfold to
SETTINGS = 1000  # values of parameters, each of which may have a filter to be tried on every tensor
DIGITS = 40  # of a number; YAML's own reader takes the square of their count, and 1:1:1:… for one number
MOST_PADDED = 65_536  # rows that are added at most, less one
GUESSED = 20  # keys without a meaning whose likely spelling is looked for
DTYPES = ("float16", "bfloat16", "float32", "float64")

TOP = frozenset({"merge_method", "base_model", "models", "slices", "modules", "parameters", "dtype", "out_dtype", "tokenizer_source", "tokenizer"})
Map: TypeAlias = "dict[str, object]"


class _Loader(yaml.SafeLoader):
    """Plain data only; a key that stands twice in one mapping is refused."""

    room = NODES

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Merge keys (<<) put in place, as YAML has it; Refused where that unfolds to more than any recipe holds."""
        for key, value in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                for given in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                    if isinstance(given, yaml.MappingNode):
                        self.flatten_mapping(given)
                        self.room -= len(given.value)
                        if self.room < 0:
                            raise Refused("The recipe expands to more than any recipe holds. Write it without references (& and *).")
        super().flatten_mapping(node)  # pyright: ignore[reportUnknownMemberType]

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if twice := sorted(str(k) for k, count in Counter(keys).items() if count > 1):
            raise Refused(f"The recipe has the key {short(twice[0])!r} twice in line {node.start_mark.line + 1} and after. Keep one of them.")
        return cast("dict[Hashable, object]", super().construct_mapping(node, deep=True))  # pyright: ignore[reportUnknownMemberType]


def _number(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> object:
    if len(node.value) > DIGITS:
        raise Refused(f"The recipe has the number {short(node.value)} in line {node.start_mark.line + 1}. Write at most {DIGITS} digits.")
    whole = node.tag == "tag:yaml.org,2002:int"
    return loader.construct_yaml_int(node) if whole else loader.construct_yaml_float(node)  # pyright: ignore[reportUnknownMemberType]


for _kind in ("int", "float"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_kind}", _number)


def read(text: str) -> tuple[Recipe, tuple[str, ...]]:
    """The recipe, and what was passed over in it. Refused when it is not one, or asks for what is not supported here."""
    if len(text) > LIMIT:
        raise Refused(f"The recipe has more than {LIMIT:,} characters. It should hold paths and numbers only.")
    try:
        found: list[object] = list(yaml.load_all(text, _Loader))
    except yaml.YAMLError as error:
        raise Refused(f"The recipe is not valid YAML: {short(' '.join(str(error).split()))}. Correct that line.") from error
    except RecursionError as error:
        raise Refused("The recipe is nested too deeply. It should hold paths and numbers only.") from error
    found = found or [None]
    if len(found) != 1:
        raise Refused(f"The recipe holds {len(found)} documents, and one is merged at a time. Put each into a file of its own, and run them in turn.")
    _bounded(found[0])
    return _Reading().recipe(_map(found[0], "the recipe"))


class _Reading:
    """Reads one recipe, and notes what has no meaning."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.method = ""
        self.settings_left = SETTINGS

    def recipe(self, top: Map) -> tuple[Recipe, tuple[str, ...]]:
        self.method = str(top.get("merge_method", ""))
        if not self.method and (own := sorted({"experts", "experts_per_token", "gate_mode", "shared_experts"} & top.keys())):
            raise Refused(
                f"This is a recipe of mergekit-moe ({', '.join(own)}): it puts whole models beside one another as the experts of a larger network, and"
                " merges no weights. That is not done here. Build the mixture with mergekit-moe; its experts can be compared and merged here."
            )
        if not self.method:
            raise Refused(f"The recipe names no merge_method. There are: {', '.join(METHODS)}.")
        if self.method not in METHODS:
            raise Refused(f"The recipe's merge_method is {short(self.method)!r}. There are: {', '.join(METHODS)}.")
        self.known(top, TOP, "the recipe")
        parts = [key for key in ("models", "slices", "modules") if top.get(key)]
        if len(parts) != 1:
            raise Refused(f"A recipe has one of models, slices and modules; this has {' and '.join(parts) or 'none'}. Keep one.")
        base = self.model(top["base_model"]) if top.get("base_model") else ""
        given = _map(top["modules"], "modules") if parts[0] == "modules" else {}
        modules = tuple(self.module(name, said, base) for name, said in given.items()) or (Module(self.slices(top, base)),)
        named = _dtype(top, "dtype"), _dtype(top, "out_dtype"), self.tokenizer(top)
        recipe = Recipe(self.method, modules, base, self.settings(top), *named, *self.rows(top))
        return recipe, tuple(dict.fromkeys(self.notes))

    def module(self, name: str, data: object, base: str) -> Module:
        given = _map(data, f"the module {short(name)}")
        self.known(given, {"models", "slices", "parameters"}, "a module")
        if bool(given.get("models")) == bool(given.get("slices")):
            raise Refused(f"A module has one of models and slices; {short(name)} has {'both' if given.get('models') else 'neither'}. Give one.")
        return Module(self.slices(given, base), name, self.settings(given))

    def slices(self, given: Map, base: str) -> tuple[Slice, ...]:
        if not given.get("models"):
            return tuple(self.slice(s) for s in _list(given.get("slices"), "slices"))
        sources = tuple(self.source(m, sliced=False) for m in _list(given["models"], "models"))
        return (Slice(sources if not base or base in [s.model for s in sources] else (*sources, Source(base))),)

    def slice(self, data: object) -> Slice:
        given = _map(data, "a slice")
        self.known(given, {"sources", "base_model", "parameters", "residual_weight"}, "a slice")
        if "residual_weight" in given:
            self.notes.append("residual_weight has no effect, as in mergekit.")
        sources = tuple(self.source(s, sliced=True) for s in _list(given.get("sources"), "sources"))
        if len({b - a for a, b in (s.layers for s in sources if s.layers)}) != 1:
            raise Refused("The sources of a slice have different numbers of layers, and are merged layer by layer. Give ranges of equal length.")
        return Slice(sources, self.settings(given), self.model(given["base_model"]) if given.get("base_model") else "")

    def source(self, data: object, *, sliced: bool) -> Source:
        given = _map(data, "a model")
        self.known(given, {"model", "parameters", *(["layer_range"] if sliced else [])}, "a model")
        if "model" not in given:
            raise Refused("A model of the recipe has no 'model'. Give the path of its folder.")
        layers = None
        if sliced:
            span = given.get("layer_range")
            ints = [v for v in cast("list[object]", span) if isinstance(v, int)] if isinstance(span, list) else []
            if len(ints) != 2 or not 0 <= ints[0] < ints[1] or ints != span:
                raise Refused(f"A layer_range is [from, to) with 0 ≤ from < to, got {short(str(span))}.")
            layers = (ints[0], ints[1])
        return Source(self.model(given["model"]), layers, self.settings(given))

    def model(self, data: object) -> str:
        if isinstance(data, str) and data.strip():
            return data
        given = _map(data, "a model")
        if "override_architecture" in given:
            self.notes.append("override_architecture has no effect: no architecture is assumed here.")
        self.known(given, {"model", "lora", "path", "revision", "override_architecture"}, "a model")
        if "path" in given:
            return f"{given['path']}@{given['revision']}" if given.get("revision") else str(given["path"])
        return self.model(given.get("model")) + (f"+{self.model(given['lora'])}" if given.get("lora") else "")

    def tokenizer(self, top: Map) -> str:
        source = top.get("tokenizer_source")
        if top.get("tokenizer"):
            given = _map(top["tokenizer"], "tokenizer")
            self.known(given, {"source", "tokens", "pad_to_multiple_of"}, "tokenizer")
            if source:
                raise Refused("The recipe has both tokenizer_source and tokenizer. Keep one of them.")
            source = given.get("source")
        return self.model(source) if source else ""

    def rows(self, top: Map) -> tuple[tuple[TokenRule, ...], int]:
        """What the recipe says of single tokens, and the multiple that rows are added up to."""
        given = _map(top["tokenizer"], "tokenizer") if top.get("tokenizer") else {}
        rules = tuple(self.rule(token, said) for token, said in _map(given.get("tokens") or {}, "tokens").items())
        pad = given.get("pad_to_multiple_of") or 0
        if not isinstance(pad, int) or isinstance(pad, bool) or not 0 <= pad <= MOST_PADDED:
            raise Refused(f"pad_to_multiple_of is a whole number up to {MOST_PADDED:,}, got {short(str(pad))}. Give one such as 64.")
        if (rules or pad) and given.get("source") not in ("union", "base"):
            raise Refused(
                "The recipe says where rows of tokens come from (tokens, pad_to_multiple_of), which needs tokenizer: {source: union} or base. Add it."
            )
        return rules, pad

    def rule(self, token: str, data: object) -> TokenRule:
        given = _map(data, f"the token {short(token)}")
        self.known(given, {"source", "force"}, "a token")
        source, force = given.get("source"), given.get("force") is True
        kind = cast("Map", source).get("kind") if isinstance(source, dict) else None
        if kind == "zero":
            return TokenRule(token, force=force)
        if kind == "model_token":
            place = _map(source, "a source")
            other = next((v for key in ("token_id", "token") if isinstance(v := place.get(key), int | str) and not isinstance(v, bool)), None)
            if other is None:
                raise Refused(f"The source of the token {short(token)} names no token. Give token or token_id.")
            return TokenRule(token, self.model(place.get("model")), other, force)
        if source is None:
            raise Refused(f"The token {short(token)} has no source. Give a model, {{kind: zero}}, or {{kind: model_token, model: …, token: …}}.")
        return TokenRule(token, self.model(source), None, force)

    def settings(self, data: Map) -> Settings:
        given = _map(data.get("parameters") or {}, "parameters")
        method = METHODS[self.method]
        self.known(given, {*method.shared, *method.each}, f"the parameters of {self.method}")
        return {name: self.setting(name, value) for name, value in given.items()}

    def setting(self, name: str, data: object) -> tuple[Setting, ...]:
        self.settings_left -= 1
        if self.settings_left < 0:
            raise Refused(f"The recipe has more than {SETTINGS:,} values of parameters. Write a value for all tensors, and filters for a few.")
        if isinstance(data, list) and any(isinstance(v, dict) for v in cast("list[object]", data)):
            return tuple(s for v in cast("list[object]", data) for s in self.setting(name, _map(v, f"a setting of {name}")))
        if isinstance(data, dict):
            given = _map(cast("object", data), f"a setting of {name}")
            self.known(given, {"value", "filter"}, f"a setting of {name}")
            if "value" not in given:
                raise Refused(f"A setting of {short(name)} has no value. Give {{filter: …, value: …}}.")
            part = given.get("filter")
            return (Setting(_value(name, given["value"]), "" if part in (None, "*") else str(part)),)
        return (Setting(_value(name, data)),)

    def known(self, given: Map, names: set[str] | frozenset[str], where: str) -> None:
        method = METHODS[self.method]
        for key in given.keys() - names:
            if key == "chat_template" and where == "the recipe":
                self.notes.append(
                    "'chat_template' in the recipe has no effect: the result keeps that of the model whose tokenizer it takes. Name that model as tokenizer_source."
                )
                continue
            if key in {*method.shared, *method.each}:
                hint = "it belongs under 'parameters'"
            else:
                close = get_close_matches(key, names, 1) if len(self.notes) < GUESSED else []
                hint = f"{close[0]} is known" if close else f"known: {', '.join(sorted(names))}"
            self.notes.append(f"{short(key)!r} in {where} has no effect and was ignored; {hint}.")


def write(recipe: Recipe) -> str:
    """The recipe as YAML that mergekit reads as well; `read` gives the same recipe back."""
    plain: Map = {"merge_method": recipe.method}
    if recipe.base:
        plain["base_model"] = recipe.base
    if [m.name for m in recipe.modules] == [""]:
        plain |= _module(recipe.modules[0])
    else:
        plain["modules"] = {m.name: _module(m) for m in recipe.modules}
    plain |= _parameters(recipe.settings)
    named: Map = {"dtype": recipe.dtype, "out_dtype": recipe.out_dtype}
    if recipe.token_rules or recipe.pad:
        rules: Map = {"tokens": {r.token: _rule(r) for r in recipe.token_rules}, "pad_to_multiple_of": recipe.pad}
        named["tokenizer"] = {"source": recipe.tokenizer} | {key: value for key, value in rules.items() if value}
    else:
        named["tokenizer_source"] = recipe.tokenizer
    return yaml.safe_dump(plain | {k: v for k, v in named.items() if v}, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120)


def _module(module: Module) -> Map:
    first = module.slices[0]
    if len(module.slices) == 1 and module.whole and not first.settings and not first.base:
        return {"models": [_source(s) for s in first.sources]} | _parameters(module.settings)
    return {"slices": [_slice(s) for s in module.slices]} | _parameters(module.settings)


def _rule(rule: TokenRule) -> Map:
    forced: Map = {"force": True} if rule.force else {}
    if not rule.model:
        return {"source": {"kind": "zero"}} | forced
    if rule.other is None:
        return {"source": rule.model} | forced
    key = "token_id" if isinstance(rule.other, int) else "token"
    return {"source": {"kind": "model_token", "model": rule.model, key: rule.other}} | forced


def _source(source: Source) -> Map:
    layers: Map = {"layer_range": list(source.layers)} if source.layers else {}
    return {"model": source.model} | layers | _parameters(source.settings)


def _slice(given: Slice) -> Map:
    base: Map = {"base_model": given.base} if given.base else {}
    return {"sources": [_source(s) for s in given.sources]} | base | _parameters(given.settings)


def _parameters(settings: Settings) -> Map:
    def plain(setting: Setting) -> object:
        return list(setting.value) if isinstance(setting.value, tuple) else setting.value

    def one(given: tuple[Setting, ...]) -> object:
        if len(given) == 1 and not given[0].part:
            return plain(given[0])
        return [{"filter": s.part, "value": plain(s)} if s.part else {"value": plain(s)} for s in given]

    return {"parameters": {name: one(given) for name, given in settings.items()}} if settings else {}


def _value(name: str, data: object) -> Given | tuple[Given, ...]:
    if isinstance(data, bool | int | float | str):
        return data
    if isinstance(data, list):
        values = [v for v in cast("list[object]", data) if isinstance(v, bool | int | float | str)]
        if values and len(values) == len(cast("list[object]", data)):
            return tuple(values)
    raise Refused(f"{short(name)} is {short(str(data))}; a number, a list of numbers, or a list of {{filter, value}} is expected.")


def _dtype(top: Map, key: str) -> str:
    if not top.get(key):
        return ""
    name = str(top[key]).removeprefix("torch.")
    if name not in DTYPES:
        raise Refused(f"The recipe's {key} is {short(str(top[key]))}. Use one of {', '.join(DTYPES)}.")
    return name


def _map(data: object, what: str) -> Map:
    if not isinstance(data, dict) or not all(isinstance(k, str) for k in cast("dict[object, object]", data)):
        raise Refused(f"{what[0].upper()}{what[1:]} should be a mapping of names, got {short(str(data))}. Compare it with a recipe of mergekit's.")
    return cast("Map", data)


def _list(data: object, what: str) -> Sequence[object]:
    if not isinstance(data, list) or not data:
        raise Refused(f"The recipe's {what} should be a list, got {short(str(data))}. Compare it with a recipe of mergekit's.")
    return cast("list[object]", data)


def _bounded(data: object) -> None:
    """Refused when references unfold to more than any recipe holds."""
    waiting, count = [data], 0
    while waiting:
        count += 1
        if count > NODES:
            raise Refused("The recipe expands to more than any recipe holds. Write it without references (& and *).")
        item = waiting.pop()
        if isinstance(item, dict):
            waiting.extend(cast("dict[object, object]", item).values())
        elif isinstance(item, list):
            waiting.extend(cast("list[object]", item))
