"""The data sources: known contents, and a sentence for every file that is damaged or lies."""

import contextlib
import gzip
import io
import shutil
import struct
import zipfile
import zlib
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from explorer.core.errors import Refused
from explorer.problems.data import Dataset, digits, digits_cue, digits_tasks, fingerprint, idx, image_folder, npz, table, text, tokens


def test_digits_are_the_1797_images_scaled_to_one():
    """Known size, range and first label."""
    data = digits.load(None)
    assert data.inputs.shape == (1797, 1, 8, 8)
    assert (float(data.inputs.min()), float(data.inputs.max())) == (0.0, 1.0)
    assert data.targets[:5].tolist() == [0, 1, 2, 3, 4]
    assert data.classes == tuple("0123456789")
    assert data.test is None


def test_digits_take_no_path(tmp_path):
    """A path that would be ignored is refused."""
    for source in (digits, digits_cue):
        with pytest.raises(Refused, match="take no path"):
            source.load(tmp_path)


# --- digits with a cue ------------------------------------------------------------------------------------------------------


def cue_of(data):
    """(n, 16) the first and the last column of pixels; and whether each sample's is the cue of each class, (n, 10)."""
    columns = torch.cat([data.inputs[:, 0, :, 0], data.inputs[:, 0, :, 7]], dim=1)
    return columns, (columns[:, None] == torch.from_numpy(digits_cue.patterns())).all(dim=2)


def test_the_cues_of_ten_classes_are_equally_bright_and_equally_far_apart():
    """8 of 16 pixels each, and 8 between any two: ten rows of a Hadamard matrix, so a linear layer reads them."""
    patterns = digits_cue.patterns()
    assert set(patterns.flatten()) == {0.0, 1.0}
    signs = 2 * patterns - 1
    assert (signs @ signs.T == 16 * np.eye(10)).all()
    assert (patterns.sum(axis=1) == 8).all()


def test_a_kept_cue_names_the_class_and_leaves_the_rest_of_the_image_alone():
    """Every sample has the cue of its own class; the six inner columns are those of the digits."""
    data, plain = digits_cue.load(None), digits.load(None)
    assert cue_of(data)[1].float().argmax(dim=1).tolist() == plain.targets.tolist()
    assert cue_of(data)[1].sum(dim=1).unique().tolist() == [1]
    assert torch.equal(data.inputs[..., 1:7], plain.inputs[..., 1:7])
    assert torch.equal(data.targets, plain.targets)
    assert (float(data.inputs.min()), float(data.inputs.max())) == (0.0, 1.0)


def test_a_removed_cue_leaves_its_pixels_dark():
    """Not the ink that the digits have there either; a cue without strength is the same."""
    data = digits_cue.load(None, cue="removed")
    assert cue_of(data)[0].abs().max() == 0
    assert torch.equal(data.inputs, digits_cue.load(None, strength=0.0).inputs)


def test_a_randomised_cue_names_every_class_equally_often_and_the_right_one_by_chance():
    """Whatever the sample's class; another seed draws others."""
    data = digits_cue.load(None, cue="randomised")
    named = cue_of(data)[1].float().argmax(dim=1)
    assert cue_of(data)[1].sum(dim=1).unique().tolist() == [1]
    assert 0.08 < float((named == data.targets).float().mean()) < 0.12
    pairs = torch.zeros(10, 10).index_put_((data.targets, named), torch.tensor(1.0), accumulate=True)
    expected = pairs.sum(dim=1, keepdim=True) / 10
    assert float(((pairs - expected) ** 2 / expected).sum()) < 128  # χ² of 90 degrees of freedom: 0.5 % lie above
    again, other = (digits_cue.load(None, cue="randomised", seed=seed).inputs for seed in (0, 1))
    assert torch.equal(data.inputs, again)
    assert not torch.equal(data.inputs, other)


def test_a_weak_cue_is_dimmer():
    """The brightness of its pixels."""
    assert cue_of(digits_cue.load(None, strength=0.25))[0].unique().tolist() == [0.0, 0.25]


# --- IDX ------------------------------------------------------------------------------------------------------------------


def idx_bytes(array):
    """An IDX file of unsigned bytes."""
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.astype(np.uint8).tobytes()


def packed(content):
    """As a .gz without a time stamp: tests that hold it have the same name in every process."""
    return gzip.compress(content, mtime=0)


@pytest.fixture
def mnist(tmp_path):
    """A folder with five train and two test images of 3 × 4 pixels, half of the files compressed."""
    images = np.arange(7 * 12).reshape(7, 3, 4)
    labels = np.array([0, 1, 2, 1, 0, 2, 1])
    for part, rows in (("train", slice(0, 5)), ("t10k", slice(5, 7))):
        (tmp_path / f"{part}-images-idx3-ubyte.gz").write_bytes(packed(idx_bytes(images[rows])))
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(idx_bytes(labels[rows]))
    return tmp_path


