"""Gram matrices of looks: kept apart from the results, also those of an earlier version, and read where they are used."""

from __future__ import annotations

import json
import sqlite3

import numpy as np
import pytest

from explorer.core.spec import Look
from explorer.store.records import Facts, Seen
from explorer.store.run_store import RunStore
from explorer.store.schema import MIGRATIONS

BEFORE = next(n for n, script in enumerate(MIGRATIONS) if "CREATE TABLE products" in script)  # schemas that have them in the results
MODELS = ("a", "b", "c")
GRAM = np.array([[4.0, 1.5, 0.1], [1.5, 9.0, -1e-300], [0.1, -1e-300, 1 / 3]])


def a_result(*, why: str = "", parameters: float = 7) -> str:
    """What came of a look at three models, as the version before wrote it."""
    files = tuple(Facts(f"/{name}", name, digest=name, why=why) for name in ("x", *MODELS))
    found = Seen(files, (1, 2, 3)).to_json() | {"gram": GRAM.tolist()}
    return json.dumps(found).replace('"parameters": 0', f'"parameters": {json.dumps(parameters)}')


def earlier(path, results: dict[str, str]):
    """A store of the version before, with looks that are done."""
    with sqlite3.connect(path) as db:
        for script in MIGRATIONS[:BEFORE]:
            db.executescript(script)
        db.execute(f"PRAGMA user_version = {BEFORE}")
        for place, result in results.items():
            look = Look(place)
            row = (look.id, look.id, json.dumps(look.to_json()))
            db.execute("INSERT INTO wish (id, kind, subject, urgent, spec, created, finished) VALUES (?, 'Look', ?, 0, ?, 1, 2)", row)
            db.execute("INSERT INTO result VALUES (?, ?)", (look.id, result))
    db.close()
    return path


@pytest.mark.parametrize("way", ["opened", "absorbed"])
def test_those_of_an_earlier_version_are_put_apart(tmp_path, way):
    """Bit for bit; what else came of the look stays as it was, whatever its sentences say."""
    why = 'It says ", "gram": [" and [[1, 2]].'
    path = earlier(tmp_path / "store.sqlite", {"/x": a_result(why=why)})
    store = RunStore(path)
    if way == "absorbed":
        store = RunStore(tmp_path / "other.sqlite")
        store.absorb(earlier(tmp_path / "shipped.sqlite", {"/x": a_result(why=why)}))
    assert np.array_equal(store.gram(MODELS), GRAM)
    (status,) = store.statuses("Look")
    seen = Seen.from_json(status.result)
    assert seen.files[0].why == why and seen.group == (1, 2, 3)
    assert "gram" not in status.result


def test_a_result_with_a_number_that_json_lacks_stays_readable(tmp_path):
    """SQLite cannot read it: its inner products are not known then, and the rest is."""
    store = RunStore(earlier(tmp_path / "store.sqlite", {"/x": a_result(parameters=float("nan"))}))
    (status,) = store.statuses("Look")
    assert len(Seen.from_json(status.result).files) == 4
    assert store.gram(MODELS) is None


def test_exactly_the_wanted_ones_in_their_order_from_the_latest_look(tmp_path):
    """A part of a look, turned round; what no look took together is not known."""
    store = RunStore(tmp_path / "store.sqlite")
    store.keep_gram("first", MODELS, GRAM)
    assert np.array_equal(store.gram(["c", "a"]), GRAM[np.ix_([2, 0], [2, 0])])
    assert store.gram(["a", "d"]) is None
    store.keep_gram("second", ["d", "a"], 2 * np.eye(2))
    assert np.array_equal(store.gram(["a"]), [[2.0]])
    store.keep_gram("first", MODELS, 3 * GRAM)
    assert np.array_equal(store.gram(["a"]), [[12.0]])


def test_they_go_with_their_look(tmp_path):
    """Forgotten, it leaves none behind."""
    store, look = RunStore(tmp_path / "store.sqlite"), Look("/x")
    store.submit(look)
    store.keep_gram(look.id, MODELS, GRAM)
    store.forget(look.id)
    assert store.gram(MODELS) is None


def test_a_list_of_looks_reads_none(tmp_path):
    """Neither the list nor a result touches the table."""
    store, look = RunStore(tmp_path / "store.sqlite"), Look("/x")
    store.submit(look)
    store.claim("w")
    store.keep_gram(look.id, MODELS, GRAM)
    store.release(look.id, "w", finished=True, result=Seen(()).to_json())
    read: list[str] = []
    store._db.set_trace_callback(read.append)
    assert store.statuses("Look")[0].result is not None
    assert read and not [statement for statement in read if "products" in statement]
