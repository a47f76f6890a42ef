"""A map of many models: how long its lines take to measure, and what the page computes on the server each time that it is drawn.

    python benchmarks/model_map.py --models 200

Prints wall time of the lines and of the sharpness on this machine, and CPU time of a page that is drawn again, of a move of the threshold, and of its parts.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

REPEATS = 5


def main() -> None:
    """All numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=200)
    models: int = parser.parse_args().models
    with tempfile.TemporaryDirectory() as home:
        os.environ.update(LOSS_EXPLORER_HOME=home, LOSS_EXPLORER_HIRE="no")
        _measure(Path(home), models)


def _measure(home: Path, models: int) -> None:
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from streamlit.testing.v1 import AppTest

    from explorer.core import locations
    from explorer.core.spec import Loaded, Look
    from explorer.engine.worker import Worker
    from explorer.store.run_store import RunStore
    from explorer.ui.paths import many_pairs, map_sharpness
    from tests import many_models

    many_models.write(home / "family", models)
    store = RunStore(home / "store.sqlite")
    store.submit(Look(str(home / "family")))
    Worker(store, home).work_off()
    family = tuple(Loaded(f.digest, path=f.path, name=f.name, half=f.half) for f in store.checkpoints())
    part = many_pairs.first(store, many_models.problem(), family, 7 * models)

    def work() -> None:
        Worker(store, home).work_off()

    store.submit(part.run)
    print(f"{part.name} between {models} models: {_wall(work):.1f} s")
    app = AppTest.from_file(str(locations.root() / "app.py"), default_timeout=120)
    app.session_state["expert"] = True
    app.run()
    print(f"the first page, which shows no map: {_cpu(app.run):.0f} ms of CPU")
    app.query_params["view"], app.query_params["runs"] = "many", part.run.id
    app.switch_page(str(locations.root() / "pages" / "paths.py"))
    app.run()
    print(f"the page with its map folded away: {_cpu(app.run):.0f} ms of CPU")
    app.session_state["many-map-part"] = True
    print(f"the map's first picture: {_cpu(app.run, 1):.0f} ms of CPU")
    print(f"the page with its map, again: {_cpu(app.run):.0f} ms of CPU")
    store.submit(map_sharpness.request(part.run.field))
    print(f"sharpness of {models} models: {_wall(work):.1f} s")
    print(f"the page with sizes: {_cpu(app.run):.0f} ms of CPU")
    if app.exception:
        raise SystemExit(str(app.exception))


def _wall(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def _cpu(call: Callable[[], object], repeats: int = REPEATS) -> float:
    """Milliseconds of CPU of this process, the median."""
    taken: list[float] = []
    for _ in range(repeats):
        begin = time.process_time()
        call()
        taken.append(1000 * (time.process_time() - begin))
    return median(taken)


if __name__ == "__main__":
    main()
