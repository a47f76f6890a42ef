"""Calibration, classes, kinship and interference: what is said about several models at once."""

import json

import numpy as np
import pytest
import torch

from explorer.checkpoints import checkpoint_file
from explorer.checkpoints.weights import gram
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.methods.fuse import uniform_soup
from explorer.methods.study._model_outputs import outputs
from explorer.problems import problem_toml
from explorer.problems.problem import Problem
from explorer.stats.calibration import reliability
from tests.methods.align import sample

calibration, classes, kinship, interference = (registry.find("study", n) for n in ("calibration", "classes", "kinship", "interference"))


@pytest.fixture
def models(tiny):
    return [checkpoint_file.read(p).weights for p in (tiny.a, tiny.b)]


def test_calibration_is_that_of_the_models_own_answers(tiny, models):
    """Confidence is the largest probability; the ensemble comes last and is the mean of the probabilities; broken models have no number."""
    targets = tiny.problem.split("test").targets
    probabilities = [outputs(tiny.problem, m, "test").double().softmax(1) for m in models]
    found = calibration([*models, {k: v * torch.nan for k, v in models[0].items()}], tiny.problem, ensemble=2)["models"]
    for seen, p in zip((*found[:2], found[3]), (*probabilities, torch.stack(probabilities).mean(0)), strict=True):
        sure, said = p.max(1)
        twin = reliability(sure.numpy(), (said == targets).numpy(), np.arange(len(said)) % 256)
        assert seen["ece"] == pytest.approx([twin.ece.value, twin.ece.low, twin.ece.high], abs=1e-6)
        assert seen["over"] == pytest.approx(twin.over, abs=1e-6)
    assert found[2] is None
    json.dumps(found, allow_nan=False)


def test_classes_are_counted_and_differences_are_paired(tiny, models):
    """Against a loop over classes; a model differs from itself by nothing, and exactly so."""
    targets = tiny.problem.split("test").targets
    found = classes(models, tiny.problem, against=1)
    for row, model in zip(found["right"], models, strict=True):
        said = outputs(tiny.problem, model, "test").argmax(1)
        assert row == pytest.approx([float((said == targets)[targets == c].double().mean()) for c in range(10)])
    assert found["minus"][1] == [[0.0, 0.0, 0.0]] * 10
    assert [m[0] for m in found["minus"][0]] == pytest.approx(np.subtract(*found["right"]))
    assert all(low <= value <= high for value, low, high in found["minus"][0])
    assert sum(found["samples"]) == len(targets)


def test_of_a_text_every_place_counts():
    """A language model: as many items as tokens."""
    problem, models = sample("char-gpt")
    found = calibration(models[:1], problem, split="val")["models"][0]
    assert sum(found["count"]) == problem.split("val").targets.numel()


@pytest.mark.parametrize("study", [calibration, classes])
def test_a_regression_has_no_classes(tiny, models, study):
    """Refused in a sentence."""
    from dataclasses import replace

    regression = Problem(replace(tiny.problem.spec, loss="mse"))
    with pytest.raises(Refused, match="classes|real numbers"):
        study(models, regression)


def test_kinship_of_fine_tunes_and_of_strangers(tiny, models):
    """Products are those of the weights; copies never conflict; differences from the base are what conflicts with one."""
    a, b = models
    names = list(a)
    tuned = [{k: v + s * 0.01 * b[k] for k, v in a.items()} for s in (1, -1)]
    found = kinship([a, *tuned], tiny.problem, base=True)
    assert np.array(found["gram"]) == pytest.approx(gram([a, *tuned], names))
    assert np.array(found["matrices"]) == pytest.approx(gram([a, *tuned], [n for n in names if a[n].dim() > 1]))
    assert found["pairs"][0][1] == pytest.approx(1.0, abs=0.01)
    assert found["cancelled"] == pytest.approx(1.0, abs=0.01)
    assert kinship([a, a], tiny.problem)["share"] == 0.0
    assert kinship([a, a], tiny.problem, base=True)["share"] is None


@pytest.mark.parametrize("name", ["digits-resnet", "digits-vit", "char-gpt"])
def test_copies_do_not_interfere(name):
    """Nothing conflicts, nothing collapses, nothing rises: of networks with batch norm, with attention and with a tied head."""
    problem = Problem(problem_toml.find(name))
    model = {k: v.clone() for k, v in problem.network(seed=1).state_dict().items()}
    found = interference([model, model, model], problem, samples=32)
    assert {n for row in found["layers"] for n in [row["name"]]} >= {
        n.rpartition(".")[0] or "(network)" for n, p in problem.network().named_parameters() if p.dim() > 1
    }
    for row in found["layers"]:
        assert row["spread"] is None or row["spread"] == pytest.approx(1.0)
        assert row["conflicts"] in (0.0, None)
        assert row["loss"] == pytest.approx([0, 0, 0], abs=1e-6)
    assert any(row["spread"] is not None for row in found["layers"])


def test_independent_networks_interfere(tiny, models):
    """By loops: the spread of the averaged layer, and the rise when it alone is replaced; the whole rises as the average's loss says."""
    merged = uniform_soup.fuse(models, tiny.problem)
    found = interference([merged, *models], tiny.problem, samples=0)
    batch = tiny.problem.split("val")

    def loss(weights):
        network = tiny.problem.network()
        network.load_state_dict(weights)
        with torch.no_grad():
            return float(tiny.problem.losses(network(batch.inputs), batch.targets).double().mean())

    first = found["layers"][0]
    assert 0 < first["spread"] < 1
    assert 0.3 < first["conflicts"] < 0.7
    own = [n for n in merged if n.startswith(first["name"])]
    rise = np.mean([loss({**m, **{n: merged[n] for n in own}}) - loss(m) for m in models])
    assert first["loss"][0] == pytest.approx(rise, rel=1e-4)
    assert first["loss"][1] <= first["loss"][0] <= first["loss"][2]
    assert found["whole"]["loss"][0] == pytest.approx(loss(merged) - np.mean([loss(m) for m in models]), rel=1e-4)

    def spread(weights):
        return float((batch.inputs.flatten(1) @ weights[f"{first['name']}.weight"].T).std(dim=0, correction=0).mean())

    assert first["spread"] == pytest.approx(spread(merged) / np.mean([spread(m) for m in models]), rel=1e-3)


def test_interference_wants_two_ingredients(tiny, models):
    """And with a base two others."""
    with pytest.raises(Refused, match="besides the base; got 2"):
        interference([models[0], *models], tiny.problem, base=True)
    with pytest.raises(Refused, match="got 1"):
        interference(models, tiny.problem)
