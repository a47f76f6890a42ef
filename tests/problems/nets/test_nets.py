"""The shipped architectures: names, shapes, known outputs, and the way back from a checkpoint to its options."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from explorer.core import registry, trust
from explorer.core.errors import Refused
from explorer.core.spec import ProblemSpec
from explorer.problems import problem_toml
from explorer.problems.nets import factory, gpt, mlp, program, resnet, shapes_of, timm, torchvision, vgg, vit
from explorer.problems.problem import Problem
from explorer.symmetry import discover

NETS = {"mlp": mlp, "vgg": vgg, "resnet": resnet, "vit": vit, "gpt": gpt}

VARIANTS = [
    ("mlp", {"widths": (64, 64, 64, 10)}),
    ("mlp", {"widths": (5, 3)}),
    ("vgg", {"channels": 1, "image": 8, "widths": (16, 32), "layers": 1, "hidden": 64, "classes": 10, "norm": False}),
    ("vgg", {"channels": 3, "image": 16, "widths": (4, 6, 8), "layers": 2, "hidden": 12, "classes": 5, "norm": True}),
    ("resnet", {"channels": 1, "widths": (8, 16, 32), "blocks": 1, "classes": 10}),
    ("resnet", {"channels": 3, "widths": (4, 4), "blocks": 3, "classes": 2}),
    ("vit", {"channels": 1, "image": 8, "patch": 2, "dim": 32, "depth": 2, "heads": 4, "ratio": 2, "classes": 10}),
    ("vit", {"channels": 3, "image": 12, "patch": 4, "dim": 8, "depth": 1, "heads": 4, "ratio": 3, "classes": 7}),
    ("gpt", {"vocab": 11, "context": 9, "dim": 8, "depth": 3, "heads": 4, "ratio": 2, "tied": True}),
    ("gpt", {"vocab": 11, "context": 9, "dim": 8, "depth": 3, "heads": 4, "ratio": 2, "tied": False}),
]


def inputs(name, options):
    """Three samples that the network takes."""
    if name == "gpt":
        return torch.arange(3 * 7).reshape(3, 7) % options["vocab"]
    if name == "mlp":
        return torch.randn(3, options["widths"][0], generator=torch.Generator().manual_seed(0))
    side = options.get("image", 8)
    return torch.randn(3, options["channels"], side, side, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_options_come_back_from_names_and_shapes(name, options):
    """A checkpoint alone tells how its network was built."""
    network = NETS[name].build(**options)
    shapes = {k: tuple(t.shape) for k, t in network.state_dict().items()}
    assert NETS[name].recognise(shapes) == options
    assert shapes_of(lambda: NETS[name].build(**options)) == shapes


@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_no_other_architecture_claims_the_shapes(name, options):
    """At most one network recognises a checkpoint."""
    shapes = shapes_of(lambda: NETS[name].build(**options))
    assert [other for other, net in NETS.items() if net.recognise(shapes) is not None] == [name]


@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_one_tensor_too_few_too_many_or_of_another_shape_is_not_recognised(name, options):
    """Exactly these names and shapes, or None."""
    shapes = shapes_of(lambda: NETS[name].build(**options))
    first = next(iter(shapes))
    assert NETS[name].recognise({k: s for k, s in shapes.items() if k != first}) is None
    assert NETS[name].recognise({**shapes, "extra": (1,)}) is None
    assert NETS[name].recognise({**shapes, first: (*shapes[first], 2)}) is None
    assert NETS[name].recognise({**shapes, first: (0,)}) is None
    assert NETS[name].recognise({}) is None


@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_a_sample_does_not_depend_on_the_others_of_its_batch(name, options):
    """In eval mode the outputs of a batch are those of its samples alone."""
    network, x = NETS[name].build(**options).eval(), inputs(name, options)
    with torch.inference_mode():
        together = network(x)
        alone = torch.cat([network(row[None]) for row in x])
    classes = options.get("classes") or options.get("vocab") or options["widths"][-1]
    assert together.shape == ((3, 7, classes) if name == "gpt" else (3, classes))
    assert torch.allclose(together, alone, atol=1e-5)
    assert not torch.allclose(together[0], together[1])


def test_the_mlp_is_affine_maps_with_relu_between():
    """Held to the formula W₂ relu(W₁x + b₁) + b₂, on an image that has to be flattened."""
    network = mlp.build(widths=(4, 3, 2))
    w = network.state_dict()
    x = torch.randn(5, 1, 2, 2, generator=torch.Generator().manual_seed(1))
    hidden = (x.reshape(5, 4) @ w["layers.0.weight"].T + w["layers.0.bias"]).clamp(min=0)
    assert torch.allclose(network(x), hidden @ w["layers.1.weight"].T + w["layers.1.bias"], atol=1e-6)


def test_the_language_model_does_not_look_ahead():
    """Changing a token changes the outputs from its place on and none before."""
    network = gpt.build(vocab=7, context=6, dim=8, depth=2, heads=2).eval()
    tokens = torch.tensor([[1, 2, 3, 4, 5, 6]])
    changed = tokens.clone()
    changed[0, 3] = 0
    with torch.inference_mode():
        moved = (network(tokens) - network(changed)).abs().amax(dim=-1)[0] > 1e-7
    assert moved.tolist() == [False, False, False, True, True, True]


def test_tied_output_weights_are_stored_once():
    """A tied model has no head of its own and answers with its embedding."""
    tied, free = (gpt.build(vocab=7, context=4, dim=8, depth=1, heads=2, tied=t).eval() for t in (True, False))
    free.load_state_dict({**tied.state_dict(), "head.weight": tied.state_dict()["tokens.weight"]})
    tokens = torch.tensor([[1, 2, 3]])
    assert "head.weight" not in tied.state_dict()
    assert torch.equal(tied(tokens), free(tokens))


def test_shortcuts_are_projected_only_where_the_shape_changes():
    """Equal widths and no stride: the identity."""
    names = set(resnet.build(widths=(8, 8), blocks=2).state_dict())
    projected = {n.removesuffix(".project.weight") for n in names if n.endswith(".project.weight")}
    assert projected == {"stages.1.0"}


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("mlp", {"widths": (64,)}, "at least two widths"),
        ("mlp", {"widths": (64, 0, 10)}, "none below 1"),
        ("vgg", {"image": 6, "widths": (4, 8)}, "6 pixels cannot be halved"),
        ("vgg", {"widths": ()}, "at least one stage"),
        ("resnet", {"widths": (8, -1)}, "none narrower"),
        ("vit", {"image": 8, "patch": 3}, "Choose a divisor of 8"),
        ("vit", {"dim": 30, "heads": 4}, "Choose a divisor of 30"),
        ("gpt", {"dim": 30, "heads": 4}, "Choose a divisor of 30"),
    ],
)
def test_impossible_options_are_refused_in_a_sentence(name, options, message):
    """The sentence says which option and what would do."""
    with pytest.raises(Refused, match=message):
        NETS[name].build(**options)


def test_every_shipped_network_is_a_method():
    """The directory is the registry."""
    assert {"factory", "gpt", "hugging_face", "mlp", "program", "resnet", "timm", "torchvision", "vgg", "vit"} <= set(registry.names("nets"))


# --- networks of others -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "library"), [("torchvision", "torchvision.models"), ("timm", "timm")])
def test_a_library_that_cannot_be_imported_is_named(name, library, monkeypatch):
    """The sentence says what to install."""
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(Refused, match=f"{name} cannot be imported"):
        registry.find("nets", name)()


def test_a_classifier_of_torchvision_is_built_by_name():
    """Classes as wanted, nothing downloaded; an unknown name is answered with the nearest."""
    pytest.importorskip("torchvision.models", exc_type=ImportError)
    network = torchvision.build(model="resnet18", classes=3).eval()
    assert network(torch.zeros(1, 3, 32, 32)).shape == (1, 3)
    with pytest.raises(Refused, match="no classifier 'resnet19'. Similar: .*resnet18"):
        torchvision.build(model="resnet19")


def test_a_classifier_of_timm_is_built_by_name():
    """Classes and channels as wanted; a name that would have to be asked for on the network is no name."""
    pytest.importorskip("timm", exc_type=ImportError)
    assert timm.build(model="resnet18", classes=3, channels=1).eval()(torch.zeros(1, 1, 32, 32)).shape == (1, 3)
    with pytest.raises(Refused, match="no model 'hf-hub:a/b'"):
        timm.build(model="hf-hub:a/b")


def test_a_library_is_asked_for_the_classifier_and_for_no_weights(monkeypatch):
    """With stand-ins for both, which are not installed everywhere: what they are called with."""
    asked = []

    def make(name, **options):
        asked.append((name, options))
        return torch.nn.Linear(2, 2)

    stand_in = SimpleNamespace(list_models=lambda module=None: ["resnet18", "vgg11"], get_model=make, create_model=make)
    monkeypatch.setitem(sys.modules, "torchvision.models", stand_in)
    monkeypatch.setitem(sys.modules, "timm", stand_in)
    torchvision.build(model="resnet18", classes=3)
    timm.build(model="vgg11", classes=3, channels=1)
    assert asked == [
        ("resnet18", {"weights": None, "num_classes": 3}),
        ("vgg11", {"pretrained": False, "num_classes": 3, "in_chans": 1}),
    ]
    for build in (torchvision.build, timm.build):
        with pytest.raises(Refused, match="'resnet19'. Similar: resnet18"):
            build(model="resnet19")


def trusting(names):
    """What a program that was started with this list makes of torch.nn:Linear, and of a function that would leave a mark."""
    script = (
        "from explorer.core.errors import Refused\nfrom explorer.problems.nets import factory\nimport os\n"
        "try: print(factory.build(call='torch.nn:Linear', arguments=('in_features=2', 'out_features=3', 'bias=false')))\n"
        "except Refused as refusal: print(refusal)\n"
        "os.environ['LOSS_EXPLORER_TRUST'] = 'os:getcwd'\n"
        "try: factory.build(call='os:getcwd')\n"
        "except Refused as refusal: print(refusal)\n"
    )
    environment = {**os.environ, trust.TRUST: names}
    root = Path(factory.__file__).parents[3]
    return subprocess.run([sys.executable, "-c", script], cwd=root, env=environment, check=True, capture_output=True, text=True).stdout.splitlines()


def test_a_factory_is_called_only_with_leave_given_at_the_start():
    """The exact name in the list; what is put there later does not count."""
    refused = "is third-party code, and this program was started without permission to run it"
    allowed, later = trusting("a:b, torch.nn:Linear")
    assert allowed == "Linear(in_features=2, out_features=3, bias=False)"
    assert refused in later


@pytest.mark.parametrize("trusted", ["", "torch.nn", "torch.nn:Linea", "torch.nn:Linear2", "1", "*"])
def test_leave_is_given_by_the_whole_name_alone(trusted, monkeypatch):
    """No part of it, no pattern, no yes."""
    monkeypatch.setattr(trust, "given", frozenset({trusted}))
    with pytest.raises(Refused, match="without permission to run it"):
        factory.build(call="torch.nn:Linear")


@pytest.mark.parametrize(
    ("call", "arguments", "message"),
    [
        ("", (), "needs module:callable, got ''"),
        ("torch.nn", (), "needs module:callable"),
        ("torch.nn:Linear", ("2",), "name=value, got '2'"),
        ("torch.nn:Linear", ("__import__('os')=2",), "name=value"),
        ("torch.nn:Linear", ("in_features=two",), "Linear failed: TypeError"),
        ("torch.nn:Missing", (), "cannot be found: .*Missing"),
        ("no_such_module:x", (), "cannot be found: No module"),
        ("torch.nn:__name__", (), "is a str and cannot be called"),
        ("builtins:dict", (), "returned a dict; a torch.nn.Module is expected"),
    ],
)
def test_a_factory_that_makes_no_network_is_refused_in_a_sentence(call, arguments, message, monkeypatch):
    """What was expected, what came, what to do."""
    monkeypatch.setattr(trust, "given", frozenset({call}))
    with pytest.raises(Refused, match=message):
        factory.build(call=call, arguments=arguments)


def test_arguments_of_a_factory_are_json_or_text(monkeypatch):
    """Numbers, lists and truth values as such; what is no JSON is a text; a class within a class can be named."""
    monkeypatch.setattr(trust, "given", frozenset({"torch.nn:Conv2d"}))
    network = factory.build(call="torch.nn:Conv2d", arguments=("in_channels=1", "out_channels=2", "kernel_size=[1,2]", "padding_mode=circular"))
    assert (network.kernel_size, network.padding_mode) == ((1, 2), "circular")


def test_a_network_that_answers_with_no_tensor_is_refused(monkeypatch):
    """Before anything is measured."""
    monkeypatch.setattr(trust, "given", frozenset({"torch.nn:MaxPool2d"}))
    options = {"call": "torch.nn:MaxPool2d", "arguments": ["kernel_size=2", "return_indices=true"]}
    spec = ProblemSpec(registry.method("nets", "factory", options), registry.method("data", "digits"))
    with pytest.raises(Refused, match="returns a tuple, and one tensor is expected; its outputs are 0, 1. Name one as output"):
        Problem(spec).split("test")


# --- programs -------------------------------------------------------------------------------------------------------------


def exported(path, network, example):
    """A network as torch.export saves it, for any number of samples."""
    saved = torch.export.export(network, (example,), dynamic_shapes=({0: torch.export.Dim("n")},), strict=False)
    torch.export.save(saved, path)
    return path


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    """A problem of digits whose network is a program, and the network that was exported."""
    folder = tmp_path_factory.mktemp("program")
    network = vit.build(depth=1, dim=8, heads=2).eval()
    exported(folder / "net.pt2", network, torch.zeros(3, 1, 8, 8))
    (folder / "problem.toml").write_text('[network]\nname = "program"\nfile = "net.pt2"\n[data]\nname = "digits"\n', encoding="utf-8")
    return SimpleNamespace(file=folder / "net.pt2", network=network, spec=problem_toml.read(folder))


@pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning")  # torch about itself, when a program is copied
@pytest.mark.filterwarnings("ignore:The given buffer is not writable:UserWarning")  # torch 2.11 about itself, when it is loaded
def test_a_program_that_istrusted_is_the_network_that_was_exported(exports, monkeypatch):
    """Names, shapes, answers to any number of samples, other weights, and the symmetry."""
    monkeypatch.setattr(trust, "given", frozenset({"a:b", str(exports.file)}))
    problem = Problem(exports.spec)
    network = problem.network()
    assert problem.shapes() == {k: tuple(t.shape) for k, t in exports.network.state_dict().items()}
    other = vit.build(depth=1, dim=8, heads=2).eval()
    x = problem.split("test").inputs[:5]
    with torch.inference_mode():
        for twin in (exports.network, other):
            network.load_state_dict(twin.state_dict())
            assert all(torch.allclose(network(x[:k]), twin(x[:k]), atol=1e-6) for k in (1, 5))
    assert set(discover(network, (x[:3],)).groups) == set(discover(exports.network, (x[:3],)).groups)


def test_a_program_without_leave_is_not_loaded(exports, monkeypatch, tmp_path):
    """Not by another file's leave, nor after the file behind the path has changed."""
    assert exports.spec.network["file"].startswith("sha256:")
    changed = tmp_path / "net.pt2"
    changed.write_bytes(exports.file.read_bytes() + b"x")
    for given in (set(), {"1"}, {str(exports.file.parent)}, {str(changed)}, {str(tmp_path / "gone.pt2")}):
        monkeypatch.setattr(trust, "given", frozenset(given))
        with pytest.raises(Refused, match="can run arbitrary code, and this program was started without permission"):
            program.build(file=exports.spec.network["file"])


