"""The spectrum as pictures and words."""

import numpy as np
import pytest

from explorer.checkpoints import checkpoint_file
from explorer.core import registry
from explorer.figures.spectrum import FLOOR, density, eigenvalues, spectra, words


def value(at, half=0.5):
    """An eigenvalue with its interval, as the study gives it."""
    return {"value": at, "low": at - half, "high": at + 2 * half, "residual": 0.0}


def model(largest=(4.0, 2.0), smallest=-0.1):
    """One model's part of the study's result."""
    return {
        "loss": 0.1,
        "gradient": 0.01,
        "largest": [value(v) for v in largest],
        "smallest": [value(smallest)],
        "trace": [10.0, 9.0, 11.5],
        "density": {"grid": [-1.0, 0.0, 1.0, 4.0], "values": [0.0, 2.0, 1e-9, 0.1]},
    }


def found(*models):
    """The study's result."""
    return {"parameters": 12345, "samples": 512, "models": list(models)}


def test_eigenvalues_stand_at_their_ranks_with_their_intervals():
    """Models side by side, not one over the other."""
    shown = spectra(found(model(), model((3.0, 1.0))), ["a", "b"])
    first, second = eigenvalues(shown).data
    assert list(first.y) == [4, 2]
    assert list(first.error_y.array) == [1, 1]
    assert list(first.error_y.arrayminus) == [0.5, 0.5]
    assert np.rint(first.x).tolist() == np.rint(second.x).tolist() == [1, 2]
    assert (np.array(first.x) < np.array(second.x)).all()


def test_the_density_leaves_out_what_is_only_the_kernel_s_tail():
    """A gap on the log axis, not a number near zero; the largest eigenvalues are marked on the floor."""
    line, ticks = density(spectra(found(model()), ["a"])).data
    assert np.isnan(line.y[[0, 2]]).all()
    assert list(line.y[[1, 3]]) == [2, 0.1]
    assert list(ticks.x) == [4, 2]
    assert list(ticks.y) == pytest.approx([2 * FLOOR] * 2)


@pytest.mark.parametrize(
    ("smallest", "said"),
    [(-0.1, "zero compared with the largest"), (-1.0, "0.25 times the largest"), (-8.0, "2 times the largest")],
)
def test_the_words_say_whether_it_is_a_minimum(smallest, said):
    """With the numbers, their intervals and what they are over."""
    text = words(found(model(smallest=smallest)), ["a"])
    assert said in text
    assert "**a**: the largest eigenvalue is 4.00 [3.50, 5.00], the trace 10.0 [9.0, 11.5]" in text
    assert "12,345 eigenvalues, on 512 samples" in text


def test_a_model_that_curves_nowhere_upwards_is_told():
    """As where the loss is flat."""
    assert "No direction curves upwards" in words(found(model((0.0, -1.0), -1.0)), ["a"])


def test_names_are_text_and_as_many_as_models():
    """Nothing in them is markup."""
    fig = eigenvalues(spectra(found(model(), model()), ["<b>a", "b"]))
    assert fig.data[0].name == "&lt;b&gt;a"
    with pytest.raises(ValueError, match="argument"):
        spectra(found(model(), model()), ["a"])


def test_it_draws_what_the_study_finds(tiny):
    """From checkpoints to pictures."""
    models = [checkpoint_file.read(p).weights for p in (tiny.a, tiny.b)]
    result = registry.find("study", "spectrum")(models, tiny.problem, samples=50, count=2, probes=2, density_probes=1, steps=5)
    shown = spectra(result, ["a", "b"])
    assert list(eigenvalues(shown).data[1].y) == [v["value"] for v in result["models"][1]["largest"]]
    assert len(density(shown).data) == 4
    assert "**b**" in words(result, ["a", "b"])
