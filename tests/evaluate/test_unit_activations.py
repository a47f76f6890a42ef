"""What units respond: every group's features, read where the network's next layer reads them."""

import pytest
import torch
from torch import nn

from explorer import symmetry
from explorer.evaluate.unit_activations import observe, taps
from explorer.problems import problem_toml
from explorer.problems.problem import Problem
from explorer.symmetry import discover

NETWORKS = {
    "mlp": 'name = "mlp"\nwidths = [64, 9, 7, 10]',
    "vgg": 'name = "vgg"\nwidths = [4, 6]\nhidden = 11\nnorm = true',
    "resnet": 'name = "resnet"\nwidths = [4, 6]',
    "vit": 'name = "vit"\ndim = 12\ndepth = 1',
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("activations")


@pytest.fixture
def problem(folder):
    def read(name):
        file = folder / name / "problem.toml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f'[network]\n{NETWORKS[name]}\n[data]\nname = "digits"\n')
        return Problem(problem_toml.read(file))

    return read


def start(problem, seed=0):
    return problem.network(seed=seed).state_dict()


def where(found):
    return {name: [(t.module, t.side) for t in here] for name, here in found.items()}


def test_inputs_are_read_and_outputs_only_where_there_are_none(problem):
    """A residual stream wherever a layer reads it; values as the projection sees them; queries and keys, which no layer reads, as they are made."""
    p = problem("vit")
    found = where(taps(p.network(), symmetry.symmetry_of(p), p.split("train").inputs[:1]))
    stream, heads, keys, values, hidden = found.values()
    assert stream == [("blocks.0.qkv", "input"), ("blocks.0.up", "input"), ("head", "input")]
    assert heads == []
    assert keys == [("blocks.0.qkv", "output")]
    assert values == [("blocks.0.proj", "input")]
    assert hidden == [("blocks.0.down", "input")]


def test_a_group_that_cannot_be_read_is_reported(problem):
    """torch's own attention uses its weights without calling a layer: its heads have no tap, what is around it has."""

    class Attending(nn.Module):
        def __init__(self):
            super().__init__()
            self.before, self.attention, self.after = nn.Linear(5, 8), nn.MultiheadAttention(8, 2, batch_first=True), nn.Linear(8, 3)

        def forward(self, x):
            x = self.before(x)
            return self.after(x + self.attention(x, x, x, need_weights=False)[0])

    network, example = Attending().eval(), torch.randn(2, 4, 5)
    found = symmetry.discover(network, (example,))
    read = taps(network, found, example[:1])
    stream = next(n for n, g in found.groups.items() if read[n])
    assert where(read)[stream] == [("after", "input")]
    assert len(found.groups) > 1
    assert all(not read[n] for n in found.groups if n != stream)


def test_a_grouped_convolution_is_not_read_at_its_input():
    """Its weight has one channel there, and says nothing about the others."""
    network = nn.Sequential(nn.Conv2d(1, 6, 1), nn.ReLU(), nn.Conv2d(6, 6, 3, groups=6), nn.ReLU(), nn.Conv2d(6, 2, 1)).eval()
    example = torch.randn(2, 1, 5, 5)
    found = discover(network, (example,))
    assert list(where(taps(network, found, example)).values()) == [[("4", "input")]]


def test_the_features_of_an_mlp_are_its_activations(problem):
    """Against the formula, after the ReLU."""
    p = problem("mlp")
    w = start(p)
    seen = observe(p, [w], symmetry.symmetry_of(p), samples=200)
    x = p.split("train").inputs[:200].flatten(1)
    for i in (0, 1):
        x = (x @ w[f"layers.{i}.weight"].T + w[f"layers.{i}.bias"]).relu()
        (features,) = seen.features[0][f"layers.{i}"]
        assert torch.allclose(features, x.T, atol=1e-6)
    assert seen.untapped == ()


def test_features_are_those_of_the_moment_they_are_read(problem):
    """A network that adds to its stream in place does not change what was read of it before."""

    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second, self.last = nn.Linear(64, 6), nn.Linear(6, 6), nn.Linear(6, 10)

        def forward(self, x):
            x = self.first(x.flatten(1))
            x += self.second(x).relu()
            return self.last(x)

    class Own(Problem):
        def network(self, *, seed=0):
            with torch.random.fork_rng():
                torch.manual_seed(seed)
                return Residual().eval()

        def blank(self, *args, **options):
            return self.network()

    p = Own(problem("mlp").spec)
    network, x = p.network(), p.split("train").inputs[:30]
    found = discover(network, (x[:3],))
    stream = next(n for n, g in found.groups.items() if len(taps(network, found, x[:1])[n]) == 2)
    before, after = observe(p, [network.state_dict()], found, samples=30).features[0][stream]
    with torch.no_grad():
        expected = network.first(x.flatten(1))
        assert torch.allclose(before, expected.T, atol=1e-6)
        assert torch.allclose(after, (expected + network.second(expected).relu()).T, atol=1e-6)


def test_a_unit_that_stands_at_several_places_has_the_observations_of_all(problem):
    """A channel before flattening: all samples of its first pixel, then of its second, and so on."""
    p = problem("vgg")
    network = p.network()
    read = []
    network.hidden.register_forward_pre_hook(lambda m, args: read.append(args[0]))
    with torch.no_grad():
        network(p.split("train").inputs[:50])
    (features,) = observe(p, [network.state_dict()], symmetry.symmetry_of(p), samples=50).features[0]["stages.1.0.conv"]
    expected = read[0].unflatten(1, (6, 4)).permute(1, 2, 0).flatten(1)
    assert torch.allclose(features, expected, atol=1e-6)


def test_units_within_others_have_an_axis_for_those(problem):
    """(heads, units of a head, observations): queries first, then keys."""
    p = problem("vit")
    network = p.network()
    read = []
    network.blocks[0].qkv.register_forward_hook(lambda m, args, out: read.append(out))
    with torch.no_grad():
        network(p.split("train").inputs[:20])
    _, _, (features,), *_ = observe(p, [network.state_dict()], symmetry.symmetry_of(p), samples=20).features[0].values()
    q, k, _ = read[0].unflatten(2, (3, 4, 3)).permute(2, 3, 4, 0, 1).flatten(3)  # (heads, units, samples · patches) each
    assert features.shape == (4, 3, 2 * 20 * 16)
    assert torch.allclose(features, torch.cat([q, k], dim=2), atol=1e-6)


def test_a_permuted_model_responds_in_the_permuted_order(problem):
    """The same observations of the same inputs, also where they are thinned out: the features of a shuffled copy are the shuffled features."""
    for name in NETWORKS:
        p = problem(name)
        found = symmetry.symmetry_of(p)
        w = start(p)
        maps = symmetry.random(found, torch.Generator().manual_seed(2))
        a, b = observe(p, [w, symmetry.permuted(w, found, maps)], found, samples=300, observations=100, seed=3).features
        assert any(len(x) > 0 for x in a.values())
        for group, order in maps.items():
            for x, y in zip(a[group], b[group], strict=True):
                outer = found.groups[group].within
                moved = x[order] if outer is None else x[maps[outer]].gather(1, order[..., None].expand_as(x))
                assert torch.allclose(moved, y, atol=1e-5)


def test_no_more_observations_than_asked_for(problem):
    """Thinned out chunk by chunk, from all of them; another seed draws others."""
    p = problem("resnet")
    w = start(p)
    runs = [observe(p, [w], symmetry.symmetry_of(p), samples=300, observations=500, seed=s).features[0]["stem"] for s in (0, 0, 1)]
    for x in runs[0]:
        assert 500 <= x.shape[1] <= 503
    assert all(torch.equal(x, y) for x, y in zip(runs[0], runs[1], strict=True))
    assert not any(torch.equal(x, y) for x, y in zip(runs[0], runs[2], strict=True))


def test_nothing_is_left_behind(problem):
    """The caller's weights and the global random state stay; half precision is read in float32."""
    p = problem("resnet")
    half = {k: v.half() if v.is_floating_point() else v for k, v in start(p).items()}
    before, state = {k: v.clone() for k, v in half.items()}, torch.get_rng_state()
    seen = observe(p, [half, half], symmetry.symmetry_of(p), samples=40)
    assert all(torch.equal(half[k], before[k]) for k in half)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(x.dtype == torch.float32 and x.isfinite().all() for here in seen.features[0].values() for x in here)


def test_every_model_is_told_of(problem):
    """Progress may end the work."""

    class Enough(Exception):
        pass

    def stop(done, total, message):
        if done == 1:
            raise Enough

    p = problem("mlp")
    with pytest.raises(Enough):
        observe(p, [start(p)] * 3, symmetry.symmetry_of(p), samples=10, progress=stop)
