"""What a Recorder costs a training loop: the same loop with and without it, side by side, alternately.

On a CPU, CPU time of all threads is compared, so that what else runs on the machine does not count and the thread that writes does. The loop that is watched takes a snapshot every `every` steps; what a snapshot costs the loop is the difference of the two divided by their number. At one
snapshot a minute, which is what a Recorder takes by itself, the overhead is that cost in seconds over 60.

    python benchmarks/recorder.py --width 1024 --steps 400 --every 50 --rounds 5
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch
from torch import nn

from explorer.api import Recorder


def main() -> None:
    """Seconds of each round, the cost of a snapshot, and the overhead at one a minute."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--every", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--half", action="store_true")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    width = arguments.width
    network = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10)).to(arguments.device)
    size = sum(p.nbytes for p in network.parameters())
    costs: list[float] = []
    ratios: list[float] = []
    for number in range(arguments.rounds):
        took = {}
        for watched in (False, True) if number % 2 else (True, False):
            with tempfile.TemporaryDirectory() as folder, Recorder(Path(folder), every=arguments.every, half=arguments.half) as recorder:
                took[watched] = loop(network, arguments.steps, recorder if watched else None)
        snapshots = arguments.steps // arguments.every
        costs.append((took[True] - took[False]) / snapshots)
        ratios.append(took[True] / took[False])
        print(f"without {took[False]:.2f} s, with {took[True]:.2f} s and {snapshots} snapshots, {recorder.dropped} dropped: {ratios[-1]:.3f} times")
    cost = statistics.median(costs)
    print(f"{size / 1e6:.1f} MB: {1e3 * cost:.1f} ms a snapshot (median; {1e3 * min(costs):.1f} to {1e3 * max(costs):.1f})")
    print(
        f"at one a minute: {100 * cost / 60:.3f} % (at most {100 * max(costs) / 60:.3f} %); at one every {arguments.every} steps: {statistics.median(ratios):.3f} times"
    )


def loop(network: nn.Module, steps: int, recorder: Recorder | None) -> float:
    """CPU seconds of so many steps, the writing of all snapshots in them; on a GPU, seconds that pass until the steps are done."""
    device = next(network.parameters()).device
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9)
    inputs = torch.randn(256, network[0].in_features, device=device)
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    began = clock()
    for _ in range(steps):
        loss = network(inputs).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if recorder is not None:
            recorder.step(network, metrics={"loss": loss})
    if device.type == "cuda":
        torch.cuda.synchronize()
    elif recorder is not None:
        recorder.close()
    return clock() - began


if __name__ == "__main__":
    main()
