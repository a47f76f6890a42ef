"""Curvature of losses whose Hessian is known in closed form, and of small networks against the matrix itself."""

import numpy as np
import pytest
import torch
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import softmax

from explorer.checkpoints import checkpoint_file
from explorer.core.errors import Refused
from explorer.evaluate.evaluator import Evaluate
from explorer.evaluate.hessian import Curvature, crossed, density, quadrature, top, trace
from explorer.problems import problem_toml
from explorer.problems.problem import Problem


def made(folder, text):
    """A problem from the text of its problem.toml."""
    (folder / "problem.toml").write_text(text, encoding="utf-8")
    return Problem(problem_toml.read(folder))


def state(problem, seed=0, dtype=torch.float64):
    """Random weights of the problem's network, running statistics as they are at birth."""
    network = problem.network(seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in network.parameters():
            p.add_(0.3 * torch.randn(p.shape, generator=generator))
    return {n: t.to(dtype) if t.is_floating_point() else t for n, t in network.state_dict().items()}


def matrix(curvature):
    """H, column by column."""
    return np.stack([curvature(row) for row in np.eye(curvature.size)], axis=1)


def naive(problem, weights, samples):
    """H of all parameters by torch.autograd.functional.hessian, on all samples at once."""
    network = problem.network().double()
    network.load_state_dict(weights)
    named = {n: p.detach() for n, p in network.named_parameters()}
    batch = problem.split("train")
    inputs = batch.inputs[:samples].double() if batch.inputs.is_floating_point() else batch.inputs[:samples]

    def loss(flat):
        pieces = flat.split([p.numel() for p in named.values()])
        at = {n: piece.view(p.shape) for (n, p), piece in zip(named.items(), pieces, strict=True)}
        return problem.losses(functional_call(network, at, (inputs,)), batch.targets[:samples]).mean()

    with sdpa_kernel(SDPBackend.MATH):
        return torch.autograd.functional.hessian(loss, torch.cat([p.reshape(-1) for p in named.values()])).numpy()


SOFTMAX = '[network]\nname = "mlp"\nwidths = [64, 10]\n[data]\nname = "digits"\n'


# --- the Hessian of a loss ---------------------------------------------------------------------------------------------


def test_of_softmax_regression_it_is_the_textbook_s(tmp_path):
    """H = mean of (diag p − p pᵀ) ⊗ x xᵀ over samples, x with a 1 for the bias; weights before biases."""
    problem = made(tmp_path, SOFTMAX)
    weights = state(problem)
    curvature = Curvature(problem, weights, samples=50)
    x = problem.split("train").inputs[:50].double().flatten(1)
    p = softmax(x @ weights["layers.0.weight"].T + weights["layers.0.bias"], dim=1)
    x = torch.cat([x, torch.ones(50, 1)], dim=1)
    full = torch.einsum("nab,ni,nj->aibj", torch.diag_embed(p) - p[:, :, None] * p[:, None], x, x) / 50
    order = np.arange(650).reshape(10, 65)
    order = np.concatenate([order[:, :-1].ravel(), order[:, -1]])
    known = full.reshape(650, 650).numpy()[np.ix_(order, order)]
    rng = np.random.default_rng(0)
    for v in rng.normal(size=(3, 650)):
        assert curvature(v) == pytest.approx(known @ v, abs=1e-12)
    values, vectors = top(curvature, 650, 3)
    assert values == pytest.approx(np.linalg.eigvalsh(known)[::-1][:3], rel=1e-6)
    assert known @ vectors == pytest.approx(vectors * values, abs=1e-4 * values[0])


def test_of_linear_regression_it_is_constant(tmp_path):
    """The loss, mean of (x·w + b − y)² over samples and d outputs, has H = 2/(n d) XᵀX for each output, wherever it is taken."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3)).astype(np.float32)
    np.savez(tmp_path / "data.npz", x=x, y=rng.normal(size=(60, 2)).astype(np.float32))
    problem = made(
        tmp_path, 'loss = "mse"\n[network]\nname = "mlp"\nwidths = [3, 2]\n[data]\nname = "npz"\npath = "data.npz"\n[split]\nval = 0\ntest = 0.1\n'
    )
    train = problem.split("train").inputs.double().numpy()
    known = np.kron(np.eye(2), train.T @ train) / len(train)
    for seed in range(2):
        found = matrix(Curvature(problem, state(problem, seed)))
        assert found[:6, :6] == pytest.approx(known, abs=1e-12)
        assert found[6:, 6:] == pytest.approx(np.eye(2), abs=1e-12)


@pytest.mark.parametrize(
    "network",
    [
        'name = "mlp"\nwidths = [64, 4, 5, 10]',
        'name = "resnet"\nchannels = 1\nwidths = [2, 3]\nblocks = 1\nclasses = 10',
        'name = "vit"\nchannels = 1\nimage = 8\npatch = 4\ndim = 4\ndepth = 1\nheads = 2\nratio = 1\nclasses = 10',
    ],
    ids=["mlp", "resnet", "vit"],
)
def test_of_a_small_network_it_is_the_matrix_that_autograd_gives(tmp_path, network):
    """ReLU, batch norm with its running statistics, attention; in parts of unequal sizes."""
    problem = made(tmp_path, f'[network]\n{network}\n[data]\nname = "digits"\n')
    weights = state(problem)
    curvature = Curvature(problem, weights, samples=7, parts=3)
    known = naive(problem, weights, 7)
    v = np.random.default_rng(1).normal(size=(len(known), 2))
    ahead, shares = curvature.applied(v[:, 0])
    assert ahead == pytest.approx(known @ v[:, 0], abs=1e-10 * np.abs(known @ v[:, 0]).max())
    assert shares.shape == (3,)
    assert shares.mean() == pytest.approx(v[:, 0] @ known @ v[:, 0], rel=1e-9)
    single = Curvature(problem, {n: t.float() if t.is_floating_point() else t for n, t in weights.items()}, samples=7)
    assert single(v[:, 1]) == pytest.approx(known @ v[:, 1], abs=1e-4 * np.abs(known @ v[:, 1]).max())


def test_of_a_language_model_with_tied_weights_it_counts_them_once(tmp_path):
    """Two names, one parameter: as many coordinates as there are numbers, each token a sample's item, and a vector goes back under every name."""
    (tmp_path / "text.txt").write_text("abcd bcda cabd " * 30, encoding="utf-8")
    problem = made(
        tmp_path,
        '[network]\nname = "gpt"\nvocab = 5\ncontext = 6\ndim = 4\ndepth = 1\nheads = 1\nratio = 1\n[data]\nname = "text"\npath = "text.txt"\ncontext = 6\n',
    )
    weights = state(problem)
    curvature = Curvature(problem, weights, samples=5)
    known = naive(problem, weights, 5)
    v = np.random.default_rng(0).normal(size=len(known))
    assert curvature(v) == pytest.approx(known @ v, abs=1e-10)
    tensors = curvature.tensors(v)
    assert set(tensors) == {n for n, p in problem.network().named_parameters()}
    assert np.concatenate([t.numpy().ravel() for t in tensors.values()]) == pytest.approx(v)


def test_losses_and_gradient_are_those_of_the_evaluator_and_of_differences(tiny):
    """The same number that a picture shows at the model; the gradient by central differences along a random direction."""
    a = checkpoint_file.read(tiny.a).weights
    curvature = Curvature(tiny.problem, a, double=True)
    evaluate = Evaluate(tiny.problem, [a], split="train", metrics=("loss",))
    assert curvature.losses().mean() == pytest.approx(evaluate.alone(0).sum() / evaluate.counts.sum(), rel=1e-5)
    losses, gradient = curvature.gradient()
    assert losses == pytest.approx(curvature.losses())
    v = np.random.default_rng(0).normal(size=curvature.size)
    h = 1e-6
    slope = (curvature.losses(h * v).mean() - curvature.losses(-h * v).mean()) / (2 * h)
    assert gradient @ v == pytest.approx(slope, rel=1e-5)
    bend = (curvature.gradient(h * v)[1] - curvature.gradient(-h * v)[1]) @ v / (2 * h)
    assert v @ curvature(v) == pytest.approx(bend, rel=1e-4)


def test_it_does_not_depend_on_how_the_samples_are_cut(tiny):
    """Memory is a matter of parts, the value is not; samples beyond the split are all of it."""
    a = checkpoint_file.read(tiny.a).weights
    v = np.random.default_rng(0).normal(size=len(Curvature(tiny.problem, a).origin))
    whole = Curvature(tiny.problem, a, double=True, samples=10**6)
    cut = Curvature(tiny.problem, a, double=True, parts=37)
    assert whole.samples == cut.samples == len(tiny.problem.split("train").targets)
    assert cut.parts == 37
    assert whole.parts == -(-whole.samples // 128)
    assert cut(v) == pytest.approx(whole(v), rel=1e-9, abs=1e-12)
    assert cut.losses() == pytest.approx(whole.losses())


def test_the_caller_s_weights_the_random_state_and_the_attention_kernels_stay(tiny):
    """Nothing of the process is different afterwards."""
    a = checkpoint_file.read(tiny.a).weights
    before = {n: t.clone() for n, t in a.items()}
    random, flash = torch.get_rng_state(), torch.backends.cuda.flash_sdp_enabled()
    curvature = Curvature(tiny.problem, a, samples=20)
    top(curvature, curvature.size, 1)
    curvature.gradient(np.ones(curvature.size))
    assert all(torch.equal(a[n], before[n]) and not a[n].requires_grad for n in a)
    assert torch.equal(torch.get_rng_state(), random)
    assert torch.backends.cuda.flash_sdp_enabled() == flash


def test_half_precision_is_computed_in_float32(tiny):
    """As the model in float32 with these very weights; vectors come back in half precision."""
    a = {n: t.half() for n, t in checkpoint_file.read(tiny.a).weights.items()}
    half, single = (Curvature(tiny.problem, w, samples=50) for w in (a, {n: t.float() for n, t in a.items()}))
    v = np.random.default_rng(0).normal(size=half.size)
    assert half(v).tolist() == single(v).tolist()
    assert {t.dtype for t in half.tensors(v).values()} == {torch.float16}


def test_a_model_that_answers_nan_has_no_curvature(tiny):
    """In a sentence, not as a number."""
    a = {n: t * torch.nan for n, t in checkpoint_file.read(tiny.a).weights.items()}
    with pytest.raises(Refused, match="not finite"):
        Curvature(tiny.problem, a, samples=20)(np.ones(910))


# --- what is found with products alone ------------------------------------------------------------------------------------


def symmetric(values, seed=0):
    """A matrix with these eigenvalues, and its eigenvectors."""
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(len(values), len(values))))
    return (q * values) @ q.T, q


