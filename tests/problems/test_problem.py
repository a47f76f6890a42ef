"""The problem file, the splits, the losses: what is promised, and what is refused in a sentence."""

import hashlib
import struct
import subprocess
import sys

import numpy as np
import pytest
import torch

from explorer.core import locations, registry
from explorer.core.errors import Refused
from explorer.core.spec import ProblemSpec
from explorer.problems import problem, problem_toml
from explorer.problems.problem import Problem

TOML = """
title = "Mine"
[network]
name = "mlp"
widths = [64, 8, 10]
[data]
name = "digits"
[split]
val = 0.1
test = 0.25
seed = 3
"""


def written(folder, text):
    """A folder with this problem.toml."""
    (folder / "problem.toml").write_text(text, encoding="utf-8")
    return folder


def of(network="mlp", data="digits", loss="cross_entropy", **options):
    """A problem without a file; `widths` go to the network."""
    return Problem(ProblemSpec(registry.method("nets", network, options), registry.method("data", data), loss))


def test_a_folder_and_its_file_are_the_same_problem(tmp_path):
    """Options are filled in, names come from the folder, and neither name nor title enters the id."""
    spec = problem_toml.read(written(tmp_path, TOML))
    assert spec == problem_toml.read(tmp_path / "problem.toml")
    assert (spec.name, spec.title, spec.val, spec.test, spec.seed, spec.loss) == (tmp_path.name, "Mine", 0.1, 0.25, 3, "cross_entropy")
    assert spec.network["widths"] == (64, 8, 10)
    assert spec.id == problem_toml.read(written(tmp_path, TOML.replace("Mine", "Yours"))).id
    assert spec.id != problem_toml.read(written(tmp_path, TOML.replace("seed = 3", "seed = 4"))).id


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('title = "Mine"', 'titel = "Mine"', "'titel' is not known here. Known: title, loss, network, data, split"),
        ('title = "Mine"', "title = 3", "'title' must be a text, got 3"),
        ('title = "Mine"', 'loss = "hinge"', "no loss 'hinge'. There are: cross_entropy, divergence, masked_cross_entropy, mse"),
        ('name = "mlp"', 'name = "mpl"', "no nets method called 'mpl'. There are: .*mlp"),
        ('name = "mlp"', "", "'name' is expected, one of .*mlp"),
        ("widths = [64, 8, 10]", "width = 64", "no option 'width'. Its options: widths"),
        ("widths = [64, 8, 10]", 'widths = "wide"', "'widths' must be tuple of int, got 'wide'"),
        ('name = "digits"', 'name = "imagenet"', "no data method called 'imagenet'. There are: digits"),
        ('name = "digits"', 'name = "digits"\npath = 3', "'path' must be a text"),
        ('name = "digits"', 'name = "digits"\npath = "none.npz"', "/problem.toml, \\[data\\], path: There is no .*none.npz"),
        ('name = "digits"', 'name = "npz"\npath = "~no such user/x"', "folder is not known"),
        ("val = 0.1", "val = 1.0", "must be a share from 0 to below 1, got 1.0"),
        ("val = 0.1", "val = nan", "must be a share from 0 to below 1, got nan"),
        ("val = 0.1", "val = true", "must be a share"),
        ("val = 0.1", "val = 0.8", "leave nothing to train on"),
        ("val = 0.1", "vla = 0.1", "'vla' is not known here. Known: val, test, seed"),
        ("seed = 3", "seed = -1", "whole number from 0, got -1"),
        ("seed = 3", "seed = 0.5", "whole number from 0, got 0.5"),
        ("seed = 3", "seed = " + "9" * 5000, "not valid TOML"),
        ("[split]", "[splits]", "'splits' is not known here"),
        ("[split]", "[split", "not valid TOML"),
        ("[network]", "[[network]]", "a table \\[network\\] is expected"),
        ('[data]\nname = "digits"', "", "a table \\[data\\] is expected"),
    ],
)
def test_what_is_not_understood_is_refused_with_what_is_known(tmp_path, old, new, message):
    """Nobody has to guess keys, and no key is passed over."""
    assert old in TOML
    with pytest.raises(Refused, match=message):
        problem_toml.read(written(tmp_path, TOML.replace(old, new)))


def test_a_file_that_is_no_text_or_is_missing_is_refused(tmp_path):
    """In a sentence, not a traceback."""
    (tmp_path / "problem.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(Refused, match="not valid TOML"):
        problem_toml.read(tmp_path)
    (tmp_path / "problem.toml").unlink()
    with pytest.raises(Refused, match="is missing"):
        problem_toml.read(tmp_path)


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path):
    """Some editors write one unasked."""
    assert problem_toml.read(written(tmp_path, "\ufeff" + TOML)).title == "Mine"


