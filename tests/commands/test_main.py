"""The command line: numbers with their interval, and one clear sentence for every bad input."""

import json
import re
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from explorer.api import Line, Run, align, decide, interpolate, landscape_around
from explorer.checkpoints import checkpoint_file
from explorer.commands.main import app
from explorer.commands.print_results import line_json
from explorer.commands.training import train_into
from explorer.core import plugins, registry
from explorer.core.errors import Refused, Stopped
from explorer.figures.data import written
from explorer.stats.intervals import Estimate
from explorer.stats.line_words import unseen
from tests import hostile
from tests.engine.test_inspect_checkpoints import int8_of, sequential_of
from tests.figures.test_line import FIELD, points
from tests.stats.test_metrics import MARGIN


def run(*words, code=0):
    """The output of `loss-explorer …`, all on one line of words."""
    result = CliRunner().invoke(app, [str(w) for w in words], env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert result.exit_code == code, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return " ".join(result.output.split())


def test_barrier_prints_the_number_with_its_interval(tiny, home):
    """The same numbers as in Python."""
    text = run("barrier", tiny.a, tiny.b, "--problem", tiny.folder)
    found = interpolate(tiny.a, tiny.b, problem=tiny.folder).barrier("loss")
    value, low, high = found.height.parts()
    assert f" {value} " in text
    assert f"[{low}, {high}]" in text
    assert "max L(t) − worse end" in text


def test_a_quantised_checkpoint_is_refused_or_dequantised(tiny, home, tmp_path):
    """By the one word, on every command that loads models; what is measured is what the path with #dequantised is in Python."""
    quantised = int8_of(tiny.a, tmp_path)
    how = ["--problem", tiny.folder]
    for words in (["barrier", tiny.b, quantised], ["align", tiny.b, quantised], ["fuse", tiny.b, quantised, tmp_path / "out.safetensors"]):
        assert "int8.safetensors is quantised: layers.0.weight is int8 12×64" in run(*words, *how, code=2)
        run(*words, *how, "--dequantise")
    assert checkpoint_file.read(tmp_path / "out.safetensors").weights["layers.0.weight"].dtype == torch.float32
    _, low, high = interpolate(tiny.b, f"{quantised}#dequantised", problem=tiny.folder).barrier("loss").height.parts()
    assert f"[{low}, {high}]" in run("barrier", tiny.b, quantised, *how, "--dequantise")
    assert "int8#dequantised" in run("look", quantised, *how, "--dequantise")


def test_a_network_under_other_names_is_shown_and_used_when_accepted(tiny, home, tmp_path):
    """Refused with the pairs and the way; under #renamed every command takes it for what it is."""
    file, how = sequential_of(tiny.b, tmp_path), ["--problem", tiny.folder]
    assert "sequential: 2.bias → layers.1.bias" in run("look", file, *how)
    for words in (["barrier", tiny.a, file], ["align", tiny.a, file], ["fuse", tiny.a, file, tmp_path / "out.safetensors"]):
        assert "put #renamed behind its path" in run(*words, *how, code=2)
    accepted = f"{file}#renamed"
    assert "renamed in order" in run("look", accepted, *how)
    theirs, ours = (interpolate(tiny.a, b, problem=tiny.folder).barrier("loss") for b in (tiny.b, accepted))
    assert ours.height == theirs.height
    theirs, ours = (json.loads(run("align", tiny.a, b, *how, "--json"))["pairs"][0] for b in (tiny.b, accepted))
    assert {k: v for k, v in ours.items() if k != "models"} == {k: v for k, v in theirs.items() if k != "models"}
    run("fuse", tiny.a, accepted, tmp_path / "out.safetensors", *how)
    run("fuse", tiny.a, tiny.b, tmp_path / "same.safetensors", *how)
    one, other = (checkpoint_file.read(tmp_path / f"{n}.safetensors").weights for n in ("out", "same"))
    assert all(torch.equal(one[n], other[n]) for n in other)


def test_other_weights_in_a_file_are_said_and_chosen(tiny, home, tmp_path):
    """On standard error wherever the file is used; the other set is measured under the file's name with its key."""
    weights = [checkpoint_file.read(p).weights for p in (tiny.a, tiny.b)]
    torch.save({"state_dict": weights[0], "state_dict_ema": weights[1]}, tmp_path / "last.pth.tar")
    how, file = ["--problem", tiny.folder], tmp_path / "last.pth.tar"
    said = "choose them with last.pth.tar#state_dict_ema"
    assert f"last.pth.tar has other weights in it, too: {said}" in run("barrier", file, tiny.b, *how)
    assert said in run("look", file, *how)
    found = interpolate(tiny.a, f"{file}#state_dict_ema", problem=tiny.folder).barrier("loss")
    assert found.ends == interpolate(tiny.a, tiny.b, problem=tiny.folder).barrier("loss").ends


def test_barrier_as_json_and_as_a_picture(tiny, home, tmp_path):
    """For scripts, and for a report; the picture needs no network, and the store makes its folder."""
    picture, place = tmp_path / "line.html", tmp_path / "new" / "home"
    how = ["--json", "--html", str(picture), "--sampler", "grid", "--points", "5", "--home", str(place)]
    result = CliRunner().invoke(app, ["barrier", str(tiny.a), str(tiny.b), *how])
    assert (place / "store.sqlite").is_file()
    numbers = json.loads(result.stdout)
    assert [b["metric"] for b in numbers["barriers"]] == ["loss", "error"]
    assert numbers["barriers"][0]["points"] == 5
    html = picture.read_text(encoding="utf-8")
    assert "Plotly.newPlot" in html
    assert "<script src=" not in html
    assert "exists already" in run("barrier", tiny.a, tiny.b, "--html", picture, code=2)


def test_what_the_points_do_not_show_is_printed_with_the_barrier(tiny, home):
    """By how much the path may be higher, what could hide, and that the budget ended the sampling; by default it ends by itself. In JSON the same."""
    few = run("barrier", tiny.a, tiny.b, "--points", "5")
    line = interpolate(tiny.a, tiny.b, options={"budget": 5})
    assert unseen(line.run.field, line.points, "loss", line.run.sampler).replace("**", "") in few
    assert "loss: Sampling stopped at its budget of 5 points" in few
    numbers = json.loads(CliRunner().invoke(app, ["barrier", str(tiny.a), str(tiny.b), "--points", "5", "--json"]).stdout)["barriers"][0]["hidden"]
    assert (numbers["out_of_budget"], numbers["above"], numbers["width"]) == (True, line.hidden().above, line.hidden().width)
    every = run("barrier", tiny.a, tiny.b)
    assert "loss: Between the" in every
    assert interpolate(tiny.a, tiny.b).hidden().settled
    assert interpolate(tiny.a, tiny.b).hidden().width < line.hidden().width
    assert "could still hide there" in run("path", tiny.a, tiny.b, "-o", "epochs=1")
    with pytest.raises(Refused, match="Measure more points"):
        interpolate(tiny.a, tiny.b, samples=9, sampler="grid", options={"size": 2}).hidden()


def test_a_line_that_diverged_between_its_ends_has_a_barrier_and_nothing_hidden():
    """Both ends are finite and nothing between them is: the numbers are there, and say that nothing is known of the rest."""
    values = points(0.5).values
    values[1:-1] = np.nan
    line = Line(Run(FIELD, registry.method("sample", "adaptive")), replace(points(0.5), values=values))
    (loss, _) = line_json(line)["barriers"]
    assert (loss["diverged"], loss["hidden"]) == (3, None)


def test_a_preview_prints_the_numbers_of_float32_and_what_it_is(tiny, home, tmp_path):
    """Barrier, path and plane: the confirmed numbers, the precision and the largest difference; JSON and CSV say it, too."""
    text = run("barrier", tiny.a, tiny.b, "--precision", "bfloat16")
    line = interpolate(tiny.a, tiny.b, precision="bfloat16")
    assert "[{1}, {2}]".format(*line.barrier("loss").height.parts()) in text
    assert line.barrier("loss").points == len(line.again.points) < len(line.points)
    assert f"The picture is a bfloat16 preview. Every quoted value was measured again in float32; at the {line.again.places} points" in text
    numbers = json.loads(CliRunner().invoke(app, ["barrier", str(tiny.a), str(tiny.b), "--precision", "bfloat16", "--json"]).stdout)
    assert (numbers["preview"], numbers["caution"]) == ("bfloat16", line.caution())
    assert interpolate(tiny.a, tiny.b).caution() == ""
    assert "bfloat16 preview" in run("path", tiny.a, tiny.b, "-o", "epochs=1", "--precision", "bfloat16")
    text = run("plane", tiny.a, "--around", "random", "--size", "5", "--precision", "bfloat16", "--csv", tmp_path / "p.csv")
    plane = landscape_around(tiny.a, size=5, precision="bfloat16")
    low, high = plane.extremes("loss")
    assert low.value == plane.again.points.means()[:, 0].min()
    assert f"loss from {low.value:.4g} at ({low.x:.4g}, {low.y:.4g}) to {high.value:.4g}" in text
    assert "bfloat16 preview" in text
    assert (tmp_path / "p.csv").read_bytes() == written(plane.to_frame(), "csv")
    assert set(plane.table().precision) == {"bfloat16", "float32"}
    assert "TF32 is a precision of NVIDIA GPUs" in run("barrier", tiny.a, tiny.b, "--precision", "tf32", "--device", "cpu", code=2)


def test_align_prints_the_barrier_before_and_after(tiny, home, tmp_path):
    """The numbers of the Python interface, and the aligned checkpoints where they were asked for."""
    text = run("align", tiny.a, tiny.b, "--option", "restarts=2", "--save", tmp_path / "out")
    done = align(tiny.a, tiny.b, method_options={"restarts": 2})
    (pair,) = done.pairs
    for found in (pair.before.barrier().height, pair.after.barrier().height, pair.reduction()):
        assert found.parts()[0] in text
    saved = checkpoint_file.read(tmp_path / "out" / "b-weight_matching.safetensors").weights
    made = checkpoint_file.read(done.files[1]).weights
    assert all(torch.equal(saved[k], made[k]) for k in made)
    assert "Choose another folder" in run("align", tiny.a, tiny.b, "--save", tmp_path / "out", code=2)


def test_align_as_json(tiny, home):
    """For scripts."""
    result = CliRunner().invoke(app, ["align", str(tiny.a), str(tiny.b), "--json", "--method", "identity"])
    numbers = json.loads(result.stdout)
    assert numbers["pairs"][0]["reduction"][0]["value"] == 0
    assert numbers["pairs"][0]["distance"][0] == numbers["pairs"][0]["distance"][1]


def test_align_lists_its_methods(home):
    """Each with what it does and its options."""
    text = run("align", "--method", "list")
    for name in registry.names("align"):
        assert name in text


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "Two checkpoints or more"),
        (("--option", "restarts"), "name=value"),
        (("--option", "restarts=many"), "must be int"),
        (("--option", "restarts=0"), "must lie in"),
        (("--method", "magic"), "There is no align method"),
    ],
)
def test_align_refuses_what_it_does_not_understand(tiny, home, words, sentence):
    """One sentence, exit code 2."""
    models = [tiny.a, tiny.b] if words else [tiny.a]
    assert sentence in run("align", *models, *words, code=2)


