"""Recorder: what it writes, when and how much of it; what goes wrong reaches the loop, and the training itself does not notice."""

from __future__ import annotations

import json
import logging
import os
import shutil
import threading
from itertools import pairwise

import pytest
import torch
from safetensors import safe_open
from torch import nn

from explorer.api import Recorder, Refused, read_problem
from explorer.checkpoints import checkpoint_file
from explorer.training.background_writer import BackgroundWriter
from explorer.training.host_copy import copied
from explorer.training.recorder import log as recorder_log
from explorer.training.snapshot_folder import Kept, surplus


def steps(folder):
    """Of the snapshots in a folder, in order."""
    return [int(p.stem.removeprefix("step-")) for p in sorted(folder.glob("step-*.safetensors"))]


def header(folder, step):
    """What the header of a snapshot says."""
    with safe_open(folder / f"step-{step:06d}.safetensors", framework="pt") as file:
        return file.metadata()


@pytest.fixture
def network():
    """A small one with batch norm, dropout and tied weights, in training mode."""
    torch.manual_seed(0)
    made = nn.Sequential(nn.Linear(6, 6), nn.BatchNorm1d(6), nn.Dropout(0.5), nn.Linear(6, 6))
    made[3].weight = made[0].weight
    return made.train()


def trained(network, after, n=30):
    """Steps of a plain loop, `after(network, loss)` each."""
    torch.manual_seed(1)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    for _ in range(n):
        loss = network(torch.randn(8, 6)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        after(network, loss)
    return {name: t.clone() for name, t in network.state_dict().items()}


def test_each_snapshot_is_the_network_of_its_step(network, tmp_path):
    """Bit for bit, ties too, though the loop goes on at once; the header says step, number, time and metrics."""
    then = {}

    def after(net, loss):
        recorder.step(net, metrics={"loss": loss})
        then[recorder.done] = {name: t.clone() for name, t in net.state_dict().items()}

    with Recorder(tmp_path / "run", every=10) as recorder:
        trained(network, after)
    assert steps(tmp_path / "run") == [10, 20, 30]
    for step in (10, 20, 30):
        found = checkpoint_file.read(tmp_path / "run" / f"step-{step:06d}.safetensors").weights
        assert found.keys() == then[step].keys()
        assert all(torch.equal(found[name], then[step][name]) for name in found)
        assert found["0.weight"] is found["3.weight"]
    said = header(tmp_path / "run", 20)
    assert (said["step"], said["number"]) == ("20", "1") and said["time"].endswith("+00:00")
    assert json.loads(said["metrics"])["loss"] > 0
    assert [p for p in (tmp_path / "run").iterdir() if not p.name.startswith("step-")] == []


def test_the_training_is_the_same_with_and_without(network, tmp_path):
    """Weights, mode, gradients and the state of the random numbers: nothing tells that somebody looked."""
    start = {name: t.clone() for name, t in network.state_dict().items()}
    plain, dice = trained(network, lambda *_: None), torch.get_rng_state()
    gradient = network[0].weight.grad.clone()
    network.load_state_dict(start)
    with Recorder(tmp_path, every=1, half=True) as recorder:
        watched = trained(network, lambda net, _: recorder.step(net))
    assert all(torch.equal(plain[name], watched[name]) for name in plain)
    assert torch.equal(dice, torch.get_rng_state()) and torch.equal(gradient, network[0].weight.grad)
    assert network.training and all(p.requires_grad for p in network.parameters())


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({"every": 20}, [20, 40, 60, 80, 100]),
        ({"at": (1, 33, 70)}, [1, 33, 70]),
        ({"every": 50, "at": (7,)}, [7, 50, 100]),
        ({}, [1, 61]),
        ({"seconds": 30}, [1, 31, 61, 91]),
        ({"every": 20, "seconds": 30}, [20, 60, 100]),
        ({"at": (3, 4), "every": 1, "seconds": 60}, [1, 3, 4, 64]),
    ],
)
def test_the_schedule_decides(network, tmp_path, how, expected):
    """Of 100 steps of a second each: every so many, chosen ones, at most one a minute, or several of these."""
    seconds = iter(range(10000))
    now = [0]
    with Recorder(tmp_path, clock=lambda: now[0], **how) as recorder:
        for now[0] in seconds:
            if now[0] == 100:
                break
            recorder.step(network)
    assert steps(tmp_path) == expected