@pytest.mark.parametrize("n", [5, 300])
def test_the_largest_eigenvalues_are_signed_and_falling(n):
    """A large negative one is not among them; both ways, the matrix itself and Lanczos."""
    values = np.concatenate([[4.0, 2.5, 1.0, -9.0], np.linspace(-1, 0.5, n - 4)])
    a, q = symmetric(values)
    found, vectors = top(lambda v: a @ v, n, 3, tolerance=1e-9)
    assert found == pytest.approx([4.0, 2.5, 1.0], abs=1e-6)
    assert np.abs(vectors.T @ q[:, :3]) == pytest.approx(np.eye(3), abs=1e-5)
    assert (vectors[np.abs(vectors).argmax(axis=0), range(3)] > 0).all()


def test_the_same_seed_gives_the_same_eigenvectors():
    """Bit for bit, and another seed up to rounding."""
    a, _ = symmetric(np.linspace(-1, 3, 200) ** 3)
    first, again, other = (top(lambda v: a @ v, 200, 2, seed=s, tolerance=1e-10)[1] for s in (0, 0, 1))
    assert np.array_equal(first, again)
    assert other == pytest.approx(first, abs=1e-6)


def test_eigenvalues_of_zero_are_found():
    """Of a matrix of rank one the second is zero, and of zero itself all are: neither runs for ever."""
    u = np.random.default_rng(0).normal(size=500)
    u /= np.linalg.norm(u)
    values, vectors = top(lambda v: (7 * (u @ v) * u).astype(np.float32).astype(np.float64), 500, 3)
    assert values == pytest.approx([7, 0, 0], abs=1e-4)
    assert abs(vectors[:, 0] @ u) == pytest.approx(1)
    values, vectors = top(lambda v: 0 * v, 500, 2)
    assert values.tolist() == [0, 0]
    assert vectors.T @ vectors == pytest.approx(np.eye(2))


