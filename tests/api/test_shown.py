"""Results show themselves: the numbers that their methods give, the app's sentence, a picture; and no name becomes markup."""

from __future__ import annotations

import re
from html import unescape

import pytest
import torch
from IPython.lib.pretty import pretty

from explorer.api import align, fuse, interpolate, landscape, landscape_around, loaded, look, study
from explorer.checkpoints import checkpoint_file
from explorer.core import significant_digits
from explorer.core.errors import Refused

GRID = {"sampler": "grid", "options": {"size": 5}}


@pytest.fixture
def line(tiny, home):
    return interpolate(tiny.a, tiny.b, **GRID)


def plain(html: str) -> str:
    """What is read of some HTML."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


def test_a_line_says_its_barriers_with_intervals_and_its_verdict(line):
    """In a terminal and in a notebook the same numbers as `barrier`, for the loss and for the error in points."""
    for said in (re.sub(r"\s+", " ", repr(line)), plain(line._repr_html_())):
        assert "a → b: 5 points on 539 test samples" in said
        for metric, scale in (("loss", 1), ("error", 100)):
            value, low, high = line.barrier(metric).height.parts(scale=scale)
            assert f"{value} [{low}, {high}]" in said, metric
        assert "A barrier : the interval excludes zero." in said or "A barrier: the interval excludes zero." in said
        assert "Between the 5 measured points" in said
        assert "**" not in said


def test_a_notebook_is_given_words_and_an_image_that_runs_nothing(line):
    """The bundle has plain text, and HTML whose picture is an image with a text in its place."""
    bundle = line._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html"} and bundle["text/plain"] == repr(line)
    assert re.findall(r'<img alt="a → b[^"]*" src="data:image/svg\+xml;base64,', bundle["text/html"])
    assert "<script" not in bundle["text/html"] and "<svg" not in bundle["text/html"]


def test_without_a_kernel_nothing_live_is_shown(line):
    """IPython in a terminal then takes the bundle: NotImplementedError says so."""
    with pytest.raises(NotImplementedError):
        line._ipython_display_()


def test_a_hostile_name_stays_a_name(tiny, home, tmp_path):
    """A file may be called anything: it is text in every result."""
    name = "<img src=x onerror=alert(1)>"
    evil = tmp_path / f"{name}.safetensors"
    evil.write_bytes(tiny.a.read_bytes())
    for result in (interpolate(evil, tiny.b, problem=tiny.folder, **GRID), look(evil, tiny.b, problem=tiny.folder)):
        assert "<img src=x" not in result._repr_html_()
        assert name in unescape(result._repr_html_()) and name in repr(result)


def test_a_line_with_a_diverged_end_says_so(tiny, home, tmp_path):
    """Showing a result never fails: there is no barrier to show, and the reason is there."""
    big = {name: value * 1e30 for name, value in checkpoint_file.read(tiny.a).weights.items()}
    checkpoint_file.write(tmp_path / "big.safetensors", big, {"problem": "tiny"})
    line = interpolate(tiny.a, tmp_path / "big.safetensors", problem=tiny.folder, **GRID)
    with pytest.raises(Refused):
        line.barrier()
    assert "no finite loss" in repr(line) and "no finite loss" in line._repr_html_()


def test_an_alignment_says_what_it_did(tiny, home):
    """The barrier before and after, the paired reduction, and the sentence of the Align page."""
    aligned = align(tiny.a, tiny.b, **GRID)
    (pair,) = aligned.pairs
    said = re.sub(r"\s+", " ", repr(aligned))
    for estimate in (pair.before.barrier().height, pair.after.barrier().height, pair.reduction()):
        assert estimate.formatted() in said
    assert "The alignment lowers the barrier by " in said
    assert plain(pair._repr_html_()).count("of it was only due to the order of the units") == 1
    assert "data:image/svg+xml" in aligned._repr_html_()


def test_several_aligned_models_have_a_row_each(tiny, home, tmp_path):
    """Named, against the reference."""
    third = tmp_path / "c.safetensors"
    third.write_bytes(tiny.b.read_bytes())
    aligned = align(tiny.a, tiny.b, third, problem=tiny.folder, **GRID)
    assert "2 models aligned to a by weight matching" in repr(aligned)
    assert [row.split()[0] for row in repr(aligned).splitlines()[2:4]] == ["b", "c"]


def test_a_plane_says_where_it_is_low(tiny, home, tmp_path):
    """Its lowest and highest values with intervals, as `extremes` gives them."""
    plane = landscape_around(tiny.a, size=5)
    low, _ = plane.extremes()
    said = repr(plane)
    assert significant_digits.within(low.value, *low.interval) in said and "The lowest measured loss is" in said
    assert said.startswith("Plane of a: 25 points on 539 test samples")
    assert "data:image/svg+xml" in plane._repr_html_()
    c = tmp_path / "c.safetensors"
    mixed = {n: 0.5 * (v + torch.roll(v, 1, 0)) for n, v in checkpoint_file.read(tiny.a).weights.items()}
    checkpoint_file.write(c, mixed, {"problem": "tiny"})
    refined = landscape(tiny.a, tiny.b, c, problem=tiny.folder, refine=True)
    assert "Smooth preview" in repr(refined) or "Every node is measured" in repr(refined)


def test_models_are_measured_beside_each_other(tiny, home, line):
    """Each one's value is that of the line's point where it stands; the difference is paired and has the sign of b − a."""
    soup = fuse(tiny.a, tiny.b)
    found = look(tiny.a, tiny.b, soup, line.model(0.5))
    means = line.points.means()[:, 0]
    assert [found.value(i).value for i in range(4)] == pytest.approx([means[0], means[4], means[2], means[2]], rel=1e-5)
    apart = found.difference(2)
    assert apart.value == pytest.approx(means[2] - means[0], rel=1e-5) and 0 < apart.low < apart.value < apart.high
    assert found.difference(0, 2).value == pytest.approx(-apart.value)
    assert "uniform soup" in repr(found), "what was made here is called by its recipe and not by the name of its file"
    with pytest.raises(Refused, match=r"no model 4 here\. The models are 0 … 3"):
        found.value(4)
    with pytest.raises(Refused, match=r"no metric 'brier' here"):
        found.value(0, "brier")


def test_one_model_alone_can_be_measured(tiny, home):
    """Without a difference, since there is nothing to compare with."""
    found = look(tiny.a)
    assert found.value(0, "error").formatted(scale=100) in repr(found)
    assert "minus" not in repr(found)


def test_a_study_is_a_dict_that_shows_its_keys(tiny, home):
    """It equals what it holds, and a row for each key is shown."""
    found = study(tiny.a, tiny.b, method="kinship")
    assert found == dict(found) and found["share"] == dict(found)["share"]
    assert [row.split()[0] for row in repr(found).splitlines()[2:]] == list(found)
    assert repr(found).startswith("Kinship: ") and "<table>" in found._repr_html_()


def test_values_are_written_in_words_at_the_end_of_a_cell(line, tiny):
    """And a recipe by its name: all of it would fill the screen."""
    barrier = line.barrier()
    assert pretty(barrier.height) == barrier.height.formatted() == str(barrier.height)
    assert pretty(barrier).startswith(f"barrier of loss: {barrier.height.formatted()}, highest point at 0.5, ends ")
    assert pretty(line.verdict()).startswith("barrier: below 0.02 counts as none")
    assert "could still hide" in pretty(line.hidden())
    assert pretty((loaded(tiny.a), line.model(0.5))) == "(Loaded('a'), Fused('0.5 a + 0.5 b'))"
    assert repr(barrier.height).startswith("Estimate(value=")