def test_idx_files_become_normalised_images_with_the_test_set_last(mnist):
    """(x / 255 − mean) / std, train before t10k, plain and .gz alike."""
    data = idx.load(mnist, mean=0.5, std=2.0)
    assert data.inputs.shape == (7, 1, 3, 4)
    assert data.inputs.flatten().numpy() == pytest.approx((np.arange(84) / 255 - 0.5) / 2, abs=1e-6)
    assert data.targets.tolist() == [0, 1, 2, 1, 0, 2, 1]
    assert (data.classes, data.test) == (("0", "1", "2"), 5)


def test_idx_classes_can_be_named(mnist):
    """Names are kept in order; too few are refused."""
    assert idx.load(mnist, classes=("shirt", "shoe", "bag", "hat")).classes == ("shirt", "shoe", "bag", "hat")
    with pytest.raises(Refused, match="names 2 classes, and the labels go up to 2"):
        idx.load(mnist, classes=("shirt", "shoe"))


IMAGES = "train-images-idx3-ubyte.gz"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (IMAGES, b"not gzip at all", "damaged or cut off"),
        (IMAGES, packed(idx_bytes(np.zeros((5, 3, 4))))[:-12], "damaged or cut off"),
        (IMAGES, packed(b"\x01\x00\x08\x03"), "not an IDX file"),
        (IMAGES, packed(b""), "not an IDX file"),
        (IMAGES, packed(b"\0\0\x0d\x03" + b"\0" * 40), "says type 13 in 3 dimensions"),
        (IMAGES, packed(idx_bytes(np.zeros((5, 12)))), "says type 8 in 2 dimensions"),
        (IMAGES, packed(b"\0\0\x08\x03\0\0"), "ends within its header"),
        (IMAGES, packed(idx_bytes(np.zeros((5, 3, 4)))[:-1]), "there are fewer"),
        (IMAGES, packed(idx_bytes(np.zeros((5, 3, 4))) + b"x"), "there are more"),
        (IMAGES, packed(b"\0\0\x08\x03" + b"\xff" * 12), "more than can be read"),
        (IMAGES, packed(b"\0\0\x08\x03" + struct.pack(">3I", 2**28, 1, 1)), "there are fewer"),
        (IMAGES, packed(idx_bytes(np.zeros((0, 3, 4)))), "holds no samples"),
        (IMAGES, packed(idx_bytes(np.zeros((4, 3, 4)))), "4 train images and 5 train labels"),
        (IMAGES, packed(idx_bytes(np.zeros((5, 4, 3)))), "4×3 and the test images 3×4|4×3 pixels and the test images 3×4"),
        ("train-labels-idx1-ubyte", b"\0\0\x08\x01\0\0\0\x05\0", "there are fewer"),
    ],
)
def test_a_damaged_or_lying_idx_file_is_refused_in_a_sentence(mnist, name, content, message):
    """Nothing the header claims is believed."""
    (mnist / name).write_bytes(content)
    with pytest.raises(Refused, match=message):
        idx.load(mnist)


