"""Inner products of models, as a worker hands them out."""

import numpy as np
import pytest

from explorer.checkpoints import checkpoint_file
from explorer.core import registry
from explorer.core.spec import Study
from explorer.engine.worker import Worker
from explorer.store.run_store import RunStore


def test_distances_follow_from_it(tiny, store: RunStore, home):
    """√(Gᵢᵢ + Gⱼⱼ − 2Gᵢⱼ) is the distance of the parameters as flat vectors; the request is done by a worker and its result is JSON."""
    request = Study(tiny.problem.spec, tiny.field().corners, registry.method("study", "gram"))
    store.submit(request)
    Worker(store, home).work_off()
    status = store.status(request.id)
    assert status.state == "done"
    gram = np.array(status.result["gram"])
    a, b = (checkpoint_file.read(p).weights for p in (tiny.a, tiny.b))
    distance = sum(float((a[n].double() - b[n].double()).square().sum()) for n, _ in tiny.problem.network().named_parameters()) ** 0.5
    assert np.sqrt(gram[0, 0] + gram[1, 1] - 2 * gram[0, 1]) == pytest.approx(distance, rel=1e-6)


def test_models_of_other_shapes_are_refused_in_a_sentence(tiny, store: RunStore, home, tmp_path):
    """The request fails, and says what does not fit."""
    from explorer.api import loaded
    from explorer.problems import problem_toml
    from explorer.problems.problem import Problem

    (tmp_path / "problem.toml").write_text('[network]\nname = "mlp"\nwidths = [64, 5, 10]\n[data]\nname = "digits"\n', encoding="utf-8")
    other = tmp_path / "other.safetensors"
    checkpoint_file.write(other, Problem(problem_toml.read(tmp_path)).network(seed=0).state_dict())
    request = Study(tiny.problem.spec, (loaded(tiny.a), loaded(other)), registry.method("study", "gram"))
    store.submit(request)
    Worker(store, home).work_off()
    assert store.status(request.id).state == "failed"
    assert "other" in store.status(request.id).error
