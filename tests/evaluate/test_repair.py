"""REPAIR between two models: unit statistics, the correction folded into the weights, and what stays as it is."""

import numpy as np
import pytest
import torch
from torch import nn

from explorer.api import loaded
from explorer.checkpoints import checkpoint_file
from explorer.core import locations, registry
from explorer.core.spec import Fused
from explorer.engine.realise_recipe import realise
from explorer.evaluate.batch_norm import recalibrate
from explorer.evaluate.evaluator import RECALIBRATION_SAMPLES, Evaluate
from explorer.evaluate.repair import Moments, Repair, fold, layers, moments, nearest
from explorer.evaluate.weighted_layers import axes_of
from explorer.problems import problem_toml
from explorer.problems.problem import Problem

NETWORKS = {
    "mlp": 'name = "mlp"\nwidths = [64, 24, 24, 24, 10]',
    "vgg": 'name = "vgg"\nwidths = [4, 6]\nhidden = 12',
    "vgg-norm": 'name = "vgg"\nwidths = [4, 6]\nhidden = 12\nnorm = true',
    "vit": 'name = "vit"\ndim = 12\ndepth = 1',
    "resnet": 'name = "resnet"\nwidths = [4, 6]',
}
REPAIRED = {
    "mlp": ["layers.0", "layers.1", "layers.2"],
    "vgg": ["stages.0.0.conv", "stages.1.0.conv", "hidden"],
    "vgg-norm": ["hidden"],
    "vit": ["embed", "blocks.0.qkv", "blocks.0.proj", "blocks.0.up", "blocks.0.down"],
    "resnet": [],
}
HALF = np.array([0.5, 0.5])


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """For each network two random starts, their batch norms with the statistics of data."""
    made = {}
    for name, network in NETWORKS.items():
        made[name] = folder = tmp_path_factory.mktemp(name)
        (folder / "problem.toml").write_text(f'[network]\n{network}\n[data]\nname = "digits"\n[split]\nval = 0.4\ntest = 0.4\n')
        problem = Problem(problem_toml.read(folder))
        for seed, file in enumerate("ab"):
            network = problem.network(seed=seed)
            recalibrate(network, calibration(problem))
            checkpoint_file.write(folder / f"{file}.safetensors", network.state_dict())
    return made


@pytest.fixture
def case(folders):
    def read(name):
        folder = folders[name]
        return Problem(problem_toml.read(folder)), [checkpoint_file.read(folder / f"{f}.safetensors").weights for f in "ab"]

    return read


def naive(network, inputs, name):
    """Mean and standard deviation of a layer's outputs, all samples at once."""
    seen = []
    handle = network.get_submodule(name).register_forward_hook(lambda m, x, y: seen.append(y.double()))
    with torch.no_grad():
        network(inputs)
    handle.remove()
    units = seen[0].movedim(axes_of(network.get_submodule(name)).data, -1).flatten(0, -2)
    return units.mean(0), units.std(0, correction=0)


def calibration(problem):
    return problem.split("train").inputs[:RECALIBRATION_SAMPLES]


def loaded_into(problem, weights):
    network = problem.network()
    network.load_state_dict(weights)
    return network.eval()


@pytest.mark.parametrize("name", NETWORKS)
def test_hidden_layers_are_repaired_and_what_goes_into_a_batch_norm_is_not(case, name):
    """Nor the layer that gives the answers."""
    problem, _ = case(name)
    assert list(layers(problem.network(), problem.split("train").inputs[:2])) == REPAIRED[name]


def test_a_layer_is_known_to_feed_a_norm_by_its_very_output():
    """A convolution whose output is changed on the way is repaired, one whose output goes in as it is is not; a tied one is left alone."""
    network = nn.Sequential(nn.Linear(4, 4), nn.ReLU(inplace=True), nn.BatchNorm1d(4), nn.Linear(4, 4), nn.BatchNorm1d(4))
    network.append(tied := nn.Linear(4, 4)).append(nn.ReLU()).append(nn.Linear(4, 4)).append(nn.ReLU()).append(nn.Linear(4, 3)).eval()
    network[7].weight = tied.weight
    assert layers(network, torch.rand(2, 4)) == {"0": 1}


@pytest.mark.parametrize("name", ["mlp", "vgg", "vit"])
def test_a_network_mixed_with_itself_is_unchanged(case, name):
    """Its statistics are their own target."""
    problem, (a, _) = case(name)
    evaluate = Evaluate(problem, [a, {k: v.clone() for k, v in a.items()}], buffers="repair")
    evaluate(HALF)
    inputs = problem.split("test").inputs[:50]
    expected = loaded_into(problem, a)(inputs)
    assert (evaluate.network(inputs) - expected).abs().max() < 1e-4 * expected.abs().max()


