"""Optimal transport: blend the units of a network into those of another, whose widths may differ.

Singh & Jaggi 2020, "Model Fusion via Optimal Transport", NeurIPS. Group after group, from the inputs on: the units of
both models are two clouds of points with equal masses; the ground cost is the squared distance of their incoming weights (those of the model after
the groups before were transported) or of their activations on samples of the train split; and the cheapest transport T between the clouds says which units of
the model each unit of the reference is made of. With equal widths and the exact solver T is a permutation, and the model still computes its own function.
Otherwise units are blended: the result has the reference's shapes, ready to be averaged with it, and computes something else. A residual stream is one group:
its costs are summed over all places that write to it, and it gets one transport.

With n units in the reference and m in the model, T has row sums 1/n and column sums 1/m. Weights that *make* a unit are averaged, by n·T with rows
that sum to 1, as in the paper. Weights that *use* units are multiplied by m·T, with columns that sum to 1: every unit passes on all that it passed on before.
The paper averages there too, which scales what the next layer receives by n/m; the two agree for equal widths. So a network whose units were split
in two, each with half of the outgoing weights, comes back as it was. Which axis uses units is read off the modules: the input side of linear and
convolutional layers; every other tensor (norms, biases, embeddings, tokens) makes them.

With `sweeps` above 1 the groups are gone through again, now with every place that writes to a group, also those that came later; that is no descent
of anything, and more of it is not always better. Incoming weights say nothing of where a unit leads, and an error in one group reaches all after
it, so in deep networks activations are often the better ground: compare both by the loss half-way. The entropic solver blends, and blends are
short, so its result lies closer to the reference than any permutation does; that alone does not make it good. A model's widths are inferred from the
shapes of its tensors; where those leave a choice (heads × dimensions) it has as many heads as the reference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Literal, TypeAlias, cast

import numpy as np
import ot
import torch
from torch import Tensor

from explorer import symmetry
from explorer.checkpoints.weights import Weights
from explorer.core.errors import Refused
from explorer.core.points import Array
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.evaluate.unit_activations import observe
from explorer.evaluate.weighted_layers import uses
from explorer.methods.align._soft_maps import Matrices, along
from explorer.methods.align._widths import rebuilt, sizes_of
from explorer.problems.problem import Problem
from explorer.symmetry import Maps, Site, Symmetry, permuted
from explorer.symmetry.assignment import Alignment, assign, families, members
from explorer.symmetry.groups import leaves, resized

Features: TypeAlias = dict[str, Tensor]
"""For each group a row per unit: (n, f), or (outer, n, f) for a group within another."""

TIE = 1e-4  # of the weights beside activations: units that respond alike, such as dead ones, are told apart by their weights
OBSERVATIONS = 2048  # of a unit at one place where it is read
ITERATIONS = 10_000
MARGINS = 1e-6  # what sums of rows and columns of the entropic solver's plans may be off by, before it is said


def align(
    models: Sequence[Weights],
    problem: Problem,
    *,
    solver: Literal["exact", "entropic"] = "exact",
    ground: Literal["weights", "activations"] = "weights",
    regularisation: Annotated[float, Range(1e-4, 1000)] = 0.05,
    sweeps: Annotated[int, Range(1, 100)] = 1,
    samples: Annotated[int, Range(2, 65536)] = 256,
    device: str = "cpu",
    progress: Progress = quiet,
) -> Alignment:
    """Every model brought to the first one's shapes. `regularisation`: entropic only, in shares of the mean cost; `samples`: for activations."""
    if len(models) < 2:
        raise Refused(f"optimal_transport aligns two models or more, got {len(models)}.")
    found = symmetry.symmetry_of(problem)
    reference, *others = models
    own = {name: group.size for name, group in found.groups.items()}
    weights, maps, traces, notes = [reference], [symmetry.identity(found)], list[tuple[float, ...]](), list[str]()
    exact, visits = True, sweeps * len(families(found))
    network = problem.network()
    parameters, using = [name for name, _ in network.named_parameters()], uses(network)
    seen = _responses(problem, reference, samples, device) if ground == "activations" else {}
    for k, model in enumerate(others):
        name = f"model {k + 1}"
        sizes = sizes_of(model, reference, found, name)
        plans = _Plans(reference, model, found, sizes, parameters, using, device, regularisation if solver == "entropic" else 0.0)
        if ground == "activations":
            theirs = problem if sizes == own else _theirs(problem, model, sizes, name)
            plans.seen = seen, _responses(theirs, model, samples, device)
        trace, done = list[float](), k * visits
        for sweep in range(sweeps):
            for family in plans.visits(first=sweep == 0):
                progress(done, len(others) * visits, f"transport of {family}")
                plans.solve(family)
                done += 1
            trace.append(plans.distance())
        traces.append(tuple(trace))
        if plans.loose:
            notes.append(f"The solver did not reach its margins for {', '.join(sorted(plans.loose))} of {name}. Use more regularisation.")
        if sizes == own and solver == "exact":
            orders: Maps = {group: plan.argmax(dim=-1).cpu() for group, plan in plans.makes.items()}
            weights.append({n: t.to(reference[n].dtype) for n, t in permuted(model, found, orders).items()})
            maps.append(orders)
            continue
        exact = False
        weights.append({n: plans.transported(n).to(reference[n]) for n in reference})
        maps.append({group: plan.cpu() for group, plan in plans.makes.items()})
        if changed := [f"{g}: {sizes[g]} → {own[g]}" for g in own if sizes[g] != own[g]]:
            notes.append(f"{name.capitalize()} was brought to the first one's widths ({', '.join(changed)}).")
    objective = "distance of the weights after each sweep"
    return Alignment(tuple(weights), tuple(maps), exact=exact, objective=objective, trace=tuple(traces), notes=tuple(notes))


