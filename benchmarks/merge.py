"""Merging three checkpoints of half a gigabyte, beside mergekit 0.1.5: wall time, processor time and peak memory, each in a process
of its own.

    python benchmarks/merge.py --mergekit FOLDER [--methods linear,ties|all] [--own tsv_m,iso_c|all] [--size 265M] [--scratch FOLDER] [--repeat 3]

FOLDER is where `pip install --no-deps --target FOLDER mergekit==0.1.5 accelerate immutables peft sentencepiece psutil` put it; what else it needs is in the
extra [hf]. Without --mergekit only this program is measured. Both read the same recipes and write bfloat16; ties is computed in float32 by both. Beside
them: the floor, which is reading all bytes of the models and writing those of the result, and cp of one model.

--own: methods that only this program has, with their defaults: measured alone.

The linear result is compared bit by bit with a float32 loop, and with mergekit's own. Contenders take turns, and the median counts. On a machine
that others use, the clock tells about them as well: go by processor time.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

SIZES = {"265M": (1024, 2816, 18, 16384), "124M": (768, 2048, 12, 25088)}  # width, width inside, layers, tokens
OWN = ("by_depth", "consensus", "dare", "della", "iso_c", "iso_cts", "knots", "lines", "pcb", "tall_mask", "tsv_m")
WEIGHTS = (0.5, 0.3, 0.2)
FLOOR = """
import sys
out = open(sys.argv[1], "wb")
for path in sys.argv[2:]:
    with open(path, "rb", buffering=0) as file:
        while block := file.read(2**20):
            if path == sys.argv[2]:
                out.write(block)
"""


def shapes(size: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Of a network like Llama's."""
    hidden, inner, layers, vocabulary = SIZES[size]
    yield "model.embed_tokens.weight", (vocabulary, hidden)
    for i in range(layers):
        at = f"model.layers.{i}"
        yield from ((f"{at}.self_attn.{q}_proj.weight", (hidden, hidden)) for q in "qkvo")
        yield from ((f"{at}.mlp.{m}_proj.weight", (inner, hidden)) for m in ("gate", "up"))
        yield f"{at}.mlp.down_proj.weight", (hidden, inner)
        yield from ((f"{at}.{n}_layernorm.weight", (hidden,)) for n in ("input", "post_attention"))
    yield "model.norm.weight", (hidden,)
    yield "lm_head.weight", (vocabulary, hidden)


NAMES = ("base", "tune-1", "tune-2")


def build(folder: Path, size: str) -> None:
    """A base and two models near it, in bfloat16."""
    import torch
    from safetensors.torch import save_file

    hidden, inner, layers, vocabulary = SIZES[size]

    config = {
        **{
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "hidden_size": hidden,
            "intermediate_size": inner,
            "num_hidden_layers": layers,
        },
        **{"num_attention_heads": 16, "num_key_value_heads": 16, "vocab_size": vocabulary, "max_position_embeddings": 2048, "rms_norm_eps": 1e-5},
        **{"tie_word_embeddings": False, "torch_dtype": "bfloat16", "hidden_act": "silu"},
    }
    for which, path in enumerate(folder / name for name in NAMES):
        base, own = torch.Generator().manual_seed(0), torch.Generator().manual_seed(which)
        tensors: dict[str, torch.Tensor] = {}
        for name, shape in shapes(size):
            value = torch.randn(shape, generator=base) * 0.02
            tensors[name] = (value + (torch.randn(shape, generator=own) * 0.002 if which else 0)).bfloat16()
        path.mkdir()
        save_file(tensors, path / "model.safetensors", {"format": "pt"})
        (path / "config.json").write_text(json.dumps(config))


def texts(models: list[Path]) -> dict[str, str]:
    """A recipe of every method that both have and that draws nothing at random, the same text for both. All but linear are computed in float32."""
    base, a, b = models
    plain = "\n".join(f"  - {{model: {m}, parameters: {{weight: {w}}}}}" for m, w in zip(models, WEIGHTS, strict=True))

    def tasks(method: str, each: str = "", shared: str = "", *others: Path) -> str:
        parameters = f", parameters: {{{each}}}" if each else ""
        listed = "\n".join(f"  - {{model: {m}{parameters}}}" for m in others or (a, b))
        return f"merge_method: {method}\nbase_model: {base}\nmodels:\n{listed}\nparameters: {{{shared}}}\ndtype: float32\nout_dtype: bfloat16\n"

    return {
        "linear": f"merge_method: linear\nmodels:\n{plain}\ndtype: bfloat16\n",
        "ties": tasks("ties", "weight: 0.5, density: 0.5"),
        "task_arithmetic": tasks("task_arithmetic", "weight: 0.5"),
        "breadcrumbs": tasks("breadcrumbs", "weight: 0.5, density: 0.5"),
        "slerp": tasks("slerp", "", "t: 0.4", a),
        "nuslerp": tasks("nuslerp", "weight: 0.5"),
        "nuslerp-rows": tasks("nuslerp", "weight: 0.5", "nuslerp_flatten: false"),
        "multislerp": tasks("multislerp", "weight: 0.5"),
        "karcher": "merge_method: karcher\nmodels:\n" + "".join(f"  - {{model: {m}}}\n" for m in models) + "dtype: float32\nout_dtype: bfloat16\n",
        "model_stock": tasks("model_stock"),
        "nearswap": tasks("nearswap", "", "t: 0.001", a),
        "arcee_fusion": tasks("arcee_fusion", "", "", a),
        "sce": tasks("sce", "", "select_topk: 0.5"),
        "ram": tasks("ram", "", "epsilon: 0.001"),
        "ramplus_tl": tasks("ramplus_tl", "", "epsilon: 0.001"),
    }


