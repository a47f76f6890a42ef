"""Where a recipe's result differs from mergekit's (0.1.5): both rules by hand on a few numbers, and a sentence where, and only where, it applies."""

import json
from math import cos, pi, sin, sqrt

import pytest
import torch
from safetensors.torch import save_file

from explorer.core.errors import Refused
from explorer.merging import engine, plan
from tests.merging import loaded, saved

BF16, F32, F16 = torch.bfloat16, torch.float32, torch.float16


def planned(three, text):
    for name, path in zip("abc", three.paths, strict=True):
        text = text.replace(f"<{name}>", str(path))
    return plan.of_recipe(text)


def given(three, *weights, name="w", dtype=F32):
    """The models hold one tensor each."""
    for path, values in zip(three.paths, weights, strict=False):
        saved(path, {name: torch.tensor(values, dtype=dtype)})


def based(method, *, weights=(1, 1), each="", shared=""):
    models = ", ".join(f"{{model: <{m}>, parameters: {{weight: {w}{each}}}}}" for m, w in zip("bc", weights, strict=False))
    return f"merge_method: {method}\nbase_model: <a>\nmodels: [{models}]\nparameters: {{{shared}}}"


def plain(method, models="abc", shared="", more=""):
    return f"merge_method: {method}\nmodels: [{', '.join(f'{{model: <{m}>}}' for m in models)}]\nparameters: {{{shared}}}\n{more}"


SLERP = "merge_method: slerp\nbase_model: <a>\nmodels: [{model: <b>}]\nparameters: {t: 0.5}"
ANGLE = 0.02  # radians: cosine 0.9998
KARCHER = plain("karcher")
BEYOND = [2 * cos(2) / (1 + cos(2)) * x / 2 for x in (1 + cos(2), sin(2))]  # t times the mean, t below 0
DIFFER = [  # recipe, models, what is said, ours, mergekit's
    (SLERP, [[1.0, 0], [cos(ANGLE), sin(ANGLE)]], "follows the arc", [cos(ANGLE / 2), sin(ANGLE / 2)], [(1 + cos(ANGLE)) / 2, sin(ANGLE) / 2]),
    (SLERP, [[0.0, 0], [3, 4]], "What is zero in one model", [1.5, 2], [3 * sin(pi / 4), 4 * sin(pi / 4)]),
    (based("nuslerp"), [[1.0, 1], [1, 1], [4, 5]], "What is as in the base in one model", [2.5, 3], [1 + 3 * sqrt(0.5), 1 + 4 * sqrt(0.5)]),
    (KARCHER, [[0.0, 0], [3, 0], [0, 3]], "What is zero in one model", [1, 1], [2 * sqrt(0.5), 2 * sqrt(0.5)]),
    (KARCHER, [[1.0], [2], [-6]], "A single number", [-1], [3]),
    (based("model_stock"), [[0.0, 0], [1, 0], [cos(2), sin(2)]], "a mean cosine below 0", [0, 0], BEYOND),
    (based("model_stock"), [[0.0, 0], [1e-4, 0], [1e-4, 0]], "lengths multiply to less than 0.000001", [1e-4, 0], [2 / 101 * 1e-4, 0]),
    (based("ties"), [[0.0, 0], [1, 3], [-1, 1]], "the votes for both signs", [0, 2], [1, 2]),
    (based("della", each=", density: 1"), [[0.0, 0], [1, 3], [-1, 1]], "the votes for both signs", [0, 2], [1, 2]),
    (based("task_arithmetic", weights=(1 / 3,)), [[256.0], [257.5]], "", [256.5], [256.5]),
]


@pytest.mark.parametrize(("text", "weights", "said", "ours", "theirs"), DIFFER)
def test_both_rules_by_hand(three, text, weights, said, ours, theirs):
    """What is written is ours; the sentence is there where the two are different numbers."""
    given(three, *weights)
    made = planned(three, text)
    engine.merge(made, three.out)
    assert loaded(three.out)["w"].tolist() == pytest.approx(ours, rel=1e-6)
    if said:
        assert any(said in note for note in made.notes), made.notes
        assert theirs != pytest.approx(ours, rel=1e-5)
    else:
        assert made.notes == ()


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        (SLERP.replace("0.5", "0"), [[1.0, 0], [0, 1]]),
        (based("nuslerp"), [[1.0, 1], [2, 3], [4, 5]]),
        (plain("karcher", shared="max_iter: 10, tol: 1e-5"), [[1.0, 0], [3, 0], [0, 3]]),
        (based("ties", weights=(1,)), [[0.0, 0], [1, 3]]),
        (based("dare_linear", each=", density: 1"), [[0.0, 0], [1, 3], [1, 1]]),
        (based("dare_linear", each=", density: 0"), [[0.0, 0], [1, 3], [1, 1]]),
        (based("della_linear"), [[0.0, 0], [1, 3], [1, 1]]),
        (based("breadcrumbs"), [[0.0, 0], [1, 3], [1, 1]]),
        (based("task_arithmetic", shared="int8_mask: true, lambda: 0.5"), [[0.0, 0], [1, 3], [1, 1]]),
        (plain("linear", shared="weight: 1", more="dtype: float32\nout_dtype: bfloat16"), [[0.0, 0], [1, 3], [1, 1]]),
    ],
)
def test_nothing_is_said_where_the_rules_agree(three, text, weights):
    """Ends of an arc, one vote, a density of 1 or 0, steps as the recipe says, sums."""
    given(three, *weights)
    assert planned(three, text).notes == ()


