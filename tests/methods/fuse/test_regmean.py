"""RegMean: least squares on the models' own features, and what it leaves alone."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from explorer.core.errors import Refused
from explorer.methods.fuse import average, regmean
from explorer.methods.fuse._input_gram import as_matrix, as_weight, input_grams, layers_of
from explorer.problems.problem import Batch, Problem
from tests.methods.align import sample
from tests.methods.fuse import near


class Conv1D(nn.Module):
    """A linear layer stored the other way round, as in GPT-2."""

    def __init__(self, nf: int, nx: int) -> None:
        super().__init__()
        self.nf = nf
        self.weight = nn.Parameter(torch.empty(nx, nf))
        self.bias = nn.Parameter(torch.empty(nf))

    def forward(self, x):
        return x @ self.weight + self.bias


class One(Problem):
    """A problem around one layer, its weights and inputs drawn."""

    def __init__(self, spec, layer: nn.Module, inputs: torch.Tensor) -> None:
        super().__init__(spec)
        self.layer, self.inputs = nn.Sequential(layer), inputs

    def network(self, *, seed=0):
        g = torch.Generator().manual_seed(seed)
        network = copy.deepcopy(self.layer).float().eval()
        network.load_state_dict({n: torch.randn(t.shape, generator=g) for n, t in network.state_dict().items()})
        return network

    def blank(self, *args, **options):
        return self.network()

    def split(self, name):
        return Batch(self.inputs, torch.zeros(len(self.inputs), dtype=torch.int64))


def inputs(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def state(problem, seed):
    return {n: t.detach().clone() for n, t in problem.network(seed=seed).state_dict().items()}


LAYERS = {
    "linear": (nn.Linear(6, 4), (40, 6)),
    "linear over tokens": (nn.Linear(6, 4, bias=False), (7, 5, 6)),
    "stored the other way": (Conv1D(4, 6), (9, 5, 6)),
    "convolution": (nn.Conv2d(3, 5, 3, stride=2, padding=1), (20, 3, 7, 6)),
    "dilated": (nn.Conv2d(2, 3, (3, 2), padding=(2, 1), dilation=(2, 1)), (20, 2, 8, 7)),
    "groups": (nn.Conv2d(4, 6, 2, groups=2), (20, 4, 5, 5)),
    "depthwise": (nn.Conv1d(4, 8, 3, groups=4, padding="same"), (20, 4, 9)),
    "circular": (nn.Conv2d(2, 3, 3, padding=1, padding_mode="circular"), (20, 2, 5, 5)),
    "in three dimensions": (nn.Conv3d(2, 3, 2, padding="valid"), (20, 2, 4, 3, 5)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_the_gram_matrix_is_that_of_the_rows_a_weight_is_applied_to(tiny, name):
    """Checked through the outputs: Σ‖outputs‖² = tr(M G Mᵀ) for any weight, without the bias."""
    layer, shape = LAYERS[name]
    problem = One(tiny.problem.spec, layer, inputs(*shape))
    for seed in range(3):
        weights = {n: torch.zeros_like(t) if "bias" in n else t for n, t in state(problem, seed).items()}
        gram = input_grams(problem, weights)["0.weight"]
        network = problem.network()
        network.load_state_dict(weights)
        matrix = as_matrix(weights["0.weight"], network[0]).double()
        assert torch.equal(as_weight(matrix, network[0], weights["0.weight"].shape).float(), weights["0.weight"])
        with torch.no_grad():
            power = float(network(problem.inputs).double().square().sum())
        assert float((matrix @ gram @ matrix.mT).diagonal(dim1=-2, dim2=-1).sum()) == pytest.approx(power, rel=1e-5)


@pytest.mark.parametrize("name", LAYERS)
def test_a_merged_layer_has_the_least_squares_error(tiny, name):
    """No other weight is nearer to all models' answers: any step away from it costs the power of the outputs it makes (Pythagoras)."""
    layer, shape = LAYERS[name]
    problem = One(tiny.problem.spec, layer, inputs(*shape))
    models = [{n: t.double() for n, t in state(problem, s).items()} for s in range(3)]
    fused = regmean.fuse(models, problem, shrink=1.0)
    network = problem.network().double()

    def outputs(weight):
        network.load_state_dict({**models[0], "0.weight": weight, **({"0.bias": torch.zeros_like(models[0]["0.bias"])} if "0.bias" in fused else {})})
        with torch.no_grad():
            return network(problem.inputs.double())

    def error(weight):
        return float(sum((outputs(weight) - outputs(m["0.weight"])).square().sum() for m in models))

    best, step = fused["0.weight"], state(problem, 9)["0.weight"].double()
    assert error(best + step) == pytest.approx(error(best) + 3 * float(outputs(step).square().sum()), rel=1e-9)


