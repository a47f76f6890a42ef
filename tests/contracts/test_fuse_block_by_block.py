"""A law of every fusing method that goes tensor by tensor: from file to file it makes the model that it makes in memory, to the same bits."""

import pytest
import torch

from explorer.checkpoints import checkpoint_file
from explorer.checkpoints.passes import BLOCK
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.merging import engine, plan
from explorer.problems import problem_toml
from explorer.problems.problem import Problem
from tests.merging import identical
from tests.merging.test_engine import METHODS

NAMES = registry.names("fuse")
IN_MEMORY = {*(n for n in NAMES if registry.data_of(n)), "graft", "swag"}
MORE = [
    ("temperature", {"scores": (0.8, 0.9, 0.7), "temperature": 0.1}),
    ("average", {"weights": (0.5, 0.3, 0.2)}),
    ("swa", {"skip": 1}),
    ("ema", {"corrected": False}),
    ("lawa", {"latest": 2}),
    ("dare", {"weights": (1.0, 2.0), "elect": "count"}),
]
CASES = [*((n, {}) for n in NAMES if n not in IN_MEMORY), *((n, o) for n, o in [*METHODS, *MORE] if o)]


@pytest.fixture(scope="module")
def problem():
    """With running statistics and counters."""
    return Problem(problem_toml.find("digits-resnet"))


@pytest.fixture(scope="module", params=[torch.float32, torch.bfloat16, torch.float64], ids=str)
def models(request, problem, tmp_path_factory):
    """A base and two models near it, with a tensor of several blocks whose rows divide none, a tied one, a single number and one without entries."""
    like = problem.network().state_dict()
    folder = tmp_path_factory.mktemp("models")
    found = []
    for seed in range(3):
        base, own = torch.Generator().manual_seed(0), torch.Generator().manual_seed(seed)

        def drawn(shape, base=base, own=own):
            return (torch.randn(shape, generator=base) + 0.1 * torch.randn(shape, generator=own)).to(request.param)

        weights = {n: drawn(t.shape).abs() if t.is_floating_point() else torch.full_like(t, 3 + seed) for n, t in like.items()}
        weights |= {"large": drawn((700, 131)), "one": drawn(()), "none": drawn((0, 3)), "long": drawn((BLOCK + 12345,))}
        weights["tied"] = weights["large"]
        path = folder / f"{seed}.safetensors"
        checkpoint_file.write(path, weights, {})
        found.append((weights, path))
    return found


def merged(method, paths, out):
    engine.merge(plan.of_method(method, [str(p) for p in paths]), out)
    return checkpoint_file.read(out).weights


def test_all_but_those_that_need_more_go_block_by_block(problem, models, tmp_path):
    """What needs samples, the network, or a sequence of random numbers for all layers is refused with the way out; the others are planned."""
    paths = [str(path) for _, path in models]
    for name in NAMES:
        count = min(3, registry.models_of(name)[1] or 3)
        if name not in IN_MEMORY:
            assert plan.of_method(registry.method("fuse", name), paths[:count]).jobs
            continue
        with pytest.raises(Refused, match=rf"^{name} .*Add --problem") as refusal:
            plan.of_method(registry.method("fuse", name), paths[:count])
        if split := registry.data_of(name):
            assert split.split()[1] in str(refusal.value)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_the_bits_are_those_in_memory(problem, models, tmp_path, name, options):
    """Parameters, running statistics, counters, and tied tensors, which come back tied."""
    method = registry.method("fuse", name, options)
    models = models[: min(3, registry.models_of(name)[1] or 3)]
    found = merged(method, [path for _, path in models], tmp_path / "out.safetensors")
    whole = registry.find("fuse", name)([weights for weights, _ in models], problem, **method.kwargs())
    assert identical(found, whole)
    assert found["tied"].data_ptr() == found["large"].data_ptr()
    counter = next(n for n in found if n.endswith("num_batches_tracked"))
    assert found[counter] == 3
