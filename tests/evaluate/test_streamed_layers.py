"""A network that goes through its device layer by layer gives what it gives as a whole, and is never there as a whole."""

import numpy as np
import pytest
import torch

from explorer.core.errors import Refused
from explorer.core.spec import Method, ProblemSpec
from explorer.evaluate.evaluator import Evaluate
from explorer.evaluate.streamed_layers import StreamedLayers
from explorer.problems import problem_toml
from explorer.problems.problem import Problem

GPT = 'loss = "cross_entropy"\n[network]\nname = "gpt"\nvocab = {vocab}\ncontext = 8\ndim = 16\ndepth = 3\nheads = 2\n[data]\nname = "text"\npath = "text.txt"\ncontext = 8\n'
POINTS = np.array([[1.0, 0.0], [0.5, 0.5], [0.25, 0.75], [0.0, 1.0]])


@pytest.fixture
def problem(tmp_path):
    """A small language model on a text."""
    text = "the quick brown fox jumps over the lazy dog " * 20
    (tmp_path / "text.txt").write_text(text, encoding="utf-8")
    (tmp_path / "problem.toml").write_text(GPT.format(vocab=len(set(text))), encoding="utf-8")
    return Problem(problem_toml.read(tmp_path))


def drawn(problem, dtype=torch.float32):
    """Two models with random weights."""
    return [{n: t.to(dtype) for n, t in problem.network(seed=s).state_dict().items()} for s in (0, 1)]


@pytest.mark.parametrize(("dtype", "precision"), [(torch.float32, "float32"), (torch.bfloat16, "float32"), (torch.bfloat16, "stored")])
def test_points_have_the_bits_of_the_whole_network(problem, dtype, precision):
    """At the corners and between them, in every type."""
    corners = drawn(problem, dtype)
    whole, layered = (Evaluate(problem, corners, engine=engine, precision=precision) for engine in ("plain", "layers"))
    assert np.array_equal(whole.alone(1), layered.alone(1))
    assert np.array_equal(whole.many(POINTS), layered.many(POINTS))


def test_no_more_than_two_blocks_hold_memory(problem):
    """Looked at in every layer: the block that answers and the one that is brought meanwhile; the rest is one number each."""
    corners = drawn(problem)
    network = problem.blank(hollow=True)
    layers = StreamedLayers(network, corners, block=20_000)
    assert len(layers.blocks) > 3
    layers.hold((0.5, 0.5))
    layers.watch(torch.zeros(1, 8, dtype=torch.int64))
    assert layers.resident == ("tokens.weight",)  # which the last layer reads, too
    most = []

    def look(*_):
        most.append(sum(any(layers.tensors[n].untyped_storage().nbytes() > 8 for n in b.names) for b in layers.blocks))

    for module in network.modules():
        module.register_forward_hook(look)
    with torch.inference_mode():
        network(torch.zeros(1, 8, dtype=torch.int64))
    assert max(most) == 1  # and one more in the other thread's hands
    assert not any(layers.tensors[n].untyped_storage().nbytes() > 8 for b in layers.blocks for n in b.names)


def test_a_network_with_batch_norm_is_refused_with_the_reason():
    """Its statistics would need all layers at once."""
    problem = Problem(ProblemSpec(Method("resnet", (("blocks", 1), ("widths", (4, 8)))), Method("digits")))
    with pytest.raises(Refused, match=r"has batch norm"):
        StreamedLayers(problem.blank(hollow=True), [problem.network().state_dict()])