class _Plans:
    """The transports of a model's groups, as far as they are known.

    makes: row-stochastic n·T, for axes whose places are made. uses: column-stochastic m·T, for axes along which units are used.
    Both (n, m), or (outer, n, m) for a group within another; float64.
    """

    def __init__(
        self,
        reference: Weights,
        model: Weights,
        found: Symmetry,
        sizes: Mapping[str, int],
        parameters: Sequence[str],
        using: Mapping[str, int],
        device: str,
        regularisation: float,
    ) -> None:
        self.reference, self.model, self.found, self.sizes = reference, model, found, sizes
        self.using, self.device, self.regularisation = using, device, regularisation
        self.parameters = parameters
        self.own = {n: g.size for n, g in found.groups.items()}
        self.makes: Matrices = {}
        self.uses: Matrices = {}
        self.seen: tuple[Features, Features] = {}, {}
        self.loose: set[str] = set()

    def visits(self, *, first: bool) -> Iterator[str]:
        """Families in order of appearance; at first one only when something that makes it uses known groups alone."""
        left = families(self.found)
        while left:
            ready = [name for name in left if any(self._matrix(s) for m in members(self.found, name) for s, _ in self._making(name, m.name))]
            name = ready[0] if first and ready else left[0]
            left.remove(name)
            yield name

    def solve(self, name: str) -> None:
        """The transport of one family, all others held: within every pair of outer units, then between those, then within the blends."""
        inner = self.found.inner(name)
        ours, theirs = self._features(name)
        cost = _squares(ours[name], theirs[name]).cpu()
        for g in inner:
            pairs = _squares(ours[g.name][:, None], theirs[g.name][None]).cpu()  # (n, m, k, k')
            for i, j in np.ndindex(*cost.shape):
                cost[i, j] += float((self._plan(g.name, pairs[i, j]) * pairs[i, j]).sum())
        plan = self._plan(name, cost)
        self._keep(name, plan)
        for g in inner:
            mixed = torch.einsum("ij,jqf->iqf", plan.to(theirs[g.name].device), theirs[g.name])
            self._keep(g.name, torch.stack([self._plan(g.name, c) for c in _squares(ours[g.name], mixed).cpu()]))

    def transported(self, name: str) -> Tensor:
        """A tensor of the model in the reference's shape, as far as the transports are known."""
        tensor = self.model[name].detach()
        if name not in self.found.axes or not tensor.is_floating_point():
            return tensor
        tensor = tensor.to(self.device, torch.float64)
        for i, axis in enumerate(self.found.axes[name]):
            tensor = along(tensor, i, axis, self._matrices(name, i))
        return tensor

    def distance(self) -> float:
        """‖A − B‖ over all parameters, once all transports are known."""
        return (
            sum(
                float((self.reference[n].to(self.device, torch.float64) - self.transported(n).to(self.device, torch.float64)).square().sum())
                for n in self.parameters
            )
            ** 0.5
        )

    def _plan(self, name: str, cost: Tensor) -> Tensor:
        """(n, m) row-stochastic n·T of the cheapest transport between equal masses."""
        n, m = cost.shape
        if not bool(cost.isfinite().all()):
            raise Refused(f"The costs between units of {name} are not finite numbers. Check that the models contain no NaN.")
        if not self.regularisation and n == m:  # the optimum is a permutation (Birkhoff)
            return torch.eye(n, dtype=torch.float64)[assign(-cost)]
        rows, columns = np.full(n, 1 / n), np.full(m, 1 / m)
        if self.regularisation:
            strength = self.regularisation * float(cost.mean()) or 1.0
            found = ot.bregman.sinkhorn_log(rows, columns, cost.numpy(), strength, numItermax=ITERATIONS, stopThr=MARGINS / 100, warn=False)
        else:
            found = ot.emd(rows, columns, cost.numpy(), numItermax=ITERATIONS * 1000)
        plan = np.asarray(cast("Array", found), dtype=np.float64)
        if np.abs(plan.sum(0) - columns).max() > MARGINS / m or np.abs(plan.sum(1) - rows).max() > MARGINS / n:
            self.loose.add(name)
        return torch.from_numpy(plan) * n

    def _keep(self, name: str, plan: Tensor) -> None:
        n, m = plan.shape[-2:]
        self.makes[name] = plan.to(self.device)
        self.uses[name] = self.makes[name] * (m / n)

    def _matrices(self, tensor: str, axis: int) -> Matrices:
        return self.uses if self.using.get(tensor) == axis else self.makes

    def _features(self, name: str) -> tuple[Features, Features]:
        """A row per unit of each member of a family, of the reference and of the model: what the ground cost compares."""
        ours, theirs = Features(), Features()
        inner = [g.name for g in self.found.inner(name)]
        covered: dict[tuple[str, int], tuple[list[Tensor], list[Tensor]]] = {}
        for member in [*inner, name]:
            path = [name, member] if member in inner else [name]
            nothing = [torch.zeros(*(n[g] for g in path), 0, dtype=torch.float64, device=self.device) for n in (self.own, self.sizes)]
            pairs = [(nothing[0], nothing[1])]
            for a, b in self._making(name, member):
                key = (a.tensor, a.axis)
                if member in inner:
                    rows = covered.setdefault(key, ([], []))
                    rows[0].append(a.rows.flatten())
                    rows[1].append(b.rows.flatten())
                elif key in covered:  # inner units have no common order across the outer ones
                    a, b = (_without(s, torch.cat(rows)) for s, rows in zip((a, b), covered[key], strict=True))
                pairs.append((a.unfold(self.reference[a.tensor].detach().to(self.device, torch.float64)), b.unfold(self._held(b, name))))
            x, y = (torch.cat(parts, dim=-1) for parts in zip(*pairs, strict=True))
            if member in self.seen[0] and self.seen[0][member].shape[-1] == self.seen[1][member].shape[-1]:
                x, y = torch.cat([self.seen[0][member], TIE * x], dim=-1), torch.cat([self.seen[1][member], TIE * y], dim=-1)
            ours[member], theirs[member] = x, y
        return ours, theirs

    def _making(self, name: str, member: str) -> list[tuple[Site, Site]]:
        """Where a member of a family is made from known groups: the places in the reference, and in the model when those are transported."""
        family = {g.name for g in members(self.found, name)}
        sizes = {g: self.sizes[g] for g in family}
        theirs = replace(
            self.found,
            groups={n: replace(g, size=sizes.get(n, g.size)) for n, g in self.found.groups.items()},
            axes={n: tuple(resized(x, sizes) for x in axes) for n, axes in self.found.axes.items()},
        )
        known = family | self.makes.keys()
        return [
            (a, b)
            for a, b in zip(self.found.sites(member), theirs.sites(member), strict=True)
            if a.tensor in self.parameters
            and self.using.get(a.tensor) != a.axis
            and all(leaf.group in known for axis in self.found.axes[a.tensor] for leaf in leaves(axis))
        ]

    def _matrix(self, site: Site) -> bool:
        return self.reference[site.tensor].dim() > 1

    def _held(self, site: Site, name: str) -> Tensor:
        """The model's tensor with all transported but the family, on the axis where it is made."""
        family = {g.name for g in members(self.found, name)}
        tensor = self.model[site.tensor].detach().to(self.device, torch.float64)
        for i, axis in enumerate(self.found.axes[site.tensor]):
            matrices = self._matrices(site.tensor, i)
            tensor = along(tensor, i, axis, {g: t for g, t in matrices.items() if i != site.axis or g not in family})
        return tensor


