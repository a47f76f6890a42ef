"""The shipped architectures: names, shapes, known outputs, and the way back from a checkpoint to its options."""

import pytest
import torch

from explorer import methods
from explorer.errors import Refused
from explorer.nets import gpt, mlp, resnet, shapes_of, vgg, vit

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
    assert methods.names("nets")[:5] == ["gpt", "mlp", "resnet", "vgg", "vit"]