def test_steps_may_be_told_and_skip(network, tmp_path):
    """A trainer counts by itself: a multiple that was jumped over is due, the initial weights are step 0, and a step said twice is one."""
    with Recorder(tmp_path, every=10) as recorder:
        for step in (0, 3, 9, 12, 12, 19, 25, 40):
            recorder.step(network, step=step)
    assert steps(tmp_path) == [0, 12, 25, 40]


def test_a_folder_goes_on_after_its_last_step(network, tmp_path, caplog):
    """Counted on; or told again from before, and then recorded from where the folder ends, which is said once."""
    for _ in range(2):
        with Recorder(tmp_path, every=10) as recorder:
            for _ in range(25):
                recorder.step(network)
    assert steps(tmp_path) == [10, 20, 30, 40]  # the second begins at 20
    with caplog.at_level(logging.WARNING), Recorder(tmp_path, every=10) as recorder:
        for step in range(1, 61):
            recorder.step(network, step=step)
    assert steps(tmp_path) == [10, 20, 30, 40, 50, 60]
    assert [r.message for r in caplog.records] == [f"{tmp_path} holds snapshots up to step 40; nothing is recorded until the training is past it."]
    assert header(tmp_path, 60)["number"] == "5"


@pytest.mark.parametrize("keep", [2, 5, 12])
def test_thinning_is_even_however_long_it_goes_on(keep):
    """At any time: at most `keep`, the first and the latest among them, and but for the latest no gap is more than twice another."""
    there = []
    for n in range(400):
        there.append(Kept(10 * n, n, None, 1))
        there = [s for s in there if s not in surplus(there, keep=keep, limit_bytes=None)]
        found = [s.number for s in there]
        assert len(found) == min(keep, n + 1) and found[0] == 0 and found[-1] == n
        gaps = [b - a for a, b in pairwise(found[:-1])]
        assert not gaps or max(gaps) <= 2 * min(gaps)


def test_a_limit_of_bytes_and_chosen_steps():
    """As many as fit; those chosen go last, and the latest stays even alone."""
    there = [Kept(n, n, None, 100) for n in range(10)]
    gone = surplus(there, keep=None, limit_bytes=350, chosen={3, 5})
    assert sorted({s.step for s in there} - {s.step for s in gone}) == [3, 5, 9]
    assert len(surplus(there, keep=None, limit_bytes=50)) == 9


def test_the_folder_holds_no_more_than_is_kept(network, tmp_path):
    """Over two runs: the numbers in the headers go on, so it stays even; a draft of a killed run is removed."""
    (tmp_path / f".step-000010.{'0' * 32}.tmp").write_bytes(b"half")
    for _ in range(2):
        with Recorder(tmp_path, every=1, keep=4) as recorder:
            for _ in range(8):
                recorder.step(network)
    assert steps(tmp_path) == [1, 9, 13, 16]
    assert len(list(tmp_path.iterdir())) == 4


def test_half_is_of_parameters_alone(network, tmp_path):
    """Half the bytes of what is trained; running statistics and counters keep their type, and ties stay."""
    with Recorder(tmp_path, at=[1], half=True) as recorder:
        recorder.step(network)
    found = checkpoint_file.read(tmp_path / "step-000001.safetensors").weights
    assert found["0.weight"].dtype == found["1.bias"].dtype == torch.float16
    assert found["1.running_var"].dtype == torch.float32 and found["1.num_batches_tracked"].dtype == torch.int64
    assert found["0.weight"] is found["3.weight"]
    assert torch.equal(found["0.weight"], network[0].weight.detach().half())


def test_what_float16_cannot_hold_is_refused(network, tmp_path):
    """Rather than written as infinite."""
    with torch.no_grad():
        network[0].bias[0] = 1e6
    with (
        pytest.raises(
            Refused, match=r"The snapshot of step 1 was not written to .*: 0\.bias has values that float16 cannot hold\. Record with half=False"
        ),
        Recorder(tmp_path, every=1, half=True) as recorder,
    ):
        recorder.step(network)


def test_a_failure_of_the_thread_reaches_the_next_step_and_the_end(network, tmp_path):
    """In one sentence, once; the training that catches it goes on, and so do the snapshots."""
    folder = tmp_path / "run"
    recorder = Recorder(folder, every=1)
    shutil.rmtree(folder)
    recorder.step(network)
    with pytest.raises(Refused, match=r"The snapshot of step 1 was not written to .*there is no folder .*run\. Create it first\."):
        recorder.close()
    recorder.step(network)
    recorder._writer.close()
    with pytest.raises(Refused, match="The snapshot of step 2 was not written"):
        recorder.step(network)
    folder.mkdir()
    recorder.step(network, step=7)
    recorder.close()
    assert steps(folder) == [7]