def test_the_problem_is_recognised_from_the_folder(tiny, home):
    """A problem.toml beside the files is enough."""
    assert "Tiny" in run("look", tiny.folder) or "tiny" in run("look", tiny.folder)
    assert "barrier" in run("barrier", tiny.a, tiny.b)


def test_runs_lists_what_was_computed(tiny, home, store):
    """What the app requested shows up here too."""
    store.submit(tiny.run())
    assert "a → b" in run("runs")


@pytest.fixture
def bad(tiny, tmp_path):
    """Checkpoints beside a problem.toml that are wrong in one way each."""
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "problem.toml").write_text((tiny.folder / "problem.toml").read_text())
    good = checkpoint_file.read(tiny.a).weights
    checkpoint_file.write(folder / "good.safetensors", good)
    checkpoint_file.write(folder / "wide.safetensors", {**good, "layers.0.weight": torch.zeros(20, 64)})
    checkpoint_file.write(folder / "short.safetensors", {k: v for k, v in good.items() if k != "layers.1.bias"})
    checkpoint_file.write(folder / "nan.safetensors", {**good, "layers.1.bias": torch.full((10,), torch.nan)})
    checkpoint_file.write(folder / "other.safetensors", {"conv.weight": torch.zeros(3, 3)})
    (folder / "cut.safetensors").write_bytes(tiny.a.read_bytes()[:200])
    hostile.pickle_bomb(folder).rename(folder / "bomb.pt")
    hostile.compressed_bomb(folder).rename(folder / "inflates.pt")
    return folder


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("wide.safetensors", "layers.0.weight is 12×64 in good and 20×64 in wide"),
        ("short.safetensors", "different architectures: 'layers.1.bias' is in only one of them"),
        ("nan.safetensors", "10 of 10 values that are NaN or infinite in layers.1.bias"),
        ("other.safetensors", "different architectures"),
        ("cut.safetensors", "cut.safetensors is damaged"),
        ("bomb.pt", "one of it was run"),
        ("inflates.pt", "compressed members"),
        ("gone.safetensors", "no such file"),
    ],
)
def test_a_bad_checkpoint_is_one_sentence_and_exit_code_2(bad, home, name, sentence):
    """No traceback; what was expected, what came, what to do."""
    text = run("barrier", bad / "good.safetensors", bad / name, code=2)
    assert sentence in text
    assert "Traceback" not in text
    assert not hostile.bomb_mark(bad).exists()


