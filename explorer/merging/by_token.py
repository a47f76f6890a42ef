"""Vocabularies that differ: rows of embeddings and heads are brought together by the token that each is for.

The tokens of the first model keep their numbers; tokens that only others have follow, in the order of the models. A model has its own row for a token that it knows.
For one that it does not know it takes the base's, where the first model is one; else that of the only model that does, or the mean of those that do
(so does mergekit 0.1.5). Rows are gathered while they are read: nothing is written anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from explorer.checkpoints.safetensors_header import Stored
from explorer.core.errors import Refused
from explorer.core.files import short
from explorer.merging import vocabularies
from explorer.merging.ingredients import Ingredient, is_vocabulary
from explorer.merging.vocabularies import Token

Rows: TypeAlias = "NDArray[np.int64]"


@dataclass(frozen=True)
class ByToken(Stored):
    """A tensor with a row for every token: each the mean of rows of `parts`, `rows[token, part]` of them, −1 where a part gives none."""

    parts: tuple[Stored, ...] = field(compare=False)
    rows: Rows = field(compare=False)  # (tokens, parts) whole numbers


@dataclass(frozen=True)
class United:
    """All tokens of some models. `more`: those that the first model does not have, with their numbers; `size`: how many rows there are."""

    size: int
    more: tuple[Token, ...]
    said: Mapping[str, str]  # of each tensor that has a row for every token, what became of it


def united(ingredients: Sequence[Ingredient], *, based: bool, only_first: bool = False) -> tuple[list[Ingredient], United]:
    """The models with the rows of all tokens, or of the first model's alone. `based`: the first model is the base. Refused where a model's tokens are not known."""
    names = [_by_token(i) for i in ingredients]
    tokens: list[dict[str, Token]] = []
    for ingredient, found in zip(ingredients, names, strict=True):
        known = vocabularies.tokens(ingredient)
        if not known or not found:
            what = (
                "tokenizer.json or vocab.json that numbers its tokens" if found else "tensor with a row for every token, such as embed_tokens.weight"
            )
            raise Refused(
                f"{short(ingredient.name)} has no {what}, and vocabularies are merged token by token. Put its tokenizer beside its weights."
            )
        if ingredient.adapter is not None and (changed := [n for n in found if n in ingredient.adapter.changes]):
            raise Refused(
                f"{short(ingredient.name)}'s adapter changes {short(changed[0])}, whose rows are put in another order. Merge the adapter first."
            )
        rows = ingredient.shape(found[0])[0]
        tokens.append({t.text: t for t in known if t.number < rows})
    first = tokens[0]
    taken = max((t.number for t in first.values()), default=-1) + 1
    more: dict[str, Token] = {}
    for known in () if only_first else tokens[1:]:
        for token in sorted(known.values(), key=lambda t: t.number):
            if token.text not in first and token.text not in more:
                more[token.text] = replace(token, number=taken + len(more))
    numbers = {t.text: t.number for t in (*first.values(), *more.values())}
    size = taken + len(more)
    own = np.full((len(tokens), size), -1, dtype=np.int64)  # the row that each model has for a token
    for which, known in enumerate(tokens):
        for text, token in known.items():
            if text in numbers:
                own[which, numbers[text]] = token.number
    gaps = np.setdiff1d(np.arange(min(taken, ingredients[0].shape(names[0][0])[0])), list(numbers.values()))
    own[0, gaps] = gaps  # rows between the first model's tokens
    everywhere = int((own >= 0).all(axis=0).sum())
    said = dict.fromkeys(names[0], f"rows by token: {size:,}, {everywhere:,} in every model, {len(more):,} not in the first")
    shared = set(names[0]).intersection(*names[1:])
    found = [_gathered(i, which, ingredients, shared, own, based=based) for which, i in enumerate(ingredients)]
    return found, United(size, tuple(more.values()), {name: text for name, text in said.items() if name in shared})


def _by_token(ingredient: Ingredient) -> list[str]:
    """The tensors with a row for every token, as far as names and sizes tell."""
    shapes = {name: ingredient.shape(name) for name in ingredient.tensors}
    rows = max((shape[0] for name, shape in shapes.items() if is_vocabulary(name, shape)), default=0)
    return [n for n, s in shapes.items() if s[:1] == (rows,) and (is_vocabulary(n, s) or (len(s) == 1 and "lm_head" in n))] if rows else []


def _gathered(ingredient: Ingredient, which: int, all_of: Sequence[Ingredient], names: set[str], own: Rows, *, based: bool) -> Ingredient:
    rows = np.full((own.shape[1], len(own)), -1, dtype=np.int64)
    knows, first = own[which] >= 0, (own[0] >= 0) & based
    rows[knows, which] = own[which, knows]
    rows[~knows & first, 0] = own[0, ~knows & first]
    neither = ~knows & ~first
    rows[neither] = own[:, neither].T
    tensors = dict(ingredient.tensors)
    for name in names:
        stored = tensors[name]
        parts = tuple(i.tensors[name] for i in all_of)
        if len({p.shape[1:] for p in parts}) > 1:
            continue  # of other widths: told with all else that does not match
        tensors[name] = ByToken(stored.path, stored.dtype, (own.shape[1], *stored.shape[1:]), stored.start, parts, rows)
    return replace(ingredient, tensors=tensors)
