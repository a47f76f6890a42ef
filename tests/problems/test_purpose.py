"""What the same numbers mean under each loss and for each network: every data source under every kind of loss works, or says what does."""

import numpy as np
import pytest
import torch

from explorer.core import plugins, registry
from explorer.core.errors import Refused
from explorer.core.spec import ProblemSpec
from explorer.problems.problem import Problem
from tests.problems.data.test_saved_dataset import saved

RNG = np.random.default_rng(0)
FLOATS, LABELS, REALS = RNG.normal(size=(40, 6)), np.arange(40) % 3, RNG.normal(size=(40, 3))
TOKENS = RNG.integers(0, 5, (40, 6))


def npz(**arrays):
    def make(folder):
        np.savez(folder / "data.npz", **arrays)
        return "npz", folder / "data.npz"

    return make


def table(target):
    def make(folder):
        rows = [",".join(map(str, [*x, t])) for x, t in zip(FLOATS, target, strict=True)]
        (folder / "data.csv").write_text("a,b,c,d,e,f,y\n" + "\n".join(rows))
        return "table", folder / "data.csv"

    return make


def dataset(labels):
    def make(folder):
        return "saved_dataset", saved(folder, {"a": REALS[:, 0].tolist(), "y": labels.tolist()}, {})

    return make


def built_in(name):
    return lambda folder: (name, None)


SOURCES = {  # what makes it, and what each kind of loss finds in it: a widths' end, or a refusal
    "npz, classes": (npz(x=FLOATS, y=LABELS), {"classes": 3, "numbers": 1}),
    "npz, numbers": (npz(x=FLOATS, y=REALS), {"classes": "mse or squared_distance", "numbers": 3}),
    "npz, whole numbers": (npz(x=FLOATS, y=LABELS[:, None].repeat(2, 1)), {"classes": "read as next tokens", "numbers": 2}),
    "npz, inputs alone": (npz(x=FLOATS), {"classes": "Use divergence", "numbers": "squared_distance"}),
    "table, classes": (table(LABELS), {"classes": 3, "numbers": 1}),
    "table, texts": (table([f"kind {i}" for i in LABELS]), {"classes": 3, "numbers": "holds no numbers"}),
    "table, numbers": (table(REALS[:, 0]), {"classes": "Choose task = 'regression'", "numbers": 1}),
    "saved, classes": (dataset(LABELS), {"classes": 3, "numbers": 1}),
    "saved, numbers": (dataset(REALS[:, 0]), {"classes": "mse or squared_distance", "numbers": 1}),
    "digits": (built_in("digits"), {"classes": 10, "numbers": "Use cross_entropy"}),
    "random": (built_in("random"), {"classes": "Use divergence", "numbers": "squared_distance"}),
}


def problem(folder, make, loss, end, **options):
    data, path = make(folder)
    inputs = {"digits": 64, "random": 64, "saved_dataset": 1}.get(data, 6)
    network = registry.method("nets", "mlp", {"widths": (inputs, end if isinstance(end, int) else 3)})
    return Problem(ProblemSpec(network, registry.method("data", data, options), loss, path=str(path or "")))


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(("loss", "kind"), [("cross_entropy", "classes"), ("mse", "numbers")])
def test_a_loss_with_targets_finds_them_or_says_what_would_do(tmp_path, source, loss, kind):
    """Numbers under a loss of numbers, classes under one of classes, without an option that says it again."""
    make, found = SOURCES[source]
    of = problem(tmp_path, make, loss, found[kind])
    if isinstance(found[kind], str):
        with pytest.raises(Refused, match=found[kind]):
            of.split("test")
        return
    batch = of.split("test")
    assert batch.targets.is_floating_point() == (kind == "numbers")
    assert torch.isfinite(of.losses(of.network()(batch.inputs), batch.targets)).all()


@pytest.mark.parametrize("source", [s for s in SOURCES if s not in ("npz, whole numbers", "table, numbers")])
@pytest.mark.parametrize("loss", ["divergence", "squared_distance"])
def test_a_loss_without_targets_takes_every_source(tmp_path, source, loss):
    """But a divergence of probabilities where the answers are known to be numbers."""
    of = problem(tmp_path, SOURCES[source][0], loss, 3)
    if source in ("npz, numbers", "saved, numbers") and loss == "divergence":
        with pytest.raises(Refused, match="squared_distance"):
            of.split("test")
        return
    batch = of.split("test")
    outputs = of.network()(batch.inputs).detach()
    assert float(of.losses(outputs, outputs).abs().max()) == pytest.approx(0, abs=1e-6)


def test_a_masked_loss_refuses_what_is_not_masked(tmp_path):
    """With the losses that would do."""
    with pytest.raises(Refused, match="needs masked tokens, and these data have numbers of classes. Use cross_entropy"):
        problem(tmp_path, SOURCES["npz, classes"][0], "masked_cross_entropy", 3).split("test")


GPT = {"vocab": 9, "context": 6, "depth": 1, "heads": 2, "dim": 8}


def gpt(path, loss="cross_entropy", **options):
    return Problem(ProblemSpec(registry.method("nets", "gpt", GPT), registry.method("data", "npz", options), loss, path=str(path)))


def test_tokens_are_as_many_as_the_network_tells_apart(tmp_path):
    """The largest that occurs is 4, and the network knows 9: so many classes there are; fewer than occur are refused, as are names for others."""
    _, path = npz(x=TOKENS, y=TOKENS)(tmp_path)
    assert gpt(path).classes == tuple(map(str, range(9)))
    assert gpt(path).split("test").targets.max() <= 4
    with pytest.raises(Refused, match="data have 5 classes"):
        gpt(path, classes=tuple("abcde")).split("test")
    (tmp_path / "more").mkdir()
    _, path = npz(x=TOKENS + 7, y=TOKENS)(tmp_path / "more")
    with pytest.raises(Refused, match="data have 12 classes|does not take inputs"):
        gpt(path).split("test")


def test_classes_that_do_not_occur_are_the_networks(tmp_path):
    """Labels 0 … 2 and a network of 5 classes."""
    of = problem(tmp_path, npz(x=FLOATS, y=LABELS), "cross_entropy", 5)
    assert of.classes == ("0", "1", "2", "3", "4")
    assert of.split("test").targets.max() == 2


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64])
def test_whole_numbers_stay_so_for_a_network_that_embeds_them(tmp_path, monkeypatch, dtype):
    """Tokens with one class each, of any width; for a network of real numbers the same file is float32."""
    np.savez(tmp_path / "data.npz", x=TOKENS.astype(dtype), y=REALS[:, :1])
    (tmp_path / "bag.py").write_text(
        "from torch import nn\n\nclass Bag(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.table = nn.Embedding(5, 4)\n"
        "        self.head = nn.Linear(4, 1)\n\n    def forward(self, x):\n        return self.head(self.table(x).mean(1))\n\n\ndef build():\n    return Bag()\n"
    )
    monkeypatch.setenv(plugins.VARIABLE, "")
    plugins.add([str(tmp_path / "bag.py")])
    embedding = Problem(ProblemSpec(registry.method("nets", "bag"), registry.method("data", "npz"), "mse", path=str(tmp_path / "data.npz")))
    assert embedding.split("test").inputs.dtype == torch.int64
    plain = Problem(
        ProblemSpec(registry.method("nets", "mlp", {"widths": (6, 1)}), registry.method("data", "npz"), "mse", path=str(tmp_path / "data.npz"))
    )
    assert plain.split("test").inputs.dtype == torch.float32
