"""Any bytes at all, as any file that the explorer reads: a value or a refusal in a sentence, soon, and nothing else.

Checkpoints, images and tables are damaged byte by byte in the tests of their readers; here are bytes that were never a file, files put together from
parts of their formats, and the descriptions that people write by hand.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import struct
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.checkpoints import checkpoint_file
from explorer.core import locations
from explorer.core.errors import Refused
from explorer.core.spec import ProblemSpec, Run, Spec
from explorer.problems import problem_toml
from explorer.problems.data import fingerprint, idx, image_folder, npz, table, text
from tests import hostile

fuzzed = settings(max_examples=60, deadline=timedelta(seconds=5), derandomize=True, database=None)

MAGIC = (
    b"PK\x03\x04",
    b"PK\x05\x06" + bytes(18),
    b"\x80\x02",
    b"\x93NUMPY\x01\x00",
    b"PAR1",
    b"\x1f\x8b\x08",
    b"\x00\x00\x08\x03",
    b"BM",
    b"GIF89a",
    b"ARROW1\x00\x00",
)
"""How the formats begin that some reader looks for."""

anything = st.one_of(
    st.binary(max_size=400),
    st.tuples(st.sampled_from(MAGIC), st.binary(max_size=200)).map(b"".join),
    st.text(max_size=200).map(lambda t: t.encode("utf-8", "surrogatepass")),
)


def one_sentence(refusal: Refused) -> bool:
    """Fit to be shown: some words, on few lines."""
    return 10 < len(str(refusal)) < 2000


def loads_or_refuses(function: Callable[[], object]) -> None:
    """The function gives a value, or refuses in words."""
    try:
        function()
        said = None
    except Refused as refusal:
        said = refusal
    assert said is None or one_sentence(said)


def damaged(data: st.DataObject, good: bytes) -> bytes:
    """Good bytes with some changed, some cut out or doubled, or the end cut off."""
    content = bytearray(good)
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    low, high = sorted((data.draw(st.integers(0, len(content))), data.draw(st.integers(0, len(content)))))
    match data.draw(st.sampled_from(("whole", "whole", "cut off", "cut out", "double"))):
        case "cut off":
            del content[high:]
        case "cut out":
            del content[low:high]
        case "double":
            content[low:low] = content[low:high]
        case _:
            pass
    return bytes(content)


# --- checkpoints ----------------------------------------------------------------------------------------------------------

WORDS = st.sampled_from(["dtype", "shape", "data_offsets", "F32", "BOOL", "F4", "__metadata__", "w", "", "\0", "explorer.tied", "explorer.names"])
NUMBERS = st.sampled_from([0, 1, 2, 3, 4, 8, 16, -1, 2**31, 2**32, 2**62, 2**63, 2**64])
tensors = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F32", "F64", "BF16", "I8", "BOOL", "F8_E4M3", "F4", "C64", "X"]),
        "shape": st.lists(NUMBERS, max_size=3),
        "data_offsets": st.lists(NUMBERS, min_size=2, max_size=2),
    }
)
headers = st.dictionaries(WORDS, st.one_of(tensors, tensors, st.dictionaries(WORDS, st.text(max_size=5), max_size=2), NUMBERS), max_size=4)


@fuzzed
@given(anything, st.sampled_from([".safetensors", ".pt", ".pth", ".bin", ".ckpt"]))
def test_bytes_that_were_never_a_checkpoint_are_refused(content, suffix):
    """Under each of the endings."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"any{suffix}"
        path.write_bytes(content)
        with pytest.raises(Refused) as refusal:
            checkpoint_file.read(path)
        assert one_sentence(refusal.value)


@fuzzed
@given(headers, st.binary(max_size=64))
def test_a_header_of_any_tensors_is_read_or_refused(header, body):
    """Shapes, offsets and types that contradict the body and one another: what is read is never larger than the file explains."""
    text = json.dumps(header).encode()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "any.safetensors"
        path.write_bytes(struct.pack("<Q", len(text)) + text + body)
        with contextlib.suppress(Refused):
            assert sum(t.nbytes for t in checkpoint_file.read(path).weights.values()) <= 2 * path.stat().st_size