def test_two_checkpoints_that_agree_but_fit_another_problem_are_refused(bad, tiny, home):
    """The network of the problem decides, not their agreement."""
    assert "does not fit the network" in run("barrier", bad / "other.safetensors", bad / "other.safetensors", "--problem", tiny.folder, code=2)


def test_an_unknown_problem_lists_the_known_ones(tiny, home):
    """Names need not be guessed."""
    assert "digits-mlp" in run("barrier", tiny.a, tiny.b, "--problem", "digits-nlp", code=2)


def test_an_empty_dataset_is_refused(tiny, home, tmp_path):
    """A split without samples is no ground for a number."""
    folder = tmp_path / "empty"
    folder.mkdir()
    text = (tiny.folder / "problem.toml").read_text()
    (folder / "problem.toml").write_text(text + "\n[split]\ntest = 0.0\n")
    assert "test split of empty is empty" in run("barrier", tiny.a, tiny.b, "--problem", folder, code=2)


def test_a_diverged_end_gives_no_number(tiny, home, tmp_path):
    """Finite weights whose loss is not finite: refused, not reported as a barrier."""
    weights = {k: v * 1e30 for k, v in checkpoint_file.read(tiny.a).weights.items()}
    checkpoint_file.write(tmp_path / "huge.safetensors", weights)
    assert "no finite loss" in run("barrier", tiny.a, tmp_path / "huge.safetensors", "--problem", tiny.folder, code=2)


