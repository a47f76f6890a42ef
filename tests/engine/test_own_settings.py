"""Work in the middle of other work."""

import random

import numpy as np
import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from explorer.checkpoints import checkpoint_file
from explorer.core import registry
from explorer.core.errors import Stopped
from explorer.core.locations import made_at
from explorer.core.spec import Make, Study, Trained
from explorer.engine.own_settings import Rest, apart
from explorer.engine.realise_recipe import realise
from explorer.engine.worker import Worker
from explorer.evaluate.devices import precisely
from explorer.store.run_store import RunStore


class Interrupted(RunStore):
    """A store in which somebody asks for a training as soon as a study says how far it is."""

    training: Make | None = None
    order: tuple[str, ...] = ()

    def report(self, id, worker, *, done, total, fresh=0, message=""):
        kind = type(self.status(id).request).__name__
        if kind == "Study" and self.training is not None:
            RunStore(self.path).submit(self.training)
            self.training = None
        self.order += (kind,)
        return super().report(id, worker, done=done, total=total, fresh=fresh, message=message)


def test_a_training_has_gradients_in_the_middle_of_a_study_that_has_none(tiny, home):
    """An ensemble is counted in inference mode and idle; a training that comes up then is done inside it, and is the one of a worker that does nothing else."""
    spec = tiny.problem.spec
    trained = Trained(spec, registry.method("train", "sgd", {"epochs": 1}), at=1)
    make = Make(trained)
    study = Study(spec, tiny.field().corners, registry.method("study", "ensemble"))
    store = Interrupted(home / "store.sqlite")
    store.training = make
    store.submit(study, idle=True)
    assert Worker(store, home).work_one()
    assert store.status(make.id).error == ""
    assert store.order.index("Make") < len(store.order) - 1, "it was done before the study ended"
    assert [store.status(w.id).state for w in (study, make)] == ["done", "done"]
    amid = checkpoint_file.read(made_at(trained, home)).weights
    made_at(trained, home).unlink()
    quiet = RunStore(home / "quiet.sqlite")
    quiet.submit(make)
    Worker(quiet, home).work_off()
    alone = checkpoint_file.read(made_at(trained, home)).weights
    assert all(torch.equal(amid[n], alone[n]) for n in alone)


def seen() -> tuple[object, ...]:
    """Whatever a process or a thread is set to, and one draw from each of its random sources."""
    return (
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.is_autocast_enabled("cpu"),
        torch.backends.cuda.flash_sdp_enabled(),
        torch.backends.cuda.matmul.fp32_precision,
        torch.backends.cudnn.conv.fp32_precision,
        torch.get_num_threads(),
        torch.get_default_dtype(),
        torch.get_default_device(),
        np.geterr()["divide"],
        float(torch.rand(())),
        random.random(),
        float(np.random.rand()),
    )


def test_nothing_of_what_is_under_way_reaches_what_comes_in_between_nor_the_other_way_round():
    """Within every setting that work may make for itself, the other begins as at rest, with the same random numbers; then all is as it was."""
    rest = Rest.now()
    at_rest = apart(seen, rest, "cpu")
    with (
        torch.inference_mode(),
        torch.autocast("cpu", torch.bfloat16),
        sdpa_kernel(SDPBackend.MATH),
        precisely("tf32", torch.device("cpu")),
        torch.device("meta"),
        np.errstate(divide="raise"),
        torch.random.fork_rng(devices=()),
    ):
        torch.set_num_threads(rest.threads + 1)
        torch.set_default_dtype(torch.float64)

        def drawn():
            random.seed(7)
            np.random.seed(7)
            torch.default_generator.manual_seed(7)

        try:
            with torch.device("cpu"):
                drawn()
                undisturbed = seen()
                drawn()
                inside = apart(seen, rest, "cpu")
                after = seen()
            on_meta = apart(seen, rest, "cpu")
        finally:
            rest.set()
    assert inside == at_rest
    assert on_meta == at_rest
    assert after == undisturbed
    assert all(a != b for a, b in zip(at_rest[:2], undisturbed[:2], strict=True))


def test_a_training_can_be_interrupted_after_every_step_and_is_stopped_where_an_epoch_ends(tiny, home, store):
    """A click waits for a step, not for an epoch; what is stopped has lost nothing of an epoch that it has reported."""
    trained = Trained(tiny.problem.spec, registry.method("train", "sgd", {"epochs": 3}))
    told = []
    realise(trained, store, home, progress=lambda done, total, message: told.append(done))
    assert told == sorted(told)
    assert told.count(1) > 2, "only after an epoch"
    seen = []

    def stop(done, total, message):
        seen.append(done)
        raise Stopped

    with pytest.raises(Stopped):
        realise(Trained(tiny.problem.spec, registry.method("train", "sgd", {"epochs": 4})), store, home, progress=stop)
    assert seen[-1] == 1