def test_a_name_that_no_file_can_have_is_refused():
    """What the system says, in a sentence, whether it is taken for a name or for a path."""
    for ask in (problem_toml.find, problem_toml.read):
        with pytest.raises(Refused, match="cannot be read"):
            ask("x" * 5000)
    with pytest.raises(Refused, match="no problem and no folder ''"):
        problem_toml.find("")


def test_an_unknown_problem_lists_the_shipped_ones():
    """And says that a folder would do."""
    with pytest.raises(Refused, match="'nope'. Problems: .*; or give a folder"):
        problem_toml.find("nope")


def test_a_shipped_problem_is_found_by_name_and_by_path(tmp_path, monkeypatch):
    """A broken neighbour is left out and does not take the others with it."""
    monkeypatch.setattr(locations, "root", lambda: tmp_path)
    for name, text in (("good", TOML), ("broken", "nonsense")):
        (tmp_path / "sample_models" / name).mkdir(parents=True)
        written(tmp_path / "sample_models" / name, text)
    assert [s.name for s in problem_toml.shipped()] == ["good"]
    assert problem_toml.find("good") == problem_toml.find(tmp_path / "sample_models" / "good")
    with pytest.raises(Refused, match="not valid TOML"):
        problem_toml.find("broken")


# --- splits ---------------------------------------------------------------------------------------------------------------


def test_splits_are_disjoint_complete_and_of_the_wanted_size(tmp_path):
    """Every sample is in exactly one split."""
    (tmp_path / "t.txt").write_text("".join(map(chr, range(0x4E00, 0x4E00 + 1001))), encoding="utf-8")  # every character once
    text = '[network]\nname="gpt"\nvocab=1001\ncontext=10\n[data]\nname="text"\npath="t.txt"\ncontext=10\n[split]\nval=0.2\ntest=0.3\n'
    problem = Problem(problem_toml.read(written(tmp_path, text)))
    rows = {name: set(problem.split(name).inputs[:, 0].tolist()) for name in ("train", "val", "test")}
    assert {name: len(r) for name, r in rows.items()} == {"train": 50, "val": 20, "test": 30}
    assert set.union(*rows.values()) == set(range(0, 1000, 10))


def test_splits_are_the_same_each_time_and_differ_with_the_seed():
    """Drawn from the seed alone, in an order that is not the source's."""
    first, again = (of(widths=(64, 10)).split("test") for _ in range(2))
    other = Problem(ProblemSpec(first_spec().network, first_spec().data, seed=1)).split("test")
    assert torch.equal(first.inputs, again.inputs) and torch.equal(first.targets, again.targets)
    assert not torch.equal(first.targets, other.targets)
    assert first.targets[:10].tolist() != sorted(first.targets[:10].tolist())


@pytest.mark.parametrize(
    ("test_rows", "first", "digest"),
    [
        (0, [816, 923, 151, 900], "481efd448b007899"),
        (200, [889, 883, 892, 825], "cac9080ab2867c97"),
    ],
)
def test_the_order_of_the_rows_never_changes(tmp_path, test_rows, first, digest):
    """The same samples in the same places in every process and with every version of NumPy: stored numbers depend on it.

    The digests are of `default_rng(7).permutation`, cut by hand: train, val, test as little-endian int32.
    """
    x = np.arange(1000, dtype=np.float32).reshape(-1, 1)
    y = np.arange(1000) % 2
    own = 1000 - test_rows
    arrays = {"x": x[:own], "y": y[:own]} | ({"x_test": x[own:], "y_test": y[own:]} if test_rows else {})
    np.savez(tmp_path / "d.npz", **arrays)
    problem = Problem(
        problem_toml.read(written(tmp_path, '[network]\nname="mlp"\nwidths=[1,2]\n[data]\nname="npz"\npath="d.npz"\n[split]\nseed=7\n'))
    )
    rows = {name: problem.split(name).inputs[:, 0].numpy().astype("<i4") for name in ("train", "val", "test")}
    assert rows["test"][:4].tolist() == first
    assert hashlib.sha256(b"".join(r.tobytes() for r in rows.values())).hexdigest()[:16] == digest


def first_spec():
    """A linear model of the digits."""
    return of(widths=(64, 10)).spec


