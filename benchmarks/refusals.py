"""What does it cost to be told that a checkpoint does not fit? At 124 million parameters, beside what it costs to look at one that does.

    python benchmarks/refusals.py [--network mlp|gpt2]

Runs each command in a process of its own, prints its CPU seconds, its peak memory, and both as shares: of the seconds that the imports alone take, and of
the file's size beyond what the imports hold. Expected: a refusal takes less than three times the imports, and less than half the file beyond them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from explorer.problems.nets import mlp

IMPORTED, BEYOND = 3.0, 0.5
WIDTH = 11_000  # 64 → 11 000 → 11 000 → 10: 122 million
CLASSES = 4
VOCABULARY = 50_257  # the classes of GPT-2
GPT2 = {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"]}
IMPORTS = {
    "mlp": "import explorer.api.lines, explorer.commands.main, explorer.engine.inspect_checkpoints",
    "gpt2": "import explorer.api.lines, explorer.commands.main, explorer.engine.inspect_checkpoints, transformers; transformers.GPT2LMHeadModel",
}


# Runs `python …` in a process of its own that says at its end what it took. getrusage would count the memory of who started it, too.
RUN = """
import atexit, re, resource, runpy, sys
def tell():
    used = resource.getrusage(resource.RUSAGE_SELF)
    print("took", used.ru_utime + used.ru_stime, re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1], file=sys.stderr)
atexit.register(tell)
kind, what = sys.argv[1:3]
sys.argv = sys.argv[2:]
exec(what) if kind == "-c" else runpy.run_module(what, run_name="__main__", alter_sys=True)
"""


@dataclass(frozen=True)
class Used:
    """CPU seconds, user and system; peak memory in bytes; and the last line that was printed."""

    seconds: float
    memory: int
    said: str


def used(*command: str, home: Path) -> Used:
    """Run a command to its end, and say what it took."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "LOSS_EXPLORER_HOME": str(home), "COLUMNS": "300"}
    done = subprocess.run([sys.executable, "-c", RUN, *command], capture_output=True, text=True, env=environment, check=False)
    *lines, last = (done.stderr or done.stdout).splitlines()
    seconds, memory = map(float, last.split()[1:])
    said = [line for line in (*done.stdout.splitlines(), *lines) if "does not fit" in line or "classes" in line]
    return Used(seconds, int(1024 * memory), said[-1].strip(" │✗") if said else "")


def folders(root: Path, network: str) -> tuple[Path, Path, Path]:
    """Three folders, each with two equal checkpoints: of a network that fits its problem, of one whose head differs from the problem's, of a problem
    whose head differs from the data's classes."""
    rng = np.random.default_rng(0)
    classes = CLASSES if network == "mlp" else VOCABULARY
    found: list[Path] = []
    for name, head, options in (("fits", classes, classes), ("head", classes + 1, classes), ("data", classes + 1, classes + 1)):
        folder = root / name
        folder.mkdir()
        if network == "mlp":
            x, y = rng.standard_normal((64, 64)).astype(np.float32), np.arange(64) % CLASSES
            described = f"name = 'mlp'\nwidths = [64, {WIDTH}, {WIDTH}, {options}]"
            weights = mlp.build(widths=(64, WIDTH, WIDTH, head)).state_dict()
        else:
            x = rng.integers(0, VOCABULARY, (32, 16))
            y = np.full_like(x, VOCABULARY - 1)
            (folder / "gpt2.json").write_text(json.dumps({**GPT2, "vocab_size": options}), encoding="utf-8")
            described = "name = 'hugging_face'\nconfig = 'gpt2.json'"
            weights = _gpt2(head)
        np.savez(folder / "data.npz", x=x, y=y)
        (folder / "problem.toml").write_text(f"[network]\n{described}\n[data]\nname = 'npz'\npath = 'data.npz'\n", encoding="utf-8")
        for model in ("a", "b"):
            save_file({k: v.contiguous() for k, v in weights.items()}, folder / f"{model}.safetensors", {"format": "pt"})
        found.append(folder)
    return found[0], found[1], found[2]


def _gpt2(vocabulary: int) -> dict[str, torch.Tensor]:
    from transformers import GPT2Config, GPT2LMHeadModel

    state = GPT2LMHeadModel(GPT2Config(vocab_size=vocabulary)).state_dict()
    return {name: tensor for name, tensor in state.items() if name != "lm_head.weight"}  # tied


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=tuple(IMPORTS), default="mlp")
    network = parser.parse_args().network
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        fits, head, data = folders(root, network)
        size = (fits / "a.safetensors").stat().st_size
        (root / "home").mkdir()
        base = used("-c", IMPORTS[network], home=root / "home")
        print(f"{network}: a file of {size / 1e6:,.0f} MB; the imports take {base.seconds:.1f} CPU s and {base.memory / 1e6:,.0f} MB")
        late = 0
        run = ("-m", "explorer")
        for title, command, refused in (
            ("look, fits", ("look", fits / "a.safetensors"), False),
            ("look, another head", ("look", head / "a.safetensors"), True),
            ("look, other classes", ("look", data / "a.safetensors"), True),
            ("plan, another head", ("plan", head / "a.safetensors", head / "b.safetensors"), True),
            ("plan, other classes", ("plan", data / "a.safetensors", data / "b.safetensors"), True),
            ("barrier, another head", ("barrier", head / "a.safetensors", head / "b.safetensors"), True),
            ("barrier, other classes", ("barrier", data / "a.safetensors", data / "b.safetensors"), True),
        ):
            took = used(*run, *map(str, command), "--home", str(root / f"home-{title}"), home=root / "home")
            beyond = max(took.memory - base.memory, 0) / size
            late += refused and (took.seconds > IMPORTED * base.seconds or beyond > BEYOND)
            print(
                f"{title:<24}{took.seconds:6.1f} CPU s, {took.seconds / base.seconds:4.1f} × the imports;"
                f" {took.memory / 1e6:6,.0f} MB, {took.memory / size:4.2f} × the file, {beyond:4.2f} beyond the imports   {took.said[:90]}"
            )
    return int(late > 0)


if __name__ == "__main__":
    sys.exit(main())
