"""The command line of the survey: measure what is missing, say what was found, write the page."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType

import benchmarks.survey as survey
from benchmarks.survey import images, rows, table
from benchmarks.survey.claim import Claim
from benchmarks.survey.notebook import notebook
from benchmarks.survey.rows import Row
from benchmarks.survey.table import Measured
from benchmarks.survey.workshop import Workshop
from explorer.core import locations

CLAIMS = Path(__file__).parent / "claims"


def main() -> None:
    """Parse, measure, print, write."""
    known = every()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.survey", description=survey.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", dest="size", action="store_const", const="quick", help="small networks on digits")
    size.add_argument(
        "--middle", dest="size", action="store_const", const="middle", help="the same on 1250 small images of Fashion-MNIST, tested on 10 000"
    )
    parser.set_defaults(size="full")
    parser.add_argument("--only", nargs="+", choices=tuple(known), default=list(known), metavar="NAME")
    parser.add_argument("--replicates", type=int, default=5, help="each with training seeds of its own")
    parser.add_argument("--home", type=Path, default=locations.home(None) / "survey", help="where weights and points are kept")
    parser.add_argument("--fashion", type=Path, default=images.FASHION, help="the folder of Fashion-MNIST's IDX files")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--list", action="store_true", help="say which claims there are")
    parser.add_argument("--show", choices=tuple(known), metavar="NAME", help="measure a claim's first replicate, and open the app with its picture")
    parser.add_argument("--page", action="store_true", help="only write docs/survey.md from the rows that there are")
    arguments = parser.parse_args()
    if arguments.list:
        for name, module in known.items():
            print(f"{name:24} {module.CLAIM.sentence} ({module.CLAIM.source})")
        return
    shop = Workshop(arguments.size, arguments.home.resolve(), arguments.device, arguments.fashion.resolve())
    if arguments.show:
        show(arguments.show, known[arguments.show], shop)
        return
    if not arguments.page:
        codes = {name: code(name) for name in arguments.only}  # of what was imported, though somebody edits a file meanwhile
        for name in arguments.only:
            told(carried_out(name, known[name], shop, arguments.replicates, codes[name]))
    for file, text in written().items():
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    print(f"{table.PAGE} is written; loss-explorer app --home {shop.home} shows what was measured here.")


def every() -> Mapping[str, ModuleType]:
    """The claims by name, in their order."""
    found = {file.stem: import_module(f"benchmarks.survey.claims.{file.stem}") for file in sorted(CLAIMS.glob("[a-z]*.py"))}
    return dict(sorted(found.items(), key=lambda pair: pair[1].CLAIM.order))


def measured() -> list[Measured]:
    """Every claim of which rows are kept, at each size."""
    known = every().items()
    return [Measured(n, m.CLAIM, size, list(kept.values())) for size in table.SIZES for n, m in known if (kept := rows.read(n, size, code(n)))]


def written() -> dict[Path, str]:
    """The page, and a figure and a notebook for each claim that is on it."""
    every_row, known = measured(), every()
    files = {table.PAGE: table.page(every_row)}
    for name, drawn in table.figures(every_row).items():
        stem = table.PAGE.with_suffix("") / name
        text = (CLAIMS / f"{name}.py").read_text(encoding="utf-8")
        files |= {stem.with_suffix(".svg"): drawn, stem.with_suffix(".ipynb"): notebook(known[name].CLAIM, text)}
    return files


def show(name: str, module: ModuleType, shop: Workshop) -> None:
    """Measure the first replicate in this folder, and open the app there."""
    _, shown = module.measure(shop, 0)
    print(f"{name} is at {table.APP}/{shown}, if no other app runs. Ctrl-C ends it.", flush=True)
    subprocess.run([sys.executable, "-m", "explorer", "app", "--home", str(shop.home)], check=False)


def code(name: str) -> str:
    """The digest of a claim's experiment."""
    return rows.code_of(CLAIMS / f"{name}.py")


def carried_out(name: str, module: ModuleType, shop: Workshop, replicates: int, digest: str, *, folder: Path = rows.RESULTS) -> Measured:
    """A claim with all its replicates: those that were kept before, and the others measured now, each kept as soon as it is there."""
    claim: Claim = module.CLAIM
    kept = rows.read(name, shop.size, digest, folder=folder)
    for replicate in range(replicates):
        if replicate in kept:
            continue
        start = time.perf_counter()
        effects, shown = module.measure(shop, 100 * replicate)
        if effects.keys() != claim.effects.keys():
            raise ValueError(f"{name} measures {', '.join(effects)}, and its claim is about {', '.join(claim.effects)}. Name them alike.")
        kept[replicate] = Row(replicate, digest, effects, shown, time.perf_counter() - start)
        rows.keep(name, shop.size, list(kept.values()), folder=folder)
        print(f"{name}, replicate {replicate + 1} of {replicates}: {kept[replicate].seconds:.0f} s", flush=True)
    return Measured(name, claim, shop.size, [kept[k] for k in sorted(kept)])


def told(one: Measured) -> None:
    """What was found, in a few lines."""
    print(f"\n{one.claim.sentence} ({one.claim.source})")
    for name, effect in one.claim.effects.items():
        found = one.found[name]
        print(f"  {effect.says}: {effect.formatted(found)}, claimed {effect.claimed}: {effect.outcome(found)}")
    print(f"  → {one.outcome}{'. ' + note if (note := one.claim.note(one.size)) else ''}\n", flush=True)


if __name__ == "__main__":
    main()