def test_a_test_set_of_the_source_is_the_test_split(tmp_path):
    """val is a share of the rest; the wanted test share is not used."""
    x = np.arange(30, dtype=np.float32).reshape(30, 1)
    np.savez(tmp_path / "d.npz", x=x[:20], y=np.arange(20) % 2, x_test=x[20:], y_test=np.arange(10) % 2)
    text = '[network]\nname="mlp"\nwidths=[1,2]\n[data]\nname="npz"\npath="d.npz"\n[split]\nval=0.25\ntest=0.5\n'
    problem = Problem(problem_toml.read(written(tmp_path, text)))
    rows = {name: set(problem.split(name).inputs[:, 0].tolist()) for name in ("train", "val", "test")}
    assert rows["test"] == set(range(20, 30))
    assert (len(rows["val"]), len(rows["train"])) == (5, 15)
    assert rows["val"] | rows["train"] == set(range(20))


def test_an_empty_split_is_refused():
    """A share of 0 is allowed until somebody asks for the split."""
    spec = first_spec()
    problem = Problem(ProblemSpec(spec.network, spec.data, val=0.0))
    assert len(problem.split("train").targets) == 1258
    with pytest.raises(Refused, match="val split of this problem is empty"):
        problem.split("val")


def test_data_that_changed_after_the_problem_was_read_are_refused(tmp_path):
    """A stored number belongs to the bytes it was measured on."""
    (tmp_path / "t.txt").write_text("abab" * 10, encoding="utf-8")
    spec = problem_toml.read(written(tmp_path, '[network]\nname="gpt"\nvocab=2\ncontext=4\n[data]\nname="text"\npath="t.txt"\ncontext=4\n'))
    (tmp_path / "t.txt").write_text("abba" * 10, encoding="utf-8")
    with pytest.raises(Refused, match="has changed since this problem was read"):
        Problem(spec).split("train")
    assert problem_toml.read(tmp_path).id != spec.id


def test_idx_files_make_a_problem_with_their_own_test_set(tmp_path):
    """From the four files to the three splits, with the images as the network takes them."""
    images, labels = np.arange(30 * 6).reshape(30, 2, 3) % 251, np.arange(30) % 3
    for part, rows in (("train", slice(0, 20)), ("t10k", slice(20, 30))):
        for name, array in ((f"{part}-images-idx3-ubyte", images[rows]), (f"{part}-labels-idx1-ubyte", labels[rows])):
            header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
            (tmp_path / name).write_bytes(header + array.astype(np.uint8).tobytes())
    text = '[network]\nname="mlp"\nwidths=[6,3]\n[data]\nname="idx"\npath="."\nmean=0.5\nstd=0.25\n[split]\nval=0.1\n'
    problem = Problem(problem_toml.read(written(tmp_path, text)))
    assert [len(problem.split(s).targets) for s in ("train", "val", "test")] == [18, 2, 10]
    test = problem.split("test")
    wanted = {tuple(row) for row in np.round((images[20:].reshape(10, 6) / 255 - 0.5) / 0.25, 4).tolist()}
    assert {tuple(row) for row in np.round(test.inputs.flatten(1).double().numpy(), 4).tolist()} == wanted
    assert problem.network()(test.inputs).shape == (10, 3)


# --- network, data and loss fit ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"widths": (65, 10)}, "does not take inputs 1×8×8"),
        ({"widths": (64, 8)}, "gives 8 for each sample; the data have 10 classes"),
        ({"widths": (64, 12)}, "gives 12 for each sample; the data have 10 classes"),
        ({"widths": (64, 10), "loss": "mse"}, "Use cross_entropy"),
        ({"network": "gpt"}, "does not take inputs 1×8×8"),
    ],
)
def test_a_network_that_does_not_fit_the_data_is_refused_in_a_sentence(options, message):
    """Before anything is measured."""
    with pytest.raises(Refused, match=message):
        of(**options).split("train")


@pytest.mark.parametrize(("most", "ways"), [(problem.SMALL, ["zeros"]), (0, ["meta"])])
def test_only_a_large_network_is_checked_by_tensors_without_values(monkeypatch, most, ways):
    """The first of them makes torch import its compiler, for which a click on a small network would wait."""
    asked = []
    for name, way in (("_on_meta", "meta"), ("_with_zeros", "zeros")):
        plain = getattr(problem, name)
        monkeypatch.setattr(problem, name, lambda *given, plain=plain, way=way: asked.append(way) or plain(*given))
    monkeypatch.setattr(problem, "SMALL", most)
    problem._fits.cache_clear()
    of(widths=(64, 8, 10)).check()
    assert asked == ways


