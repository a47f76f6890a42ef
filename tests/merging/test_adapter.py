"""A merge as an adapter: the best change of its rank, what it leaves out, and PEFT's own reading of it."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch

from explorer.core import registry
from explorer.core.errors import Refused
from explorer.merging import adapter, engine, plan
from tests.commands.test_main import run
from tests.merging import loaded, saved
from tests.merging.test_peft import network

peft: Any = import_module("peft")


def extracted(base: Path, tuned: Path) -> plan.MergePlan:
    """The plan whose result is the tuned model, bit for bit."""
    return plan.of_method(registry.method("fuse", "task_arithmetic", {"coefficients": (1.0,)}), [str(base), str(tuned)])


def models(folder: Path, rank: int) -> tuple[dict[str, torch.Tensor], list[Path]]:
    """A base, and one whose matrices differ by a change of this rank and whose norms differ, too."""
    g = torch.Generator().manual_seed(0)
    base = {f"model.layers.{i}.{n}.weight": torch.randn(s, generator=g) for i in range(2) for n, s in (("q_proj", (12, 8)), ("norm", (8,)))}
    tuned = {
        k: v + (torch.randn(len(v), rank, generator=g) @ torch.randn(rank, v.shape[1], generator=g) if v.dim() == 2 else 0.1) for k, v in base.items()
    }
    return tuned, [saved(folder / n, w, config=False) for n, w in (("base", base), ("tuned", tuned))]


def test_a_change_of_low_rank_is_found_whole(tmp_path):
    """Rank 3 in, rank 3 out, even where 6 may be had; what is no matrix is kept whole; base+adapter is the tuned model."""
    tuned, paths = models(tmp_path, 3)
    done = adapter.write(extracted(*paths), tmp_path / "out", 6)
    assert {m.rank for m in done.matrices} == {3}
    assert done.error < 1e-5
    assert set(done.whole) == {k for k in tuned if "norm" in k}
    back = plan.of_method(registry.method("fuse", "average", {"weights": (1.0,)}), [f"{paths[0]}+{tmp_path / 'out'}"])
    engine.merge(back, tmp_path / "back")
    found = loaded(tmp_path / "back")
    assert all(torch.allclose(found[k], tuned[k], atol=1e-5) for k in tuned)


def test_the_error_is_that_of_the_singular_values_left_out(tmp_path):
    """Eckart & Young: √(Σ_{i>r} σᵢ²) over all of them, of each matrix and of all together."""
    tuned, paths = models(tmp_path, 5)
    base = loaded(paths[0])
    done = adapter.write(extracted(*paths), tmp_path / "out", 2)
    left = total = 0.0
    for one in done.matrices:
        values = torch.linalg.svdvals((tuned[one.name] - base[one.name]).double())
        assert one.error == pytest.approx(float(values[2:].norm() / values.norm()), rel=1e-4)
        left, total = left + float(values[2:].norm()) ** 2, total + float(values.norm()) ** 2
    assert done.error == pytest.approx((left / total) ** 0.5, rel=1e-4)


@pytest.mark.filterwarnings("ignore")
def test_peft_reads_it_as_the_tuned_model(tmp_path):
    """All matrices, embeddings and norms of a language model changed: PEFT's model with the adapter answers as the tuned one."""
    base, tuned = network("llama"), network("llama")
    g = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in tuned.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=g))
    base.save_pretrained(tmp_path / "base")
    tuned.save_pretrained(tmp_path / "tuned")
    done = adapter.write(extracted(tmp_path / "base", tmp_path / "tuned"), tmp_path / "out", 16)
    assert done.error < 1e-5
    wrapped = peft.PeftModel.from_pretrained(network("llama"), str(tmp_path / "out")).eval()
    tokens = torch.arange(12).reshape(2, 6)
    with torch.no_grad():
        assert torch.allclose(wrapped(input_ids=tokens).logits, tuned.eval()(input_ids=tokens).logits, atol=1e-4)


def test_adapters_of_different_ranks_make_one(tmp_path):
    """By any method, on the base: the mean of a rank 1 and a rank 2 has rank 3, and is the adapter of the merged models."""
    _, (base, _) = models(tmp_path, 1)
    g = torch.Generator().manual_seed(5)
    weights = loaded(base)
    changes, folders = [], []
    for rank in (1, 2):
        change = {k: torch.randn(len(v), rank, generator=g) @ torch.randn(rank, v.shape[1], generator=g) for k, v in weights.items() if v.dim() == 2}
        folder = saved(tmp_path / f"full-{rank}", {k: v + change.get(k, 0) for k, v in weights.items()}, config=False)
        adapter.write(extracted(base, folder), tmp_path / f"ad-{rank}", rank)
        changes.append(change)
        folders.append(f"{base}+{tmp_path / f'ad-{rank}'}")
    said = run("fuse", *folders, tmp_path / "one", "-m", "average", "-o", "weights=0.5,0.5", "--adapter-rank", "4")
    assert "its rank leaves out" in said
    config = json.loads((tmp_path / "one" / "adapter_config.json").read_text(encoding="utf-8"))
    assert set(config["rank_pattern"].values()) == {3}
    found = loaded(tmp_path / "one")
    for name in changes[0]:
        module = f"base_model.model.{name.removesuffix('.weight')}"
        made = found[f"{module}.lora_B.weight"] @ found[f"{module}.lora_A.weight"]
        assert torch.allclose(made, (changes[0][name] + changes[1][name]) / 2, atol=1e-5)


def test_what_is_no_adapter_is_refused(tmp_path):
    """Nothing changed, a folder that is there, a rank of none, and layers that may lie transposed."""
    _, (base, tuned) = models(tmp_path, 1)
    with pytest.raises(Refused, match="No matrix of the result differs"):
        adapter.write(extracted(base, base), tmp_path / "none", 2)
    with pytest.raises(Refused, match="exists already"):
        adapter.write(extracted(base, tuned), tmp_path, 2)
    with pytest.raises(Refused, match="rank of 1 or more"):
        adapter.write(extracted(base, tuned), tmp_path / "none", 0)
    (base / "config.json").write_text('{"model_type": "gpt2"}', encoding="utf-8")
    with pytest.raises(Refused, match="input × output"):
        adapter.write(extracted(base, tuned), tmp_path / "none", 2)
    assert not (tmp_path / "none").exists()