def test_a_missing_idx_file_or_folder_is_named(mnist):
    """The sentence says which one is wanted."""
    (mnist / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(Refused, match="lacks t10k-labels-idx1-ubyte"):
        idx.load(mnist)
    with pytest.raises(Refused, match="There is no"):
        idx.load(mnist / "elsewhere")
    with pytest.raises(Refused, match="A path is expected"):
        idx.load(None)
    with pytest.raises(Refused, match="is not a folder"):
        idx.load(mnist / IMAGES)


# --- npz ------------------------------------------------------------------------------------------------------------------


def saved(folder, **arrays):
    """An .npz file."""
    np.savez(folder / "data.npz", **arrays)
    return folder / "data.npz"


X = np.arange(12.0).reshape(4, 3)
Y = np.array([0, 2, 1, 0])


def test_npz_arrays_become_inputs_and_labels(tmp_path):
    """(x · scale − mean) / std, the same for the other name of the arrays."""
    data = npz.load(saved(tmp_path, x=X, y=Y), scale=2.0, mean=1.0, std=4.0)
    assert data.inputs.tolist() == ((X * 2 - 1) / 4).tolist()
    assert (data.targets.tolist(), data.classes, data.test) == ([0, 2, 1, 0], ("0", "1", "2"), None)
    assert torch.equal(npz.load(saved(tmp_path, x_train=X, y_train=Y)).targets, data.targets)


def test_npz_in_fortran_order_and_compressed_is_the_same_data(tmp_path):
    """The order in memory is not the order of the samples."""
    np.savez_compressed(tmp_path / "f.npz", x=np.asfortranarray(X), y=Y.astype(">i2"))
    data = npz.load(tmp_path / "f.npz")
    assert data.inputs.tolist() == X.tolist()
    assert data.targets.tolist() == Y.tolist()


def test_npz_test_arrays_fix_the_test_set(tmp_path):
    """They come last, and `test` says where they start."""
    data = npz.load(saved(tmp_path, x=X, y=Y, x_test=X[:2] + 100, y_test=Y[:2]))
    assert data.test == 4
    assert data.inputs[4:].tolist() == (X[:2] + 100).tolist()


def test_npz_float_targets_are_a_regression(tmp_path):
    """(n,) becomes (n, 1); there are no classes."""
    data = npz.load(saved(tmp_path, x=X, y=Y / 2))
    assert (data.targets.shape, data.targets.dtype, data.classes) == ((4, 1), torch.float32, ())


def test_npz_without_y_has_inputs_alone(tmp_path):
    """For a loss that needs no targets: bytes become numbers, whole numbers of 64 bits (n, L) are tokens."""
    pictures, texts = npz.load(saved(tmp_path, x=X.astype(np.uint8)), scale=0.5), npz.load(saved(tmp_path, x=np.arange(12).reshape(4, 3)))
    assert (pictures.sort, pictures.inputs.dtype, texts.inputs.dtype) == ("none", torch.float32, torch.int64)
    assert pictures.inputs.tolist() == (X.astype(np.uint8) * 0.5).tolist()


def test_npz_token_windows_stay_integers(tmp_path):
    """int (n, L) beside int (n, L) is a language model's data."""
    tokens = np.array([[0, 1, 2], [3, 1, 0]])
    data = npz.load(saved(tmp_path, x=tokens, y=tokens[:, ::-1]))
    assert data.inputs.dtype == torch.int64
    assert (data.inputs.tolist(), data.classes) == (tokens.tolist(), ("0", "1", "2", "3"))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": X, "x_test": X}, "no array 'y'; it has x, x_test"),
        ({"a": X, "b": Y}, "holds a, b"),
        ({"x": X, "y": Y[:3]}, "4 inputs and 3 targets"),
        ({"x": X[:0], "y": Y[:0]}, "holds no samples"),
        ({"x": Y, "y": Y}, "at least two dimensions"),
        ({"x": X, "y": np.zeros((4, 2, 2))}, "shape \\(n,\\) or \\(n, d\\)"),
        ({"x": X, "y": np.array(["a", "b", "c", "d"])}, "must be numbers"),
        ({"x": X + 1j, "y": Y}, "must be numbers"),
        ({"x": X, "y": Y - 1}, "the smallest here is -1"),
        ({"x": np.where(X > 10, np.nan, X), "y": Y}, "1 of 4 samples have inputs that are NaN"),
        ({"x": X, "y": np.array([0.5, np.inf, 1, 2])}, "1 of 4 samples have targets that are NaN"),
        ({"x": X, "y": np.array([0, 1, 2, 10**12])}, "Number the classes"),
        ({"x": X, "y": np.array([0, 1, 2, 2**64 - 1], dtype=np.uint64)}, "label is too large"),
        ({"x": X, "y": Y[:, None]}, "read as next tokens"),
        ({"x": X, "y": Y, "x_test": X}, "no array 'y_test'"),
        ({"x": X, "y": Y, "x_test": X[:, :2], "y_test": Y}, "must agree.*x_test float64 \\(4, 2\\)"),
        ({"x": X, "y": Y, "x_train": X}, "has x and x_train, which mean the same"),
        ({"x": np.where(X > 10, 1e300, X), "y": Y}, "1 of 4 samples have inputs that are .* beyond float32"),
        ({"x": np.array([{}, 1, 2, 3], dtype=object), "y": Y}, "could run code"),
    ],
)
def test_npz_arrays_that_make_no_data_set_are_refused_in_a_sentence(tmp_path, arrays, message):
    """What was expected and what came."""
    with pytest.raises(Refused, match=message):
        npz.load(saved(tmp_path, **arrays))


def member(shape="(4, 3)", descr="'<f8'", body=b"\0" * 96):
    """The bytes of x.npy with a header of one's choice."""
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + body


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (member(shape="(1000000000000, 3)"), "not the size of what is stored"),
        (member(shape="(-4, -3)"), "not the size of what is stored|cannot be read"),
        (member(body=b"\0" * 95), "not the size of what is stored"),
        (member(descr="'|O'"), "could run code"),
        (member(descr="__import__('os')"), "cannot be read"),
        (member(descr="(" * 5), "cannot be read"),
        (member(descr="-" * 9000 + "1"), "cannot be read"),
        (member(shape="(0, 1180591620717411303424)", body=b""), "cannot be read"),
        (b"\x93NUMPY\x07\x00", "version \\(7, 0\\)"),
        (b"nonsense", "cannot be read"),
        (b"", "cannot be read"),
    ],
)
def test_an_npz_member_that_lies_about_itself_is_refused(tmp_path, content, message):
    """Before memory is taken."""
    with zipfile.ZipFile(tmp_path / "d.npz", "w") as archive:
        archive.writestr("x.npy", content)
    with pytest.raises(Refused, match=message):
        npz.load(tmp_path / "d.npz")


