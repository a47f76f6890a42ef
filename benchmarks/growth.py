"""How the cost of what people wait for grows with what a store holds: with requests, with points, and with the size of a finished plane.

Every row is CPU time of this process, for several sizes of the store, and the exponent p of time ∝ size^p fitted through them: 0 where the store may grow for
years, 1 where the work is in proportion to what is asked for.

    python benchmarks/growth.py --part requests
    python benchmarks/growth.py --part points
    python benchmarks/growth.py --part planes
    python benchmarks/growth.py --part looks
    python benchmarks/growth.py --part models

Each part takes less than five minutes. `--sizes` takes other sizes: finished runs; thousands of points; points along each side of a plane; models in a folder, and of one
family. Nothing is evaluated but models that are added: requests are released as soon as they are claimed, and points are made up.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import resource
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from streamlit.testing.v1 import AppTest

from explorer.api import loaded
from explorer.core import locations, registry
from explorer.core.spec import Field, Loaded, Look, ProblemSpec, Request, Run
from explorer.problems import problem_toml
from explorer.store import readable
from explorer.store.records import Facts, Seen
from explorer.store.run_store import RunStore

SIZES = {"requests": (1000, 4000, 16000), "points": (20, 80, 320), "planes": (65, 193, 401), "looks": (2, 10, 50, 200), "models": (50, 100, 200)}
PROBLEM = "digits-mlp"
FIELD = 4000  # points of one field, in the part about points


def main() -> None:
    """One part, size after size, each in a process of its own; then the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=tuple(SIZES), required=True)
    parser.add_argument("--sizes", type=int, nargs="+")
    arguments = parser.parse_args()
    sizes = tuple(arguments.sizes or SIZES[arguments.part])
    found: list[Mapping[str, float]] = []
    for size in sizes:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
            found.append(alone.submit(measured, arguments.part, size).result())
    print(f"{arguments.part:<44}" + "".join(f"{size:>12,}" for size in sizes) + f"{'exponent':>10}")
    for name in found[0]:
        row = [one[name] for one in found]
        exponent = np.polyfit(np.log(sizes), np.log(row), 1)[0] if len(sizes) > 1 else float("nan")
        print(f"{name:<44}" + "".join(f"{value:12.4g}" for value in row) + f"{exponent:10.2f}")


def measured(part: str, size: int) -> Mapping[str, float]:
    """The rows of one size, each by its name with its unit."""
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {"LOSS_EXPLORER_HOME": home, "LOSS_EXPLORER_HIRE": "no"}
        store = RunStore.within(Path(home))
        return {"requests": requests, "points": points, "planes": planes, "looks": looks, "models": models}[part](store, size)


def requests(store: RunStore, size: int) -> Mapping[str, float]:
    """`size` runs, one after the other from being requested to being done."""
    begun = time.process_time()
    for n in range(size):
        done(store, a_run(n))
    filled = time.process_time() - begun
    return {
        "all runs, requested to done (s)": filled,
        "one more run, requested to done (ms)": 1e3 * cpu(lambda n: done(store, a_run(size + 1 + n)), times=100),
        "an idle worker's look (ms)": 1e3 * cpu(lambda _: store.claim("w"), times=100),
        "20 newest runs (ms)": 1e3 * cpu(lambda _: store.statuses("Run", limit=20), times=20),
        "Home (s)": visit("home"),
        "Runs (s)": visit("runs"),
    }


