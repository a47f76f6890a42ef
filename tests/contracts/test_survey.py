"""The machinery of benchmarks/survey, on claims that are made up, whose answers are known."""

import json
import re
import shutil
import struct
import sys
from dataclasses import replace
from math import isnan
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest
import torch

from benchmarks.survey import __main__ as survey
from benchmarks.survey import images, published, rows, table, why_fisher
from benchmarks.survey.claim import Claim, Effect
from benchmarks.survey.figure import figure
from benchmarks.survey.notebook import notebook
from benchmarks.survey.over_seeds import over_seeds
from benchmarks.survey.rows import Row
from benchmarks.survey.table import Measured
from benchmarks.survey.unpaired import apart
from benchmarks.survey.workshop import Workshop
from explorer.methods.fuse._fisher_diagonal import fisher
from explorer.problems import problem_toml
from explorer.problems.problem import Problem
from explorer.stats.intervals import Estimate
from explorer.store.run_store import RunStore

SHOP = SimpleNamespace(size="quick")
SOURCE = '''"""Words."""
CLAIM = "words"


def measure(shop, seed):
    """More words."""
    return {}
'''


def claim(**effects):
    return Claim(
        order=1, sentence="A sentence.", source="Somebody 2020", effects=effects or {"gain": Effect("gain", above=0.0, worth=0.01)}, page="paths"
    )


def rows_of(values, half):
    return [Row(i, "code", {"gain": Estimate(v, v - half, v + half)}, "", 0.0) for i, v in enumerate(values)]


@pytest.mark.parametrize(
    ("values", "half", "outcome"),
    [
        ([1.0, 1.1, 0.9, 1.0, 1.0], 0.1, "holds"),
        ([1.0, 1.1, 0.9, 1.0, 1.0], 1.5, "cannot be told"),  # the samples do not say it
        ([3.0, -1.0, 2.0, -1.5, 1.0], 0.1, "cannot be told"),  # the seeds do not
        ([-1.0, -1.1, -0.9, -1.0, -1.0], 0.1, "does not hold here"),
        ([0.001, -0.001, 0.0, 0.001, 0.0], 0.001, "does not hold here"),  # below what counts as an effect
        ([1.0], 0.1, "cannot be told"),  # one seed says nothing of others
    ],
)
def test_a_made_up_claim_gets_its_verdict(values, half, outcome):
    """A verdict follows from the seeds and from the samples."""
    assert Measured("made_up", claim(), "quick", rows_of(values, half)).outcome == outcome


@pytest.mark.parametrize(
    ("estimate", "outcome"),
    [
        (Estimate(0.0, -0.01, 0.015), "holds"),
        (Estimate(0.1, 0.05, 0.15), "does not hold here"),
        (Estimate(0.02, 0.01, 0.03), "cannot be told"),
        (Estimate(float("nan"), float("nan"), float("nan")), "cannot be told"),
    ],
)
def test_an_upper_bound(estimate, outcome):
    """Where the claim is that there is nothing, all of the interval has to be below what counts as nothing."""
    assert Effect("barrier", below=0.02).outcome(estimate) == outcome


def test_every_effect_has_to_hold():
    """One that fails decides; one that is open leaves it open."""
    some = claim(a=Effect("a", above=0.0), b=Effect("b", below=1.0))
    up, down, wide = Estimate(2.0, 1.5, 2.5), Estimate(-2.0, -2.5, -1.5), Estimate(0.0, -2.0, 2.0)
    assert some.outcome({"a": up, "b": down}) == "holds"
    assert some.outcome({"a": up, "b": up}) == "does not hold here"
    assert some.outcome({"a": wide, "b": down}) == "cannot be told"
    assert some.outcome({"a": wide, "b": up}) == "does not hold here"


def test_an_effect_has_one_bound():
    with pytest.raises(ValueError, match="one bound"):
        Effect("nothing is claimed")
    with pytest.raises(ValueError, match="one bound"):
        Effect("two things are", above=0.0, below=1.0)


def test_the_interval_of_exact_numbers_is_students():
    """1, 2, 3: mean 2, standard deviation 1, t(2, 0.975) = 4.3027."""
    found = over_seeds([Estimate(v, v, v) for v in (1.0, 2.0, 3.0)])
    assert found.value == 2.0
    assert found.high - 2.0 == pytest.approx(4.302653 / np.sqrt(3), rel=1e-6)
    assert 2.0 - found.low == pytest.approx(found.high - 2.0)


