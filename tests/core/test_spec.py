"""Wishes are data: they survive JSON, and their id says what decides the value."""

from dataclasses import replace

import pytest

from explorer.core.spec import Field, Fused, Loaded, Method, ProblemSpec, Run, Spec

PROBLEM = ProblemSpec(Method("mlp", (("widths", (4, 3)),)), Method("digits"), title="a title", name="p")
FIELD = Field(PROBLEM, (Loaded("aa", path="/x/a.safetensors", name="a"), Loaded("bb")), Method("line"))


def test_a_nested_wish_survives_json():
    """to_json and from_json are inverse, tuples and nested recipes included."""
    run = Run(
        replace(FIELD, corners=(Fused(PROBLEM, FIELD.corners, Method("average", (("weights", (0.5, 0.5)),))), Loaded("bb"))),
        Method("grid", (("size", 5),)),
    )
    assert Run.from_json(run.to_json()) == run


def test_where_a_file_lies_and_what_it_is_called_do_not_change_the_id():
    """The hash covers what decides the value only."""
    moved = replace(
        FIELD, corners=(Loaded("aa", path="/y/other.safetensors", name="z"), Loaded("bb")), problem=replace(PROBLEM, title="other", name="q")
    )
    assert moved.id == FIELD.id


@pytest.mark.parametrize(
    "change",
    [
        {"split": "val"},
        {"samples": 7},
        {"buffers": "mix"},
        {"corners": (Loaded("bb"), Loaded("aa"))},
        {"problem": replace(PROBLEM, seed=1)},
        {"problem": replace(PROBLEM, network=Method("mlp", (("widths", (4, 4)),)))},
        {"metrics": ("loss",)},
    ],
)
def test_whatever_decides_the_value_changes_the_id(change):
    """Two fields with different values never share their points."""
    assert replace(FIELD, **change).id != FIELD.id


def test_the_id_does_not_depend_on_the_process():
    """An id is a permalink: it is the same tomorrow and elsewhere."""
    assert Loaded("aa").id == "3eeb14753002a7d9"


def test_json_of_another_kind_is_no_field():
    """A link to a recipe is not taken for a link to a field."""
    with pytest.raises(TypeError, match="Expected a Field"):
        Field.from_json(Loaded("aa").to_json())
    with pytest.raises(TypeError, match="Unknown kind"):
        Spec.from_json({"kind": "Popen", "args": "x"})
