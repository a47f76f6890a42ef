"""Forms drawn from signatures: a method's options become its widgets, and the widgets' values a Method."""

from __future__ import annotations

from contextlib import nullcontext
from typing import cast

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from explorer.core import registry
from explorer.core.registry import Option
from explorer.core.spec import Method, Value

COLUMNS = 3


def choose(
    kind: str, label: str, *, key: str, start: Method | None = None, only: tuple[str, ...] = (), fields: DeltaGenerator | None = None
) -> Method:
    """Pick a method of a kind and set its options; `start` is what the form shows at first. `fields`: where the options go, side by side."""
    names = [n for n in registry.names(kind) if not only or n in only]
    first = names.index(start.name) if start and start.name in names else 0
    name = st.selectbox(label, names, index=first, key=f"{key}-{kind}", format_func=lambda n: n.replace("_", " "), help=_help(kind, names))
    st.caption(registry.title(kind, name))
    return options(kind, name, key=key, start=start, fields=fields)


def options(kind: str, name: str, *, key: str, start: Method | None = None, fields: DeltaGenerator | None = None) -> Method:
    """Set the options of one method; `start`: what the form shows at first, where it is of this method."""
    given = start.kwargs() if start and start.name == name else {}
    known = registry.options(kind, name)
    values: dict[str, object] = {}
    columns = fields.columns(COLUMNS, gap="medium") if fields is not None and known else []
    for i, option in enumerate(known):
        with columns[i % COLUMNS] if columns else nullcontext():
            values[option.name] = field(option, given.get(option.name, option.default), key=f"{key}-{name}-{option.name}")
    return registry.method(kind, name, values)


def _help(kind: str, names: list[str]) -> str:
    return "\n".join(f"- **{n.replace('_', ' ')}**: {registry.title(kind, n)}" for n in names)


def field(option: Option, value: Value, *, key: str, label: str = "") -> Value:
    """The widget of one option; `label`: what stands above it, its name unless said otherwise."""
    label, span = label or option.name.replace("_", " "), option.range
    match option.kind:
        case "bool":
            return st.checkbox(label, value=bool(value), key=key)
        case "choice":
            return st.selectbox(label, option.choices, index=option.choices.index(value), key=key)
        case "int":
            low, high = (int(span.low), int(span.high)) if span else (None, None)
            return st.number_input(label, value=cast("int", value), min_value=low, max_value=high, step=1, key=key)
        case "float":
            low, high = (span.low, span.high) if span else (None, None)
            return st.number_input(label, value=float(cast("float", value)), min_value=low, max_value=high, format="%g", key=key)
        case "tuple":
            text = st.text_input(label, value=", ".join(map(str, cast("tuple[Value, ...]", value))), key=key)
            convert = {"int": int, "float": float}.get(option.item, str)
            return tuple(convert(part) for part in text.replace(",", " ").split())
        case _:
            return st.text_input(label, value=str(value), key=key)
