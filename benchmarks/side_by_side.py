"""From two networks and a DataLoader to a barrier and a landscape: with the explorer and with four packages from the package index.

    python benchmarks/side_by_side.py --home FOLDER [--only losscape …] [--write]

Every package has a virtual environment of its own below FOLDER, with the torch version of this one, and a script of its own in benchmarks/side_by_side/
that uses it as its README shows. Counted are the lines between the first line of a function and its return, without blank ones and comments, as the
formatter breaks them: all that a user types, imports included. Timed is what these lines take on one thread, imports of the package included, of torch
not. What a package gives is not taken from its description but from its results (benchmarks/side_by_side/given.py). `--write` puts the results into
benchmarks/side_by_side/result.json and the table of docs/side-by-side.md.
"""

from __future__ import annotations

import argparse
import ast
import datetime
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import venv
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = Path(__file__).with_suffix("")
RESULT = SCRIPTS / "result.json"
PAGE = ROOT / "docs" / "side-by-side.md"
BETWEEN = re.compile(r"(?<=<!-- measured -->\n).*(?=\n<!-- end -->)", flags=re.DOTALL)


@dataclass(frozen=True)
class Package:
    """A package of the index, pinned, and what its script needs besides."""

    name: str
    version: str = ""  # "": this checkout, in this environment
    besides: tuple[str, ...] = ()

    @property
    def script(self) -> Path:
        """How its user calls it."""
        return SCRIPTS / f"with_{self.name.lower().replace('-', '_')}.py"


PACKAGES = (
    Package("explorer"),
    Package("loss-landscapes", "3.0.6", ("matplotlib",)),
    Package("Landscaper", "1.3.1"),
    Package("loss-landscape-3d", "0.1.3"),
    Package("losscape", "1.5.10"),
)


def main() -> None:
    """Run what is asked for, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True, help="where the virtual environments are, or will be")
    parser.add_argument("--only", nargs="*", default=[p.name for p in PACKAGES], help="names of packages")
    parser.add_argument("--write", action="store_true", help="keep the results, and put the table into the page")
    given = parser.parse_args()
    found = {p.name: measured(p, given.home) for p in PACKAGES if p.name in given.only}
    result = {"date": f"{datetime.datetime.now(tz=datetime.UTC):%Y-%m-%d}", "machine": machine(), "packages": found}
    print(table(result))
    if given.write:
        RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        text = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(BETWEEN.sub(lambda _: table(result), text), encoding="utf-8")


def machine() -> str:
    """What it was measured on."""
    import torch

    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text()) if Path("/proc/cpuinfo").exists() else None
    return f"one thread of {model[1] if model else platform.machine()}, Python {platform.python_version()}, torch {torch.__version__}"


def measured(package: Package, home: Path) -> dict:
    """What a package's script gives, in its own environment, with the lines of its functions."""
    python = environment(package, home)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        env = os.environ | {"LOSS_EXPLORER_HOME": folder, "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"}
        subprocess.run([python, package.script, out], cwd=folder, env=env, check=True, stdout=subprocess.DEVNULL)
        found = json.loads(out.read_text(encoding="utf-8"))
    return {"version": package.version, "lines": lines(package.script), "results": found}


def environment(package: Package, home: Path) -> Path:
    """The interpreter of a virtual environment that holds the package; made where it is not there yet."""
    if not package.version:
        return Path(sys.executable)
    import torch

    python = home / package.name / "bin" / "python"
    if not python.exists():
        venv.create(home / package.name, with_pip=True)
        wanted = [f"torch=={torch.__version__}", f"{package.name}=={package.version}", *package.besides]
        subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True)
    return python


def lines(script: Path) -> dict[str, int]:
    """Of each function that takes both networks: its lines that are neither blank nor comment, nor its return."""
    text = script.read_text(encoding="utf-8")
    rows = text.splitlines()
    counted: dict[str, int] = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef):
            body = rows[node.body[0].lineno - 1 : node.body[-1].lineno - 1]
            counted[node.name] = sum(bool(row.strip()) and not row.strip().startswith("#") for row in body)
    return counted


def table(result: dict) -> str:
    """The results in Markdown, a column for each package."""
    packages = result["packages"]
    rows = [
        ["", *(f"{name} {p['version']}".strip() for name, p in packages.items())],
        ["---"] * (len(packages) + 1),
        ["**lines to a curve and its barrier**", *(_lines(p, "curve") for p in packages.values())],
        ["seconds", *(_seconds(p, "curve") for p in packages.values())],
        ["barrier, in nats", *(_barrier(p) for p in packages.values())],
        ["points measured", *(_of(p, "curve", lambda c: str(len(c["t"]))) for p in packages.values())],
        ["both ends among them", *(_of(p, "curve", lambda c: _yes(c["t"][0] == 0 and c["t"][-1] == 1)) for p in packages.values())],
        ["batch-norm statistics between them", *(_of(p, "curve", lambda c: c["statistics"]) for p in packages.values())],
        ["networks afterwards", *(_of(p, "curve", lambda c: "unchanged" if c["unchanged"] else "changed") for p in packages.values())],
        ["**lines to a landscape**", *(_lines(p, "plane") for p in packages.values())],
        ["seconds", *(_seconds(p, "plane") for p in packages.values())],
        ["points measured", *(_of(p, "plane", lambda c: f"{c['shape'][0]} × {c['shape'][1]}") for p in packages.values())],
        ["network afterwards", *(_of(p, "plane", lambda c: "unchanged" if c["unchanged"] else "changed") for p in packages.values())],
        ["**lines to the barrier after alignment**", *(_lines(p, "aligned") for p in packages.values())],
        ["seconds", *(_seconds(p, "aligned") for p in packages.values())],
        ["barrier before → after, in nats", *(_of(p, "aligned", lambda c: f"{c['before']:.2f} → {c['after']:.2f}") for p in packages.values())],
        ["reduction, 95 % interval", *(_of(p, "aligned", lambda c: _interval(c["reduction"])) for p in packages.values())],
    ]
    return "\n".join([f"Measured on {result['date']}, on {result['machine']}.", "", *(f"| {' | '.join(row)} |" for row in rows)])


def _of(package: dict, task: str, say) -> str:
    found = package["results"].get(task)
    return "–" if found is None else found["error"] if "error" in found else say(found)


def _lines(package: dict, task: str) -> str:
    return f"**{package['lines'][task]}**" if task in package["lines"] else "cannot"


def _seconds(package: dict, task: str) -> str:
    return _of(package, task, lambda c: f"{c['cpu_seconds']:.1f}")


def _barrier(package: dict) -> str:
    return _of(package, "curve", lambda c: f"{c['height']:.2f}" + (f" {_interval(c['interval'])}" if "interval" in c else ", no interval"))


def _interval(pair: list[float]) -> str:
    return f"[{pair[0]:.2f}, {pair[1]:.2f}]"


def _yes(fact: bool) -> str:
    return "yes" if fact else "no"


if __name__ == "__main__":
    main()