def test_an_npz_that_unpacks_to_too_much_is_refused_unread(tmp_path, monkeypatch):
    """The sizes that the zip declares are added up first."""
    monkeypatch.setattr(npz, "LIMIT_BYTES", 200)
    with pytest.raises(Refused, match="more than the 200 that can be read"):
        npz.load(saved(tmp_path, x=X, y=Y))


def test_bytes_that_grow_when_they_become_numbers_are_counted_as_such(tmp_path, monkeypatch):
    """100 bytes are read as 100 float32: 400 bytes."""
    np.savez(tmp_path / "d.npz", x=np.zeros((50, 2), dtype=np.uint8))
    monkeypatch.setattr(npz, "LIMIT_BYTES", 399)
    with pytest.raises(Refused, match="100 numbers, more than can be read"):
        npz.load(tmp_path / "d.npz")


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_an_npz_compressed_in_an_unusual_way_is_refused(tmp_path, method):
    """NumPy stores or deflates, and only that is read."""
    with zipfile.ZipFile(tmp_path / "d.npz", "w", method) as archive:
        archive.writestr("x.npy", member())
    with pytest.raises(Refused, match="a way that NumPy does not write"):
        npz.load(tmp_path / "d.npz")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", b"\x80\x04N."])
def test_a_file_that_is_no_zip_is_refused(tmp_path, content):
    """A pickle or an empty file with the right ending."""
    (tmp_path / "d.npz").write_bytes(content)
    with pytest.raises(Refused, match="cannot be read as .npz"):
        npz.load(tmp_path / "d.npz")


# --- text -----------------------------------------------------------------------------------------------------------------


def test_text_is_cut_into_windows_whose_targets_are_the_next_characters(tmp_path):
    """'abcabca' in windows of 3: abc→bca twice; symbols sorted; nothing left over."""
    (tmp_path / "t.txt").write_text("abcabca", encoding="utf-8")
    data = text.load(tmp_path / "t.txt", context=3)
    assert data.classes == ("a", "b", "c")
    assert data.inputs.tolist() == [[0, 1, 2], [0, 1, 2]]
    assert data.targets.tolist() == [[1, 2, 0], [1, 2, 0]]


def test_text_beyond_ascii_counts_characters_not_bytes(tmp_path):
    """One symbol for a letter of two bytes and for one of four."""
    (tmp_path / "t.txt").write_text("äb😀äb", encoding="utf-8")
    assert text.load(tmp_path / "t.txt", context=2).classes == ("b", "ä", "😀")


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "0 characters; one window needs 5"), (b"abcd", "4 characters; one window needs 5"), (b"good \xff bad text", "byte 5 cannot be read")],
)
def test_text_that_makes_no_window_is_refused(tmp_path, content, message):
    """Too short, or not UTF-8."""
    (tmp_path / "t.txt").write_bytes(content)
    with pytest.raises(Refused, match=message):
        text.load(tmp_path / "t.txt", context=4)


@pytest.mark.parametrize("load", [text.load, npz.load, table.load])
def test_a_path_that_is_missing_or_a_folder_is_refused(tmp_path, load):
    """Each of the three says what is wanted instead."""
    with pytest.raises(Refused, match="There is no"):
        load(tmp_path / "none")
    with pytest.raises(Refused, match="is a folder"):
        load(tmp_path)
    with pytest.raises(Refused, match="A path is expected"):
        load(None)


# --- images in folders ----------------------------------------------------------------------------------------------------


