"""Model ratatouille as recipes: fine-tunings that begin at one model with different auxiliary tasks behind them, for a soup more diverse than of seeds.

Ramé, Ahuja, Zhang, Cord, Bottou & Lopez-Paz 2023, "Model Ratatouille: Recycling Diverse Models for Out-of-Distribution Generalization" (ICML):

    1  φ       one model for all to begin at
    2  φᵢ      φ trained on the auxiliary task i                      train/auxiliary
    3  h       a head for the target task, on φ's features            train/probe
    4  θᵢ      φᵢ with the head h, trained on the target task         fuse/graft, train/sgd
    5  Σ θᵢ/n  their soup

Each stage is a recipe, so the soup's own recipe is the record of where it comes from, every stage is kept as a checkpoint, and none is done twice.
Without auxiliary epochs φᵢ = φ: a plain soup of fine-tunings that begin at one head.
"""

from __future__ import annotations

from dataclasses import dataclass

from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.spec import Fused, Method, ProblemSpec, Recipe, Trained


@dataclass(frozen=True)
class Ratatouille:
    """The stages. `tuned`: the trainings of stage 4; `auxiliary` is empty without auxiliary epochs."""

    base: Recipe
    auxiliary: tuple[Trained, ...]
    probe: Trained
    tuned: tuple[Trained, ...]

    def soup(self, problem: ProblemSpec) -> Fused:
        """Stage 5."""
        return Fused(problem, self.tuned, registry.method("fuse", "uniform_soup"), name="ratatouille")

    def stages(self) -> list[tuple[str, tuple[Recipe, ...]]]:
        """What is done in each stage, in words, and what comes of it."""
        tasks = f"trained on auxiliary task {', '.join(str(a.method['task']) for a in self.auxiliary)}" if self.auxiliary else "no auxiliary task"
        return [
            ("one model to start from", (self.base,)),
            (tasks, self.auxiliary or (self.base,)),
            ("one head for the target task, on the features of the first", (self.probe,)),
            ("that head on each, all trained on the target task", self.tuned),
        ]


def is_tuned(model: Recipe) -> bool:
    """Whether a model comes of stage 4."""
    start = model.start if isinstance(model, Trained) else None
    return (isinstance(start, Fused) and start.method.name == "graft") or (isinstance(start, Trained) and start.method.name == "probe")


def recipes(
    problem: ProblemSpec,
    base: Recipe | None,
    tuning: Method,
    *,
    tasks: int = 3,
    groups: int = 2,
    auxiliary_epochs: int = 5,
    probe_epochs: int = 5,
) -> Ratatouille:
    """The stages for n = `tasks`. `base`: None for initial weights trained as `tuning` says; `tuning`: the sgd training of stage 4, whose order_seed is
    raised by i."""
    if tasks < 2:
        raise Refused(f"A ratatouille is a soup of at least 2 training runs, got {tasks} tasks. Use 2 or more.")
    base = base or Trained(problem, tuning, name="base")
    aux: tuple[Trained, ...] = ()
    if auxiliary_epochs:
        every = [registry.method("train", "auxiliary", {"task": i, "groups": groups, "epochs": auxiliary_epochs}) for i in range(tasks)]
        aux = tuple(Trained(problem, how, base, name=f"auxiliary {i}") for i, how in enumerate(every))
    probe = Trained(problem, registry.method("train", "probe", {"epochs": probe_epochs}), base, name="probe")
    graft = registry.method("fuse", "graft")
    order = tuning["order_seed"]
    assert isinstance(order, int)
    tuned: list[Trained] = []
    for i in range(tasks):
        start = Fused(problem, (aux[i], probe), graft, "first", name=f"auxiliary {i} with the probe's head") if aux else probe
        how = registry.method("train", tuning.name, {**tuning.kwargs(), "order_seed": order + i})
        tuned.append(Trained(problem, how, start, name=f"tuned {i}"))
    return Ratatouille(base, aux, probe, tuple(tuned))