def test_samples_are_added_at_a_right_angle():
    """Equal seeds leave the samples' interval; both together are the hypotenuse, on each side by itself."""
    same = over_seeds([Estimate(1.0, 0.6, 1.3)] * 4)
    assert (same.low, same.high) == pytest.approx((0.6, 1.3))
    exact = over_seeds([Estimate(v, v, v) for v in (0.0, 2.0)])
    both = over_seeds([Estimate(v, v - 3.0, v + 4.0) for v in (0.0, 2.0)])
    assert 1.0 - both.low == pytest.approx(np.hypot(1.0 - exact.low, 3.0))
    assert both.high - 1.0 == pytest.approx(np.hypot(exact.high - 1.0, 4.0))


def test_one_replicate_has_no_interval():
    found = over_seeds([Estimate(1.0, 0.9, 1.1)])
    assert found.value == 1.0 and isnan(found.low) and isnan(found.high)


@pytest.mark.parametrize(("between", "shared"), [(1.0, 0.0), (1.0, 0.3), (0.1, 0.5)])
def test_it_covers_the_true_effect(between, shared):
    """Seeds differ by `between`, and all of them share the error of the samples: of 4000 worlds, at least 94 % hold the truth, 0."""
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(4000):
        values = rng.normal(0, between, 5) + rng.normal(0, shared)
        found = over_seeds([Estimate(v, v - 1.96 * shared, v + 1.96 * shared) for v in values])
        held += found.low <= 0 <= found.high
    assert held / 4000 >= 0.94