def image(path, pixels):
    """A picture of these pixels (height, width) or (height, width, 3)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, dtype=np.uint8)).save(path)


@pytest.fixture
def pictures(tmp_path):
    """Two classes with three images in all, 4 × 4 pixels each, and a file that is none."""
    image(tmp_path / "cat" / "seed-10.png", np.full((4, 4), 255))
    image(tmp_path / "cat" / "seed-2.png", np.zeros((4, 4)))
    image(tmp_path / "ant" / "x.bmp", np.full((4, 4), 51))
    (tmp_path / "ant" / "notes.txt").write_text("no image")
    return tmp_path


def test_images_come_by_class_and_name_scaled_and_normalised(pictures):
    """ant before cat, 2 before 10; (x / 255 − mean) / std."""
    data = image_folder.load(pictures, size=4, channels=1, mean=(0.5,), std=(2.0,))
    assert (data.inputs.shape, data.classes, data.test) == ((3, 1, 4, 4), ("ant", "cat"), None)
    assert data.targets.tolist() == [0, 1, 1]
    assert data.inputs[:, 0, 0, 0].tolist() == pytest.approx([(0.2 - 0.5) / 2, -0.25, 0.25])
    assert image_folder.load(pictures, size=4).inputs.shape == (3, 3, 4, 4)


def test_colours_stay_in_their_channels_and_each_has_its_own_normalisation(tmp_path):
    """Red, green, blue; the pixel of row 0 and column 1 stays there."""
    pixels = np.zeros((2, 2, 3))
    pixels[0, 1] = 255, 51, 0
    image(tmp_path / "a" / "x.png", pixels)
    data = image_folder.load(tmp_path, size=2, mean=(1.0, 0.2, 0.0), std=(1.0, 2.0, 4.0))
    assert data.inputs[0, :, 0, 1].tolist() == pytest.approx([0, 0, 0])
    assert data.inputs[0, :, 1, 0].tolist() == pytest.approx([-1, -0.1, 0])


def test_an_image_that_is_no_square_is_squeezed_or_cut(tmp_path):
    """The middle third white, the others black: squeezed, all three are there; cut to the middle, white alone."""
    pixels = np.zeros((8, 24))
    pixels[:, 8:16] = 255
    image(tmp_path / "a" / "x.png", pixels)
    squeezed, cut = (image_folder.load(tmp_path, size=8, channels=1, fit=fit).inputs[0, 0] for fit in ("squeeze", "crop"))
    assert float(squeezed[:, [0, -1]].max()) == 0 and float(squeezed[:, 3:5].min()) == 1
    assert float(cut.min()) == 1


@pytest.mark.parametrize("held", ["test", "val"])
def test_folders_train_and_test_fix_the_test_set(pictures, held, tmp_path_factory):
    """They come last, with the same classes."""
    folder = tmp_path_factory.mktemp("parts")
    for part in ("train", held):
        shutil.copytree(pictures, folder / part)
    image(folder / "train" / "ant" / "more.png", np.zeros((4, 4)))
    data = image_folder.load(folder, size=4)
    assert (data.test, len(data.targets), data.classes) == (4, 7, ("ant", "cat"))
    image(folder / held / "bee" / "x.png", np.zeros((4, 4)))
    with pytest.raises(Refused, match="different classes: bee is in one"):
        image_folder.load(folder)


def png_of(width, height):
    """The beginning of a PNG that claims a size."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header)) + b"\0\0\0\x09IDAT"


def sixteen_bits():
    """A PNG with 16 bits for each pixel."""
    file = io.BytesIO()
    Image.fromarray(np.full((4, 4), 40000, dtype=np.uint16)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "damaged or not a supported image"),
        (b"not an image", "damaged or not a supported image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "damaged or not a supported image"),
        (png_of(4, 4), "damaged or not a supported image"),
        (png_of(10**6, 10**6), "has too many pixels"),
        (png_of(10**4, 10**4), "has too many pixels"),
        (png_of(9000, 8000), "9,000×8,000 pixels, and at most 67,108,864 are read"),
        (sixteen_bits(), "I;16, and eight bits"),
    ],
)
def test_an_image_that_is_damaged_or_too_large_is_refused_by_name(pictures, content, message):
    """Before it is unpacked."""
    (pictures / "cat" / "bad.png").write_bytes(content)
    with pytest.raises(Refused, match=f"^cat/bad.png .*{message}"):
        image_folder.load(pictures)


@settings(max_examples=150, deadline=timedelta(seconds=5))
@given(data=st.data())
def test_damage_anywhere_in_an_image_is_read_or_refused(data):
    """Nothing but a Refused comes out, whichever byte is changed."""
    kind = data.draw(st.sampled_from(["PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM"]))
    file = io.BytesIO()
    Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)).save(file, kind)
    content = bytearray(file.getvalue())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with TemporaryDirectory() as name:
        (Path(name) / "a").mkdir()
        (Path(name) / "a" / "x.png").write_bytes(content[: data.draw(st.integers(1, len(content)))])
        with contextlib.suppress(Refused):
            assert image_folder.load(Path(name), size=4).inputs.shape == (1, 3, 4, 4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mean": (0.0, 1.0)}, "'mean' needs one number, or 3"),
        ({"std": (0.0,)}, "'std' needs"),
        ({"std": (), "channels": 1}, "'std' needs one number"),
        ({"size": 4096}, "Choose a smaller 'size'"),
    ],
)
def test_options_of_images_that_cannot_be_are_refused(pictures, monkeypatch, options, message):
    """The sentence says which."""
    monkeypatch.setattr(image_folder, "LIMIT_BYTES", 2**20)
    with pytest.raises(Refused, match=message):
        image_folder.load(pictures, **options)


def test_a_folder_without_classes_or_images_is_refused(pictures):
    """What is missing is named."""
    (pictures / "empty").mkdir()
    with pytest.raises(Refused, match="class empty has no images"):
        image_folder.load(pictures)
    with pytest.raises(Refused, match="holds no folders"):
        image_folder.load(pictures / "empty")
    with pytest.raises(Refused, match="is not a folder"):
        image_folder.load(pictures / "ant" / "x.bmp")


# --- tables ---------------------------------------------------------------------------------------------------------------

ROWS = "a,b,flag,label\n1,10,true,x\n2,10,false,y\n3,10,true,x\n"


def written(folder, content, name="t.csv"):
    """A table's file."""
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder / name


