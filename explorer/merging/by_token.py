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
from explorer.merging.mergekit.recipe import TokenRule
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


def united(
    ingredients: Sequence[Ingredient], *, based: bool, only_first: bool = False, rules: Sequence[TokenRule] = (), pad: int = 0
) -> tuple[list[Ingredient], United]:
    """The models with the rows of all tokens, or of the first model's alone. `based`: the first model is the base. `rules`: where rows of single tokens come from;
    `pad`: rows of zeros are added up to a multiple of it. Refused where a model's tokens are not known, or a rule names what is not there."""
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
    size += -size % pad if pad else 0
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
    ruled = [_ruled(rule, numbers, ingredients, tokens, names) for rule in rules]
    found = [_gathered(i, which, ingredients, shared, own, ruled, based=based) for which, i in enumerate(ingredients)]
    return found, United(size, tuple(more.values()), {name: text for name, text in said.items() if name in shared})


def _by_token(ingredient: Ingredient) -> list[str]:
    """The tensors with a row for every token, as far as names and sizes tell."""
    shapes = {name: ingredient.shape(name) for name in ingredient.tensors}
    rows = max((shape[0] for name, shape in shapes.items() if is_vocabulary(name, shape)), default=0)
    return [n for n, s in shapes.items() if s[:1] == (rows,) and (is_vocabulary(n, s) or (len(s) == 1 and "lm_head" in n))] if rows else []


@dataclass(frozen=True)
class _Ruled:
    """The row `row` of the model `part` (None: zeros) for the token with this number; `force`: also of models that know it."""

    number: int
    part: int | None
    row: int
    force: bool


def _ruled(
    rule: TokenRule,
    numbers: Mapping[str, int],
    ingredients: Sequence[Ingredient],
    tokens: Sequence[Mapping[str, Token]],
    names: Sequence[Sequence[str]],
) -> _Ruled:
    if rule.token not in numbers:
        raise Refused(f"The recipe says where the row of {short(repr(rule.token))} comes from, a token that the result does not have. Leave it out.")
    if not rule.model:
        return _Ruled(numbers[rule.token], None, 0, rule.force)
    part = next((k for k, i in enumerate(ingredients) if i.name == rule.model), None)
    if part is None:
        raise Refused(
            f"The row of {short(repr(rule.token))} is to come from {short(rule.model)}, which is not merged here. Name one of the recipe's models."
        )
    wanted = rule.token if rule.other is None else rule.other
    row = wanted if isinstance(wanted, int) else tokens[part][wanted].number if wanted in tokens[part] else -1
    if not 0 <= row < ingredients[part].shape(names[part][0])[0]:
        raise Refused(
            f"{short(rule.model)} has no row for {short(repr(wanted))}, which the recipe takes for {short(repr(rule.token))}. Name another source."
        )
    return _Ruled(numbers[rule.token], part, row, rule.force)


def _gathered(
    ingredient: Ingredient, which: int, all_of: Sequence[Ingredient], names: set[str], own: Rows, ruled: Sequence[_Ruled], *, based: bool
) -> Ingredient:
    rows = np.full((own.shape[1], len(own)), -1, dtype=np.int64)
    knows, first = own[which] >= 0, (own[0] >= 0) & based
    rows[knows, which] = own[which, knows]
    rows[~knows & first, 0] = own[0, ~knows & first]
    neither = ~knows & ~first
    rows[neither] = own[:, neither].T
    for rule in ruled:
        if rule.force or not knows[rule.number]:
            rows[rule.number] = -1  # zeros
            if rule.part is not None:
                rows[rule.number, rule.part] = rule.row
    tensors = dict(ingredient.tensors)
    for name in names:
        stored = tensors[name]
        parts = tuple(i.tensors[name] for i in all_of)
        if len({p.shape[1:] for p in parts}) > 1:
            continue  # of other widths: told with all else that does not match
        tensors[name] = ByToken(stored.path, stored.dtype, (own.shape[1], *stored.shape[1:]), stored.start, parts, rows)
    return replace(ingredient, tensors=tensors)