@pytest.mark.parametrize(("name", "coefficients"), [("mlp", (0.5, 0.5)), ("mlp", (2.0, -1.0)), ("vgg", (0.3, 0.7)), ("vit", (0.5, 0.5))])
def test_the_units_of_a_mixture_have_the_mixed_means_and_deviations(case, name, coefficients):
    """On the calibration samples: Σ cᵢ·meanᵢ and Σ cᵢ·stdᵢ (of the deviations, not of the variances), clipped at 0."""
    problem, corners = case(name)
    inputs = calibration(problem)
    evaluate = Evaluate(problem, corners, buffers="repair")
    evaluate(np.array(coefficients))
    for layer in REPAIRED[name]:
        mean, std = naive(evaluate.network, inputs, layer)
        own = [naive(loaded_into(problem, c), inputs, layer) for c in corners]
        wanted = sum(c * s for c, (_, s) in zip(coefficients, own, strict=True)).clamp_min(0)
        alive = (std > 1e-5) | (wanted < 1e-5)
        scale = float(wanted.max())
        assert alive.sum() > 0.7 * len(alive)
        assert torch.allclose(mean, sum(c * m for c, (m, _) in zip(coefficients, own, strict=True)), atol=2e-4 * scale)
        assert torch.allclose(std[alive], wanted[alive], atol=2e-4 * scale)


def test_without_repair_the_deviations_collapse(case):
    """What there is to repair: otherwise the test above would pass for nothing."""
    problem, corners = case("mlp")
    inputs = calibration(problem)
    evaluate = Evaluate(problem, corners, buffers="recalibrate")
    evaluate(HALF)
    own = sum(naive(loaded_into(problem, c), inputs, "layers.2")[1] for c in corners) / 2
    assert naive(evaluate.network, inputs, "layers.2")[1].mean() < 0.7 * own.mean()


def test_the_folded_network_computes_what_wrapped_layers_would(case):
    """Every layer followed by its own normalisation, taken in forward order, on weights that are only mixed."""
    problem, corners = case("mlp")
    inputs = calibration(problem)
    x = inputs.flatten(1).double()
    sides = [x.clone() for _ in corners]
    for i in range(4):
        weight, bias = ((corners[0][f"layers.{i}.{n}"].double() + corners[1][f"layers.{i}.{n}"].double()) / 2 for n in ("weight", "bias"))
        x = x @ weight.T + bias
        sides = [s @ c[f"layers.{i}.weight"].double().T + c[f"layers.{i}.bias"].double() for s, c in zip(sides, corners, strict=True)]
        if i < 3:
            mean, std = sum(s.mean(0) for s in sides) / 2, sum(s.std(0, correction=0) for s in sides) / 2
            here = x.std(0, correction=0)
            x = ((x - x.mean(0)) / here.clamp_min(1e-12) * std + mean).relu()
            sides = [s.relu() for s in sides]
    evaluate = Evaluate(problem, corners, buffers="repair")
    evaluate(HALF)
    assert (evaluate.network(inputs) - x).abs().max() < 1e-3 * x.abs().max()


@pytest.mark.parametrize("name", ["mlp", "resnet", "vgg-norm"])
def test_at_a_corner_the_checkpoint_stays(case, name):
    """The ends of a picture are the checkpoints as they were saved."""
    problem, corners = case(name)
    evaluate = Evaluate(problem, corners, buffers="repair")
    assert np.array_equal(evaluate(np.array([0.0, 1.0])), evaluate.alone(1))


def test_behind_batch_norm_repair_is_recalibration(case):
    """A network all of whose layers go into batch norms gets the very numbers of that policy."""
    problem, corners = case("resnet")
    assert np.array_equal(Evaluate(problem, corners, buffers="repair")(HALF), Evaluate(problem, corners, buffers="recalibrate")(HALF))


def test_layers_before_and_after_batch_norms_are_settled_together(case):
    """The hidden layer behind normed convolutions has the mixed statistics, as far as running statistics agree with those of batches."""
    problem, corners = case("vgg-norm")
    inputs = calibration(problem)
    evaluate = Evaluate(problem, corners, buffers="repair")
    evaluate(HALF)
    wanted = sum(naive(loaded_into(problem, c), inputs, "hidden")[1] for c in corners) / 2
    plain = Evaluate(problem, corners, buffers="recalibrate")
    plain(HALF)
    off, before = ((naive(e.network, inputs, "hidden")[1] - wanted).abs().mean() for e in (evaluate, plain))
    assert off < 0.1 * wanted.mean()
    assert off < 0.5 * before


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Linear(6, 4), (50, 6)),
        (nn.Linear(6, 4, bias=False), (50, 6)),
        (nn.Conv2d(4, 6, 3, padding=1), (20, 4, 5, 5)),
        (nn.Conv2d(4, 6, 3, groups=2), (20, 4, 5, 5)),
        (nn.ConvTranspose2d(4, 6, 3), (20, 4, 5, 5)),
        (nn.ConvTranspose1d(4, 6, 3, groups=2), (20, 4, 5)),
    ],
)
def test_a_correction_is_folded_into_every_kind_of_layer(layer, shape):
    """Rescaled along the outputs; shifted where there is a bias."""
    torch.manual_seed(0)
    layer.requires_grad_(False)
    inputs = torch.randn(shape)
    before = layer(inputs)
    units = before.shape[axes_of(layer).data]
    now = moments(layer, {"": 1}, [inputs])[""]
    wanted = Moments(torch.linspace(-1, 1, units).double(), torch.linspace(0.5, 2, units).double())
    fold(layer, now, wanted)
    after = moments(layer, {"": 1}, inputs.split(7))[""]
    assert torch.allclose(after.std, wanted.std, atol=1e-5)
    assert torch.allclose(after.mean, wanted.mean if layer.bias is not None else now.mean * wanted.std / now.std, atol=1e-5)