@pytest.mark.parametrize("k", [0, 6])
def test_more_eigenvalues_than_there_are_are_refused(k):
    """In a sentence with both numbers."""
    with pytest.raises(Refused, match="5 eigenvalues"):
        top(lambda v: v, 5, k)


def test_the_trace_of_a_diagonal_matrix_is_exact():
    """With random signs every probe gives Σ dᵢ."""
    d = np.linspace(-1, 2, 30)
    found = trace(lambda z: np.array([z @ (d * z)]), 30, probes=4)
    assert (found.value, found.low, found.high) == pytest.approx((d.sum(),) * 3)


def test_the_trace_s_interval_covers_in_about_95_of_100_cases():
    """Over probes, with the samples held."""
    a, _ = symmetric(np.linspace(-1, 2, 40))
    found = [trace(lambda z: np.array([z @ a @ z]), 40, probes=12, seed=s) for s in range(400)]
    assert np.mean([e.low <= np.trace(a) <= e.high for e in found]) > 0.93


def test_an_interval_over_rows_and_columns_covers_both():
    """Effects of rows and of columns, and noise: the mean of the world they are drawn from is inside about 95 times of 100, not with either axis alone."""
    rng = np.random.default_rng(0)

    def drawn():
        return rng.normal(size=(10, 1)) + rng.normal(size=(1, 30)) + 0.5 * rng.normal(size=(10, 30))

    def covers(values):
        return (e := crossed(values)).low <= 0 <= e.high

    worlds = [drawn() for _ in range(400)]
    assert np.mean([covers(w) for w in worlds]) > 0.93
    assert np.mean([covers(w.mean(axis=0)[None]) for w in worlds]) < 0.8


