"""The files beside models that number their tokens: merged models must number them alike, or the rows of their embeddings would not belong together."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from explorer.core import allowed_folders
from explorer.core.errors import Refused
from explorer.core.files import name_of, short, system
from explorer.merging.ingredients import Ingredient

VOCABULARIES = ("tokenizer.json", "vocab.json")
VOCABULARY_LIMIT = 2**28  # bytes of a file that numbers tokens


@dataclass(frozen=True)
class Token:
    """A token and its number. `added`: how a tokenizer.json describes it, where it is one of its added tokens."""

    text: str
    number: int
    added: Mapping[str, object] | None = None


def tokens_of(ingredient: Ingredient) -> int:
    """How many tokens its vocabulary numbers; 0 where no file beside it says so."""
    return len(tokens(ingredient))


def tokens(ingredient: Ingredient) -> list[Token]:
    """The tokens that its vocabulary numbers; none where no file beside it says so."""
    file = _vocabulary(ingredient)
    if file is None:
        return []
    text = _text(file)
    described = _described(text)
    return [Token(token, number, described.get(token)) for token, number in _numbers(text).items()]


def with_more(text: bytes, more: Sequence[Token]) -> bytes:
    """A tokenizer.json with more tokens among its added ones; as it is where it is none."""
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if not more or not isinstance(found, dict):
        return text
    top = cast("dict[str, object]", found)
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}
    entries = [{"id": t.number, "content": t.text} | {k: v for k, v in (t.added or plain).items() if k not in ("id", "content")} for t in more]
    added = top.get("added_tokens")
    top["added_tokens"] = [*(cast("list[object]", added) if isinstance(added, list) else []), *entries]
    return json.dumps(top, ensure_ascii=False, indent=2).encode()


def _described(text: bytes) -> dict[str, Mapping[str, object]]:
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    added = cast("dict[str, object]", found).get("added_tokens") if isinstance(found, dict) else None
    entries = [cast("dict[str, object]", e) for e in cast("list[object]", added) if isinstance(e, dict)] if isinstance(added, list) else []
    return {str(e.get("content")): e for e in entries}


def _vocabulary(ingredient: Ingredient) -> Path | None:
    return next((ingredient.folder / v for v in VOCABULARIES if (ingredient.folder / v).is_file()), None)


def same_vocabulary(ingredients: Sequence[Ingredient]) -> None:
    """Refused when two models come with files that number their tokens differently: the rows of their embeddings would not belong together."""
    if difference := differ(ingredients):
        raise Refused(f"The vocabularies differ: {difference}. Choose models with the same vocabulary, or merge them token by token (union).")


def differ(ingredients: Sequence[Ingredient]) -> str:
    """The first token that two models number differently, in words; "" where there is none."""
    known: list[tuple[str, dict[str, int]]] = []
    seen: set[bytes] = set()
    for ingredient in ingredients:
        file = _vocabulary(ingredient)
        if file is None or not (text := _text(file)) or (digest := hashlib.sha256(text).digest()) in seen:
            continue
        seen.add(digest)
        if not (numbers := _numbers(text)):
            continue
        if known and known[0][1] != numbers:
            name, first = known[0]
            token, number = min(first.items() ^ numbers.items(), key=lambda item: (item[1], item[0]))
            has, lacks = (name, ingredient.name) if first.get(token) == number else (ingredient.name, name)
            return f"{short(repr(token))} is token {number:,} in {short(has)}, and not in {short(lacks)}"
        known.append((ingredient.name, numbers))
    return ""


def _text(file: Path) -> bytes:
    with system(file, "read"):
        if file.stat().st_size > VOCABULARY_LIMIT:
            raise Refused(f"{name_of(file)} has more than {VOCABULARY_LIMIT:,} bytes, too large for a list of tokens. Copy it again.")
        return allowed_folders.content(file)


def _numbers(text: bytes) -> dict[str, int]:
    """Token → number, of a tokenizer.json or a vocab.json; empty where the file says it in another way."""
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    top = cast("dict[str, object]", found) if isinstance(found, dict) else {}
    model = top.get("model")
    table = cast("dict[str, object]", model).get("vocab") if isinstance(model, dict) else top
    numbers: dict[str, int] = {}
    if isinstance(table, dict):
        numbers = {k: v for k, v in cast("dict[str, object]", table).items() if isinstance(v, int)}
    elif isinstance(table, list):  # of unigram models: [token, score], numbered as they stand
        numbers = {str(cast("list[object]", pair)[0]): i for i, pair in enumerate(cast("list[object]", table)) if isinstance(pair, list) and pair}
    added = top.get("added_tokens")
    for entry in cast("list[object]", added) if isinstance(added, list) else []:
        token = cast("dict[str, object]", entry) if isinstance(entry, dict) else {}
        if isinstance(token.get("id"), int):
            numbers[str(token.get("content"))] = cast("int", token["id"])
    return numbers