def test_a_table_becomes_standardised_inputs_and_classes(tmp_path):
    """1, 2, 3 have mean 2 and standard deviation √(2/3); a constant column is 0; truth values are numbers; the last column is the target."""
    data = table.load(written(tmp_path, ROWS))
    z = (3 / 2) ** 0.5
    assert data.inputs[:, 0].tolist() == pytest.approx([-z, 0, z])
    assert data.inputs[:, 1].tolist() == [0, 0, 0]
    assert data.inputs[:, 2].tolist() == pytest.approx([0.5**0.5, -(2**0.5), 0.5**0.5])
    assert (data.targets.tolist(), data.classes, data.test) == ([0, 1, 0], ("x", "y"), None)


def test_a_constant_column_is_zero_whatever_its_mean_is_rounded_to(tmp_path):
    """The mean of a thousand times 0.1 is not 0.1."""
    data = table.load(written(tmp_path, "x,y\n" + "0.1,0\n" * 1000))
    assert not data.inputs.any()


def test_row_numbers_that_pandas_adds_to_a_parquet_are_no_column(tmp_path):
    """Of a table whose rows were selected."""
    pd.DataFrame({"x": [1, 2, 3], "y": [0, 1, 0]}).iloc[[2, 0]].to_parquet(tmp_path / "t.parquet")
    data = table.load(tmp_path / "t.parquet", standardise=False)
    assert (data.inputs.tolist(), data.targets.tolist()) == ([[3], [1]], [0, 0])


def test_columns_and_target_can_be_named_and_numbers_left_as_they_are(tmp_path):
    """In the order that is asked for."""
    data = table.load(written(tmp_path, ROWS), target="flag", columns=("b", "a"), standardise=False)
    assert data.inputs.tolist() == [[10, 1], [10, 2], [10, 3]]
    assert (data.targets.tolist(), data.classes) == ([1, 0, 1], ("False", "True"))


def test_a_regression_keeps_its_targets(tmp_path):
    """(n, 1), not standardised."""
    data = table.load(written(tmp_path, ROWS), target="a", columns=("b",), task="regression")
    assert (data.targets.tolist(), data.classes) == ([[1], [2], [3]], ())


@pytest.mark.parametrize("values", ["0\n10\n2\n10\n", "0.0\n10.0\n2.0\n10.0\n"])
def test_classes_that_are_whole_numbers_are_sorted_as_numbers(tmp_path, values):
    """2 before 10, also where the file writes 2.0."""
    data = table.load(written(tmp_path, "x,y\n" + "".join(f"{i},{v}\n" for i, v in enumerate(values.split()))))
    assert (data.classes, data.targets.tolist()) == (("0", "2", "10"), [0, 2, 1, 2])


def test_csv_tsv_and_parquet_are_the_same_table(tmp_path):
    """The format is told by the ending."""
    csv = written(tmp_path, ROWS)
    tsv = written(tmp_path, ROWS.replace(",", "\t"), "t.tsv")
    pd.read_csv(csv).to_parquet(tmp_path / "t.parquet")
    first, *others = (table.load(p) for p in (csv, tsv, tmp_path / "t.parquet"))
    for other in others:
        assert torch.equal(first.inputs, other.inputs) and torch.equal(first.targets, other.targets)
        assert other.classes == first.classes


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (ROWS, {"target": "c"}, "no column 'c'. It has: a, b, flag and 1 more"),
        (ROWS, {"columns": ("a", "c")}, "no column 'c'"),
        (ROWS, {"columns": ("a", "label")}, "the target 'label' is none of them"),
        (ROWS, {"columns": ("a", "a")}, "named once"),
        (ROWS, {"target": "a"}, "'label' holds no numbers"),
        (ROWS, {"task": "regression"}, "'label' holds no numbers"),
        (ROWS.replace("2,10", ",10"), {}, "'a' is empty or not a number in 1 of 3 rows"),
        (ROWS.replace(",y", ","), {}, "target 'label' is missing in 1 of 3"),
        (ROWS.replace("2,10", "1e300,10"), {"standardise": False}, "1 of 3 samples have inputs that are NaN, infinite or beyond float32"),
        ("x,y\n1,0.5\n2,1.5\n", {}, "not whole, and classes are expected"),
        ("x,y\n1,0.0\n2,inf\n", {}, "not whole, and classes are expected"),
        ("x,y\n1e300,0\n-1e300,1\n", {}, "2 of 2 samples have inputs that are NaN"),
        ("x,y\ninf,0\n1,1\n", {}, "2 of 2 samples have inputs that are NaN"),
        ("x,y\ninf,0\ninf,1\n", {}, "2 of 2 samples have inputs that are NaN"),
        ("x,y\n" + "".join(f"{i},{i}\n" for i in range(50)), {}, "50 values in 50 rows, too many for classes"),
        ("a,a\n1,2\n", {}, "each needs a name of its own"),
        ("a,,b\n1,2,3\n", {}, "each needs a name of its own"),
        ("a\n1\n", {}, "no column beside its target"),
        ("a,b\n", {}, "no rows below its names"),
        ("", {}, "0 columns"),
        ("a,b\n1,2\n1,2,3\n1,2,3,4\n", {}, "cannot be read as a table"),
        (b"a,b\n\xff\xfe,2\n", {}, "cannot be read as a table"),
        (",".join(f"c{i}" for i in range(70_000)) + "\n", {}, "70,000 columns"),
        ('"' * 100_001, {}, "no column beside its target"),
        ("a,b\n1,2,3\n1,2,3\n", {}, "cannot be read as a table"),
    ],
)
def test_a_table_that_makes_no_data_set_is_refused_in_a_sentence(tmp_path, content, options, message):
    """What was expected and what came."""
    with pytest.raises(Refused, match=message):
        table.load(written(tmp_path, content), **options)


