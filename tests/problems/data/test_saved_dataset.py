"""Folders that `datasets` saved: what is read, what it is worth to a problem, and what is refused in a sentence."""

import json
import struct
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import ipc

from explorer.core.errors import Refused
from explorer.evaluate.evaluator import Evaluate
from explorer.problems import problem_toml
from explorer.problems.data import saved_dataset
from explorer.problems.parts import unpacked
from explorer.problems.problem import Problem

COLUMNS = {"x": [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], "label": [1, 0, 1]}
NAMES = {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}


def saved(folder, columns=COLUMNS, features=NAMES, *, files=1, rows=2, **options):
    """As save_to_disk writes it: streams of record batches, of two rows or `rows` each, and two descriptions."""
    folder.mkdir(exist_ok=True)
    table = columns if isinstance(columns, pa.Table) else pa.table(columns)
    names = [f"data-{i:05d}-of-{files:05d}.arrow" for i in range(files)]
    for i, name in enumerate(names):
        part = table.slice(i * table.num_rows // files, (i + 1) * table.num_rows // files - i * table.num_rows // files)
        with pa.OSFile(str(folder / name), "wb") as sink, ipc.new_stream(sink, table.schema, options=ipc.IpcWriteOptions(**options)) as writer:
            writer.write_table(part, max_chunksize=rows)
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": n} for n in names]}))
    (folder / "dataset_info.json").write_text(json.dumps({"features": features}))
    return folder


@pytest.mark.parametrize("files", [1, 2, 3])
def test_a_column_of_lists_is_the_input_and_the_class_label_the_target(tmp_path, files):
    """In order, over batches and files; the classes by their names."""
    data = saved_dataset.load(saved(tmp_path / "d", files=files))
    assert data.inputs.tolist() == COLUMNS["x"] and data.inputs.dtype == torch.float32
    assert (data.targets.tolist(), data.classes, data.test) == ([1, 0, 1], ("cat", "dog"), None)


def test_columns_of_numbers_stand_side_by_side(tmp_path):
    """In the order asked for; truth values are numbers; texts as targets are classes, sorted."""
    columns = {"a": [1, 2, 3], "b": [True, False, True], "c": [0.5, 1.5, 2.5], "y": ["u", "t", "u"]}
    data = saved_dataset.load(saved(tmp_path / "d", columns, {}), columns=("c", "b"))
    assert data.inputs.tolist() == [[0.5, 1], [1.5, 0], [2.5, 1]]
    assert (data.targets.tolist(), data.classes) == ([1, 0, 1], ("t", "u"))


def test_lists_of_lists_keep_their_shape_whatever_list_it_is(tmp_path):
    """(n, 2, 3), as lists, large lists or lists of a fixed size; a slice of a longer one as well."""
    pictures = np.arange(24.0).reshape(4, 2, 3)
    for kind in (pa.list_(pa.list_(pa.float64())), pa.large_list(pa.large_list(pa.float32())), pa.list_(pa.list_(pa.float64(), 3), 2)):
        table = pa.table({"x": pa.array(pictures.tolist(), kind), "label": [0, 1, 1, 0]}).slice(1)
        assert saved_dataset.load(saved(tmp_path / "d", table)).inputs.tolist() == pictures[1:].tolist()


def test_real_targets_are_a_regression(tmp_path):
    """(n, 1), no classes."""
    data = saved_dataset.load(saved(tmp_path / "d", {"x": [1.0, 2.0], "y": [0.5, 1.5]}, {}))
    assert (data.inputs.tolist(), data.targets.tolist(), data.classes) == ([[1], [2]], [[0.5], [1.5]], ())


def test_the_split_called_test_is_the_test_set(tmp_path):
    """Rows from there on; other splits are left out."""
    saved(tmp_path / "train")
    saved(tmp_path / "test", {"x": [[7.0, 8.0]], "label": [0]})
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "validation", "test"]}')
    data = saved_dataset.load(tmp_path)
    assert (data.inputs[:, 0].tolist(), data.targets.tolist(), data.test) == ([1, 3, 5, 7], [1, 0, 1, 0], 3)


