"""Tensors that do not match, and tensors that are left alone."""

import pytest
import torch
from typer.testing import CliRunner

from explorer.commands.main import app
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.merging import engine, plan
from explorer.merging.fit import Fit, matches
from tests.merging import identical, loaded, saved

SOUP = registry.method("fuse", "uniform_soup")


@pytest.fixture
def models(tmp_path):
    """One body; heads of 4 and of 5 classes; a scale in the second alone, and a counter."""
    paths = []
    for i, classes in enumerate((4, 5)):
        weights = {"body.0.weight": torch.full((3, 3), float(i)), "body.1.weight": torch.full((3, 3), 10.0 + i)}
        weights |= {"head.weight": torch.full((classes, 3), 20.0 + i), "steps": torch.tensor([7 + i])}
        paths.append(str(saved(tmp_path / str(i), weights | ({"extra": torch.ones(2)} if i else {}))))
    return paths


def merged(models, out, method=SOUP, **fit):
    made = plan.of_method(method, models, fit=Fit(**fit))
    engine.merge(made, out)
    return loaded(out), made


def test_heads_of_other_shapes_stay_as_the_first_has_them(models, tmp_path):
    """The rest is merged; what only the other has is left out. Both is said."""
    found, made = merged(models, tmp_path / "out", different="first")
    assert found["head.weight"].tolist() == [[20.0] * 3] * 4
    assert float(found["body.0.weight"][0, 0]) == 0.5
    assert "extra" not in found
    said = {job.name: job.said for job in made.jobs}
    assert said["head.weight"].startswith("kept from") and "4×3 here and 5×3 in" in said["head.weight"]
    assert any(note.startswith("extra is left out: not in") for note in made.notes)


def test_heads_are_left_out(models, tmp_path):
    """Of the result, and that is said."""
    found, made = merged(models, tmp_path / "out", different="leave-out")
    assert set(found) == {"body.0.weight", "body.1.weight", "steps"}
    assert any("head.weight is left out: 4×3 here and 5×3" in note for note in made.notes)


def test_only_what_is_chosen_is_merged(models, tmp_path):
    """A part of a name or a shell's pattern; `keep` takes out again."""
    for only in ("body.1", "*.1.weight"):
        found, made = merged(models, tmp_path / only, different="first", only=(only,))
        assert [float(found[f"body.{i}.weight"][0, 0]) for i in (0, 1)] == [0, 10.5]
        assert {j.name: j.said for j in made.jobs}["body.0.weight"].endswith(f"not among {only}")
    found, _ = merged(models, tmp_path / "kept", different="first", keep=("body.0",))
    assert [float(found[f"body.{i}.weight"][0, 0]) for i in (0, 1)] == [0, 10.5]


def test_what_stays_has_the_bits_it_had(three):
    """Also under a threshold over the whole model, in which it has no part."""
    method = registry.method("fuse", "ties", {"density": 0.5})
    made = plan.of_method(method, [str(p) for p in three.paths], fit=Fit(keep=("embed", "lm_head")))
    engine.merge(made, three.out)
    found = loaded(three.out)
    assert torch.equal(found["lm_head.weight"], three.weights[0]["lm_head.weight"])
    rest = [{n: t for n, t in w.items() if "embed" not in n and "lm_head" not in n} for w in three.weights]
    alone = [str(saved(three.folder / f"rest-{i}", w)) for i, w in enumerate(rest)]
    engine.merge(plan.of_method(method, alone), three.folder / "alone")
    assert identical({n: t for n, t in found.items() if n in rest[0]}, loaded(three.folder / "alone"))


def test_a_recipe_is_fitted_as_well(models, tmp_path):
    """Its parameters hold for what is merged."""
    text = "merge_method: linear\nmodels:\n" + "".join(f"- {{model: {m}, parameters: {{weight: 1}}}}\n" for m in models)
    engine.merge(plan.of_recipe(text, fit=Fit(different="first", keep=("body.1",))), tmp_path / "out")
    found = loaded(tmp_path / "out")
    assert [float(found[n][0, 0]) for n in ("body.0.weight", "body.1.weight", "head.weight")] == [0.5, 10, 20]


@pytest.mark.parametrize(
    ("fit", "sentence"),
    [
        ({}, "extra is in .* and not in"),
        ({"different": "first", "only": ("nowhere",)}, "No tensor's name fits 'nowhere'"),
        ({"different": "first", "keep": ("*",)}, "Nothing would be merged"),
    ],
)
def test_what_cannot_be_fitted_is_refused(models, fit, sentence):
    """One sentence, with the way out."""
    with pytest.raises(Refused, match=sentence):
        plan.of_method(SOUP, models, fit=Fit(**fit))


def test_the_command_line_shows_what_happens_to_each_tensor(models, tmp_path):
    """And why; nothing is written by a dry run, and in memory these choices are refused."""
    words = ["fuse", *models, str(tmp_path / "out"), "--different", "first", "--keep", "body.1", "--tokens", "same"]
    shown = CliRunner().invoke(app, [*words, "--dry-run"], env={"COLUMNS": "400", "NO_COLOR": "1"})
    assert shown.exit_code == 0, shown.output
    assert "4×3 here and 5×3 in" in shown.output
    assert "extra is left out" in shown.output
    assert not (tmp_path / "out").exists()
    assert CliRunner().invoke(app, words).exit_code == 0
    assert float(loaded(tmp_path / "out")["body.1.weight"][0, 0]) == 10
    refused = CliRunner().invoke(app, [*words, "--problem", "digits-mlp"], env={"COLUMNS": "400"})
    assert refused.exit_code == 2
    assert "from file to file" in refused.output


def test_a_pattern_without_a_sign_is_a_part_of_a_name():
    """With one it is the whole name's."""
    assert matches("model.layers.12.mlp.weight", "layers.12.")
    assert matches("model.layers.12.mlp.weight", "model.layers.1?.*")
    assert not matches("model.layers.12.mlp.weight", "layers.1?")