def test_what_ended_the_training_is_not_hidden(network, tmp_path, caplog):
    """By a snapshot that failed: that is logged; what was waiting is written."""

    def loop():
        with Recorder(tmp_path / "run", every=1) as recorder:
            recorder.step(network)
            recorder._writer.close()
            (tmp_path / "run").rename(tmp_path / "away")
            recorder.step(network)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        loop()
    assert steps(tmp_path / "away") == [1]
    assert "The snapshot of step 2 was not written" in caplog.text


def test_a_slow_disk_drops_snapshots_and_never_holds_up_the_loop(network, tmp_path, monkeypatch, caplog):
    """The disk answers only after the loop has ended: the one that is written is whole, and of the others it is said that they are not there."""
    answered, plain = threading.Event(), os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: (answered.wait(60), plain(handle))[1])
    with caplog.at_level(logging.WARNING, recorder_log.name), Recorder(tmp_path, every=1, waiting_bytes=1) as recorder:
        for _ in range(5):
            recorder.step(network)
        assert recorder.dropped == 4 and not answered.is_set()
        answered.set()
    assert steps(tmp_path) == [1]
    assert "The snapshot of step 2 is dropped" in caplog.text and "4 snapshots were dropped in all." in caplog.text


def test_the_queue_is_bounded_by_bytes():
    """What waits and what is in progress count, until it is done."""
    go, done = threading.Event(), []
    writer = BackgroundWriter(lambda work: (go.wait(60), done.append(work)), 100)
    assert writer.takes(1000)  # nothing else is there
    writer.put("a", 60)
    assert writer.takes(40) and not writer.takes(41)
    go.set()
    writer.close()
    assert done == ["a"] and writer.takes(1000)


def test_a_problem_is_described_beside_the_snapshots(tiny, tmp_path):
    """The same problem by its hash, also with symmetry by hand; a network that does not fit it, or another problem there, is refused."""
    network = tiny.problem.network()
    with Recorder(tmp_path / "run", every=1, problem=tiny.folder) as recorder:
        recorder.step(nn.DataParallel(network) if torch.cuda.is_available() else nn.ModuleDict({"module": network}))
    assert read_problem(tmp_path / "run").id == tiny.problem.spec.id
    assert read_problem(tmp_path / "run").title == "Tiny digits"
    assert header(tmp_path / "run", 1)["problem"] == tiny.problem.spec.name
    assert checkpoint_file.read(tmp_path / "run" / "step-000001.safetensors").weights.keys() == tiny.problem.shapes().keys()
    with pytest.raises(Refused, match="describes another problem than digits-mlp"):
        Recorder(tmp_path / "run", problem="digits-mlp")
    with pytest.raises(Refused, match=r"The network that is recorded does not fit the network: .*layers"):
        Recorder(tmp_path / "run", every=1).step(nn.Linear(3, 3))
    by_hand = tmp_path / "by-hand"
    by_hand.mkdir()
    text = (tiny.folder / "problem.toml").read_text() + '[symmetry]\n"layers.0.weight" = ["h", "-"]\n'
    (by_hand / "problem.toml").write_text(text)
    Recorder(tmp_path / "again", problem=by_hand)
    assert read_problem(tmp_path / "again").symmetry == (("layers.0.weight", ("h", "-")),)


@pytest.mark.parametrize(
    ("how", "said"),
    [({"every": 0}, "every of at least 1, got 0"), ({"keep": 1}, "keep of at least 2, got 1"), ({"limit_bytes": 10}, "more than limit_bytes = 10")],
)
def test_what_cannot_be_is_refused(network, tmp_path, how, said):
    """At once, or with the first snapshot."""
    with pytest.raises(Refused, match=said), Recorder(tmp_path, **{"every": 1, **how}) as recorder:
        recorder.step(network)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_copy_from_cuda_is_of_its_moment():
    """Not of what the stream does to the tensors afterwards."""
    state = {"w": torch.full((2**24,), 1.0, device="cuda")}
    copies, whole = copied(state)
    for _ in range(50):
        state["w"].add_(1)
    whole()
    assert copies["w"].is_pinned() and torch.equal(copies["w"], torch.ones(2**24))