OPCODES = st.sampled_from(
    [
        *(b")", b"]", b"}", b"(", b".", b"t", b"l", b"d", b"a", b"e", b"s", b"u", b"R", b"b", b"\x81", b"\x85", b"\x86", b"\x87", b"0", b"1", b"2"),
        *(
            b"N",
            b"\x88",
            b"K\x01",
            b"K\x03",
            b"q\x00",
            b"q\x01",
            b"h\x00",
            b"h\x01",
            b"Q",
            b"X\x01\x00\x00\x00w",
            b"X\x07\x00\x00\x00storage",
            b"X\x01\x00\x00\x000",
        ),
        *(b"ctorch._utils\n_rebuild_tensor_v2\n", b"ctorch\nFloatStorage\n", b"ccollections\nOrderedDict\n", b"cbuiltins\nset\n", b"cos\nsystem\n"),
        *(
            b"X\x0b\x00\x00\x00_parameters",
            b"X\x08\x00\x00\x00_modules",
            b"\x82\x01",
            b"iposix\nsystem\n",
            b"o",
            b"\x93",
            b"\x80\x04",
            b"r\xff\xff\xff\x7f",
        ),
    ]
)


def archived(folder: str, pickled: bytes) -> Path:
    """A zip as torch.save writes it, with any pickle."""
    return hostile.with_pickle(Path(folder), "any.pt", pickled)


@fuzzed
@given(st.lists(OPCODES, max_size=60).map(lambda parts: b"\x80\x02" + b"".join(parts) + b"."))
def test_any_program_of_a_pickle_is_read_or_refused(pickled):
    """Opcodes in any order, with the names of what rebuilds tensors and of what must not be called."""
    with TemporaryDirectory() as folder:
        loads_or_refuses(lambda: checkpoint_file.read(archived(folder, pickled)))


@fuzzed
@given(st.data())
def test_a_damaged_checkpoint_of_the_wild_is_read_or_refused(data):
    """A whole module, and a training checkpoint with what scripts leave in it, their pickles changed, cut or doubled."""
    with TemporaryDirectory() as folder:
        good = data.draw(st.sampled_from(WILD))
        loads_or_refuses(lambda: checkpoint_file.read(archived(folder, damaged(data, good))))


def pickled(value: object) -> bytes:
    """What torch.save writes beside the numbers."""
    file = io.BytesIO()
    torch.save(value, file)
    with zipfile.ZipFile(file) as archive:
        return archive.read("archive/data.pkl")


WILD = [
    pickled(torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))),
    pickled({"model": hostile.good_weights(), "ema": hostile.good_weights(), "args": hostile.Anything(), "best": np.float64(0.5)}),
]


# --- data -----------------------------------------------------------------------------------------------------------------


def an_npz() -> bytes:
    """Four samples of two classes."""
    file = io.BytesIO()
    np.savez_compressed(file, x=np.arange(8.0).reshape(4, 2), y=np.array([0, 1, 0, 1]))
    return file.getvalue()


def a_parquet() -> bytes:
    """Three rows of two columns."""
    file = io.BytesIO()
    pd.DataFrame({"x": [1.0, 2.0, 3.0], "y": [0, 1, 0]}).to_parquet(file)
    return file.getvalue()


SOURCES = {
    "any.npz": (npz.load, an_npz()),
    "any.csv": (table.load, b"a,b\n1,2\n3,4\n"),
    "any.tsv": (table.load, b"a\tb\n1\t2\n3\t4\n"),
    "any.parquet": (table.load, a_parquet()),
    "any.txt": (text.load, "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. 😀".encode()),
}


