"""What runs will take, said before they start: points, time, memory, bytes read, the device; and beside it what it took.

Pure arithmetic, no guess beyond it: the time comes from points that were measured before, of the same problem, and is left open where there are none. A
point reads every corner that it mixes (`read`), and multiplies every parameter with every sample (or token) at least once, twice with the addition.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from explorer.core.spec import Spec
from explorer.store.job_status import duration

ON_DISK = 2**28  # bytes of corners from which on they stay on their disk, which the system's cache stands in for, and go from there into a network
MOMENT_S = 3.0  # below it, how long something takes is decided by what else the machine does: no number is right within a factor of two


@dataclass(frozen=True)
class Model:
    """What is known of each corner before it is loaded. parameters: numbers; bytes: on its disk; held: in memory, where that is more."""

    parameters: int
    bytes: int
    held: int = 0

    @property
    def loaded(self) -> int:
        """Bytes of it in memory."""
        return max(self.bytes, self.held)


@dataclass(frozen=True)
class Plan(Spec):
    """points: still to be measured, `at_most` where a sampler decides on the way, and then usually only `usual` (0: not known). seconds: None where nothing comparable was measured. read: bytes of the
    corners, in all. memory: bytes at the most, besides what the samples take. device: who will do it; empty while there is nobody. first: what must be made
    before the first point, in a time that is not known. more: seconds of what is done beside the points: loading and making the models, studies. waiting:
    seconds of other people's work that goes before. starting: seconds until somebody is there to do it."""

    points: int
    samples: int
    seconds: float | None
    read: int
    memory: int
    streamed: bool
    at_most: bool = False
    device: str = ""
    first: tuple[str, ...] = ()
    usual: int = 0
    more: float = 0.0
    waiting: float = 0.0
    starting: float = 0.0

    @property
    def whole(self) -> float | None:
        """Seconds until all is done that is usually asked for, once it has begun; None where nothing comparable was measured."""
        if self.seconds is None:
            return None
        return self.more + (self.seconds * self.usual / self.points if 0 < self.usual < self.points else self.seconds)

    def __str__(self) -> str:
        """For the person at the screen."""
        whole = None if self.whole is None else self.whole + self.starting
        time = "time not known yet" if whole is None else f"{'at most ' if self.at_most else ''}about {duration(whole)}"
        if self.at_most and 0 < self.usual < self.points and whole is not None and self.seconds is not None:
            time = f"about {duration(whole)}, at most {duration(self.seconds + self.more + self.starting)}"
        if self.seconds is not None and self.seconds + self.more + self.starting < MOMENT_S:
            time = "a second or two"
        how = "streamed from disk" if self.streamed else "in memory"
        after = [*self.first, *([f"about {duration(self.waiting)} of other work"] if self.waiting >= 1 else [])]
        usual = f"about {self.usual:,}, " if 0 < self.usual < self.points else ""
        most = f"{usual}up to " if self.at_most else ""
        said = [
            f"{most}{self.points:,} point{'s' if self.points != 1 else ''} on {self.samples:,} samples",
            time + (f", after {', '.join(after)}" if after else ""),
            f"{size(self.memory)} for the models, {how}",
            f"{size(self.read)} of weights mixed",
        ]
        return " · ".join([*said, f"on {self.device}"] if self.device else said)


@dataclass(frozen=True)
class Took(Spec):
    """What it came to. seconds: of computing, over all workers. memory: the most that the worker held, where the system says."""

    points: int
    seconds: float
    memory: int

    def __str__(self) -> str:
        """For the person at the screen."""
        held = f" · the worker's peak memory was {size(self.memory)}" if self.memory else ""
        return f"{self.points:,} points · {duration(self.seconds)} of computing{held}"


def planned(corners: tuple[Model, ...], *, points: int, samples: int, pace: tuple[float, float] | None, free: int | None) -> Plan:
    """The plan of a run.

    pace: (seconds of a point, on so many samples) of earlier points; the time is taken to grow with the samples. free: bytes of memory; where the corners
    would take more than half of them, or are large, they are streamed.
    """
    one = max((4 * c.parameters for c in corners), default=0)
    held, read = sum(c.loaded for c in corners), sum(c.bytes for c in corners)
    streamed = held > ON_DISK or (free is not None and held > free // 2)
    seconds = None if pace is None else points * pace[0] * (samples / pace[1] if pace[1] else 1.0)
    return Plan(points, samples, seconds, points * read, one + (max((c.loaded for c in corners), default=0) if streamed else held), streamed)


def together(plans: Sequence[Plan]) -> Plan:
    """One plan for runs that are done one after the other, at least one."""
    times = [p.seconds for p in plans]
    return Plan(
        points=sum(p.points for p in plans),
        samples=max(p.samples for p in plans),
        seconds=None if None in times else sum(t for t in times if t is not None),
        read=sum(p.read for p in plans),
        memory=max(p.memory for p in plans),
        streamed=any(p.streamed for p in plans),
        at_most=any(p.at_most for p in plans),
        usual=sum(p.usual or p.points for p in plans) if any(p.usual for p in plans) else 0,
        device=plans[0].device,
        first=tuple(dict.fromkeys(what for p in plans for what in p.first)),
        more=sum(p.more for p in plans),
    )


def size(count: float) -> str:
    """Bytes as people say them."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "bytes" or count >= 10 else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"
