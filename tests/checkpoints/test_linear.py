"""Readers take time in proportion to what they are given: four times as many names, keys, aliases or layers take about four times as long.

The processor's time of this process is compared with itself, so that a slow machine does not matter; a reader that takes the square would need sixteen times.
"""

import json
import pickle
import re
import time

import pytest
import torch
from safetensors.torch import save_file

from explorer.checkpoints import flat_sets, inert_pickle, layer_names, lora, names, renaming, torch_archive
from explorer.checkpoints.inert_pickle import Named, Persistent, Record, TooLong
from explorer.core import files
from explorer.core.errors import Refused
from explorer.merging import ingredients
from explorer.merging.mergekit import settings, text
from explorer.merging.mergekit.recipe import Module, Recipe, Slice, Source

FOUR, SQUARE = 10.0, 16.0  # times as long, for four times as much: allowed, and what the square would take


def refused(read, *given):
    """What a reader does that may refuse what it is given: the sentence has to come in time as well."""
    try:
        return read(*given)
    except Refused as refusal:
        return str(refusal)


def prefixes(n):
    given = ["module." * n + "w", "module." * n + "v"]
    return lambda: names._stripped(given, [], ("module.", "_orig_mod.", "model."), False)


def averages(n):
    """Every tensor in a set of its own that is called an average."""
    shapes = {f"ema{i}.w": (1,) for i in range(n)} | {f"m{i}.w": (1,) for i in range(n)}
    return lambda: flat_sets.chosen(shapes, "")


def branches(n):
    """One average, and as many branches that might be what it is the average of."""
    shapes = {f"ema.{i}.w": (1,) for i in range(n)} | {f"{i}.w": (2,) for i in range(n)}
    return lambda: flat_sets.chosen(shapes, "")


def lists_of_layers(n):
    given = [f"{chr(97 + i % 26)}{'x' * (i // 26)}.0.w" if i < 260 else f"s{i:x}y.0.w" for i in range(n)]
    given = [re.sub(r"\d(?=[a-z])", lambda m: chr(103 + int(m[0])), g) for g in given]  # no digits: every list is a family of its own
    return lambda: (layer_names.layers_of(given), layer_names.depths(given))


def other_names(n):
    """Shapes that tell every tensor, in another order."""
    old = {f"a{i}x": (i + 1,) for i in reversed(range(n))}
    new = {f"{'b' * (i % 7)}c{i}": (i * 7919 % n + 1,) for i in range(n)}
    return lambda: renaming.renaming(old, new)


def tensor(size=(1,)):
    storage = Persistent(("storage", Named("torch.FloatStorage"), "0", "cpu", 1))
    return Record("torch._utils._rebuild_tensor_v2", (storage, 0, size, size, False, None))


def one_dict_under_many_keys(n):
    shared = dict.fromkeys(range(n), 1)
    given = {f"k{i}": shared for i in range(n)} | {"state_dict": {"w": tensor()}}
    return lambda: torch_archive._find(given, "x.pt", "")


def many_sets_of_weights(n):
    given = {f"k{i}": {"w": tensor()} for i in range(n)} | {"state_dict": {"w": tensor()}}
    return lambda: torch_archive._find(given, "x.pt", "")


def one_shape_of_many_axes(n):
    size = (1,) * n
    given = {f"w{i}": tensor(size) for i in range(n)}
    return lambda: torch_archive._find(given, "x.pt", "")


def buffers_left_out(n):
    hidden = Record("builtins.set", ([f"b{i}" for i in range(n)],))
    module = {"_parameters": {}, "_buffers": {f"c{i}": tensor() for i in range(n)}, "_modules": {}, "_non_persistent_buffers_set": hidden}
    return lambda: torch_archive._state_dict(module)


def changes_of_an_adapter(n):
    weights = {f"w{i}": torch.empty(1, 1, device="meta") for i in range(n)}
    change = lora.Change(stored := lora.Stored("x", "F32", (1, 1), 0), stored, 1.0, False)
    adapter = lora.Adapter(files.Path("a"), dict.fromkeys(weights, change), {}, "")
    return lambda: lora.adapted(weights, adapter, "m")


def tensors_that_only_one_has(folder, n):
    """As many as all have, of one shape, and each the twin of another."""

    def model(name, **more):
        shared = {f"w{i}": torch.tensor([[i, 1.0], [0.0, 2.0]]) for i in range(n)}
        save_file(shared | more, folder / f"{name}{n}.safetensors")
        return ingredients.opened(str(folder / f"{name}{n}.safetensors"))

    given = [model("a"), model("b", **{f"x{i}": torch.tensor([[i, 1.0], [0.0, 2.0]]) for i in range(n)})]
    return lambda: ingredients.alike(given)


def recipe(body):
    return lambda: refused(text.read, f"merge_method: linear\nmodels: [{{model: a}}]\n{body}")