def recipes(folder: Path, models: list[Path], methods: list[str]) -> dict[str, Path]:
    """Files with the texts."""
    found = texts(models)
    for name in methods:
        (folder / f"{name}.yaml").write_text(found[name])
    return {name: folder / f"{name}.yaml" for name in methods}


def measured(command: list[str], environment: dict[str, str]) -> tuple[float, float, float]:
    """Seconds on the clock, seconds of the processor, and peak megabytes of a command."""
    started = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command[:4])} … failed:\n{said[-2000:]}")
    return time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def same_as_a_loop(result: Path, models: list[Path], size: str) -> bool:
    """Whether the linear result has the bits of float32 sums in the order of the models, rounded to bfloat16 once."""
    from contextlib import ExitStack

    import torch
    from safetensors import safe_open

    with ExitStack() as stack:
        found, *parts = (stack.enter_context(safe_open(p / "model.safetensors", "pt")) for p in (result, *models))
        for name, _ in shapes(size):
            total = parts[0].get_tensor(name).float() * WEIGHTS[0]
            for part, weight in zip(parts[1:], WEIGHTS[1:], strict=True):
                total = total + part.get_tensor(name).float() * weight
            if not torch.equal(found.get_tensor(name).view(torch.int16), total.bfloat16().view(torch.int16)):
                return False
    return True


def differing(a: Path, b: Path, size: str) -> float:
    """The share of entries whose bits differ."""
    import torch
    from safetensors import safe_open

    with safe_open(a / "model.safetensors", "pt") as x, safe_open(b / "model.safetensors", "pt") as y:
        counts = [(x.get_tensor(n).view(torch.int16) != y.get_tensor(n).view(torch.int16)).sum().item() for n, _ in shapes(size)]
    return sum(counts) / sum(torch.Size(s).numel() for _, s in shapes(size))


def main() -> None:
    """Build, run in turns, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mergekit", type=Path, help="where mergekit 0.1.5 was installed with pip --target")
    parser.add_argument("--scratch", type=Path, help="where 4 GB may be written for the time of the run")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--methods", default="linear,ties", help="of the recipes, or all")
    parser.add_argument("--own", default="", help=f"of {', '.join(OWN)}, or all")
    parser.add_argument("--size", choices=SIZES, default="265M", help="parameters of each model")
    parser.add_argument("--build", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.build:
        build(arguments.build, arguments.size)
        return
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as scratch:
        folder = Path(scratch)
        # Apart, so that this process stays small: a child's peak is at least what its parent held when it was started.
        subprocess.run([sys.executable, __file__, "--build", folder, "--size", arguments.size], check=True)
        models = [folder / name for name in NAMES]
        methods = list(texts(models)) if arguments.methods == "all" else arguments.methods.split(",")
        files = [str(m / "model.safetensors") for m in models]
        contenders: dict[str, tuple[list[str], dict[str, str]]] = {
            "floor": ([sys.executable, "-c", FLOOR, str(folder / "floor.out"), *files], dict(os.environ)),
            "cp": (["cp", files[0], str(folder / "cp.out")], dict(os.environ)),
        }
        for name, recipe in recipes(folder, models, methods).items():
            ours = [sys.executable, "-m", "explorer", "fuse", str(recipe), str(folder / f"ours-{name}")]
            contenders[f"{name}, ours"] = (ours, dict(os.environ))
            if arguments.mergekit:
                theirs = [sys.executable, "-m", "mergekit.scripts.run_yaml", str(recipe), str(folder / f"theirs-{name}"), "--no-copy-tokenizer"]
                path = os.pathsep.join(filter(None, [str(arguments.mergekit), os.environ.get("PYTHONPATH", "")]))
                contenders[f"{name}, mergekit"] = (theirs, dict(os.environ) | {"PYTHONPATH": path, "HF_HUB_OFFLINE": "1"})
        for name in OWN if arguments.own == "all" else filter(None, arguments.own.split(",")):
            ours = [sys.executable, "-m", "explorer", "fuse", *map(str, models), str(folder / f"ours-{name}"), "-m", name]
            contenders[f"{name}, ours"] = (ours, dict(os.environ))
        runs: dict[str, list[tuple[float, float, float]]] = {name: [] for name in contenders}
        for _ in range(arguments.repeat):
            for name, (command, environment) in contenders.items():
                shutil.rmtree(folder / f"ours-{name.partition(',')[0]}", ignore_errors=True) if "ours" in name else None
                runs[name].append(measured(command, environment))
                wall, cpu, peak = runs[name][-1]
                print(f"{name:26s} {wall:7.2f} s {cpu:7.2f} s {peak:7.0f} MB", flush=True)
        print(f"\n{'median of ' + str(arguments.repeat):26s} {'wall':>9s} {'cpu':>9s} {'peak':>10s}")
        middle = {
            name: (statistics.median(w for w, _, _ in r), statistics.median(c for _, c, _ in r), max(m for _, _, m in r)) for name, r in runs.items()
        }
        for name, (wall, cpu, peak) in middle.items():
            print(f"{name:26s} {wall:7.2f} s {cpu:7.2f} s {peak:7.0f} MB")
        if "linear" in methods:
            print(f"\nlinear has the bits of a float32 loop: {same_as_a_loop(folder / 'ours-linear', models, arguments.size)}")
        for name in methods if arguments.mergekit else ():
            (ours, busy, small), (theirs, busier, large) = middle[f"{name}, ours"], middle[f"{name}, mergekit"]
            share = differing(folder / f"ours-{name}", folder / f"theirs-{name}", arguments.size)
            print(
                f"{name}: {theirs / ours:.1f} times as fast as mergekit, {busier / busy:.1f} times by processor time, in 1/{large / small:.1f} of its memory;"
                f" {share:.2%} of the entries differ"
            )


if __name__ == "__main__":
    main()