def test_one_axis_alone_has_the_interval_of_a_mean():
    """Of 1, 2, 3: Student's 2 ± 4.303/√3, and room for one more as far from the mean as 1 and 3 are; two axes are their hypotenuse."""
    for values in (np.array([[1.0], [2.0], [3.0]]), np.array([[1.0, 2.0, 3.0]])):
        found = crossed(values)
        half = 4.302653 / 3**0.5 * (4 / 3) ** 0.5
        assert (found.value, found.high - 2, 2 - found.low) == pytest.approx((2, half, half))
    both = crossed(np.add.outer([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]))
    assert both.high - both.value == pytest.approx(half * 2**0.5)
    assert crossed(np.ones((2, 2))).low == 1
    with pytest.raises(ValueError, match="several"):
        crossed(np.ones((1, 1)))


def test_quadrature_of_m_steps_is_exact_for_polynomials_below_2m():
    """vᵀHᵏv/vᵀv for k up to 2m − 1; with as many steps as there are eigenvalues, these themselves."""
    a, _ = symmetric(np.array([-2.0, 0.5, 1.0, 1.5, 3.0, 4.0, 5.0]))
    v = np.random.default_rng(0).normal(size=7)
    nodes, shares = quadrature(lambda x: a @ x, v, 3)
    for k in range(6):
        assert shares @ nodes**k == pytest.approx(v @ np.linalg.matrix_power(a, k) @ v / (v @ v))
    assert shares @ nodes**6 != pytest.approx(v @ np.linalg.matrix_power(a, 6) @ v / (v @ v), rel=1e-3)
    nodes, shares = quadrature(lambda x: a @ x, v, 50)
    assert nodes == pytest.approx([-2.0, 0.5, 1.0, 1.5, 3.0, 4.0, 5.0])


def test_the_density_is_that_of_all_eigenvalues():
    """Nine of ten at zero, one of ten at five: two heaps of that mass, and the whole is one."""
    values = np.concatenate([np.zeros(180), np.full(20, 5.0)])
    a, _ = symmetric(values)
    grid, found = density(lambda v: a @ v, 200, probes=20, steps=10)
    step = grid[1] - grid[0]
    assert found.sum() * step == pytest.approx(1, abs=1e-3)
    assert found[grid > 2.5].sum() * step == pytest.approx(0.1, abs=0.03)
    assert grid[found.argmax()] == pytest.approx(0, abs=2 * step)


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_a_density_of_one_eigenvalue_is_one_heap(value):
    """However narrow the spectrum, the grid has a width."""
    grid, found = density(lambda v: value * v, 100, probes=1, steps=5)
    assert (found.sum() * (grid[1] - grid[0])) == pytest.approx(1, abs=1e-3)
    assert grid[found.argmax()] == pytest.approx(value, abs=1e-2)
