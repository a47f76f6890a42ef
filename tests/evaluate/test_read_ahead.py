"""Weights read while something else is worked out about their files."""

import os
from threading import Event

import pytest
import torch
from safetensors.torch import save_file

from explorer.checkpoints.lazy_weights import open_lazily
from explorer.evaluate import read_ahead
from explorer.evaluate.devices import Memory

SHAPES = {"a": (3, 2), "b": (3, 2)}


class Slowly:
    """A corner that is read as its tensors come."""

    nbytes, stamp = 16, (("f", 1, 1, 1),)

    def __init__(self, tensors):
        self.items = tensors.items


META = torch.device("meta")  # a device that every machine has beside its CPU


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "m.safetensors"
    save_file({"a": torch.arange(6.0).view(3, 2), "b": torch.ones(3, 2)}, path)
    return path


@pytest.fixture(autouse=True)
def room(monkeypatch):
    """1000 bytes are free everywhere."""
    monkeypatch.setattr(read_ahead, "memory", lambda device: Memory(1000, 1000))


def begun(path, device="meta"):
    read_ahead.begin([path], SHAPES, (), device)
    return open_lazily(path, SHAPES)


def test_what_was_begun_arrives_once(file):
    with read_ahead.read_ahead():
        corner = begun(file)
        found = read_ahead.arrived(corner, META)
        assert found is not None
        assert {name: (tensor.device, tuple(tensor.shape)) for name, tensor in found.items()} == {
            name: (META, shape) for name, shape in SHAPES.items()
        }
        assert read_ahead.arrived(corner, META) is None


def test_nothing_is_read_outside_nor_for_the_cpu_nor_without_room(file, monkeypatch):
    assert read_ahead.arrived(begun(file), META) is None
    with read_ahead.read_ahead():
        assert read_ahead.arrived(begun(file, "cpu"), torch.device("cpu")) is None
        monkeypatch.setattr(read_ahead, "memory", lambda device: Memory(4 * 48 - 1, 1000))
        assert read_ahead.arrived(begun(file), META) is None
        monkeypatch.setattr(read_ahead, "memory", lambda device: Memory(4 * 48, 1000))
        assert read_ahead.arrived(begun(file), META) is not None


def test_a_file_written_to_meanwhile_has_not_arrived(file):
    with read_ahead.read_ahead():
        begun(file)
        save_file({"a": torch.zeros(3, 2), "b": torch.ones(3, 2)}, file)
        os.utime(file, ns=(1, 1))
        assert read_ahead.arrived(open_lazily(file, SHAPES), META) is None


def test_a_file_that_cannot_be_read_is_left_to_whoever_needs_it(tmp_path):
    with read_ahead.read_ahead():
        read_ahead.begin([tmp_path / "none.safetensors"], SHAPES, (), "meta")


def test_what_nobody_takes_is_read_no_further(file, monkeypatch):
    """A thread that has not begun with a file, or is in the middle of it, ends when the scope does."""
    entered, read = Event(), []

    class Slow(dict):
        def items(self):
            for item in super().items():
                read.append(item[0])
                entered.set()
                ended.wait(10)
                yield item

    ended = Event()
    monkeypatch.setattr(read_ahead, "open_lazily", lambda *_: Slowly(Slow({"a": torch.ones(2), "b": torch.ones(2)})))
    with read_ahead.read_ahead():
        read_ahead.begin([file], SHAPES, (), "meta")
        assert entered.wait(10)
        (coming,) = read_ahead._coming.get().weights.values()
    ended.set()
    assert coming.result(10) == {}
    assert read == ["a"]


def test_tied_tensors_stay_one(file):
    tied = {"a": torch.ones(3, 2)}
    tied["b"] = tied["a"]
    found = read_ahead.brought(tied, torch.device("cpu"))
    assert found["a"] is found["b"]
