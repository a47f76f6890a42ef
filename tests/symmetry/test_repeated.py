"""The symmetry of a stack of equal layers, tested on the first of them, is that of the whole network tested."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from explorer.problems.nets import gpt, hugging_face
from explorer.symmetry import identity, permuted, random, repeated
from explorer.symmetry.assignment import WeightScores, descend
from explorer.symmetry.discover import discover

LLAMA = {
    **{"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 24, "intermediate_size": 20, "num_hidden_layers": 4},
    **{"num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 16, "max_position_embeddings": 16},
}
TOKENS = torch.arange(12).reshape(2, 6)


def llama():
    """A small Llama of transformers with random weights."""
    pytest.importorskip("transformers")
    return hugging_face.build(**hugging_face.settle({"config": json.dumps(LLAMA)}, Path())).eval()


class Uneven(nn.Module):
    """Four layers of equal shapes, of which the last one's units are added in another order."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(6, 8), nn.Linear(8, 3)
        self.layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(4))

    def forward(self, x):
        x = self.first(x)
        for i, layer in enumerate(self.layers):
            more = layer(torch.relu(x))
            x = x + (more.roll(1, dims=1) if i == 3 else more)
        return self.last(x)


@pytest.mark.parametrize("build", [llama, lambda: gpt.build(vocab=16, context=6, dim=16, depth=5, heads=4).eval()], ids=["Llama", "GPT"])
def test_it_is_that_of_the_whole_network(build):
    """The same groups, in the same places, under the same names; and no value of the whole network's weights is looked at."""
    torch.manual_seed(0)
    plain = discover(build(), (TOKENS,))

    def blank():
        network = build()
        with torch.no_grad():
            for p in network.parameters():
                p.fill_(torch.nan)
        return network

    found = repeated.discover_repeated(blank, (TOKENS,))
    assert found is not None
    assert found.groups == plain.groups
    assert found.axes == plain.axes
    assert found.numel == plain.numel


def test_a_layer_that_differs_from_the_others_is_left_to_the_whole_test():
    """Of the shapes it cannot be told."""
    assert repeated.discover_repeated(Uneven, (torch.randn(2, 6),)) is None
    assert repeated.discover_repeated(lambda: nn.Sequential(nn.Linear(6, 4), nn.Linear(4, 2)), (torch.randn(2, 6),)) is None


def test_a_planted_permutation_of_a_llama_is_restored_to_the_bit():
    """Residual stream, heads and MLPs of all layers at once, in bfloat16."""
    torch.manual_seed(0)
    network = llama()
    found = discover(network, (TOKENS,))
    weights = {n: t.to(torch.bfloat16) for n, t in network.state_dict().items()}
    planted = permuted(weights, found, random(found, torch.Generator().manual_seed(3)))
    assert any(not torch.equal(planted[n], weights[n]) for n in weights)
    maps, trace = descend(WeightScores(weights, planted, found, list(weights)), found, identity(found), np.random.default_rng(0))
    assert trace[-1] == pytest.approx(0, abs=1e-4)
    restored = permuted(planted, found, maps)
    assert all(torch.equal(restored[n], weights[n]) for n in weights)