def test_a_device_that_is_not_there_is_refused(tiny, home):
    """With the way out."""
    assert "There is no device 'abacus' here" in run("barrier", tiny.a, tiny.b, "--device", "abacus", code=2)


def test_a_model_and_itself_have_no_barrier(tiny, home):
    """B(w, w) = 0, up to the rounding of (1 − t)·w + t·w."""
    line = interpolate(tiny.a, tiny.a)
    assert line.barrier("loss").height.value == pytest.approx(0, abs=1e-6)
    assert line.barrier("error").height.value == 0


def test_there_and_back_again_is_the_same_barrier(tiny, home):
    """B(a, b) = B(b, a), at the mirrored place."""
    options = {"sampler": "grid", "options": {"size": 9}}
    there, back = interpolate(tiny.a, tiny.b, **options).barrier(), interpolate(tiny.b, tiny.a, **options).barrier()
    assert back.height.value == pytest.approx(there.height.value, rel=1e-5)
    assert back.at == pytest.approx(1 - there.at)


def test_metrics_that_were_not_measured_are_refused(tiny, home):
    """In Python as in the app."""
    with pytest.raises(Refused, match="no metric 'f1' here"):
        interpolate(tiny.a, tiny.b).barrier("f1")


def test_path_prints_the_barrier_along_it(tiny, home, tmp_path):
    """Lower than that of the line; as JSON and as a picture too."""
    picture = tmp_path / "path.html"
    result = CliRunner().invoke(app, ["path", str(tiny.a), str(tiny.b), "-o", "epochs=15", "--json", "--html", str(picture)])
    found = Estimate(**json.loads(result.stdout)["barriers"][0]["height"])
    assert found.value < interpolate(tiny.a, tiny.b).barrier("loss").height.value
    assert "Plotly.newPlot" in picture.read_text(encoding="utf-8")
    assert found.parts()[0] in run("path", tiny.a, tiny.b, "-o", "epochs=15")
    assert "polychain" in run("path", "--method", "list")