def test_equal_changes_rank_by_their_place(three):
    """Of two equally large changes the first stays; mergekit leaves it to a sort that is not stable."""
    given(three, [0.0, 0, 0, 0], [1, -1, 0, 0])
    made = planned(three, based("ties", weights=(1,), each=", density: 0.25"))
    engine.merge(made, three.out)
    assert loaded(three.out)["w"].tolist() == [1, 0, 0, 0]
    (note,) = made.notes
    assert note.startswith("Of changes that are equally large")


def test_what_dare_keeps_is_divided_by_the_density(three):
    """1/density times as large or gone; mergekit's kept changes sum to what all did. Without `rescale` they stay as they are, and only the draws differ."""
    given(three, [0.0] * 4096, [1.0] * 4096)
    for more, size, count in (("", 2, 2), ("rescale: false", 1, 1)):
        made = planned(three, based("dare_linear", weights=(1,), each=", density: 0.5", shared=more))
        assert len(made.notes) == count
        engine.merge(made, three.out, force=True)
        assert loaded(three.out)["w"].unique().tolist() == [0, size]


def test_what_della_keeps_is_divided_by_its_probability(three):
    """One row of four equal changes, kept with 0.4 + 0.2·(r + ½)/4; without `rescale` they stay as they are."""
    row = [1.0] * 4
    given(three, [[0.0] * 4] * 512, [row] * 512)
    for more, sizes in (("", [0, *(1 / (0.4 + 0.2 * (r + 0.5) / 4) for r in range(4))]), ("rescale: false", [0, 1])):
        made = planned(three, based("della_linear", weights=(1,), each=", density: 0.5, epsilon: 0.1", shared=more))
        engine.merge(made, three.out, force=True)
        assert loaded(three.out)["w"].unique().tolist() == pytest.approx(sorted(sizes))
        assert ("What della keeps is divided" in " ".join(made.notes)) is not bool(more)
        assert not any("the second axis" in note for note in made.notes)
    given(three, torch.zeros(2, 3, 2).tolist(), torch.ones(2, 3, 2).tolist())
    made = planned(three, based("della_linear", weights=(1,), each=", density: 0.5, epsilon: 0.1"))
    assert any("the second axis alone" in note for note in made.notes)


def test_half_precision_is_rounded_once(three):
    """The sum is that of float32, rounded at the end; with dtype float32 mergekit works so too, and its `linear` always does."""
    given(three, [1.0, 256], [1 + 2**-7, 258], [1 + 2**-7, 258], dtype=BF16)
    made = planned(three, based("task_arithmetic", weights=(0.3, 0.3)))
    assert made.notes == ("task_arithmetic is computed in single precision and rounded once; mergekit rounds every step to bfloat16.",)
    wide = planned(three, based("task_arithmetic", weights=(0.3, 0.3)) + "\ndtype: float32\nout_dtype: bfloat16")
    assert wide.notes == ()
    engine.merge(made, three.out)
    assert loaded(three.out)["w"].tolist() == torch.tensor([1 + 0.6 * 2**-7, 256 + 0.6 * 2], dtype=BF16).tolist()
    assert planned(three, plain("linear", shared="weight: 1")).notes == ()


def test_models_are_read_as_they_are_stored(three):
    """dtype: bfloat16 of float32 models: 1 + 2⁻⁹ and 1 + 3·2⁻⁹ have the mean 1 + 2⁻⁸, half-way, down to 1; rounded first they would be 1 and 1 + 2⁻⁷."""
    given(three, [1 + 2**-9, 8.0], [1 + 2**-8 + 2**-9, 8.0])
    text = plain("linear", "ab", "weight: 1", "dtype: bfloat16")
    made = planned(three, text)
    (note,) = made.notes
    assert note.startswith("Models are merged as they are stored and the result is rounded; mergekit rounds the models to bfloat16 first")
    made = planned(three, text + "\nout_dtype: float32")
    assert any(note.startswith("The result is rounded once, to float32") for note in made.notes)
    engine.merge(made, three.out)
    assert loaded(three.out)["w"].tolist() == [1 + 2**-8, 8.0]  # mergekit: (1 + 1 + 2⁻⁷)/2, in bfloat16 1


