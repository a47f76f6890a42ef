"""The shipped models, and the experiments of lessons carried out on them."""

from __future__ import annotations

import pytest

from explorer.core import locations
from explorer.engine.worker import Worker
from explorer.lessons import Shelf, every, together
from explorer.store.run_store import RunStore


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A store with the samples in it, and the shelf of them."""
    home = tmp_path_factory.mktemp("lessons")
    store = RunStore(home / "store.sqlite")
    store.absorb(locations.root() / "sample_models" / "samples.sqlite")
    return store, Worker(store, home), Shelf.from_checkpoints(store.checkpoints())


def measured(shop, name, variant=0):
    """What a lesson's runs and studies come to."""
    store, worker, shelf = shop
    experiment = every()[name].experiment(shelf, variant)
    for request in experiment.requests.values():
        store.submit(request)
    worker.work_off()
    assert [store.status(r.id).error for r in experiment.requests.values() if store.status(r.id).state != "done"] == []
    points = {key: store.points(run.field.id)[0] for key, run in experiment.runs.items()}
    return {**points, **{key: together(store.status(study.id).result) for key, study in experiment.studies.items()}}