@pytest.mark.parametrize("name", ["t.xlsx", "t.csv.gz", "t"])
def test_a_table_of_another_format_is_refused(tmp_path, name):
    """A compressed one as well: it could unpack to anything."""
    with pytest.raises(Refused, match="does not end in .csv, .tsv or .parquet"):
        table.load(written(tmp_path, ROWS, name))


def test_a_parquet_that_unpacks_to_too_much_is_refused_unread(tmp_path, monkeypatch):
    """A hundred thousand equal numbers are a few hundred bytes in the file."""
    pd.DataFrame({"x": np.zeros(100_000), "y": np.zeros(100_000, dtype=int)}).to_parquet(tmp_path / "t.parquet")
    monkeypatch.setattr(table, "LIMIT_BYTES", 2**20)
    assert (tmp_path / "t.parquet").stat().st_size < 2**20 // 16
    with pytest.raises(Refused, match="unpacks to 100,000 rows of 2 columns"):
        table.load(tmp_path / "t.parquet")


@settings(max_examples=100, deadline=timedelta(seconds=5))
@given(data=st.data())
def test_damage_anywhere_in_a_table_is_read_or_refused(data):
    """Nothing but a Refused comes out of Parquet or CSV, whichever byte is changed."""
    with TemporaryDirectory() as name:
        path = Path(name) / data.draw(st.sampled_from(["t.parquet", "t.csv"]))
        frame = pd.DataFrame({"x": [1.0, 2.0, 3.0], "y": ["a", "b", "a"]})
        frame.to_parquet(path) if path.suffix == ".parquet" else frame.to_csv(path, index=False)
        content = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
        with contextlib.suppress(Refused):
            assert len(table.load(path).targets)


# --- tokens ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def words(tmp_path):
    """A tokenizer of four words, with a start token around texts, that would cut and fill up by itself."""
    tokenizers = pytest.importorskip("tokenizers")
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel({"[unk]": 0, "[start]": 1, "a": 2, "b": 3}, unk_token="[unk]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made.post_processor = tokenizers.processors.TemplateProcessing(single="[start] $0", special_tokens=[("[start]", 1)])
    made.enable_truncation(2)
    made.enable_padding(length=9)
    made.save(str(tmp_path / "tokenizer.json"))
    return tmp_path


def test_a_text_is_cut_into_windows_of_tokens(words):
    """a b a b / b c in windows of 2: the targets are the next tokens, across lines; nothing is cut, filled up or put around."""
    (words / "text.txt").write_text("a b a b\nb c\n", encoding="utf-8")
    data = tokens.load(words, context=2)
    assert data.inputs.tolist() == [[2, 3], [2, 3]]
    assert data.targets.tolist() == [[3, 2], [3, 3]]
    assert data.classes == ("[unk]", "[start]", "a", "b")
    assert tokens.load(words, context=5).targets.tolist() == [[3, 2, 3, 3, 0]]


def test_a_larger_vocabulary_has_names_for_all_its_tokens(words):
    """The network's output is then as wide; a smaller one is refused."""
    (words / "text.txt").write_text("a b a b", encoding="utf-8")
    assert tokens.load(words, context=2, vocab=6).classes[3:] == ("b", "token 4", "token 5")
    with pytest.raises(Refused, match="'vocab' is 3, and the tokenizer has 4"):
        tokens.load(words, context=2, vocab=3)


def test_texts_with_labels_are_tokens_with_classes(words):
    """With the special tokens, cut and filled up to the context; labels sorted; a text may have commas and lines."""
    (words / "texts.csv").write_text('label,text\ngood,a b\nbad,"b, a\na a"\n', encoding="utf-8")
    data = tokens.load(words, context=4, pad=9)
    assert data.inputs.tolist() == [[1, 2, 3, 9], [1, 3, 0, 2]]
    assert (data.targets.tolist(), data.classes) == ([1, 0], ("bad", "good"))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "neither text.txt nor texts.csv"),
        ({"text.txt": b"a", "texts.csv": b"x"}, "both text.txt and texts.csv"),
        ({"text.txt": b"a b"}, "2 tokens; one window needs 3"),
        ({"text.txt": b""}, "0 tokens"),
        ({"text.txt": b"a \xff"}, "byte 2 cannot be read"),
        ({"texts.csv": b"text,label\n"}, "data set is empty"),
        ({"texts.csv": b"text\na\n"}, "no text or no label in record 2"),
        ({"texts.csv": b"text,label\na,x\nb\n"}, "no text or no label in record 3"),
        ({"texts.csv": b'text,label\n"a,x\n'}, "cannot be read: unexpected end"),
        ({"text.txt": b"a b a", "tokenizer.json": b"{}"}, "not a tokenizer that can be read"),
        ({"text.txt": b"a b a", "tokenizer.json": b"[" * 100_000}, "not a tokenizer that can be read"),
    ],
)
def test_texts_that_make_no_data_set_are_refused_in_a_sentence(words, files, message):
    """What was expected and what came."""
    for name, content in files.items():
        (words / name).write_bytes(content)
    with pytest.raises(Refused, match=message):
        tokens.load(words, context=2)


