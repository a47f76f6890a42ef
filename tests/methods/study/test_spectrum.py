"""The spectrum as a study: numbers of the matrix itself, with honest intervals."""

import json

import numpy as np
import pytest

from explorer.checkpoints import checkpoint_file
from explorer.core import registry
from explorer.core.errors import Refused, Stopped
from explorer.core.spec import Study
from explorer.engine.worker import Worker
from explorer.evaluate.hessian import Curvature

study = registry.find("study", "spectrum")


@pytest.fixture(scope="module")
def found(tiny):
    models = [checkpoint_file.read(p).weights for p in (tiny.a, tiny.b)]
    return models, study(models, tiny.problem, samples=200, count=3)


@pytest.fixture(scope="module")
def matrix(tiny):
    """The Hessian of the first model, whole."""
    curvature = Curvature(tiny.problem, checkpoint_file.read(tiny.a).weights, samples=200, double=True)
    return np.stack([curvature(row) for row in np.eye(curvature.size)])


def test_eigenvalues_and_trace_are_those_of_the_matrix(found, matrix):
    """The largest and the smallest to their residual, the trace within its interval."""
    model = found[1]["models"][0]
    exact = np.linalg.eigvalsh(matrix)
    for one, value in zip([*model["largest"], *model["smallest"]], [*exact[::-1][:3], exact[0]], strict=True):
        assert one["value"] == pytest.approx(value, rel=1e-4)
        assert one["residual"] < 1e-4 * exact[-1]
        assert one["low"] < one["value"] < one["high"]
    value, low, high = model["trace"]
    assert low < np.trace(matrix) < high
    assert low < value < high


def test_the_density_has_the_share_of_each_stretch(found, matrix):
    """It integrates to one, and to the share of eigenvalues above a twentieth of the largest."""
    density = found[1]["models"][0]["density"]
    grid, values = np.array(density["grid"]), np.array(density["values"])
    exact = np.linalg.eigvalsh(matrix)
    step = grid[1] - grid[0]
    assert values.sum() * step == pytest.approx(1, abs=1e-3)
    limit = 0.05 * exact[-1]
    assert values[grid > limit].sum() * step == pytest.approx((exact > limit).mean(), rel=0.3)


def test_it_is_json_with_a_model_each(found):
    """And tells its samples, parameters, losses and slopes."""
    models, result = found
    json.dumps(result, allow_nan=False)
    assert (result["parameters"], result["samples"], len(result["models"])) == (910, 200, len(models))
    assert all(m["loss"] > 0 and m["gradient"] > 0 for m in result["models"])
    assert result["models"][0] != result["models"][1]


def test_an_eigenvalue_s_interval_gets_narrower_with_samples(tiny):
    """It is over samples: of all of them it is much narrower than of a few."""
    a = checkpoint_file.read(tiny.a).weights

    def width(samples):
        one = study([a], tiny.problem, samples=samples, count=1, probes=2, density_probes=1, steps=2)["models"][0]["largest"][0]
        return (one["high"] - one["low"]) / one["value"]

    assert width(0) < 0.5 * width(32)


def test_a_worker_does_it_and_tells_how_far_it_is(tiny, store, home):
    """From a request to JSON; what is told never goes beyond its end."""
    options = {"samples": 50, "count": 1, "probes": 2, "density_probes": 1, "steps": 4}
    request = Study(tiny.problem.spec, tiny.field().corners, registry.method("study", "spectrum", options))
    store.submit(request)
    Worker(store, home).work_off()
    assert store.status(request.id).state == "done"
    reported = []
    study(
        [checkpoint_file.read(tiny.a).weights] * 2,
        tiny.problem,
        **registry.method("study", "spectrum", options).kwargs(),
        progress=lambda *t: reported.append(t),
    )
    assert all(0 <= done < total for done, total, _ in reported)
    assert reported[-1][0] == reported[-1][1] - 1


def test_more_eigenvalues_than_parameters_and_a_single_sample_are_refused(tiny):
    """And it can be stopped."""
    a = checkpoint_file.read(tiny.a).weights
    with pytest.raises(Refused, match="910 eigenvalues"):
        study([a], tiny.problem, samples=20, count=911)
    with pytest.raises(Refused, match="2 samples"):
        study([a], tiny.problem, samples=1)

    def stop(done, total, message):
        raise Stopped

    with pytest.raises(Stopped):
        study([a], tiny.problem, samples=20, progress=stop)
