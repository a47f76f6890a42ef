"""Families of groups within groups: every step is held to all of the possibilities, and planted orders come back."""

import os
from importlib import import_module
from itertools import permutations, product

import numpy as np
import pytest
import torch

from explorer.symmetry import assignment, discover, groups, identity, permuted, random
from explorer.symmetry.assignment import WeightScores, descend

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # before the import
hf = import_module("transformers")

GROUPED = {  # two heads of keys with two queries each and three values; the last axis is all of them at once
    "q": ["h:2*q:2@h*2", "-"],
    "k": ["h:2*2", "-"],
    "v": ["h:2*v:3@h", "-"],
    "o": ["-", "h:2*q:2@h*v:3@h"],
}
SHAPES = {"q": (8, 3), "k": (4, 3), "v": (6, 3), "o": (5, 12)}


def drawn(seed):
    generator = torch.Generator().manual_seed(seed)
    return {n: torch.randn(*shape, generator=generator, dtype=torch.float64) for n, shape in SHAPES.items()}


def orders(n, times):
    return [torch.tensor(several) for several in product(permutations(range(n)), repeat=times)]


def scores(seed):
    found = groups.written_by_hand(GROUPED, SHAPES)
    return WeightScores(drawn(2 * seed), drawn(2 * seed + 1), found, list(SHAPES)), found


@pytest.mark.parametrize("seed", range(8))
def test_a_family_whose_groups_share_an_axis_is_solved_exactly(seed):
    """Heads × queries × values: the best of the one step is the best of all 288 permutations of unrelated weights."""
    here, found = scores(seed)
    every = [{"h": h[0], "q": q, "v": v} for h, q, v in product(orders(2, 1), orders(2, 2), orders(3, 2))]
    assert len(every) == 288
    assert here.parts("h") == [("q", "v")]
    step = here("h", identity(found)).best("h")
    assert here.total(step) == pytest.approx(max(map(here.total, every)), rel=1e-12)


@pytest.mark.parametrize("moving", ["q", "v"])
@pytest.mark.parametrize("seed", range(4))
def test_a_part_of_a_family_is_solved_exactly_while_the_other_is_held(seed, moving, monkeypatch):
    """Where not all orders can be tried: heads and one group, the best of all their permutations with the other group where it is."""
    monkeypatch.setattr(assignment, "ORDERS", 1)
    here, found = scores(seed)
    held = random(found, torch.Generator().manual_seed(seed))
    assert here.parts("h") == [("q",), ("v",)]
    every = [{**held, "h": h[0], moving: p} for h, p in product(orders(2, 1), orders(2 if moving == "q" else 3, 2))]
    several = here("h", held, (moving,))
    step = {**held, **several.best("h")}
    assert here.total(step) == pytest.approx(max(map(here.total, every)), rel=1e-12)
    rise = several.value(found, "h", step) - several.value(found, "h", held)
    assert rise == pytest.approx(here.total(step) - here.total(held), rel=1e-9)


class Logits(torch.nn.Module):
    """The model's answer alone."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, tokens):
        return self.model(input_ids=tokens, use_cache=False, return_dict=True).logits


@pytest.mark.parametrize("tried", [720, 1], ids=["at once", "in turn"])
@pytest.mark.parametrize("kind", ["Mistral", "Olmo2"])
@pytest.mark.filterwarnings("ignore")  # theirs, about kernels that are not installed
def test_planted_orders_of_grouped_query_attention_are_restored(kind, tried, monkeypatch):
    """Two heads of keys and four of queries, four layers, twelve random orders of everything: each one descent takes all the way back."""
    monkeypatch.setattr(assignment, "ORDERS", tried)
    sizes = {"vocab_size": 20, "hidden_size": 32, "intermediate_size": 24, "num_hidden_layers": 4, "max_position_embeddings": 16}
    config = getattr(hf, f"{kind}Config")(**sizes, num_attention_heads=4, num_key_value_heads=2, bos_token_id=1, eos_token_id=2, pad_token_id=0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Logits(getattr(hf, f"{kind}ForCausalLM")(config)).eval()
    found = discover(network, (torch.arange(10).reshape(2, 5),))
    weights = {n: t.detach() for n, t in network.state_dict().items()}
    for seed in range(12):
        other = permuted(weights, found, random(found, torch.Generator().manual_seed(seed)))
        here = WeightScores(weights, other, found, [n for n, _ in network.named_parameters()])
        maps, trace = descend(here, found, identity(found), np.random.default_rng(seed))
        assert all(torch.equal(tensor, weights[n]) for n, tensor in permuted(other, found, maps).items())
        assert (np.diff(trace) < 0).all()


@pytest.mark.filterwarnings("ignore")  # theirs, about kernels that are not installed
def test_planted_orders_of_one_head_of_keys_are_restored():
    """Falcon's queries, key and value are one tensor, of heads + 2 parts: four layers, twelve random orders of everything, the nearest of eight descents."""
    config = hf.FalconConfig(vocab_size=20, hidden_size=32, num_hidden_layers=4, num_attention_heads=4, multi_query=True, alibi=False)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Logits(hf.FalconForCausalLM(config)).eval()
    found = discover(network, (torch.arange(10).reshape(2, 5),))
    weights = {n: t.detach() for n, t in network.state_dict().items()}
    for seed in range(12):
        other = permuted(weights, found, random(found, torch.Generator().manual_seed(seed)))
        here = WeightScores(weights, other, found, [n for n, _ in network.named_parameters()])
        descents = [descend(here, found, identity(found), np.random.default_rng(100 * i + seed)) for i in range(8)]
        maps, _ = min(descents, key=lambda descent: descent[1][-1])
        assert all(torch.equal(tensor, weights[n]) for n, tensor in permuted(other, found, maps).items())