def test_it_is_the_joint_least_squares_on_each_model_s_own_features(tiny):
    """The second layer of networks whose first layers differ, against lstsq on all features one above the other."""
    models = [{n: t.double() for n, t in tiny.problem.network(seed=s).state_dict().items()} for s in range(3)]
    x = tiny.problem.split("train").inputs.double().flatten(1)
    features = [functional.relu(x @ m["layers.0.weight"].T + m["layers.0.bias"]) for m in models]
    answers = torch.cat([f @ m["layers.1.weight"].T for f, m in zip(features, models, strict=True)])
    known = torch.linalg.lstsq(torch.cat(features), answers).solution.T
    found = regmean.fuse(models, tiny.problem, shrink=1.0, samples=0)
    assert torch.allclose(found["layers.1.weight"], known, rtol=1e-8, atol=1e-9)
    assert torch.equal(found["layers.1.bias"], sum(m["layers.1.bias"] for m in models) / 3) or torch.allclose(
        found["layers.1.bias"], sum(m["layers.1.bias"] for m in models) / 3, atol=1e-12
    )


def test_without_off_diagonals_every_input_weighs_by_its_power(tiny):
    """α = 0: column j is Σ Gᵢ[j, j] Wᵢ[:, j] / Σ Gᵢ[j, j]."""
    models = [{n: t.double() for n, t in tiny.problem.network(seed=s).state_dict().items()} for s in range(2)]
    found = regmean.fuse(models, tiny.problem, shrink=0.0, samples=100)
    powers = [input_grams(tiny.problem, m, samples=100)["layers.1.weight"][0].diagonal() for m in models]
    known = sum(p * m["layers.1.weight"] for p, m in zip(powers, models, strict=True)) / sum(powers)
    assert torch.allclose(found["layers.1.weight"], known, rtol=1e-9, atol=1e-12)


def test_equal_features_give_the_average_and_a_large_ridge_too(tiny):
    """The first layer of all models sees the same inputs; pixels that are always zero say nothing, and are averaged."""
    models = [tiny.problem.network(seed=s).state_dict() for s in range(2)]
    mean = average.fuse(models, tiny.problem)
    for options in ({"shrink": 1.0}, {"shrink": 0.5}):
        assert torch.allclose(regmean.fuse(models, tiny.problem, **options)["layers.0.weight"], mean["layers.0.weight"], atol=1e-6)
    assert near(regmean.fuse(models, tiny.problem, ridge=1000.0), mean, 1e-3)
    assert not near(regmean.fuse(models, tiny.problem), mean, 1e-3)


@pytest.mark.parametrize("shrink", [0.0, 0.9, 1.0])
def test_copies_come_back_where_features_are_rank_deficient(tiny, shrink):
    """Three samples for 64 inputs."""
    model = tiny.problem.network(seed=1).state_dict()
    assert near(regmean.fuse([model] * 3, tiny.problem, samples=3, shrink=shrink), model, 1e-7)


def test_directions_that_no_sample_has_keep_the_average(tiny):
    """With three samples six of twelve dimensions are free, at least: there the step from the average is zero."""
    models = [{n: t.double() for n, t in tiny.problem.network(seed=s).state_dict().items()} for s in range(2)]
    found = regmean.fuse(models, tiny.problem, samples=3, shrink=1.0)
    gram = sum(input_grams(tiny.problem, m, samples=3)["layers.1.weight"][0] for m in models)
    values, directions = torch.linalg.eigh(gram)
    unseen = directions[:, values < 1e-9 * values.max()]
    step = found["layers.1.weight"] - sum(m["layers.1.weight"] for m in models) / 2
    assert unseen.shape[1] >= 6
    assert float((step @ unseen).abs().max()) < 1e-9 < float(step.abs().max())


def test_wide_layers_shared_weights_and_transposed_convolutions_are_averaged(tiny):
    """They have no Gram matrix."""

    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second, self.up, self.wide = nn.Linear(4, 4), nn.Linear(4, 4), nn.ConvTranspose1d(2, 2, 3), nn.Linear(9, 2)
            self.second.weight = self.first.weight
            self.tokens, self.head = nn.Embedding(5, 4), nn.Linear(4, 5)
            self.head.weight = self.tokens.weight

            def stored_once(module, state, prefix, metadata):
                del state["head.weight"]

            self.register_state_dict_post_hook(stored_once)  # as some libraries do

    assert layers_of(Shared(), 4096).keys() == {"wide.weight"}
    assert layers_of(Shared(), 8) == {}
    models = [tiny.problem.network(seed=s).state_dict() for s in range(2)]
    assert near(regmean.fuse(models, tiny.problem, widest=11), average.fuse(models, tiny.problem))


def test_it_works_on_batch_norm_and_on_attention():
    """Merged as one, and finite; a tied head is averaged, layers of the blocks are not."""
    for name in ("digits-resnet", "char-gpt"):
        problem, models = sample(name)
        fused, mean = regmean.fuse(models, problem, samples=32), average.fuse(models, problem)
        assert all(t.isfinite().all() for t in fused.values())
        merged = {n for n in fused if not torch.allclose(fused[n], mean[n], rtol=1e-4, atol=1e-6)}
        assert merged <= set(layers_of(problem.network(), 4096))
        assert len(merged) > len(layers_of(problem.network(), 4096)) // 2


def test_features_that_overflow_are_refused(tiny):
    """The sentence names the layer."""
    good = tiny.problem.network(seed=0).state_dict()
    bad = {n: t * 1e30 for n, t in good.items()} | {"layers.0.bias": torch.full((12,), torch.inf)}
    with pytest.raises(Refused, match=r"layers\.1\.weight is not finite"):
        regmean.fuse([good, bad], tiny.problem)