def test_rows_come_back_and_those_of_other_code_do_not(tmp_path):
    kept = [Row(1, "new", {"gain": Estimate(0.1, 0.05, 0.15)}, "paths?runs=x", 2.0), Row(0, "old", {"gain": Estimate(1.0, 0.0, 2.0)}, "", 1.0)]
    rows.keep("some", "quick", kept, folder=tmp_path)
    assert rows.read("some", "quick", "new", folder=tmp_path) == {1: kept[0]}
    assert rows.read("some", "full", "new", folder=tmp_path) == {}
    lines = (tmp_path / "some-quick.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["replicate"] for line in lines] == [0, 1]


def test_the_code_is_the_experiment_and_not_its_words(tmp_path):
    """A sentence may be corrected without measuring again; a number may not be changed."""
    file = tmp_path / "claim.py"

    def code(text):
        file.write_text(text, encoding="utf-8")
        return rows.code_of(file)

    first = code(SOURCE)
    assert code(SOURCE.replace("words", "other words").replace("return {}", "return {}  # why")) == first
    assert code(SOURCE.replace("return {}", "return {'gain': 1}")) != first


def test_a_killed_run_goes_on(tmp_path):
    """What was measured before the third replicate failed is kept, and not measured again."""
    asked = []

    def measure(shop, seed):
        asked.append(seed)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return {"gain": Estimate(1.0 + seed / 1000, 0.9, 1.5)}, "paths?runs=x"

    module = SimpleNamespace(CLAIM=claim(), measure=measure)
    with pytest.raises(KeyboardInterrupt):
        survey.carried_out("made_up", module, SHOP, 5, "code", folder=tmp_path)
    found = survey.carried_out("made_up", module, SHOP, 5, "code", folder=tmp_path)
    assert asked == [0, 100, 200, 200, 300, 400]
    assert [row.replicate for row in found.rows] == [0, 1, 2, 3, 4] and found.outcome == "holds"
    survey.carried_out("made_up", module, SHOP, 5, "code", folder=tmp_path)
    assert len(asked) == 6


def test_show_measures_the_first_replicate_and_opens_the_app_on_its_folder(tmp_path, monkeypatch, capsys):
    """Whether or not rows of it are kept: the picture is in no row."""
    asked, started = [], []
    module = SimpleNamespace(measure=lambda shop, seed: (asked.append(seed), "paths?runs=x"))
    monkeypatch.setattr("subprocess.run", lambda command, check: started.append(command))
    survey.show("made_up", module, Workshop("quick", tmp_path))
    assert asked == [0] and f"{table.APP}/paths?runs=x" in capsys.readouterr().out
    assert started[0][1:] == ["-m", "explorer", "app", "--home", str(tmp_path)]


def test_a_claim_measures_what_it_names(tmp_path):
    module = SimpleNamespace(CLAIM=claim(), measure=lambda shop, seed: ({"loss": Estimate(1, 1, 1)}, ""))
    with pytest.raises(ValueError, match=r"made_up measures loss, and its claim is about gain"):
        survey.carried_out("made_up", module, SHOP, 2, "code", folder=tmp_path)


def test_the_table_says_number_bound_and_verdict():
    found = table.table([Measured("made_up", claim(), "quick", rows_of([1.0, 1.1, 0.9, 1.0, 1.0], 0.1))])
    (line,) = found.splitlines()[2:]
    assert "A sentence. (Somebody 2020)" in line and "(> 0)" in line and "| **holds** |" in line and "(survey/made_up.svg)" in line


def test_published_numbers_stand_beside_effects_that_there_are():
    """What is measured at a size is set beside them, and what is not says so."""
    known = survey.every()
    for one in published.EVERY:
        assert one.place and all(key in known[name].CLAIM.effects for name, key in one.ours), one.what
    ties = Measured("ties", known["ties"].CLAIM, "middle", rows_of([0.01, 0.03], 0.0))
    lines = table.beside([ties]).splitlines()
    (line,) = [line for line in lines if line.startswith("| TIES")]
    assert "3.3 points" in line and "1250 images of Fashion-MNIST 2 points" in line
    assert "`repair` is not measured yet" in "".join(lines)


def test_a_note_is_about_the_size_it_was_found_at():
    """What decides on digits is not said of other images."""
    some = replace(claim(), only="Of digits.", at={"full": "Of clothes."})
    assert [some.note(size) for size in ("quick", "middle", "full")] == ["Of digits.", "", "Of clothes."]
    found = table.table([Measured("a", some, size, rows_of([1.0, 1.0], 0.1)) for size in ("quick", "middle")])
    assert found.count("Of digits.") == 1


def test_every_claim_names_a_lesson_and_a_page_that_there_are():
    """Whoever moves a lesson or a page hears of it here."""
    from explorer import lessons
    from explorer.core import locations

    pages = {file.stem for file in (locations.root() / "pages").glob("*.py")}
    for name, module in survey.every().items():
        assert module.CLAIM.lesson in ("", *lessons.every()), name
        assert module.CLAIM.page in pages, name


def test_claims_have_places_of_their_own():
    orders = [module.CLAIM.order for module in survey.every().values()]
    assert orders == sorted(set(orders)) and len(orders) > 20


def test_the_page_its_figures_and_its_notebooks_are_what_the_kept_rows_say():
    """They are written by the program, a claim whose experiment has changed since it was measured is not among them, and no file is left over."""
    files = survey.written()
    for file, text in files.items():
        assert file.read_text(encoding="utf-8") == text, file
    assert {*table.PAGE.with_suffix("").iterdir()} == {*files} - {table.PAGE}


def test_every_link_of_the_page_leads_to_a_file_or_into_the_app():
    links = re.findall(r"\]\(([^)]+)\)", table.PAGE.read_text(encoding="utf-8"))
    assert len(links) > 100
    for link in links:
        assert link.startswith((f"{table.APP}/", "http")) or (table.PAGE.parent / link).is_file(), link
    assert all("?" in link for link in links if link.startswith(table.APP))


def test_an_interval_is_drawn_where_it_lies():
    """A bound of 0, 1 ± 1 found and −1 to 3 beside it: the scale is even, the claimed side is to the right of the bound, and the colours are those of the verdicts."""
    found = [("small", Estimate(1.0, 0.0, 2.0)), ("large", Estimate(1.0, -1.0, 3.0)), ("sure", Estimate(2.0, 1.0, 3.0))]
    root = ElementTree.fromstring(figure("A sentence & more", [(Effect("gain", above=0.0), found)]))
    svg = "{http://www.w3.org/2000/svg}"
    dots = [float(dot.get("cx")) for dot in root.iter(f"{svg}circle")]
    bound, *_ = (float(path.get("d")[1:].split()[0]) for path in root.iter(f"{svg}path") if path.get("stroke-dasharray"))
    spans = [[float(x) for x in re.findall(r"[MH]([\d.]+)", path.get("d"))] for path in root.iter(f"{svg}path") if path.get("stroke-width")]
    unit = dots[0] - bound
    assert dots[1] == dots[0] and dots[2] == pytest.approx(bound + 2 * unit, abs=0.2) and unit > 0
    for span, ends in zip(spans, [(0, 2), (-1, 3), (1, 3)], strict=True):
        assert span == pytest.approx([bound + end * unit for end in ends], abs=0.3)
    shaded = [rect for rect in root.iter(f"{svg}rect") if rect.get("fill-opacity")]
    assert [float(rect.get("x")) for rect in shaded] == [bound]
    colours = [dot.get("fill") for dot in root.iter(f"{svg}circle")]
    assert colours[0] == colours[1] != colours[2] and root.find(f"{svg}title").text == "A sentence & more"


def test_one_replicate_is_drawn_as_a_point():
    """Its interval is not known."""
    drawn = figure("s", [(Effect("barrier", below=0.02), [("small", Estimate(0.1, float("nan"), float("nan")))])])
    assert "<circle" in drawn and "nan" not in drawn and "stroke-width" not in drawn


def test_a_notebook_carries_out_the_claims_own_code(tmp_path, monkeypatch):
    """Its cells, one after the other, give the numbers and the verdict of the program."""
    text = (survey.CLAIMS / "ema.py").read_text(encoding="utf-8")
    cells = ["".join(cell["source"]) for cell in json.loads(notebook(survey.every()["ema"].CLAIM, text))["cells"] if cell["cell_type"] == "code"]
    names = {}
    monkeypatch.setattr("sys.path", [])
    monkeypatch.chdir(table.PAGE.with_suffix(""))
    exec(cells[0], names)
    assert sys.path == [str(table.PAGE.parents[1])]
    monkeypatch.undo()
    exec(cells[1], names)
    assert names["CLAIM"] == survey.every()["ema"].CLAIM
    names["measure"] = lambda shop, seed: ({k: Estimate(1 + seed / 1e3, 0.9, 1.5) for k in names["CLAIM"].effects}, "paths?runs=x")
    monkeypatch.chdir(tmp_path)
    said = []
    names["print"] = lambda *words: said.append(" ".join(map(str, words)))
    for cell in cells[2:]:
        exec(cell, names)
    assert said[-2:] == ["holds", "http://localhost:8501/paths?runs=x"] and "claimed > 0: holds" in said[0]


def test_unpaired_numbers_are_apart_by_the_hypotenuse():
    """3 ± 3 less 1 ± 4: 2 ± 5."""
    found = apart(Estimate(3.0, 0.0, 6.0), Estimate(1.0, -3.0, 5.0))
    assert (found.value, found.low, found.high) == pytest.approx((2.0, -3.0, 7.0))


def test_what_a_claim_imports_is_part_of_its_code(tmp_path, monkeypatch):
    """Whoever changes how the last epochs are measured has the averages measured again, and nothing else."""
    shutil.copytree(rows.RESULTS.parent, tmp_path / "survey", ignore=shutil.ignore_patterns("results", "__pycache__"))
    monkeypatch.setattr(rows, "__file__", str(tmp_path / "survey" / "rows.py"))
    claims = tmp_path / "survey" / "claims"
    before = {name: rows.code_of(claims / f"{name}.py") for name in ("swa", "curves")}
    shared = tmp_path / "survey" / "epochs.py"
    shared.write_text(shared.read_text(encoding="utf-8").replace("LAST = 8", "LAST = 9"), encoding="utf-8")
    after = {name: rows.code_of(claims / f"{name}.py") for name in ("swa", "curves")}
    assert after["swa"] != before["swa"] and after["curves"] == before["curves"]


def test_every_image_gets_the_next_change_in_turn():
    """Images 0, 4, 8 … under the first way, 1, 5, 9 … under the second; the images that are given stay as they are."""
    x = np.arange(10, dtype=np.float32).reshape(10, 1, 1, 1)
    found = images.in_turn(x, (lambda a: a, lambda a: -a, lambda a: a + 100))
    assert found.ravel().tolist() == [0, -1, 102, 3, -4, 105, 6, -7, 108, 9]
    assert x.ravel().tolist() == list(range(10))


def test_the_digits_are_cut_once_for_all(tmp_path):
    """Train and test images of every file are the same ones, under other views; a class of a half is of that half."""
    images.write(tmp_path, "quick")
    plain, negative, low, shifted = (np.load(tmp_path / f"{name}.npz") for name in ("plain", "negative", "low-plain", "shifted"))
    assert len(plain["x"]) == 1258 and len(plain["x_test"]) == 539
    assert np.allclose(negative["x"], 1 - plain["x"]) and (negative["y"] == plain["y"]).all()
    assert set(low["y"]) == set(range(5)) and len(low["y"]) == (plain["y"] < 5).sum()
    assert np.allclose(shifted["x"][3::4], plain["x_test"][3::4] / 3) and (shifted["y"] == plain["y_test"]).all()


def test_the_full_size_keeps_the_sources_own_test_set(tmp_path):
    """Fashion-MNIST comes as IDX files, whose t10k files are the test set."""
    rng = np.random.default_rng(0)
    for part, n in (("train", 6), ("t10k", 4)):
        header = struct.pack(">IIII", 0x803, n, 5, 5), struct.pack(">II", 0x801, n)
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(header[0] + rng.integers(0, 256, n * 25, dtype=np.uint8).tobytes())
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(header[1] + bytes(range(n)))
    x, y, x_test, y_test = images.load("full", tmp_path)
    assert x.shape == (6, 1, 5, 5) and x_test.shape == (4, 1, 5, 5) and x.min() >= 0 and x.max() <= 1
    assert y.tolist() == [0, 1, 2, 3, 4, 5] and y_test.tolist() == [0, 1, 2, 3]


def test_the_middle_size_is_a_part_of_the_same_images_at_half_the_resolution(tmp_path, monkeypatch):
    """A square of four pixels becomes their mean; training images are drawn once, test images are all there."""
    rng = np.random.default_rng(0)
    for part, n in (("train", 6), ("t10k", 3)):
        header = struct.pack(">IIII", 0x803, n, 4, 4), struct.pack(">II", 0x801, n)
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(header[0] + rng.integers(0, 256, n * 16, dtype=np.uint8).tobytes())
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(header[1] + bytes(range(n)))
    monkeypatch.setattr(images, "MIDDLE", 2)
    full, few, again = images.load("full", tmp_path), images.load("middle", tmp_path), images.load("middle", tmp_path)
    assert few[0].shape == (2, 1, 2, 2) and few[2].shape == (3, 1, 2, 2) and few[3].tolist() == [0, 1, 2]
    assert np.array_equal(few[0], again[0]) and len(set(few[1])) == 2
    first = full[0][few[1][0], 0]  # its label says which of the images it is
    assert few[0][0, 0, 1, 0] == pytest.approx(first[2:, :2].mean()) and few[0][0, 0, 0, 1] == pytest.approx(first[:2, 2:].mean())


def test_the_whole_fisher_matrix_has_the_products_diagonal(tmp_path):
    """Softmax regression, without a bias of its own: entry by entry what Fisher merging uses."""
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "data.npz", x=rng.normal(size=(40, 3)).astype(np.float32), y=rng.integers(0, 4, 40))
    toml = '[network]\nname = "mlp"\nwidths = [3, 4]\n[data]\nname = "npz"\npath = "data.npz"\nclasses = ["a", "b", "c", "d"]\n[split]\nval = 0\ntest = 0.1\n'
    (tmp_path / "problem.toml").write_text(f'loss = "cross_entropy"\n{toml}', encoding="utf-8")
    problem = Problem(problem_toml.read(tmp_path))
    w = torch.tensor(rng.normal(size=(4, 3)), dtype=torch.float32)
    known = fisher(problem, {"layers.0.weight": w, "layers.0.bias": torch.zeros(4)})["layers.0.weight"]
    found = why_fisher.fisher_matrix(problem.split("train").inputs.double(), w.double())
    assert torch.allclose(found, found.T) and torch.allclose(found.diagonal().reshape(4, 3), known, rtol=1e-4)


@pytest.mark.slow
def test_a_claim_is_measured_again_alike_and_its_picture_is_in_the_store(tmp_path):
    """What two folders measure of one replicate is the same, and the address leads to a run that is finished."""
    module = survey.every()["ema"]
    first, second = (module.measure(Workshop("quick", tmp_path / name), 0) for name in ("a", "b"))
    assert first == second
    effects, shown = first
    assert effects.keys() == module.CLAIM.effects.keys() and all(e.low <= e.value <= e.high for e in effects.values())
    done = {status.id: status.state for status in RunStore.within(tmp_path / "a").statuses("Run")}
    assert done[shown.removeprefix("interpolate?run=")] == "done"