def test_plane_writes_its_values(tiny, home, tmp_path):
    """Around one checkpoint: a row for each point, the lowest of them in the words."""
    assert "9 points" in run("plane", tiny.a, "--around", "random", "--size", "3", "-o", "seed=3", "--csv", tmp_path / "p.csv")
    rows = (tmp_path / "p.csv").read_text(encoding="utf-8").splitlines()
    assert rows[0] == "x,y,loss (nat),error,accuracy"
    assert len(rows) == 10


def test_plane_is_told_by_any_metric(tiny, home):
    """In its unit, measured for it where it must be; what the problem does not have is refused with what it has."""
    around = ("plane", tiny.a, "--around", "random", "--size", "3")
    assert re.search(r"test accuracy from [\d.]+ at .* to [\d.]+ %", run(*around, "--metric", "accuracy"))
    assert "test Brier score from 0." in run(*around, "--metric", "brier")
    assert "loss, error, perplexity, accuracy" in run("plane", tiny.a, "--metric", "list")
    assert "Metrics: loss, error, accuracy" in run(*around, "--metric", "perplexity", code=2)


def test_plane_goes_from_one_checkpoint_towards_two(tiny, home, tmp_path):
    """The plane of the Python interface; the directions are those of two checkpoints or a method's, not both."""
    other = tmp_path / "c.safetensors"
    checkpoint_file.write(other, tiny.problem.network(seed=5).state_dict())
    words = ("--problem", tiny.folder, "--size", "3", "--csv", tmp_path / "p.csv")
    assert "9 points" in run("plane", tiny.a, "--towards", tiny.b, other, *words)
    towards = landscape_around(tiny.a, towards=(tiny.b, other), size=3, problem=tiny.folder)
    assert (tmp_path / "p.csv").read_bytes() == written(towards.to_frame(), "csv")
    assert "either --around or --towards" in run("plane", tiny.a, "--around", "random", "--towards", tiny.b, tiny.a, code=2)


def test_two_checkpoints_make_no_plane(tiny, home):
    """The sentence says what does."""
    assert "three checkpoints or more" in run("plane", tiny.a, tiny.b, code=2)


def test_a_refined_plane_is_certified(tiny, home):
    """How wrong the picture may be stands under the numbers."""
    said = run("plane", tiny.a, "--around", "random", "--refine", "--samples", "64")
    assert re.search(r"certified by \d+ held-out random ones", " ".join(said.split()))


def test_a_plane_on_few_samples_is_decided_on_all(tiny, home):
    """The extremes it tells are those of the places on all samples."""
    words = ("plane", tiny.a, "--around", "random", "--size", "9", "--extent", "0.5", "--samples", "32")
    extremes = decide(landscape_around(tiny.a, extent=0.5, size=9, samples=32, home=home), home=home)
    assert f"loss from {extremes[0].value:.4g} at" in " ".join(run(*words, "--decide").split())
    assert f"loss from {extremes[0].value:.4g} at" not in " ".join(run(*words).split())


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("barrier", "a", "b", "--html", "fig.vtk"), "Figures end in .pdf, .svg, .png, .html."),
        (("path", "a", "b", "--figure", "fig.jpg"), "Figures end in .pdf, .svg, .png, .html."),
        (("plane", "a", "--around", "random", "--mesh", "fig.stl"), "Meshes end in .obj, .glb, .vtp."),
        (("align", "a", "b", "--data", "values"), "Data end in .csv, .parquet, .npz."),
        (("plane", "a", "--around", "random", "--csv", "values.vtk"), "Data end in .csv, .parquet, .npz."),
        (("make", "recipe.json", "--out", "model.pt"), "Let its name end in .safetensors"),
        (("fuse", "a", "b", "model.pt"), "written as NAME.safetensors"),
    ],
)
def test_a_name_that_promises_another_format_is_refused(words, sentence, tiny, tmp_path):
    """Nothing is measured, and nothing is written under that name."""
    names = {"a": tiny.a, "b": tiny.b, words[-1]: tmp_path / words[-1]}
    assert sentence in " ".join(run(*(names.get(w, w) for w in words), code=2).split())
    assert not (tmp_path / words[-1]).exists()


