"""Models of a billion weights: a line and an alignment, beside the plain loop in the same run.

    PYTHONPATH=. python benchmarks/language.py [--parts stored float32 alignment growth] [--size 1b] [--device cuda:0] [--json FILE]

Two random Llamas are made on the spot in bfloat16 (nothing is downloaded; a time does not depend on what was learned) and saved as transformers does, and 64
windows of 512 tokens. The plain loop is what one writes by hand: both files to the device, the network built there once, and for every point each parameter
mixed, the windows in batches of 8, the cross-entropy in float32. Every line of the table is a process of its own: seconds from its first file to its last
number, without the imports, with CPU seconds and the most memory that the host held (of the process, and of it beyond what torch, its libraries and the device's
context take). `stored`: five points in the type of the weights. `float32`: five points, each the model that would be saved, in exact float32; the plain loop likewise.
`alignment`: a permutation of all of a model's units is planted, and weight matching with one descent has to restore it to the bit. `growth`: lines of
networks of several sizes (1 M to 100 M parameters on a CPU, 10 M to 1 G on a GPU), and at the middle size with more tokens and more points, each twice; and the
exponent, with its standard error, with which the time beyond the smallest one's grows with the amount beyond its own.

--size tiny runs all of it on a CPU in a minute.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

SIZES: dict[str, dict[str, int]] = {
    "tiny": {
        "hidden_size": 64,
        "intermediate_size": 160,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 512,
    },
    "1m": {
        "hidden_size": 128,
        "intermediate_size": 352,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 1000,
    },
    "10m": {
        "hidden_size": 256,
        "intermediate_size": 704,
        "num_hidden_layers": 8,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "vocab_size": 8000,
    },
    "100m": {
        "hidden_size": 768,
        "intermediate_size": 2048,
        "num_hidden_layers": 8,
        "num_attention_heads": 12,
        "num_key_value_heads": 4,
        "vocab_size": 32000,
    },
    "1b": {
        "hidden_size": 2048,
        "intermediate_size": 5632,
        "num_hidden_layers": 22,
        "num_attention_heads": 32,
        "num_key_value_heads": 4,
        "vocab_size": 32000,
    },
    "7b": {
        "hidden_size": 4096,
        "intermediate_size": 11008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 32,
        "vocab_size": 32000,
    },
}
POINTS, BATCH = 5, 8
GROWING = (("1m", "10m", "100m"), ("10m", "100m", "1b"))  # on a CPU, on a GPU
PARTS = ("stored", "float32", "alignment", "growth")
Row = dict[str, float]


def main() -> None:
    """Make the models, time every part in a process of its own, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS[:3])
    parser.add_argument("--size", choices=SIZES, default="1b")
    parser.add_argument("--windows", type=int, default=64)
    parser.add_argument("--context", type=int, default=512)
    parser.add_argument("--points", type=int, default=POINTS)
    parser.add_argument("--device", default="cuda:0" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--folder", type=Path, help="where models are made, and kept; a temporary one by default")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--part", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part:
        print(json.dumps(timed(ONE[given.part], given)))
        return
    found: dict[str, Row] = {}
    with tempfile.TemporaryDirectory() as scratch:
        root = given.folder or Path(scratch)
        sizes = GROWING[given.device.startswith("cuda")] if "growth" in given.parts else ()
        for size in dict.fromkeys([given.size, *sizes]):
            if not (root / size).exists():
                begun = time.perf_counter()
                make(root / size, size, given)
                print(f"{size}: models made in {time.perf_counter() - begun:.1f} s", flush=True)
        for part in given.parts:
            if part == "growth":
                found |= growth(root, sizes, given)
                continue
            if part == "alignment":
                run("plant", root / given.size, given)
            for who in ("plain", "ours"):
                if f"{who} {part}" in ONE:
                    found[f"{who} {part}"] = run(f"{who} {part}", root / given.size, given)
            if (plain := found.get(f"plain {part}")) and (ours := found[f"ours {part}"]):
                apart = abs(plain["middle"] - ours["middle"])
                print(
                    f"{part}: ours takes {ours['seconds'] / plain['seconds']:.2f} × the plain loop; the losses half-way differ by {apart:.1e}",
                    flush=True,
                )
    if given.json:
        given.json.write_text(json.dumps(found, indent=1), encoding="utf-8")


def run(part: str, folder: Path, given: argparse.Namespace) -> Row:
    """A part in a process of its own."""
    asked = [
        f"--{name}={value}"
        for name, value in (("windows", given.windows), ("context", given.context), ("points", given.points), ("device", given.device))
    ]
    done = subprocess.run([sys.executable, __file__, "--part", part, "--folder", str(folder), *asked], check=True, stdout=subprocess.PIPE, text=True)
    row: Row = json.loads(done.stdout.splitlines()[-1])
    print(
        f"{folder.name:>5} {part:16} {row['seconds']:7.2f} s, {row['cpu']:7.1f} CPU s, host {row['host'] / 2**30:5.2f} GiB ({row['beyond'] / 2**30:5.2f} beyond the"
        f" imports), device {row['device'] / 2**30:5.2f} GiB" + "".join(f", {k} {v:.4g}" for k, v in row.items() if k not in USUAL),
        flush=True,
    )
    return row


def growth(root: Path, sizes: Sequence[str], given: argparse.Namespace) -> dict[str, Row]:
    """A line with more parameters, more tokens and more points, every one twice: the power with which what is beyond the smallest grows."""
    windows, usual = given.windows, sizes[1]
    series: dict[str, list[tuple[float, dict[str, object]]]] = {
        "parameters": [(0.0, {"size": size}) for size in sizes],
        "tokens": [(n * given.context, {"size": usual, "windows": n}) for n in (windows // 8, windows // 4, windows // 2, windows)],
        "points": [(n, {"size": usual, "points": n}) for n in (5, 9, 17, 33)],
    }
    found: dict[str, Row] = {}
    for axis, asked in series.items():
        rows: list[tuple[float, Row]] = []
        for amount, those in asked:
            for time_ in range(2):
                row = run("ours stored", root / str(those["size"]), argparse.Namespace(**vars(given) | those))
                rows.append((amount or row["parameters"], row))
                found[f"growth {axis} {amount or row['parameters']:.3g} {time_}"] = row
        for key in ("cpu", "seconds"):
            p, error = power([(n, row[key]) for n, row in rows])
            print(f"{axis}: {key} beyond the smallest grow with the power {p:.2f} ± {error:.2f} of the {axis} beyond its own", flush=True)
    return found


def power(taken: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The exponent of what is beyond the smallest, which has all that does not grow, in the amount beyond its own; and its standard error."""
    least = min(n for n, _ in taken)
    base = np.mean([s for n, s in taken if n == least])
    n, s = np.log([(n - least, max(s - base, 1e-3)) for n, s in taken if n > least]).T
    slope, offset = np.polyfit(n, s, 1)
    left = s - slope * n - offset
    return float(slope), float(np.sqrt(left @ left / (len(n) - 2) / np.square(n - n.mean()).sum()))


USUAL = ("seconds", "cpu", "host", "beyond", "device")


def timed(part: Callable[[argparse.Namespace], Row], given: argparse.Namespace) -> Row:
    """What a part takes, after the imports and the first touch of the device."""
    from transformers import LlamaForCausalLM

    assert LlamaForCausalLM
    on_gpu = given.device.startswith("cuda")
    if on_gpu:
        (torch.ones(64, 64, device=given.device) @ torch.ones(64, 64, device=given.device)).sum().item()
    before = resource.getrusage(resource.RUSAGE_SELF)
    begun = time.perf_counter()
    row = part(given)
    seconds = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_SELF)
    host = 1024.0 * after.ru_maxrss
    return {
        "seconds": seconds,
        "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "host": host,
        "beyond": host - 1024.0 * before.ru_maxrss,
        "device": float(torch.cuda.max_memory_allocated(given.device)) if on_gpu else 0.0,
        **row,
    }


def make(folder: Path, size: str, given: argparse.Namespace) -> None:
    """Two random models, and a text in tokens of which 8 in 10 windows are the test split."""
    from safetensors.torch import save_file
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM

    from explorer.problems import problem_toml
    from explorer.problems.problem import Problem

    config = LlamaConfig(**SIZES[size], max_position_embeddings=max(2048, given.context))
    for seed in (0, 1):
        torch.manual_seed(seed)
        torch.set_default_dtype(torch.bfloat16)
        try:
            with torch.device(given.device):
                LlamaForCausalLM(config).save_pretrained(folder / f"m{seed}")
        finally:
            torch.set_default_dtype(torch.float32)
    vocab = SIZES[size]["vocab_size"]
    tokenizer = Tokenizer(models.WordLevel({f"w{i}": i for i in range(vocab)}, unk_token="w0"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    (folder / "text").mkdir()
    tokenizer.save(str(folder / "text" / "tokenizer.json"))
    numbers = np.random.default_rng(0).integers(vocab, size=(-(-given.windows * 10 // 8) + 1) * given.context + 1)
    (folder / "text" / "text.txt").write_text(" ".join(f"w{i}" for i in numbers), encoding="utf-8")
    (folder / "problem.toml").write_text(
        'loss = "cross_entropy"\n[network]\nname = "hugging_face"\nconfig = "m0/config.json"\n'
        f'[data]\nname = "tokens"\npath = "text"\ncontext = {given.context}\n[split]\nval = 0.1\ntest = 0.8\n',
        encoding="utf-8",
    )
    batch = Problem(problem_toml.find(folder)).split("test")  # the windows that the explorer measures on, for the loop by hand
    save_file({"inputs": batch.inputs[: given.windows].clone(), "targets": batch.targets[: given.windows].clone()}, folder / "windows.safetensors")


def plain(given: argparse.Namespace, *, exact: bool) -> Row:
    """The loop one writes by hand."""
    from safetensors.torch import load_file
    from transformers import AutoConfig, LlamaForCausalLM

    device = torch.device(given.device)
    begun = time.perf_counter()
    a, b = (load_file(given.folder / f"m{i}" / "model.safetensors", device=given.device) for i in (0, 1))
    with torch.device("meta"):
        network = LlamaForCausalLM(AutoConfig.from_pretrained(given.folder / "m0"))
    network = network.to(torch.float32 if exact else torch.bfloat16).to_empty(device=device).eval()
    with torch.device(device):
        network.model.rotary_emb.__init__(network.config)
    state = network.state_dict()
    inputs, targets = (load_file(given.folder / "windows.safetensors")[name].to(device) for name in ("inputs", "targets"))
    _sync(device)
    reading = time.perf_counter() - begun
    losses: list[float] = []
    begun = time.perf_counter()
    with torch.no_grad():
        for t in np.linspace(0, 1, given.points).tolist():
            for name, tensor in state.items():
                tensor.copy_(((1 - t) * a[name].float() + t * b[name].float()).to(torch.bfloat16) if exact else torch.lerp(a[name], b[name], t))
            total = torch.zeros((), dtype=torch.float64, device=device)
            for x, y in zip(inputs.split(BATCH), targets.split(BATCH), strict=True):
                logits = network(input_ids=x, use_cache=False).logits
                total += functional.cross_entropy(logits.flatten(0, 1).float(), y.flatten(), reduction="sum").double()
            losses.append(float(total) / targets.numel())
    return {"reading": reading, "a point": (time.perf_counter() - begun) / given.points, "middle": losses[given.points // 2]}


def ours(given: argparse.Namespace, *, precision: str) -> Row:
    """The same line by the explorer."""
    from explorer import api

    with tempfile.TemporaryDirectory() as home:
        line = api.interpolate(
            given.folder / "m0",
            given.folder / "m1",
            problem=given.folder,
            samples=given.windows,
            sampler="grid",
            options={"size": given.points},
            precision=precision,
            device=given.device,
            home=home,
            progress=False,
        )
        means = line.points.means()
        from explorer.store.run_store import RunStore

        (facts,) = [f for f in [RunStore.within(Path(home)).field(line.run.field.id)] if f is not None]
        spent = float(str(facts.facts["parameters"]))
    return {"middle": float(means[given.points // 2, 0]), "parameters": spent}


def plant(given: argparse.Namespace) -> Row:
    """A copy of the first model with all units in another order, as a file."""
    from safetensors.torch import save_file

    from explorer.checkpoints import checkpoint_file
    from explorer.problems import problem_toml
    from explorer.problems.problem import Problem
    from explorer.symmetry import permuted, random, symmetry_of

    problem = Problem(problem_toml.find(given.folder))
    found = symmetry_of(problem)
    weights = checkpoint_file.read(given.folder / "m0" / "model.safetensors").weights
    save_file(permuted(weights, found, random(found, torch.Generator().manual_seed(5))), given.folder / "planted.safetensors")
    return {}


def alignment(given: argparse.Namespace) -> Row:
    """A planted permutation restored."""
    from explorer.checkpoints.lazy_weights import open_lazily
    from explorer.core import registry
    from explorer.problems import problem_toml
    from explorer.problems.problem import Problem
    from explorer.symmetry import symmetry_of

    problem = Problem(problem_toml.find(given.folder))
    begun = time.perf_counter()
    found = symmetry_of(problem)
    discovery = time.perf_counter() - begun
    models = [open_lazily(given.folder / file, problem.shapes(), problem.reals()) for file in ("m0/model.safetensors", "planted.safetensors")]
    assert models[0] is not None
    begun = time.perf_counter()
    align = registry.find("align", "weight_matching")
    done = align(models, problem, restarts=1, device=given.device)
    matching = time.perf_counter() - begun
    restored = all(torch.equal(done.weights[1][n], models[0][n]) for n in models[0])
    return {"discovery": discovery, "matching": matching, "restored": float(restored), "movable": found.movable}


def _sync(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


ONE: dict[str, Callable[[argparse.Namespace], Row]] = {
    "plain stored": lambda given: plain(given, exact=False),
    "ours stored": lambda given: ours(given, precision="stored"),
    "plain float32": lambda given: plain(given, exact=True),
    "ours float32": lambda given: ours(given, precision="float32"),
    "plant": plant,
    "ours alignment": alignment,
}

if __name__ == "__main__":
    main()