def keys(n):
    return recipe("".join(f"key_{i}: 1\n" for i in range(n)))


def aliases(n):
    return recipe("a: &a {x: 1}\n" + "".join(f"k{i}: *a\n" for i in range(n)))


def merged_mappings(n):
    return recipe("a0: &a0 {x: 1}\n" + "".join(f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}]}}\n" for i in range(1, n)))


def long_number(n):
    return recipe(f"x: {'1:' * n}1\n")


def filters(n):
    """As many filters as tensors that they are tried on."""
    listed = ", ".join(f"{{filter: f{i}, value: 1}}" for i in range(n))
    written = f"merge_method: linear\nmodels: [{{model: a}}]\nparameters: {{weight: [{listed}, {{value: 1}}]}}"
    tensors = {"a": [f"w{i}" for i in range(n)]}
    return lambda: refused(lambda: settings.effective(text.read(written)[0], tensors))


def slices_of_one_layer(n):
    module = Module((Slice((Source("a", (0, 1)),)),) * n)
    made = Recipe("passthrough", (module,))
    given = {"a": [f"model.layers.{i}.w" for i in range(n)]}
    return lambda: list(settings._sliced(made, module, given))


def took(work):
    """The least processor time of three."""
    times = []
    for _ in range(3):
        begun = time.process_time()
        work()
        times.append(time.process_time() - begun)
    return min(times)


READERS = [
    (prefixes, 10_000),
    (averages, 2_000),
    (branches, 1_000),
    (lists_of_layers, 2_000),
    (other_names, 2_000),
    (one_dict_under_many_keys, 2_000),
    (many_sets_of_weights, 3_000),
    (one_shape_of_many_axes, 1_500),
    (buffers_left_out, 3_000),
    (changes_of_an_adapter, 500),
    (keys, 300),
    (aliases, 300),
    (merged_mappings, 200),
    (long_number, 20_000),
    (filters, 400),
    (slices_of_one_layer, 600),
]


@pytest.mark.parametrize(("reader", "size"), READERS, ids=lambda given: getattr(given, "__name__", None))
def test_four_times_as_much_takes_four_times_as_long(reader, size):
    """Or less: what is refused for its size is refused at once. A machine that is busy with something else is asked again."""
    for _ in range(3):
        once, fourfold = took(reader(size)), took(reader(4 * size))
        if fourfold <= FOUR * max(once, 0.001):
            return
    pytest.fail(f"{reader.__name__}: {once:.4f} s, and {fourfold:.4f} s for four times as much")


def test_twins_of_tensors_are_found_in_time_linear_in_the_file(tmp_path):
    """Each file's bytes are gone through once."""
    for _ in range(3):
        once, fourfold = (took(tensors_that_only_one_has(tmp_path, n)) for n in (150, 600))
        if fourfold <= FOUR * once:
            break
    else:
        pytest.fail(f"{once:.4f} s, and {fourfold:.4f} s for four times as much")
    found = tensors_that_only_one_has(tmp_path, 3)()
    assert [len(i.tensors) for i in found] == [3, 3]
    assert "left out, as it equals w2 and is not in every model: x2" in found[1].notes[-1]


def test_one_list_of_pairs_is_not_copied_without_end():
    """A call costs four bytes in the file, and copies the whole list."""
    pairs = b"]q\x01(" + b"K\x01K\x02\x86" * 5_000 + b"e0"
    calls = b"ccollections\nOrderedDict\nq\x020" + b"h\x02h\x01\x85R0" * 5_000
    with pytest.raises(TooLong):
        inert_pickle.read(b"\x80\x02" + pairs + calls + b"N.", 200_000)
    value, _ = inert_pickle.read(pickle.dumps({"a": 1}, protocol=2), 100)
    assert value == {"a": 1}


def test_numbers_of_many_digits_in_names_are_read_in_a_sentence_or_not_at_all():
    """Python refuses to read them, and none of these readers falls over that."""
    name = f"layers.{'9' * 5000}.w"
    assert layer_names.layers_of([name]) == {}
    assert layer_names.depths([name, f"a{'8' * 5000}.1.w"])
    assert sorted([name, "layers.1.w"], key=files.natural) == ["layers.1.w", name]
    with pytest.raises(Refused, match="digits"):
        text.read(f"merge_method: linear\nx: {'9' * 5000}\n")


def test_the_whole_recipe_is_still_read():
    """Merge keys, numbers and filters of an honest one."""
    found, _ = text.read(
        "merge_method: linear\nmodels:\n- &a {model: a, parameters: {weight: [{filter: mlp, value: 0.25}, {value: 1.5}]}}\n- {<<: *a, model: b}\n"
    )
    assert [s.model for s in found.modules[0].sources] == ["a", "b"]
    assert json.dumps([s.settings["weight"][0].value for s in found.modules[0].sources]) == "[0.25, 0.25]"
