"""The api as it is written down: its examples are true, and whatever it offers is there, described, and imported no sooner than it is asked for."""

from __future__ import annotations

import doctest
import inspect
import subprocess
import sys
from importlib import import_module
from pkgutil import iter_modules

import pytest

from explorer import api
from explorer.api import plugin
from explorer.api.lines import interpolate
from explorer.core import locations, registry
from explorer.core.errors import Refused

ROOMS = [f"explorer.api.{m.name}" for m in iter_modules(api.__path__)]
EXAMPLES = [
    test
    for room in ROOMS
    for test in doctest.DocTestFinder(exclude_empty=True).find(import_module(room), globs={name: getattr(api, name) for name in api.__all__})
    if test.examples
]
MEASURING = ["interpolate", "align", "connect", "landscape", "landscape_around"]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: e.name.removeprefix("explorer.api."))
def test_the_example_in_a_docstring_gives_what_it_says(example, home, monkeypatch):
    """On the shipped models, in a store of its own, with no more imported than `from explorer.api import *` gives."""
    monkeypatch.chdir(locations.root())
    wrong: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.FAIL_FAST).run(example, out=wrong.append)
    assert not wrong, "".join(wrong)


@pytest.mark.parametrize("name", MEASURING)
def test_whoever_measures_has_an_example(name):
    """Each of the five is among the examples that are run."""
    assert name in {e.name.rpartition(".")[2] for e in EXAMPLES}


@pytest.mark.parametrize(("room", "name"), [(room, name) for room in (api, plugin) for name in room.__all__])
def test_what_is_offered_is_there_and_described(room, name):
    """Every function and class has a docstring of its own; only aliases of types have none."""
    found = getattr(room, name)
    if inspect.isfunction(found) or inspect.isclass(found):
        assert inspect.cleandoc(found.__doc__ or "")
        assert not (found.__doc__ or "").startswith(f"{name}("), "what a dataclass writes by itself says nothing"


def test_a_name_that_is_not_there_is_answered_with_those_that_are():
    """A misspelt name finds the right one in the error."""
    with pytest.raises(AttributeError, match=r"explorer\.api has no 'interpolat'.*interpolate"):
        api.interpolat  # noqa: B018  (the access is the test)


@pytest.mark.parametrize(
    ("line", "torch"),
    [
        ("import explorer.api", False),
        ("from explorer.api.plugin import Range, Refused, Points, Progress, quiet, Dataset", False),
        ("from explorer.api import method, Field", False),
        ("from explorer.api.plugin import by_tensor", True),
    ],
)
def test_nothing_is_loaded_before_it_is_asked_for(line, torch):
    """A page imports charts and samplers, a plug-in's too, in a process that never loads torch."""
    asked = [sys.executable, "-c", f"{line}\nimport sys\nprint('torch' in sys.modules)"]
    assert subprocess.run(asked, check=True, capture_output=True, text=True).stdout.split() == [str(torch)]


@pytest.mark.parametrize("name", MEASURING)
def test_the_shared_keywords_stand_in_signature_and_docstring(name):
    """With the defaults that are taken: those of the test split, all samples, float32 on the CPU."""
    function = getattr(api, name)
    shown = inspect.signature(function).parameters
    expected = {"problem": None, "split": "test", "samples": 0, "buffers": "recalibrate", "loss": "", "precision": "float32", "home": None, "progress": True, "device": "cpu"}  # fmt: skip
    assert {key: shown[key].default for key in expected} == expected
    assert all(f"`{key}` ({default!r}): " in function.__doc__ for key, default in expected.items())
    assert "how" not in shown


def test_without_keywords_a_field_is_what_the_signature_says(tiny, home):
    """The defaults that are shown are those that decide the field's id."""
    shown = {name: p.default for name, p in inspect.signature(interpolate).parameters.items() if p.default is not inspect.Parameter.empty}
    bare, spelt = (interpolate(tiny.a, tiny.b, **{**how, "sampler": "grid", "options": {"size": 2}}) for how in ({}, shown))
    assert bare.run == spelt.run
    assert (bare.run.field.split, bare.run.field.samples, bare.run.field.precision) == ("test", 0, "float32")


def test_an_unknown_keyword_is_refused_with_the_known_ones(tiny, home):
    """In one sentence, before anything is measured; the function's own keywords are among them."""
    with pytest.raises(Refused, match=r"landscape takes no 'sample'\. It takes: .*split, samples, precision") as refusal:
        api.landscape(tiny.a, tiny.b, sample=100)
    assert "margin" in str(refusal.value)
    with pytest.raises(Refused, match=r"make takes no 'split'\. It takes: recipe, home, progress, device\."):
        api.make(api.loaded(tiny.a), split="val")


def test_an_alignment_of_one_model_is_refused(tiny, home):
    """There is nothing to align it to."""
    with pytest.raises(Refused, match="two models or more, got 1"):
        api.align(tiny.a)


def test_the_figures_of_an_alignment_are_of_what_it_did(tiny, home):
    """One mark for each matrix of weights; the reference itself has no such figure."""
    aligned = api.align(tiny.a, tiny.b, sampler="grid", options={"size": 3})
    assert len(aligned.layer_figure().data[0].y) == len(aligned.matched.layers) == 2
    assert aligned.convergence_figure().data[0].y[-1] == aligned.matched.trace[0][-1]
    with pytest.raises(Refused, match="no model 2 here"):
        aligned.layer_figure(2)


def test_methods_lists_what_the_registry_knows():
    """And a method comes with its defaults, checked."""
    assert api.methods("align") == registry.names("align")
    assert api.method("chart", "plane")["margin"] == 0.25