def points(store: RunStore, size: int) -> Mapping[str, float]:
    """`size` thousand points in fields of FIELD each."""
    counts, random = np.full(16, 4.0), np.random.default_rng(0)
    fields = [a_run(n).field for n in range(1000 * size // FIELD)]
    begun = time.process_time()
    for field in fields:
        store.open_field(field, shape=(2, 16), counts=counts, gram=np.eye(2), facts={})
        store.append(field.id, np.linspace(0, 1, FIELD)[:, None], random.random((FIELD, 2, 16)), seconds=1.0)
    filled = time.process_time() - begun
    first = time.process_time()
    store.pace(fields[0])
    first = time.process_time() - first
    return {
        "all points kept (s)": filled,
        "pace for an estimate, the first time (ms)": 1e3 * first,
        "pace for an estimate (ms)": 1e3 * cpu(lambda _: store.pace(fields[0]), times=5),
        "seconds that one field took (ms)": 1e3 * cpu(lambda _: store.cost(fields[0].id), times=20),
        "the points of one field (ms)": 1e3 * cpu(lambda _: store.points(fields[0].id), times=3),
    }


def planes(store: RunStore, size: int) -> Mapping[str, float]:
    """A finished plane with `size` points along each side, 256 blocks each, as Landscape shows it."""
    own = a_plane(store, size)
    store.close()
    visit("home")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    opened, again = opening("landscape", runs=own.id)
    for _ in range(9):
        opening("landscape", runs=own.id)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {"Landscape, opened (s)": opened, "Landscape, drawn again (s)": again, "memory that ten viewers took (MiB)": grown / 1024}


def a_plane(store: RunStore, size: int) -> Run:
    """Such a plane, in a store."""
    from explorer.ui.landscape.picture import COARSE, SIZES, Picture, form

    folder = locations.root() / "sample_models" / PROBLEM
    plane = form.through(a_problem(), tuple(loaded(folder / f"seed-{i}.safetensors") for i in range(3)))
    own = form.finer(plane, size)
    picture = Picture(own, COARSE)
    field, counts, random = plane.field, np.full(256, 2.0), np.random.default_rng(0)
    axis = np.linspace(0.0, 1.0, size)
    store.open_field(field, shape=(2, 256), counts=counts, gram=np.eye(3) + 1.0, facts={"parameters": 1000})
    for v in axis:
        loss = 0.1 + (axis - 0.4) ** 2 + (v - 0.6) ** 2
        sums = np.stack([loss[:, None] * random.uniform(0.5, 1.5, (size, 256)) * counts, random.integers(0, 3, (size, 256))], axis=1)
        store.append(field.id, np.column_stack([axis, np.full(size, v)]), sums, seconds=0.1)
    for run in (*(picture.at_size(s) for s in SIZES if s < size), picture.refined):
        done(store, run)
    done(store, own)
    return own


def looks(store: RunStore, size: int) -> Mapping[str, float]:
    """One look at a folder of `size` models that is done, as a page lists it and shows the distances."""
    look, digests = Look("/models"), [f"{n:064x}" for n in range(size)]
    files = tuple(Facts(f"/models/{n}.safetensors", str(n), digest=digest, problem=a_problem()) for n, digest in enumerate(digests))
    result = Seen(files, tuple(range(size))).to_json()
    store.submit(look)
    store.claim("w")
    store.keep_gram(look.id, digests, np.random.default_rng(0).random((size, size)))
    store.release(look.id, "w", finished=True, result=result)
    text = json.dumps(result)
    row = json.dumps(look.to_json())
    return {
        "what is parsed with its row (kB)": len(text) / 1000,
        "whether it can be read (ms)": 1e3 * cpu(lambda _: readable.answered(row, text), times=5),
        "the list of looks (ms)": 1e3 * cpu(lambda _: store.statuses("Look"), times=20),
        "the Gram matrix (ms)": 1e3 * cpu(lambda _: store.gram(digests), times=5),
    }


@cache
def a_problem() -> ProblemSpec:
    """The shipped one."""
    return problem_toml.find(PROBLEM)


def a_run(number: int) -> Run:
    """A line of its own for each number."""
    field = Field(a_problem(), (Loaded(f"{number:064x}"), Loaded("b")), registry.method("chart", "line"))
    return Run(field, registry.method("sample", "grid", {"size": 5}))


def done(store: RunStore, request: Request) -> None:
    """A request from beginning to end."""
    store.submit(request)
    claimed = store.claim("w")
    assert claimed is not None
    store.release(claimed.id, "w", finished=True)


def cpu(does: Callable[[int], object], *, times: int) -> float:
    """CPU seconds of one call, the mean of several after a first one."""
    does(-1)
    begun = time.process_time()
    for n in range(times):
        does(n)
    return (time.process_time() - begun) / times


def visit(page: str) -> float:
    """CPU seconds to draw a page that was drawn before."""
    return opening(page)[1]


def opening(page: str, **query: str) -> tuple[float, float]:
    """CPU seconds to draw a page for the first time, and again."""
    app = AppTest.from_file(str(locations.root() / "app.py"), default_timeout=300)
    app.run()
    for key, value in query.items():
        app.query_params[key] = value
    begun = time.process_time()
    app.switch_page(str(locations.root() / "pages" / f"{page}.py")).run()
    first = time.process_time() - begun
    assert not app.exception, app.exception
    return first, cpu(lambda _: app.run(), times=3)


def models(store: RunStore, size: int) -> Mapping[str, float]:
    """`size` small checkpoints of one family: added, listed, and with a measured soup, a matrix of pairs and a comparison."""
    added, pages = a_family(store, size)
    found = {name: opening(page, **query) for name, (page, query) in pages.items()}
    return {
        "all added (s)": added,
        **{f"{name}, opened (s)": first for name, (first, _) in found.items()},
        **{f"{name}, drawn again (s)": again for name, (_, again) in found.items()},
    }


def a_family(store: RunStore, size: int) -> tuple[float, Mapping[str, tuple[str, Mapping[str, str]]]]:
    """Such a family in a store: CPU seconds that adding it took, and its pages, each with what stands in its address."""
    from explorer.core.spec import Look
    from explorer.engine.worker import Worker
    from explorer.stats.model_pairs import between, every_pair
    from explorer.stats.soup_analysis import permuted, singles, to_all
    from explorer.ui.compare.form import Comparison
    from explorer.ui.paths import many_pairs
    from explorer.ui.soup.measurements import Kitchen
    from tests import many_models

    home, folder, random = store.path.parent, store.path.parent / "family", np.random.default_rng(0)
    many_models.write(folder, size)
    store.submit(Look(str(folder / "parent.safetensors")))
    Worker(store, home).work_off()  # what is imported and traced once
    store.submit(Look(str(folder)))
    added = time.process_time()
    Worker(store, home).work_off()
    added = time.process_time() - added
    family = tuple(Loaded(f.digest, path=f.path, name=f.name, half=f.half) for f in store.checkpoints())
    problem, counts = many_models.problem(), np.full(256, 2.0)

    def fill(field: Field, *coords: np.ndarray) -> None:
        rows = np.unique(np.concatenate(coords), axis=0)
        noise, quality = random.uniform(0.5, 1.5, 256), random.uniform(0.05, 0.2, len(field.corners))
        level = (rows / rows.sum(axis=1, keepdims=True)) @ quality
        store.open_field(field, shape=(2, 256), counts=counts, gram=np.eye(len(field.corners)) + 1.0, facts={"parameters": 1000})
        store.append(field.id, rows, np.stack([level[:, None] * noise, random.binomial(2, level[:, None], (len(rows), 256))], axis=1), seconds=0.1)

    kitchen, ones, whole = Kitchen(problem, family), np.ones((1, size)), many_pairs.everything(problem, family).run
    alone = [singles(size), ones, ones - singles(size)]
    best_first = np.tril(np.ones((size, size)))
    fill(kitchen.field("val"), *alone, best_first, permuted(size, kitchen.orders, 0), to_all(size))
    fill(kitchen.field("test"), *alone, best_first, between(size, every_pair(size), 0.5))
    comparison = Comparison.between(problem, family, ())
    for task in comparison.tasks():
        fill(task.run.field, np.ones((1, 1)))
    for run in (*(t.run for t in kitchen.tasks(whole=True)), whole, *(t.run for t in comparison.tasks())):
        done(store, run)
    return added, {
        "Checkpoints": ("checkpoints", {}),
        "Soup": ("soup", {"runs": kitchen.tasks()[0].run.id}),
        "Paths, all pairs": ("paths", {"view": "many", "runs": whole.id}),
        "Compare": ("compare", {"runs": ",".join(e.run.id for e in comparison.entries)}),
    }


if __name__ == "__main__":
    main()