@pytest.mark.parametrize(
    ("first", "second", "result"),
    [(BF16, F32, F32), (F32, BF16, F32), (BF16, F16, F32), (torch.float64, F16, torch.float64), (torch.float8_e4m3fn, BF16, BF16)],
)
def test_models_of_two_types_make_the_one_that_holds_both(three, first, second, result):
    """As torch promotes, and mergekit with it: no value of either model is rounded."""
    for path, dtype in zip(three.paths, (first, second), strict=False):
        saved(path, {"w": torch.tensor([1.0, 3.0]).to(dtype)})
    engine.merge(planned(three, plain("linear", "ab", "weight: 1")), three.out)
    assert loaded(three.out)["w"].dtype == result
    assert loaded(three.out)["w"].tolist() == [1.0, 3.0]


def test_running_statistics_are_a_mean(three):
    """Task arithmetic with 2 would make a variance of 1 − 2·0.75 = −½; they stay the models' mean. Of a plain mean nothing is to be said."""
    given(three, [1.0], [0.25], name="bn.running_var")
    made = planned(three, based("task_arithmetic", weights=(2,)))
    (note,) = made.notes
    assert note.startswith("Running statistics, such as bn.running_var")
    engine.merge(made, three.out)
    assert loaded(three.out)["bn.running_var"].tolist() == [0.25]
    assert planned(three, plain("linear", "ab", "weight: 1")).notes == ()


def test_whole_numbers_that_differ_are_said(three):
    """The first model's are taken; mergekit refuses."""
    given(three, [7], [9], dtype=torch.int64)
    made = planned(three, plain("linear", "ab", "weight: 1"))
    assert ["The whole numbers of w differ" in n for n in made.notes] == [True]
    given(three, [7], [7], dtype=torch.int64)
    assert planned(three, plain("linear", "ab", "weight: 1")).notes == ()


def test_an_adapter_is_merged_unrounded(three):
    """Said of a model with an adapter that changes something, and of no other."""
    given(three, [[1.0, 2.0], [3.0, 4.0]], [[1.0, 2.0], [3.0, 5.0]], name="w.weight")
    folder = three.folder / "adapter"
    folder.mkdir()
    save_file(
        {"base_model.model.w.lora_A.weight": torch.ones(1, 2), "base_model.model.w.lora_B.weight": torch.ones(2, 1)},
        folder / "adapter_model.safetensors",
    )
    (folder / "adapter_config.json").write_text(
        json.dumps({"r": 1, "lora_alpha": 1, "peft_type": "LORA", "base_model_name_or_path": str(three.paths[0])})
    )
    text = plain("linear", "ab", "weight: 1")
    assert planned(three, text).notes == ()
    (note,) = planned(three, text.replace("<b>", f"<b>+{folder}")).notes
    assert note.startswith("What an adapter changes is merged unrounded")


def test_rows_beyond_the_vocabulary_are_kept(three):
    """An embedding of 1,400 rows and a tokenizer of 3 tokens: all rows stay, where mergekit makes 3."""
    (three.paths[0] / "tokenizer.json").write_text(json.dumps({"model": {"vocab": {"a": 0, "b": 1, "c": 2}}}))
    text = plain("linear", "ab", "weight: 1")
    assert planned(three, text).notes == ()
    (note,) = planned(three, text + "tokenizer_source: base").notes
    assert note == "lm_head.weight keeps its 1,400 rows; mergekit, asked for a tokenizer, makes one row for each of its 3 tokens."
    (three.paths[0] / "tokenizer.json").write_text(json.dumps({"model": {"vocab": {f"t{i}": i for i in range(1400)}}}))
    assert planned(three, text + "tokenizer_source: base").notes == ()


def test_a_density_of_zero_keeps_nothing(three):
    """As in mergekit, where a gradient of densities often ends in 0."""
    for method in ("ties", "dare_ties", "breadcrumbs", "della"):
        engine.merge(planned(three, based(method, each=", density: 0", shared="normalize: false")), three.out, force=True)
        assert all(torch.equal(t, three.weights[0][n]) for n, t in loaded(three.out).items()), method


def test_ties_with_weights_that_cancel_in_sum(three):
    """Each entry is divided by the weights that agree there, so a sum of zero over all of them is nothing to refuse; of a plain mean it is."""
    given(three, [0.0, 0], [1, 3], [1, -1])
    engine.merge(planned(three, based("ties", weights=(1, -1))), three.out)
    assert loaded(three.out)["w"].tolist() == [0, 4]  # the votes 1 and −1 are equal; 3 and 1 agree, and their weights' sum of 0 does not divide
    with pytest.raises(Refused, match="sum to zero"):
        planned(three, based("task_arithmetic", weights=(1, -1), shared="normalize: true"))


def test_many_tensors_say_it_once(three):
    """A sentence for a whole recipe, however many tensors it applies to."""
    made = planned(three, based("dare_ties", each=", density: 0.5"))
    assert len(made.notes) == len(set(made.notes)) == 4
