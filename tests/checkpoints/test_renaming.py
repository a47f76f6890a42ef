"""A network's names for the tensors of a file that has its shapes in order: one way or none, and never a guess between two."""

import pytest

from explorer.checkpoints.renaming import renaming
from explorer.core.errors import Refused

MLP = {
    "layers.0.weight": (5, 4),
    "layers.0.bias": (5,),
    "layers.1.weight": (5, 5),
    "layers.1.bias": (5,),
    "layers.2.weight": (2, 5),
    "layers.2.bias": (2,),
}


def sequential(*numbers, of=MLP):
    """The same modules under other numbers, as an nn.Sequential with activations between them saves them."""
    return {f"{numbers[int(name.split('.')[1])]}.{name.split('.')[2]}": shape for name, shape in of.items()}


def in_order_of_names(shapes):
    """As a .safetensors holds them."""
    return {name: shapes[name] for name in sorted(shapes)}


def test_modules_are_matched_in_order():
    """With the numbers that are skipped by activations."""
    assert renaming(sequential(0, 2, 4), MLP) == dict(zip(sequential(0, 2, 4), MLP, strict=True))


def test_numbers_are_in_order_where_the_file_is_sorted_by_name():
    """10 stands before 2 in a .safetensors; its order says nothing there, and bias stands before weight."""
    wide = {f"layers.{i}.{leaf}": shape for i in range(4) for leaf, shape in (("weight", (5, 5)), ("bias", (5,)))}
    found = renaming(in_order_of_names(sequential(0, 2, 4, 10, of=wide)), wide)
    assert found == dict(zip(sequential(0, 2, 4, 10, of=wide), wide, strict=True))


def test_shapes_tell_where_they_all_differ():
    """Names without numbers, sorted: the first layer comes last by name, and fits in one place alone."""
    two = {"layers.0.weight": (5, 4), "layers.0.bias": (5,), "layers.1.weight": (2, 5), "layers.1.bias": (2,)}
    stored = {"body.bias": (5,), "body.weight": (5, 4), "answer.weight": (2, 5), "answer.bias": (2,)}
    assert renaming(in_order_of_names(stored), two)["body.weight"] == "layers.0.weight"
    assert renaming({"w1": (5, 4), "b1": (5,), "w2": (2, 5), "b2": (2,)}, two)["w2"] == "layers.1.weight"


@pytest.mark.parametrize(
    "stored",
    [
        {
            "4.weight": (5, 4),
            "4.bias": (5,),
            "2.weight": (5, 5),
            "2.bias": (5,),
            "3.weight": (5, 5),
            "3.bias": (5,),
        },  # saved 4, 2, 3: numbered 2, 3, 4
        {f"{name}.{leaf}": shape for name in "abc" for leaf, shape in (("bias", (5,)), ("weight", (5, 5)))},  # sorted, no numbers, all alike
    ],
)
def test_two_orders_that_fit_are_refused(stored):
    """Whatever fits twice is not chosen from."""
    alike = {f"layers.{i}.{leaf}": (5, 5) if leaf == "weight" else (5,) for i in range(3) for leaf in ("weight", "bias")}
    with pytest.raises(Refused, match="in more than one order"):
        renaming({name: (5, 5) if name.endswith("weight") else (5,) for name in stored}, alike)


@pytest.mark.parametrize("stored", [MLP, {}, sequential(0, 2, 4) | {"6.weight": (1,)}, {"0.weight": (5, 4)}, sequential(0, 2, 4) | {"4.bias": (3,)}])
def test_what_does_not_fit_is_no_guess(stored):
    """Its own names, none, one more, one less, another width."""
    assert renaming(stored, MLP) is None
