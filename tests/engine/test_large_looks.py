"""Large files: inspected by their headers and one pass over their values, and aligned without being held whole."""

import json
import subprocess
import sys
from itertools import accumulate, pairwise

import numpy as np
import pytest
import torch

from explorer.checkpoints import lazy_weights
from explorer.commands.look import by_sentence
from explorer.core import registry
from explorer.core.spec import Aligned, Look
from explorer.engine import inspect_checkpoints, realise_recipe
from explorer.engine.inspect_checkpoints import inspect_path
from explorer.store.estimate_cost import estimate


def go_on(*_):
    return True


@pytest.fixture
def all_large(monkeypatch):
    """Every file counts as a large one."""
    monkeypatch.setattr(inspect_checkpoints, "LARGE", 0)
    monkeypatch.setattr(inspect_checkpoints, "WORK", (0, 0))
    monkeypatch.setattr(inspect_checkpoints, "LAZILY", 0)


def test_the_loss_is_left_out_and_the_rest_is_as_before(tiny, store, all_large, monkeypatch):
    """Its sentence says so with the numbers; distances have the same bits; a plan knows how many samples there are."""
    found = inspect_path(Look(str(tiny.folder), problem=tiny.problem.spec), store, report=go_on)
    assert all(f.quality == () and f.problem == tiny.problem.spec for f in found.files)
    (sentence,) = by_sentence(found.files)
    assert f"{found.files[0].parameters:,} parameters" in sentence
    assert "a line or a plane measures it" in sentence
    assert dict(found.files[0].items)["test"] == len(tiny.problem.split("test").targets)
    plan = estimate(tiny.run(), store)
    assert plan is not None
    assert plan.samples == len(tiny.problem.split("test").targets)
    distances = store.gram([f.digest for f in found.files])
    monkeypatch.setattr(inspect_checkpoints, "LARGE", 2**26)
    monkeypatch.setattr(inspect_checkpoints, "LAZILY", 2**26)
    plain = inspect_path(Look(str(tiny.folder), problem=tiny.problem.spec), store, report=go_on)
    assert np.array_equal(store.gram([f.digest for f in plain.files]), distances)
    assert [f.digest for f in plain.files] == [f.digest for f in found.files]


def test_values_are_read_one_tensor_after_another(tiny, store, all_large, monkeypatch):
    """And given back once they have been looked at: no more than `HELD` bytes and one tensor are held."""
    held = []
    let_go = lazy_weights.Streamed.let_go
    monkeypatch.setattr(lazy_weights, "HELD", 1)
    monkeypatch.setattr(lazy_weights.Streamed, "let_go", lambda self: held.append(self._read) or let_go(self))
    inspect_path(Look(str(tiny.a), problem=tiny.problem.spec), store, report=go_on)
    sizes = [t.nbytes for t in tiny.problem.network().state_dict().values()]
    assert held
    assert max(held) <= max(sizes)


def test_large_files_are_aligned_to_the_same_bits(tiny, store, home, tmp_path, monkeypatch):
    """Each tensor read when it is asked for."""
    recipe = Aligned(tiny.problem.spec, tiny.field().corners, 1, registry.method("align", "weight_matching", {"restarts": 1}))
    plain = realise_recipe.realise(recipe, store, home)
    monkeypatch.setattr(realise_recipe, "LAZILY", 0)
    (tmp_path / "other").mkdir()
    lazily = realise_recipe.realise(recipe, store, tmp_path / "other")
    assert all(torch.equal(plain[n], lazily[n]) for n in plain)


WIDTHS = (16, 8000, 8000, 4)  # 64 million parameters: 0.26 GB


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A checkpoint of zeros that takes no room on the disk, beside its problem, under the names that Lightning gives; and one whose names are the network's."""
    folder = tmp_path_factory.mktemp("large")
    shapes = {f"layers.{i}.{n}": s for i, (k, m) in enumerate(pairwise(WIDTHS)) for n, s in (("weight", [m, k]), ("bias", [m]))}
    ends = list(accumulate((4 * int(np.prod(s)) for s in shapes.values()), initial=0))
    for name, prefix in (("plain", ""), ("wrapped", "model.")):
        header = {prefix + n: {"dtype": "F32", "shape": s, "data_offsets": ends[i : i + 2]} for i, (n, s) in enumerate(shapes.items())}
        text = json.dumps(header).encode()
        with (folder / f"{name}.safetensors").open("wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            file.truncate(8 + len(text) + ends[-1])
    rng = np.random.default_rng(0)
    np.savez(folder / "data.npz", x=rng.standard_normal((64, WIDTHS[0])).astype(np.float32), y=np.arange(64) % WIDTHS[-1])
    text = f"[network]\nname = 'mlp'\nwidths = {list(WIDTHS)}\n[data]\nname = 'npz'\npath = 'data.npz'\n"
    (folder / "problem.toml").write_text(text, encoding="utf-8")
    return folder


LOOK = """
import json, sys
from explorer.commands.main import app
from explorer.core.importing import imported
def high():
    return 1024 * next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
with imported():
    import explorer.engine.inspect_checkpoints
before = high()
app(["look", sys.argv[1], "--home", sys.argv[2]], standalone_mode=False)
print("took", json.dumps({"beyond": high() - before, "modules": [*sys.modules]}))
"""


@pytest.mark.parametrize("name", ["plain", "wrapped"])
@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux how much memory a process held")
def test_a_large_file_is_looked_at_in_its_own_pages_and_with_few_imports(large, home, name):
    """Its loss, too: the file once and what answers take, where a network of its own would be the file again; and neither tables nor statistics' libraries."""
    file = large / f"{name}.safetensors"
    done = subprocess.run([sys.executable, "-c", LOOK, str(file), str(home)], capture_output=True, text=True)
    assert "1.386" in done.stdout, done.stdout + done.stderr  # log 4: it answers with zeros
    took = json.loads(done.stdout.splitlines()[-1].removeprefix("took "))
    assert took["beyond"] < 1.3 * file.stat().st_size + 2**26
    heavy = {"pandas", "plotly", "streamlit", "sklearn", "scipy.stats", "scipy.optimize", "scipy.spatial", "transformers", "matplotlib"}
    assert not heavy & {*took["modules"]}