def test_a_network_is_fresh_float32_on_the_cpu_in_eval_mode():
    """The seed alone decides its weights; two calls share no memory."""
    problem = of(widths=(64, 8, 10))
    a, b, c = problem.network(seed=1), problem.network(seed=1), problem.network(seed=2)
    first = [n.state_dict()["layers.0.weight"] for n in (a, b, c)]
    assert torch.equal(first[0], first[1]) and first[0].data_ptr() != first[1].data_ptr()
    assert not torch.equal(first[0], first[2])
    assert not a.training and first[0].dtype == torch.float32 and first[0].device.type == "cpu"


def test_nothing_here_touches_the_global_random_state():
    """Neither a network, nor shapes, nor a split."""
    state = torch.get_rng_state()
    problem = of("resnet")
    problem.network(), problem.shapes(), problem.split("val")
    assert torch.equal(torch.get_rng_state(), state)


def test_shapes_are_those_of_the_network_and_no_caller_can_change_them():
    """Kept per process, handed out as a copy."""
    problem = of("resnet")
    wanted = {k: tuple(t.shape) for k, t in problem.network().state_dict().items()}
    problem.shapes().clear()
    assert problem.shapes() == wanted


# --- losses ---------------------------------------------------------------------------------------------------------------


def test_cross_entropy_of_equal_logits_is_log_classes():
    """ln 10 for each sample, (n, 1)."""
    problem = of(widths=(64, 10))
    losses = problem.losses(torch.zeros(4, 10), torch.tensor([0, 3, 9, 5]))
    assert losses.shape == (4, 1)
    assert losses.numpy() == pytest.approx(np.log(10))


def test_a_language_model_has_a_loss_for_each_token():
    """(n, L), each held to logsumexp − logit."""
    logits = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor([[0, 4, 2], [1, 1, 3]])
    problem = of(widths=(64, 10))
    wanted = [[float(torch.logsumexp(logits[i, j], 0) - logits[i, j, targets[i, j]]) for j in range(3)] for i in range(2)]
    assert problem.losses(logits, targets).numpy() == pytest.approx(np.array(wanted), abs=1e-6)
    assert problem.wrong(logits, logits.argmax(-1)).tolist() == [[False] * 3] * 2
    assert problem.wrong(logits, (logits.argmax(-1) + 1) % 5).tolist() == [[True] * 3] * 2


def test_half_precision_outputs_are_compared_in_single():
    """bfloat16 logits give a float32 loss."""
    assert of(widths=(64, 10)).losses(torch.zeros(2, 10, dtype=torch.bfloat16), torch.tensor([0, 1])).dtype == torch.float32


def test_mse_is_the_mean_square_over_the_outputs_and_knows_no_error():
    """((1² + 3²) / 2); nothing is wrong; shapes that would broadcast are not compared."""
    problem = of(loss="mse")
    outputs, targets = torch.tensor([[1.0, 3.0], [0.0, 0.0]]), torch.zeros(2, 2)
    assert problem.losses(outputs, targets).tolist() == [[5.0], [0.0]]
    assert problem.wrong(outputs, targets).tolist() == [[False], [False]]
    with pytest.raises(ValueError, match="must have one shape"):
        problem.losses(torch.zeros(3, 1), torch.zeros(3))


def test_a_token_beyond_the_network_is_refused_wherever_it_stands(tmp_path):
    """Not only in the first text, and before anything is measured."""
    x = np.ones((9, 4), dtype=np.int64)
    x[6, 2] = 12
    np.savez(tmp_path / "texts.npz", x=x)
    text = "loss = 'divergence'\n[network]\nname = 'gpt'\nvocab = {}\ncontext = 4\n[data]\nname = 'npz'\npath = 'texts.npz'\n"
    Problem(problem_toml.read(written(tmp_path, text.format(13)))).check()
    with pytest.raises(Refused, match="does not take inputs 4 of these data: index out of range"):
        Problem(problem_toml.read(written(tmp_path, text.format(12)))).check()


def test_a_small_network_is_measured_without_torchs_compiler():
    """Importing it takes seconds, for which the first click on a new worker would wait."""
    asked = (
        "import sys, torch; from explorer.core import registry; from explorer.core.spec import ProblemSpec; from explorer.problems.problem import Problem\n"
        "p = Problem(ProblemSpec(registry.method('nets', 'mlp', {'widths': (64, 8, 10)}), registry.method('data', 'digits'), 'cross_entropy'))\n"
        "p.check(); p.blank()(p.split('test').inputs); assert 'torch._dynamo' not in sys.modules and 'sympy' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
