"""Whether a process still works, told by what is its alone: a number is given to one process after another, and containers that share a host's name count alike."""

from __future__ import annotations

import os
import socket
from functools import cache
from pathlib import Path

CGROUP, WHOLE = Path("/sys/fs/cgroup/memory.events"), Path("/proc/vmstat")  # where Linux counts whom it killed: of this container, of the machine


@cache
def place() -> str:
    """Where a number means a process: on this start of this machine, in this namespace of numbers (a container has its own). Elsewhere it means another, or none."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # no Linux
        return socket.gethostname()


def born(pid: int) -> str:
    """When a process began, in ticks since the machine did; "" where that cannot be told."""
    fields = _stat(pid)
    return fields[19] if len(fields) > 19 else ""


def alive(pid: int, began: str = "") -> bool:
    """Whether the process of a number works, and is the one that began then."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    fields = _stat(pid)
    zombie = fields[:1] == ["Z"]  # a killed child that its parent has not waited for answers signals but will never work again
    return not zombie and (not began or len(fields) < 20 or fields[19] == began)


def killed_for_memory() -> int:
    """How many processes the system has killed here because memory ran out; 0 where it does not say."""
    for file in (CGROUP, WHOLE):
        try:
            lines = file.read_text(encoding="ascii").splitlines()
        except OSError:
            continue
        return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
    return 0


def _stat(pid: int) -> list[str]:
    """What Linux says of a process, from its state on; nothing elsewhere."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return []