def test_a_problem_holds_the_content_of_a_program_and_not_its_place(exports, tmp_path):
    """Elsewhere it is the same problem; a missing one is refused; nothing is loaded to read it."""
    (tmp_path / "other.pt2").write_bytes(exports.file.read_bytes())
    assert program.settle({"file": "other.pt2"}, tmp_path)["file"] == exports.spec.network["file"]
    (tmp_path / "other.pt2").write_bytes(b"no program at all")
    assert program.settle({"file": "other.pt2"}, tmp_path)["file"] != exports.spec.network["file"]
    for name in ("gone.pt2", "", ".", "a\0.pt2"):
        with pytest.raises(Refused):
            program.settle({"file": name}, tmp_path)
    with pytest.raises(Refused, match="has not been read"):
        program.build(file="net.pt2")


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.Dropout(0.5)).train(), "exported in train mode"),
        (None, "cannot be loaded by torch"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_a_program_that_cannot_be_measured_is_refused(network, message, tmp_path, monkeypatch):
    """Dropout that is on, bytes that are no program."""
    path = tmp_path / "net.pt2"
    path.write_bytes(b"no program at all") if network is None else exported(path, network, torch.zeros(3, 1, 8, 8))
    monkeypatch.setattr(trust, "given", frozenset({str(path)}))
    with pytest.raises(Refused, match=message):
        program.build(**program.settle({"file": "net.pt2"}, tmp_path))