def test_a_line_is_measured_on_saved_data_from_end_to_end(tmp_path):
    """problem.toml, data, network, and the loss at both ends of a line, against cross-entropy taken by hand."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 2)).astype(np.float32), rng.integers(0, 2, 40)
    saved(tmp_path / "d", {"x": x.tolist(), "label": y.tolist()})
    (tmp_path / "problem.toml").write_text('[network]\nname = "mlp"\nwidths = [2, 4, 2]\n[data]\nname = "saved_dataset"\npath = "d"\n')
    problem = Problem(problem_toml.read(tmp_path))
    ends = [problem.network(seed=s).state_dict() for s in (0, 1)]
    batch = problem.split("test")
    line = Evaluate(problem, ends)
    for end, at in zip(ends, ([1.0, 0.0], [0.0, 1.0]), strict=True):
        network = problem.network()
        network.load_state_dict(end)
        with torch.inference_mode():
            by_hand = -network(batch.inputs).log_softmax(dim=1)[torch.arange(len(batch.targets)), batch.targets].mean()
        values = line(np.array(at))
        assert values[0].sum() / line.counts.sum() == pytest.approx(float(by_hand), rel=1e-5)
    (tmp_path / "d" / "dataset_info.json").write_text("{}")
    assert problem_toml.read(tmp_path).id != problem.spec.id  # other data, another problem


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({"x": [[1.0], [2.0, 3.0]], "label": [0, 1]}, {}, "'x' are empty or differ in length"),
        ({"x": [[], []], "label": [0, 1]}, {}, "'x' are empty or differ|not read"),
        ({"x": [1.0, None], "label": [0, 1]}, {}, "'x' is empty in 1 place"),
        ({"x": [None, None], "label": [0, 1]}, {}, "type null, which is not read"),
        ({"x": ["a", "b"], "label": [0, 1]}, {}, "'x' holds no numbers"),
        ({"x": [{"bytes": b"", "path": "/etc/passwd"}] * 2, "label": [0, 1]}, {}, "'x' holds no numbers"),
        ({"x": [1.0, float("nan")], "label": [0, 1]}, {}, "1 of 2 samples have inputs that are NaN"),
        ({"x": [1.0, 2.0], "label": [0, -1]}, {}, "smallest here is -1"),
        ({"x": [1.0, 2.0], "label": [0, 5]}, {}, "names 2 classes, and the labels go up to 5"),
        ({"x": [1.0, 2.0], "label": [0, 2**62]}, {}, "holds 4611686018427387904, which is not a class"),
        ({"x": [1.0, 2.0], "z": [[1.0], [2.0]], "label": [0, 1]}, {}, "'z' holds lists, and can only be used alone"),
        ({"x": [1.0, 2.0], "label": [[0], [1]]}, {}, "'label' needs one number or text"),
        ({"x": [1.0], "label": [0]}, {"target": "none"}, "does not have one column 'none'"),
        ({"x": [1.0], "label": [0]}, {"columns": ("label",)}, "is none of them"),
        ({"label": [0]}, {}, "is none of them"),
        ({"x": pa.array([], pa.float32()), "label": pa.array([], pa.int64())}, {}, "data set is empty"),
        ({"x": pa.array([1.0, 1.0]).dictionary_encode(), "label": [0, 1]}, {}, "compressed or coded"),
    ],
)
def test_columns_that_make_no_data_set_are_refused_in_a_sentence(tmp_path, columns, options, message):
    """What was expected and what came."""
    with pytest.raises(Refused, match=message):
        saved_dataset.load(saved(tmp_path / "d", columns), **options)


@pytest.mark.parametrize("name", ["../d.arrow", "/etc/passwd", "a\\b.arrow", "..", "d.txt", "a\0.arrow", 3, None])
def test_a_description_leads_to_no_file_outside_its_folder(tmp_path, name):
    """The list of files is as foreign as the files."""
    folder = saved(tmp_path / "d")
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name}]}))
    with pytest.raises(Refused, match="lists no .arrow files beside it"):
        saved_dataset.load(folder)


def test_a_file_that_begins_with_something_else_is_refused(tmp_path):
    """Its batches without the description of its columns: taken for one, they would end the process."""
    folder = saved(tmp_path / "d")
    (file,) = folder.glob("*.arrow")
    content = file.read_bytes()
    file.write_bytes(content[8 + struct.unpack_from("<i", content, 4)[0] :])
    with pytest.raises(Refused, match="does not begin with its columns"):
        saved_dataset.load(folder)


def test_a_file_without_columns_is_refused(tmp_path):
    """There is nothing to name."""
    with pytest.raises(Refused, match="has no columns"):
        saved_dataset.load(saved(tmp_path / "d", {}))


def test_compressed_batches_are_refused_unread(tmp_path):
    """A million zeros are a few kilobytes in the file; they could as well be a billion."""
    folder = saved(tmp_path / "d", {"x": np.zeros(1_000_000), "label": np.zeros(1_000_000, dtype=np.int64)}, rows=1_000_000, compression="zstd")
    with pytest.raises(Refused, match="compressed or coded"):
        saved_dataset.load(folder)


@pytest.mark.parametrize("text", ["", "[]", "3", "[" * 100_000, '{"_data_files": 3}', '{"_data_files": []}', '{"_data_files": [3]}', "\ud800"])
def test_a_description_that_is_none_is_refused(tmp_path, text):
    """Each in a sentence."""
    folder = saved(tmp_path / "d")
    (folder / "state.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(Refused, match="Save the data set again"):
        saved_dataset.load(folder)


def test_what_is_no_saved_data_set_is_refused(tmp_path):
    """A folder of other things, a missing one, a file, a dictionary of splits without one to train on."""
    for path in (tmp_path, tmp_path / "gone", Path(__file__)):
        with pytest.raises(Refused):
            saved_dataset.load(path)
    with pytest.raises(Refused, match="save_to_disk"):
        saved_dataset.load(None)
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["test"]}')
    with pytest.raises(Refused, match="no split called train"):
        saved_dataset.load(tmp_path)


@settings(max_examples=150, deadline=timedelta(seconds=5), derandomize=True, database=None)
@given(st.data())
def test_damage_anywhere_in_an_arrow_file_is_read_or_refused(data):
    """Bytes changed, whole words made vast, the end cut off: numbers or a Refused, and nothing else."""
    with TemporaryDirectory() as name:
        folder = saved(Path(name) / "d")
        (file,) = folder.glob("*.arrow")
        content = bytearray(file.read_bytes())
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        if data.draw(st.booleans()):
            struct.pack_into(
                "<q", content, 8 * data.draw(st.integers(0, len(content) // 8 - 1)), data.draw(st.sampled_from([-1, 2**31, 2**40, 2**62]))
            )
        file.write_bytes(content[: data.draw(st.integers(len(content) // 2, len(content)))])
        with suppress(Refused):
            assert saved_dataset.load(folder).inputs.isfinite().all()


def test_columns_go_to_the_arguments_of_a_network_of_several_inputs(tmp_path):
    """As a transformer takes tokens and their mask: whole numbers and truth values as they are, of both splits."""
    columns = {"input_ids": [[5, 6], [7, 8]], "mask": [[True, False], [True, True]], "score": [0.5, 1.5], "label": [1, 0]}
    for split in ("train", "test"):
        saved(tmp_path / split, columns)
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    data = saved_dataset.load(tmp_path, inputs=("input_ids", "attention_mask=mask", "score"))
    parts = unpacked(data.inputs, data.parts, torch.float32)
    assert (parts["input_ids"].tolist(), parts["attention_mask"].tolist()) == (columns["input_ids"] * 2, columns["mask"] * 2)
    assert (parts["score"].tolist(), data.test, data.classes) == (columns["score"] * 2, 2, ("cat", "dog"))
    with pytest.raises(Refused, match="With 'inputs' the columns are named there"):
        saved_dataset.load(tmp_path, inputs=("input_ids",), columns=("mask",))
