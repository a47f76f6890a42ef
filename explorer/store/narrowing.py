"""Requests narrowed by what stands in them: a text, or values at places of their JSON. Statements' conditions, and the function that they call."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from typing import cast

TEXTS = re.compile(r'"((?:[^"\\]|\\.)*)"(:?)')  # in a JSON text; a colon behind the name of a member


def narrowed(text: str, where: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """(conditions on a request's JSON, their values); none where nothing narrows, so that a list of all is read from its index alone."""
    conditions = " AND (mentions(spec, :text) OR instr(id, :text))" if text else ""
    conditions += "".join(f" AND json_extract(spec, :path{i}) = :value{i}" for i in range(len(where)))
    values = {f"{name}{i}": given for i, pair in enumerate(where.items()) for name, given in zip(("path", "value"), pair, strict=True)}
    return conditions, {**values, **({"text": _folded(text)} if text else {})}


def mentions(spec: str, text: str | None) -> bool:
    """Whether a folded text occurs in one of a request's own texts, not in what JSON needs around them: a function in SQL."""
    said = "\n".join(said for said, member in TEXTS.findall(spec) if not member)
    return (text or "") in _folded(cast("str", json.loads(f'"{said}"', strict=False)) if "\\" in said else said)


def _folded(text: str) -> str:
    """As it is compared: in small letters, and a letter with its accent as one character, which file systems split up."""
    return unicodedata.normalize("NFC", text).casefold()