def test_fuse_merges_block_by_block_or_on_samples(tiny, home, tmp_path):
    """Without a problem from file to file; with one in memory, for methods that need samples; a recipe's silent mistakes are said."""
    out = tmp_path / "out.safetensors"
    assert "parameters" not in run("fuse", tiny.a, tiny.b, out, "--method", "average", "--option", "weights=1,0")
    found, first = (checkpoint_file.read(p).weights for p in (out, tiny.a))
    assert all(torch.equal(found[k], first[k]) for k in first)
    assert "exists already" in run("fuse", tiny.a, tiny.b, out, code=2)
    assert "Add --problem" in run("fuse", tiny.a, tiny.b, tmp_path / "f.safetensors", "-m", "fisher", code=2)
    run("fuse", tiny.a, tiny.b, tmp_path / "f.safetensors", "-m", "fisher", "--problem", tiny.folder)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"merge_method: slerp\nbase_model: {tiny.a}\nmodels: [{{model: {tiny.b}}}]\nparameters: {{t: [0.2, 0.8]}}\nnormalize: true\n")
    text = run("fuse", recipe, tmp_path / "s", "--dry-run")
    assert "'normalize' in the recipe has no effect" in text and "t=0.2" in text and "t=0.8" in text
    assert not (tmp_path / "s").exists()
    assert "size such as" in run("fuse", tiny.a, tiny.b, tmp_path / "s", "--shard-size", "big", code=2)
    assert "breadcrumbs" in run("fuse", "--method", "list", "x")


def test_train_writes_its_snapshots(tiny, home, tmp_path):
    """The weights of the Python interface, from a start too; of a population one file for each network; nothing is overwritten."""
    folder = tmp_path / "new" / "models"
    run("train", tiny.folder, "--out", folder, "-o", "epochs=4", "--every", "2", "--start", tiny.a)
    start = checkpoint_file.read(tiny.a).weights
    _, second, _, last = registry.find("train", "sgd")(tiny.problem, start, epochs=4)
    assert sorted(f.name for f in folder.iterdir()) == ["sgd-2.safetensors", "sgd-4.safetensors"]
    for name, wanted in (("sgd-2", second), ("sgd-4", last)):
        got = checkpoint_file.read(folder / f"{name}.safetensors").weights
        assert all(torch.equal(got[k], wanted[k]) for k in wanted)
    assert "exists already" in run("train", tiny.folder, "--out", folder, "-o", "epochs=2", code=2)
    run("train", tiny.folder, "--out", folder, "-m", "papa", "-o", "epochs=1", "-o", "members=2")
    assert (folder / "papa-1-network-1.safetensors").is_file() and (folder / "papa-1-network-2.safetensors").is_file()


def test_train_says_what_it_wants(tiny, home, tmp_path):
    """Its methods with their options; a sentence where the problem, the folder or an option is missing or wrong."""
    text = run("train", "--method", "list")
    assert all(name in text for name in registry.names("train"))
    assert "A problem and --out are needed" in run("train", tiny.folder, code=2)
    assert "name=value with one of" in run("train", tiny.folder, "--out", tmp_path / "x", "-o", "rate=1", code=2)
    assert "one in every 9 gives none" in run("train", tiny.folder, "--out", tmp_path / "x", "-o", "epochs=3", "--every", "9", code=2)


def test_an_interrupted_training_goes_on_with_the_same_words(tiny, home, tmp_path):
    """Ctrl-C once stops it at the next epoch; the second call trains the rest, and writes the bytes of a training that was left alone."""
    reported, warned = [], []
    before = signal.getsignal(signal.SIGINT)

    def train_on(interrupt):
        def report(done, total, fresh, message):
            if reported[-1:] != [done]:  # it is told after each step too
                reported.append(done)
                if done == interrupt:
                    signal.raise_signal(signal.SIGINT)
            return True

        given = {"method": "sgd", "options": {"epochs": 5}, "start": None, "every": 0, "home": home, "device": "cpu"}
        return train_into(tmp_path / "out", str(tiny.folder), **given, report=report, warn=warned.append)

    with pytest.raises(Stopped, match="Stopped at 2 of 5. The same command"):
        train_on(2)
    assert "Ctrl-C once more" in warned[0] and not (tmp_path / "out").exists()
    assert signal.getsignal(signal.SIGINT) is before
    (file,) = train_on(None)
    assert reported == [0, 1, 2, 3, 4, 5]
    *_, wanted = registry.find("train", "sgd")(tiny.problem, epochs=5)
    got = checkpoint_file.read(file).weights
    assert all(torch.equal(got[k], wanted[k]) for k in wanted)


