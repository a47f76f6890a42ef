"""A point is the model that would be saved: what a picture of half-precision checkpoints shows is what the file of that point gives."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from explorer.api import loaded
from explorer.checkpoints import checkpoint_file, lazy_weights
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.spec import Field, Fused, Run
from explorer.engine.realise_recipe import file_of
from explorer.engine.run_loop import keep
from explorer.evaluate.evaluator import Evaluate
from explorer.problems import problem_toml
from explorer.problems.problem import Problem

sgd = registry.find("train", "sgd")

NETS = {
    "mlp": 'name = "mlp"\nwidths = [64, 16, 12, 10]',
    "resnet": 'name = "resnet"\nwidths = [4, 8]\nblocks = 1',
    "vit": 'name = "vit"\nimage = 8\npatch = 4\ndim = 16\ndepth = 1\nheads = 2',
}
TYPES = {
    "float16": lambda i: torch.float16,
    "bfloat16": lambda i: torch.bfloat16,
    "mixed": lambda i: (torch.bfloat16, torch.float32, torch.float16)[i % 3],
    "with double": lambda i: (torch.bfloat16, torch.float64)[i % 2],
}
BUFFERS = ("recalibrate", "mix", "first", "repair")
SHARES = np.array([[0.7, 0.3, 0.0], [0.2, 0.5, 0.3], [1 / 3, 1 / 3, 1 / 3]])
BEYOND = np.array([[0.9, 0.7, -0.6]])  # of a plane, outside the triangle


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Of each network a problem and three models, an epoch of training each."""
    made = {}
    for name, toml in NETS.items():
        folder = tmp_path_factory.mktemp(name)
        (folder / "problem.toml").write_text(f'[network]\n{toml}\n\n[data]\nname = "digits"\n')
        problem = Problem(problem_toml.read(folder))
        made[name] = problem, [list(sgd(problem, epochs=1, lr=0.05, seed=s, order_seed=s))[-1] for s in range(3)]
    return made


def stored(models, kind):
    """The models as files of that kind hold them."""
    return [{n: t.to(TYPES[kind](i)) if t.is_floating_point() else t for i, (n, t) in enumerate(model.items())} for model in models]


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize(("net", "buffers"), [("mlp", "mix"), ("vit", "recalibrate"), *(("resnet", b) for b in BUFFERS), ("mlp", "repair")])
def test_a_point_is_the_model_that_is_saved_there(trained, net, buffers, kind, tmp_path, store):
    """Measured in a picture, made as a file by the recipe of that place, and measured again from that file at a corner: equal to 1e-6."""
    problem, models = trained[net]
    files = [tmp_path / f"{i}.safetensors" for i in range(3)]
    for file, weights in zip(files, stored(models, kind), strict=True):
        checkpoint_file.write(file, weights)
    corners = [checkpoint_file.read(file).weights for file in files]
    shares = SHARES if buffers == "mix" else np.concatenate([SHARES, BEYOND])
    shown = Evaluate(problem, corners, buffers=buffers, samples=300)
    values = shown.many(shares)
    for coefficients, value in zip(shares, values, strict=True):
        average = registry.method("fuse", "average", {"weights": tuple(map(float, coefficients))})
        recipe = Fused(problem.spec, tuple(map(loaded, files)), average, buffers)
        saved = checkpoint_file.read(file_of(recipe, store, tmp_path / "home")).weights
        assert {n: t.dtype for n, t in saved.items()} == {n: t.dtype for n, t in corners[0].items()}
        alone = Evaluate(problem, [saved], buffers=buffers, samples=300)(np.ones(1))
        assert value[0].sum() / 300 == pytest.approx(alone[0].sum() / 300, abs=1e-6)
        assert np.array_equal(value[1], alone[1])


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("net", NETS)
def test_every_engine_shows_the_same(trained, net, kind, tmp_path):
    """Plain, without preparation, stacked and by corner matrix where they may be asked for, from the disk: bit for bit the same points."""
    problem, models = trained[net]
    corners = stored(models, kind)
    plain = Evaluate(problem, corners, samples=100).many(SHARES)
    for i, weights in enumerate(corners):
        checkpoint_file.write(tmp_path / f"{i}.safetensors", weights)
    streamed = [lazy_weights.open_lazily(tmp_path / f"{i}.safetensors", problem.shapes()) for i in range(3)]
    assert np.array_equal(Evaluate(problem, streamed, samples=100).many(SHARES), plain)
    for options in ({"prepare": False}, {"engine": "batched"}, {"engine": "plain"}):
        assert np.array_equal(Evaluate(problem, corners, samples=100, **options).many(SHARES), plain)


def test_a_corner_stays_as_it_is_whatever_the_first_one_is_stored_in(trained):
    """A float32 model beside one in bfloat16 is measured unrounded at its own place."""
    problem, models = trained["mlp"]
    corners = [stored(models, "bfloat16")[0], models[1]]
    ends = Evaluate(problem, corners, samples=100).many(np.eye(2))
    assert np.array_equal(ends[1], Evaluate(problem, [models[1]], samples=100)(np.ones(1)))


@pytest.mark.parametrize("kind", ["bfloat16", "mixed"])
def test_points_from_before_the_rounding_are_never_taken_for_these(trained, kind, tmp_path, store):
    """Another id for what was measured otherwise; the old one is not measured under; of float32 files all ids and texts stay."""
    problem, models = trained["mlp"]
    files = [tmp_path / f"{i}.safetensors" for i in range(2)]
    for file, weights in zip(files, stored(models, kind), strict=False):
        checkpoint_file.write(file, weights)
    corners = tuple(map(loaded, files))
    assert all(c.half for c in corners)
    field = Field(problem.spec, corners, registry.method("chart", "line"), samples=50)
    before = replace(field, corners=tuple(replace(c, half=False) for c in corners))
    assert field.id != before.id
    run = Run(field, registry.method("sample", "grid", {"size": 3}))
    assert Run.from_json(run.to_json()) == run
    assert keep(run, store, tmp_path / "home", report=lambda *_: True)
    with pytest.raises(Refused, match=r"0 is stored in half precision, and this run dates from when"):
        keep(replace(run, field=before), store, tmp_path / "home", report=lambda *_: True)
    single = tmp_path / "single.safetensors"
    checkpoint_file.write(single, models[0])
    assert loaded(single).to_json().keys() == {"kind", "digest", "path", "name"}


def test_a_torch_file_in_half_precision_is_known_for_one(trained, tmp_path):
    """Types are read from what there is to read."""
    _, models = trained["mlp"]
    for kind, expected in (("float16", True), ("bfloat16", True)):
        torch.save(stored(models, kind)[0], tmp_path / f"{kind}.pt")
        assert loaded(tmp_path / f"{kind}.pt").half is expected
    torch.save(models[0], tmp_path / "single.pt")
    assert loaded(tmp_path / "single.pt").half is False