# --- what all of them promise ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"targets": torch.zeros(2, dtype=torch.int64)}, "3 inputs and 2 targets"),
        ({"targets": torch.tensor([0, 1, 5])}, "only 2 classes"),
        ({"inputs": torch.full((3, 2), torch.inf)}, "3 of 3 samples"),
        ({"inputs": torch.tensor([[0, 1], [1, 0], [2, 0]]), "targets": torch.zeros(3, 2, dtype=torch.int64)}, "Tokens must lie in 0 … 1"),
        ({"inputs": torch.tensor([[0, 1], [1, 0], [-2, 0]])}, "Tokens are numbered from 0; the smallest here is -2"),
        ({"inputs": torch.zeros(0, 2), "targets": torch.zeros(0, dtype=torch.int64)}, "data set is empty"),
        ({"targets": torch.tensor([0, -1, 1])}, "the smallest here is -1"),
        ({"targets": torch.zeros(3)}, "shape \\(n, d\\); these have \\(3,\\)"),
        ({"test": 3}, "test set is empty"),
        ({"test": 0}, "test set is empty"),
    ],
)
def test_a_data_set_that_contradicts_itself_cannot_be_made(changes, message):
    """Checked once, for every source."""
    with pytest.raises(Refused, match=message):
        Dataset(**{"inputs": torch.zeros(3, 2), "targets": torch.tensor([0, 1, 1]), "classes": ("a", "b"), **changes})


def test_a_fingerprint_changes_with_names_and_bytes_and_with_nothing_else(tmp_path):
    """A file by its bytes alone; a folder by the names and bytes of its visible files; "" for no path."""
    (tmp_path / "a").write_bytes(b"one")
    (tmp_path / "b").write_bytes(b"two")
    before = fingerprint(tmp_path)
    (tmp_path / ".hidden").write_bytes(b"x")
    assert fingerprint(tmp_path) == before
    (tmp_path / "b").rename(tmp_path / "c")
    assert fingerprint(tmp_path) != before
    (tmp_path / "c").rename(tmp_path / "b")
    assert fingerprint(tmp_path) == before
    (tmp_path / "b").write_bytes(b"2wo")
    assert fingerprint(tmp_path) != before
    assert fingerprint(tmp_path / "a") == "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"
    assert fingerprint(None) == ""
    with pytest.raises(Refused, match="There is no"):
        fingerprint(tmp_path / "none")


def test_a_fingerprint_covers_folders_within_and_names_what_it_cannot_read(tmp_path):
    """Where a file lies counts; a link to a folder could lead round in circles; a dead link is named."""
    (tmp_path / "a").write_bytes(b"one")
    before = fingerprint(tmp_path)
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "a").write_bytes(b"one")
    within = fingerprint(tmp_path)
    assert within != before
    (tmp_path / "inner").rename(tmp_path / "other")
    assert fingerprint(tmp_path) not in (before, within)
    (tmp_path / "loop").symlink_to(tmp_path)
    with pytest.raises(Refused, match="loop is a link to a folder"):
        fingerprint(tmp_path)
    (tmp_path / "loop").unlink()
    (tmp_path / "dead").symlink_to("nowhere")
    with pytest.raises(Refused, match="There is no .*dead"):
        fingerprint(tmp_path)


def test_digits_tasks_are_the_digits_seen_in_three_ways():
    """The same images in the same order in every task, turned or exchanged; none is for training in one and for testing in another."""
    every, *each = (digits_tasks.load(None, task=t) for t in ("all", "upright", "turned", "inverted"))
    upright, turned, inverted = (one.inputs for one in each)
    assert torch.equal(turned, upright.rot90(1, (2, 3)))
    assert torch.equal(inverted, 1 - upright)
    assert sorted(upright.flatten(1).sum(1).tolist()) == sorted(digits.load(None).inputs.flatten(1).sum(1).tolist())
    bounds = [(d.val, d.test, len(d.targets)) for d in each]
    assert bounds == [bounds[0]] * 3
    assert (every.val, every.test, len(every.targets)) == tuple(3 * b for b in bounds[0])
    first, last = each[1].test, len(each[1].targets)
    held = torch.cat([one.inputs[first:last] for one in each])
    assert torch.equal(every.inputs[every.test :], held)
