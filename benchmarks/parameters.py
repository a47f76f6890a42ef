"""How memory and CPU time of whole commands grow with the number of parameters: a line, a TIES merge in memory, and an alignment.

The network is an MLP of layers 1000 wide; the models differ by noise and by the order of a tenth of their units. A larger network is a deeper one, so every
cost should be in proportion to it. Each row is a command of its own: the peak of its memory less that of a program which only imports torch, over the size
of the files that it was given; and its CPU seconds. Behind each the exponent p of size^p, fitted.

    python benchmarks/parameters.py
    python benchmarks/parameters.py --millions 1 10 100 --only ties
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

WIDTH = 1000
MOVED = 100  # hidden units of a layer that stand elsewhere in the next model
COMMANDS: Mapping[str, tuple[int, tuple[str, ...]]] = {  # models given, and the command after them
    "look": (1, ("look", "{0}")),
    "barrier": (2, ("barrier", "{0}", "{1}", "--sampler", "grid", "--points", "5")),
    "ties": (3, ("fuse", "{0}", "{1}", "{2}", "--method", "ties", "--problem", "{home}", "{home}/merged.safetensors", "--force")),
    "align": (2, ("align", "{0}", "{1}", "--method", "weight_matching", "--option", "restarts=1")),
}


def main() -> None:
    """Size after size, command after command; then the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--millions", type=int, nargs="+", default=[1, 10, 100], help="millions of parameters")
    parser.add_argument("--only", choices=tuple(COMMANDS), nargs="+", default=list(COMMANDS))
    arguments = parser.parse_args()
    _, bare = run([sys.executable, "-c", "import torch"], Path.cwd())
    rows: dict[str, list[float]] = {}
    for millions in arguments.millions:
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            models = written(home, millions)
            for name in arguments.only:
                count, words = COMMANDS[name]
                given = models[:count]
                filled = [w.format(*given, home=home) for w in words]
                seconds, peak = run([sys.executable, "-m", "explorer", *filled], home)
                files = sum(p.stat().st_size for p in given)
                rows.setdefault(f"{name}: CPU (s)", []).append(seconds)
                rows.setdefault(f"{name}: memory over the files'", []).append((peak - bare) / files)
                print(f"{millions} M, {name}: {seconds:.1f} s, {peak / 2**20:.0f} MiB for files of {files / 2**20:.0f} MiB", flush=True)
    print(f"{'':<32}" + "".join(f"{m:>8} M" for m in arguments.millions) + f"{'exponent':>10}")
    for name, row in rows.items():
        exponent = np.polyfit(np.log(arguments.millions), np.log(row), 1)[0] if len(row) > 1 else float("nan")
        print(f"{name:<32}" + "".join(f"{value:10.2f}" for value in row) + f"{exponent:10.2f}")


def written(home: Path, millions: int) -> Sequence[Path]:
    """A problem and three models of it: random weights, and twice more noise on them and some units in another order."""
    widths = [64, *[WIDTH] * (millions + 1), 10]
    (home / "problem.toml").write_text(f'title = "Deep"\n\n[network]\nname = "mlp"\nwidths = {widths}\n\n[data]\nname = "digits"\n')
    torch.manual_seed(0)
    weights = {f"layers.{i}.weight": torch.randn(o, n) * (2 / n) ** 0.5 for i, (n, o) in enumerate(pairwise(widths))}
    weights |= {f"layers.{i}.bias": torch.zeros(o) for i, o in enumerate(widths[1:])}
    paths = [home / f"{name}.safetensors" for name in "abc"]
    for path in paths:
        save_file(weights, path)
        for name, weight in weights.items():
            weights[name] = weight + 0.1 * weight.std(correction=0) * torch.randn_like(weight)
        for i in range(millions + 1):
            order = torch.arange(WIDTH)
            order[:MOVED] = torch.randperm(MOVED)
            layer, after = f"layers.{i}", f"layers.{i + 1}.weight"
            weights[f"{layer}.weight"], weights[f"{layer}.bias"] = weights[f"{layer}.weight"][order], weights[f"{layer}.bias"][order]
            weights[after] = weights[after][:, order]
    return paths


def run(command: Sequence[str], home: Path) -> tuple[float, int]:
    """CPU seconds and peak bytes of a command and what it starts."""
    environment = {**os.environ, "LOSS_EXPLORER_HOME": str(home / "home"), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}.")
    return used.ru_utime + used.ru_stime, used.ru_maxrss * 1024


if __name__ == "__main__":
    main()