def test_a_unit_that_does_not_vary_is_only_shifted():
    """Its deviation is rounding: nothing is blown up."""
    layer = nn.Linear(3, 2).requires_grad_(False)
    layer.weight[1] = 1e-9
    layer.bias[1] = 3
    inputs = torch.rand(40, 3)
    now = moments(layer, {"": 1}, [inputs])[""]
    fold(layer, now, Moments(torch.tensor([0.0, 5.0]).double(), torch.full((2,), 2.0).double()))
    assert torch.equal(layer.weight[1], torch.full((3,), 1e-9))
    assert layer.bias[1] == pytest.approx(5)


def test_batches_change_nothing(case):
    """Moments over batches of any size are those of all samples at once."""
    problem, (a, _) = case("vit")
    network = loaded_into(problem, a)
    inputs = calibration(problem)
    names = layers(network, inputs[:2])
    found = moments(network, names, inputs.split(77))
    for name in names:
        mean, std = naive(network, inputs, name)
        assert torch.allclose(found[name].mean, mean, atol=1e-5)
        assert torch.allclose(found[name].std, std, atol=1e-5)


@pytest.mark.parametrize("name", ["mlp", "vgg", "vgg-norm", "resnet"])
def test_the_saved_model_is_the_measured_point(case, folders, store, home, name):
    """A file made from a point of the picture has that point's loss when it is loaded plainly."""
    problem, corners = case(name)
    third = registry.method("fuse", "average", {"weights": (2 / 3, 1 / 3)})
    recipe = Fused(problem.spec, tuple(loaded(folders[name] / f"{f}.safetensors") for f in "ab"), third, "repair")
    network = loaded_into(problem, realise(recipe, store, home))
    test = problem.split("test")
    with torch.no_grad():
        saved = float(problem.losses(network(test.inputs), test.targets).mean())
    evaluate = Evaluate(problem, corners, buffers="repair")
    assert saved == pytest.approx(evaluate(np.array([2 / 3, 1 / 3]))[0].sum() / evaluate.counts.sum(), rel=1e-4)


def test_the_nearest_mixture_of_a_weighted_mean_is_its_weights():
    """Also far from the origin, beyond the span, and for more than two; equal models share without trouble."""
    generator = torch.Generator().manual_seed(0)
    models = [{"w": 100 + torch.randn(30, generator=generator, dtype=torch.float64)} for _ in range(3)]
    for wanted in ([0.2, 0.3, 0.5], [1.5, -0.25, -0.25]):
        fused = {"w": sum(c * m["w"] for c, m in zip(wanted, models, strict=True))}
        assert nearest(models, fused, ["w"]) == pytest.approx(wanted, abs=1e-8)
    assert nearest([models[0], models[0]], models[0], ["w"]).sum() == pytest.approx(1)


def test_nothing_else_is_touched(case):
    """The corners, the modes and the global random state are as they were; a second point does not depend on the first."""
    problem, corners = case("vgg-norm")
    before, state = [{k: v.clone() for k, v in c.items()} for c in corners], torch.get_rng_state()
    evaluate = Evaluate(problem, corners, buffers="repair")
    first = evaluate(HALF)
    evaluate(np.array([0.2, 0.8]))
    assert np.array_equal(evaluate(HALF), first)
    assert all(torch.equal(c[k], b[k]) for c, b in zip(corners, before, strict=True) for k in c)
    assert not any(m.training for m in evaluate.network.modules())
    assert torch.equal(torch.get_rng_state(), state)


def test_repair_lowers_the_loss_half_way():
    """That it is good for something: between two shipped MLPs, trained and unaligned."""
    problem = Problem(problem_toml.find("digits-mlp"))
    corners = [checkpoint_file.read(locations.root() / "sample_models" / "digits-mlp" / f"seed-{i}.safetensors").weights for i in (0, 1)]
    plain, repaired = (Evaluate(problem, corners, buffers=b)(HALF)[0].sum() for b in ("recalibrate", "repair"))
    assert repaired < 0.5 * plain


def test_the_statistics_of_the_corners_are_kept(case):
    """One measurement per corner, whatever the number of points."""
    problem, corners = case("mlp")
    repair = Repair(problem.network().requires_grad_(False), corners, [calibration(problem)])
    for corner, found in zip(corners, repair.corners, strict=True):
        mean, std = naive(loaded_into(problem, corner), calibration(problem), "layers.1")
        assert torch.allclose(found["layers.1"].mean, mean, atol=1e-5)
        assert torch.allclose(found["layers.1"].std, std, atol=1e-5)