def test_a_help_text_shows_what_stands_in_its_brackets():
    """An extra to install or a default is no markup that is swallowed."""
    text = run("app", "--help")
    for part in ("[cluster]", "[auth]", "[default: LOSS_EXPLORER_HOME"):
        assert part in text


def test_a_plan_refuses_what_a_look_would(tiny, home, tmp_path):
    """With the same sentence, whether the checkpoint, the problem or the file is at fault; what fits has a plan."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "problem.toml").write_text((tiny.folder / "problem.toml").read_text(encoding="utf-8").replace("12, 10", "12, 11"), encoding="utf-8")
    weights = checkpoint_file.read(tiny.a).weights
    wider = {n: torch.cat([w, w[:1]]) if w.shape[0] == 10 else w for n, w in weights.items()}
    for folder, held in ((other, wider), (tmp_path, wider)):
        checkpoint_file.write(folder / "m.safetensors", held)
    checkpoint_file.write(tmp_path / "nan.safetensors", {n: w / 0 for n, w in weights.items()})
    for file, problem, said in (
        (other / "m.safetensors", other, "gives 11 for each sample; the data have 10 classes"),
        (tmp_path / "m.safetensors", tiny.folder, "layers.1.weight is 11×12, 10×12 expected"),
        (tmp_path / "nan.safetensors", tiny.folder, "values that are NaN or infinite"),
    ):
        assert re.sub(r"\s", "", said) in re.sub(r"[\s│┃]", "", run("look", file, "--problem", problem))  # a cell is broken into lines
        assert said in run("plan", file, file, "--problem", problem, code=2)
    assert "33 points" in run("plan", tiny.a, tiny.b, "--problem", tiny.folder)


def test_a_look_says_what_cannot_be_permuted(tiny, home):
    """Once for all checkpoints of a problem, with the reason."""
    said = run("look", tiny.folder)
    assert said.count("% of the parameters of") == 1
    assert said.count("keep their order, because of the network's outputs.") == 1


def test_lines_and_planes_are_told_by_any_metric(tiny, home, tmp_path, monkeypatch):
    """One that is made of measured sums, one that needs more of them, and a plug-in's own sum; on a line with its barrier, in JSON too."""
    monkeypatch.setenv(plugins.VARIABLE, "")
    mine = tmp_path / "margin.py"
    mine.write_text(MARGIN, encoding="utf-8")
    how = ["--problem", tiny.folder, "--plugin", mine]
    for metric in ("accuracy", "brier", "margin"):
        line = interpolate(tiny.a, tiny.b, problem=tiny.folder, metrics=(metric,)) if metric != "margin" else None
        said = run("barrier", tiny.a, tiny.b, *how, "--metric", metric)
        found = {b["metric"]: b for b in json.loads(run("barrier", tiny.a, tiny.b, *how, "--metric", metric, "--json"))["barriers"]}
        assert list(found) == ["loss", "error", metric]
        assert metric in said
        if line is not None:
            assert found[metric]["height"]["value"] == line.barrier(metric).height.value
        assert run("plane", tiny.a, "--around", "random", "--size", "3", *how, "--metric", metric).startswith("9 points")
    assert "margin" in run("barrier", tiny.a, tiny.b, *how, "--metric", "list")
    assert " margin (%) " in run("path", tiny.a, tiny.b, *how, "-o", "epochs=1", "--metric", "margin")


def test_a_fall_of_accuracy_is_the_rise_of_the_error(tiny, home):
    """What is the better the higher has a barrier where it falls; ends and peak are its own."""
    line = interpolate(tiny.a, tiny.b, problem=tiny.folder)
    error, accuracy = line.barrier("error"), line.barrier("accuracy")
    assert accuracy.height.value == pytest.approx(error.height.value) and accuracy.at == error.at
    assert accuracy.ends == pytest.approx([1 - e for e in error.ends]) and accuracy.peak == pytest.approx(1 - error.peak)
    with pytest.raises(Refused, match="no metric 'brier' here"):
        line.barrier("brier")
    with pytest.raises(Refused, match="means nothing for this problem, whose loss is divergence"):
        interpolate(tiny.a, tiny.b, problem=tiny.folder, loss="divergence", metrics=["brier"])