def _responses(problem: Problem, weights: Weights, samples: int, device: str) -> Features:
    """What each unit responds to samples of the train split, wherever it is read; groups that cannot be read are left out."""
    seen = observe(problem, [weights], symmetry.symmetry_of(problem), samples=samples, observations=OBSERVATIONS, device=device).features[0]
    return {group: torch.cat(taps, dim=-1).double() for group, taps in seen.items() if taps}


def _theirs(problem: Problem, model: Weights, sizes: Mapping[str, int], what: str) -> Problem:
    if (found := rebuilt(problem, model, sizes)) is not None:
        return found
    raise Refused(
        f"{what.capitalize()} has different widths from the first, and its network cannot be derived from its shapes, so it has no activations"
        " to compare. Use ground='weights'."
    )


def _squares(x: Tensor, y: Tensor) -> Tensor:
    """(…, n, m) squared distances of rows (…, n, f) and (…, m, f), broadcast."""
    return (x.square().sum(-1)[..., :, None] + y.square().sum(-1)[..., None, :] - 2 * x @ y.mT).clamp(min=0)


def _without(site: Site, places: Tensor) -> Site:
    left = ~torch.isin(site.rows, places)
    return Site(site.tensor, site.axis, site.rows[left].reshape(len(site.rows), -1))
