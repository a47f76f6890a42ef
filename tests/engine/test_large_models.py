"""What a line between language models costs, counted: networks built, numbers drawn, files hashed, samples that went through."""

import hashlib
from collections import Counter

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from explorer import api
from explorer.checkpoints import checkpoint_file
from explorer.core import files
from explorer.evaluate.evaluator import Evaluate
from explorer.evaluate.steady_answers import unanswered
from explorer.problems import problem_toml
from explorer.problems.nets import hugging_face
from explorer.problems.problem import Problem

pytest.importorskip("transformers")

SAMPLES, POINTS = 6, 5
CHECKS = 2 + 3 * 4 + 2  # samples asked besides: do the data fit, is the answer the same again, and one by one; how large are the layers


@pytest.fixture(params=["float32", "bfloat16"])
def models(request, tmp_path):
    """A folder with a problem and two small language models of transformers, random, in one type."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        **{"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2},
        **{"vocab_size": 64, "max_position_embeddings": 32},
    )
    for seed in (0, 1):
        torch.manual_seed(seed)
        LlamaForCausalLM(config).to(getattr(torch, request.param)).save_pretrained(tmp_path / f"m{seed}")
    tokenizer = Tokenizer(models.WordLevel({f"w{i}": i for i in range(60)}, unk_token="w0"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    (tmp_path / "text").mkdir()
    tokenizer.save(str(tmp_path / "text" / "tokenizer.json"))
    numbers = np.random.default_rng(0).integers(60, size=1000)
    (tmp_path / "text" / "text.txt").write_text(" ".join(f"w{i}" for i in numbers), encoding="utf-8")
    (tmp_path / "problem.toml").write_text(
        'loss = "cross_entropy"\n[network]\nname = "hugging_face"\nconfig = "m0/config.json"\n'
        '[data]\nname = "tokens"\npath = "text"\ncontext = 16\nvocab = 64\n',
        encoding="utf-8",
    )
    return tmp_path, request.param


@pytest.fixture
def counted(monkeypatch):
    """How often each is done, from now on."""
    from transformers import LlamaForCausalLM

    counts = Counter()
    built, hashed, forward = hugging_face._built, hashlib.file_digest, LlamaForCausalLM.forward

    monkeypatch.setattr(files, "_SETTLED_NS", 0)  # the models were written a moment ago

    def counting(name, function, many=lambda *a, **k: 1):
        def call(*args, **how):
            counts[name] += many(*args, **how)
            return function(*args, **how)

        return call

    def built_on(*args):
        return f"built on {torch.empty(0).device.type}"

    def one_more(*args):
        counts[built_on()] += 1
        return built(*args)

    def rows(network, input_ids):
        return 0 if input_ids.is_meta else len(input_ids)

    monkeypatch.setattr(hugging_face, "_built", one_more)
    monkeypatch.setattr(hashlib, "file_digest", counting("hashed", hashed))
    monkeypatch.setattr(LlamaForCausalLM, "forward", counting("samples", forward, lambda network, input_ids, **how: rows(network, input_ids)))
    return counts


@pytest.mark.parametrize("precision", ["float32", "stored"])
def test_five_points_are_five_evaluations(models, counted, precision, tmp_path):
    """Each point is measured once, the ends too, whose check is that the network holds the checkpoints to the bit."""
    folder, _ = models
    line = api.interpolate(
        folder / "m0",
        folder / "m1",
        **{"problem": folder, "samples": SAMPLES, "sampler": "grid", "options": {"size": POINTS}, "home": tmp_path / "home"},
        **{"precision": precision, "progress": False},
    )
    assert len(line.points) == POINTS
    assert counted["samples"] <= POINTS * SAMPLES + CHECKS
    assert counted["built on cpu"] == 2  # for the data to be tried, and to be measured with; one in which numbers are drawn would be one more
    assert counted["hashed"] <= 2 + 3  # both models, and each file of the data once


class Made(TorchDispatchMode):
    """Counts what each operator makes: numbers in memory of their own, by operator and type."""

    def __init__(self):
        super().__init__()
        self.numbers = Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        given = {a.untyped_storage().data_ptr() for a in (*args, *(kwargs or {}).values()) if isinstance(a, torch.Tensor)}
        if isinstance(made, torch.Tensor) and made.untyped_storage().data_ptr() not in given:
            self.numbers[function.overloadpacket.__name__, made.numel()] += 1
        return made


def test_a_point_makes_nothing_of_the_size_of_its_answers_but_the_answers(models):
    """No mask, no absolute values, no copy in another type; and each weight of a corner is brought to float32 once."""
    folder, stored = models
    problem = Problem(problem_toml.find(folder))
    corners = [checkpoint_file.read(folder / f"m{i}" / "model.safetensors").weights for i in (0, 1)]
    evaluate = Evaluate(problem, corners, split="test", samples=SAMPLES, device="cpu")
    logits = SAMPLES * 16 * 64
    assert logits not in {t.numel() for t in corners[0].values()}
    with Made() as seen, torch.no_grad():
        evaluate._alone(np.array([0.3, 0.7]), lambda: evaluate._sums())
    answers = {name: n for (name, size), n in seen.numbers.items() if size == logits}
    assert sum(answers.values()) == 1, answers
    casts = sum(n for (name, size), n in seen.numbers.items() if name in ("to", "_to_copy") and size in {t.numel() for t in corners[0].values()})
    assert casts <= (3 * len(corners[0]) if stored == "bfloat16" else 0)  # both corners, and the rounding


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), -float("inf")])
def test_a_sample_with_one_number_that_is_not_finite_is_not_answered(odd):
    """Wherever it is, in any type."""
    for dtype in (torch.float32, torch.bfloat16, torch.float64):
        outputs = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0)).to(dtype)
        outputs[1, 2, 3] = odd
        assert unanswered(outputs).tolist() == [False, True, False]