@fuzzed
@given(anything, st.sampled_from(sorted(SOURCES)))
def test_any_bytes_as_data_are_read_or_refused(content, name):
    """Whatever the ending promises."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        loads_or_refuses(lambda: SOURCES[name][0](path))


@fuzzed
@given(st.data())
def test_damaged_data_are_read_or_refused(data):
    """A file that was good, with some bytes changed, lost or doubled."""
    name = data.draw(st.sampled_from(["any.npz", "any.tsv", "any.txt"]))
    load, good = SOURCES[name]
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(damaged(data, good))
        loads_or_refuses(lambda: load(path))


IDX = {
    "train-images-idx3-ubyte": struct.pack(">IIII", 0x803, 4, 2, 2) + bytes(range(16)),
    "train-labels-idx1-ubyte": struct.pack(">II", 0x801, 4) + bytes([0, 1, 0, 1]),
    "t10k-images-idx3-ubyte": struct.pack(">IIII", 0x803, 1, 2, 2) + bytes(4),
    "t10k-labels-idx1-ubyte": struct.pack(">II", 0x801, 1) + bytes([1]),
}


@fuzzed
@given(st.data())
def test_damaged_idx_files_are_read_or_refused(data):
    """Inside and outside of their compression."""
    broken, packed = data.draw(st.sampled_from(sorted(IDX))), data.draw(st.sampled_from(("plain", "inside", "outside")))
    with TemporaryDirectory() as folder:
        for name, good in IDX.items():
            content = damaged(data, good) if name == broken and packed != "outside" else good
            if packed != "plain":
                content = gzip.compress(content, mtime=0)
                name = f"{name}.gz"
                content = damaged(data, content) if packed == "outside" and name == f"{broken}.gz" else content
            (Path(folder) / name).write_bytes(content)
        loads_or_refuses(lambda: idx.load(Path(folder)))


@fuzzed
@given(anything, st.sampled_from(["a.png", "a.jpg", "a.bmp", "a.gif"]))
def test_any_bytes_as_an_image_are_read_or_refused(content, name):
    """In a folder of a class."""
    with TemporaryDirectory() as folder:
        (Path(folder) / "cats").mkdir()
        (Path(folder) / "cats" / name).write_bytes(content)
        loads_or_refuses(lambda: image_folder.load(Path(folder)))


# --- what people write ----------------------------------------------------------------------------------------------------

KEYS = st.sampled_from(["title", "loss", "name", "widths", "val", "test", "seed", "path", "context", "call", "config", "fc1.weight", "x"])
VALUES = st.one_of(
    st.sampled_from(
        [
            "mlp",
            "gpt",
            "vit",
            "resnet",
            "vgg",
            "digits",
            "npz",
            "text",
            "table",
            "mse",
            "cross_entropy",
            ".",
            "..",
            "/dev/zero",
            "/proc/self/mem",
            "~",
            "a\0b",
        ]
    ),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.booleans(),
    st.lists(st.one_of(st.integers(-1, 100), st.text(max_size=3)), max_size=4),
    st.text(max_size=20),
)
TABLES = st.sampled_from(["network", "data", "split", "symmetry", "other"])


def toml(value: object) -> str:
    """A value as TOML writes it."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return json.dumps(value.encode("utf-8", "replace").decode()).replace("\x7f", "\\u007f")
        case list():
            return f"[{', '.join(map(toml, value))}]"
        case _:
            return str(value)


@fuzzed
@given(st.dictionaries(KEYS, VALUES, max_size=2), st.dictionaries(TABLES, st.dictionaries(KEYS, VALUES, max_size=4), max_size=5))
def test_any_valid_toml_is_a_problem_or_refused(top, tables):
    """Names and options of every type, in tables that are known and others."""
    lines = [f"{json.dumps(k)} = {toml(v)}" for k, v in top.items()]
    for name, inside in tables.items():
        lines += [f"[{name}]", *(f"{json.dumps(k)} = {toml(v)}" for k, v in inside.items())]
    with TemporaryDirectory() as folder:
        (Path(folder) / "problem.toml").write_text("\n".join(lines), encoding="utf-8")
        loads_or_refuses(lambda: problem_toml.read(Path(folder)))


PROBLEMS = [p.read_bytes() for p in sorted((locations.root() / "sample_models").glob("*/problem.toml"))]


@fuzzed
@given(st.data())
def test_a_damaged_problem_file_is_a_problem_or_refused(data):
    """The shipped ones, with bytes changed, lost or doubled."""
    with TemporaryDirectory() as folder:
        (Path(folder) / "text.txt").write_text("abc" * 100)
        (Path(folder) / "problem.toml").write_bytes(damaged(data, data.draw(st.sampled_from(PROBLEMS))))
        loads_or_refuses(lambda: problem_toml.read(Path(folder)))


@fuzzed
@given(st.one_of(st.text(max_size=300), st.sampled_from(["\0", "~", "~nobody-of-that-name/x", "x" * 5000, "/dev/stdin", "/proc/self/mem", ""])))
def test_any_text_as_the_name_of_a_problem_is_found_or_refused(name):
    """What a person pastes into a field."""
    loads_or_refuses(lambda: problem_toml.find(name))


@fuzzed
@given(st.one_of(st.text(max_size=300), st.sampled_from(["\0", "x" * 5000, "/dev/null", "/proc/self/mem", ".."])))
def test_any_text_as_a_path_of_data_has_a_fingerprint_or_is_refused(name):
    """Below an empty folder: names with zeros, controls, half characters."""
    with TemporaryDirectory() as folder:
        loads_or_refuses(lambda: fingerprint(Path(folder) / "inside" / name.lstrip("/.")))


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.sampled_from(["Run", "Field", "Method", "ProblemSpec"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from(["kind", "name", "options", "field", "sampler", "network", "data", "__init__", "self"]), inner, max_size=5),
    ),
    max_leaves=12,
)


@fuzzed
@given(JSON, st.sampled_from([Spec, Run, ProblemSpec]))
def test_any_json_is_a_wish_or_a_type_error(value, kind):
    """A TypeError is what Spec.from_json promises for JSON that is no request of the class."""
    with contextlib.suppress(TypeError):
        assert isinstance(kind.from_json(value), kind)
