"""A plane as a mesh, read again from each of its files."""

import base64
import json
import struct
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from explorer.core.errors import Refused
from explorer.figures.mesh import HEIGHT, mesh, normals, save, written
from explorer.figures.plane import Surface

X, Y = np.array([0.0, 1.0, 2.0, 4.0]), np.array([10.0, 11.0, 13.0])
Z = X + 10 * Y[:, None]


def grid(z=Z):
    """The plane, with what is NaN lost."""
    return Surface(X, Y, z, np.isnan(z))


def hole():
    """One value missing: it is a corner of four cells."""
    z = Z.copy()
    z[1, 1] = np.nan
    return z


def read_obj(content):
    """(vertices, colours, triangles)."""
    rows = [row.split() for row in content.decode().splitlines()]
    v = np.array([row[1:] for row in rows if row[0] == "v"], dtype=float)
    return v[:, :3], v[:, 3:], np.array([[part.split("//")[0] for part in row[1:]] for row in rows if row[0] == "f"], dtype=int) - 1


def read_glb(content):
    """(document, arrays by attribute and "indices")."""
    magic, version, length = struct.unpack_from("<III", content)
    assert (magic, version, length) == (0x46546C67, 2, len(content))
    size, kind = struct.unpack_from("<II", content, 12)
    assert kind == 0x4E4F534A and size % 4 == 0
    document = json.loads(content[20 : 20 + size])
    binary_size, kind = struct.unpack_from("<II", content, 20 + size)
    assert kind == 0x004E4942 and binary_size == document["buffers"][0]["byteLength"]
    binary = content[28 + size :]
    primitive = document["meshes"][0]["primitives"][0]

    def array(index):
        accessor = document["accessors"][index]
        view = document["bufferViews"][accessor["bufferView"]]
        dtype = {5126: "<f4", 5125: "<u4"}[accessor["componentType"]]
        width = {"SCALAR": 1, "VEC3": 3}[accessor["type"]]
        flat = np.frombuffer(binary, dtype, accessor["count"] * width, view["byteOffset"])
        return flat.reshape(-1, width) if width > 1 else flat

    return document, {**{name: array(i) for name, i in primitive["attributes"].items()}, "indices": array(primitive["indices"]).reshape(-1, 3)}


def read_vtp(content):
    """Arrays by their names."""
    root = ET.fromstring(content)
    dtypes = {"Float64": "<f8", "Float32": "<f4", "Int32": "<i4"}

    def array(node):
        raw = base64.b64decode(node.text)
        assert struct.unpack_from("<I", raw)[0] == len(raw) - 4
        flat, width = np.frombuffer(raw, dtypes[node.get("type")], offset=4), int(node.get("NumberOfComponents"))
        return flat.reshape(-1, width) if width > 1 else flat

    return {node.get("Name"): array(node) for node in root.iter("DataArray")}


def test_every_value_lies_at_its_own_place():
    """f = x + 10 y at the vertex above (x, y), in all three files; the two horizontal axes are to scale, and heights are values by one factor."""
    made = mesh(grid(), "test loss (nat)")
    assert np.ptp(made.vertices[:, 2]) == pytest.approx(HEIGHT * 4)
    vertices, colours, triangles = read_obj(written(made, "obj"))
    np.testing.assert_allclose(vertices[:, 0] + 10 * vertices[:, 1], made.values)
    np.testing.assert_allclose(vertices[:, 2] / made.factor + made.values.min(), made.values)
    assert colours[0].sum() < colours[-1].sum(), "light is high"
    document, arrays = read_glb(written(made, "glb"))
    np.testing.assert_allclose(arrays["POSITION"][:, 0] - 10 * arrays["POSITION"][:, 2], arrays["_VALUE"], rtol=1e-6)
    assert document["accessors"][0]["max"] == pytest.approx([4.0, HEIGHT * 4, -10.0])
    read = read_vtp(written(made, "vtp"))
    np.testing.assert_allclose(read["places"][:, 0] + 10 * read["places"][:, 1], read["test loss (nat)"])
    assert triangles.tolist() == arrays["indices"].tolist() == read["connectivity"].reshape(-1, 3).tolist()
    assert read["offsets"].tolist() == list(range(3, 3 * len(triangles) + 1, 3))


def test_triangles_cover_the_plane_and_look_up():
    """Their areas from above add up to the grid's, each is anticlockwise, and normals have length 1 and point up."""
    made = mesh(grid(), "loss")
    a, b, c = (made.vertices[made.triangles[:, k], :2] for k in range(3))
    areas = ((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]) / 2
    assert (areas > 0).all()
    assert areas.sum() == pytest.approx(4 * 3)
    np.testing.assert_allclose(np.linalg.norm(normals(made), axis=1), 1)
    slope = np.array([-made.factor, -10 * made.factor, 1.0])
    np.testing.assert_allclose(normals(made), np.tile(slope / np.linalg.norm(slope), (12, 1)), atol=1e-12)


def test_what_is_not_measured_is_a_hole():
    """A missing value takes the four cells around it with it, and its vertex, in every file."""
    made = mesh(grid(hole()), "loss")
    vertices, _, triangles = read_obj(written(made, "obj"))
    assert (len(vertices), len(triangles)) == (11, 2 * (6 - 4))
    _, arrays = read_glb(written(made, "glb"))
    assert (len(arrays["POSITION"]), len(arrays["indices"])) == (11, 4)
    assert np.isfinite(arrays["POSITION"]).all()
    read = read_vtp(written(made, "vtp"))
    assert (len(read["places"]), len(read["offsets"])) == (11, 4)
    assert np.isfinite(read["places"]).all()


def test_a_logarithm_is_a_logarithm_upwards_and_the_values_stay():
    """Ten times the value is one step up."""
    made = mesh(Surface(X[:2], Y[:2], np.array([[1.0, 10.0], [100.0, 1000.0]]), np.zeros((2, 2), bool)), "loss", log=True)
    assert made.vertices[:, 2] == pytest.approx(made.factor * np.arange(4))
    assert made.values.tolist() == [1, 10, 100, 1000]


def test_files_are_named_by_what_they_hold(tmp_path):
    """Each ending its own format; another one, and a plane without a cell, is refused."""
    made = mesh(grid(), "loss")
    save(made, tmp_path / "a.obj", tmp_path / "a.glb", tmp_path / "a.vtp")
    assert (tmp_path / "a.glb").read_bytes()[:4] == b"glTF"
    with pytest.raises(Refused, match=r"Meshes end in \.obj, \.glb, \.vtp"):
        save(made, tmp_path / "a.stl")
    with pytest.raises(Refused, match="no surface yet"):
        mesh(grid(np.full(Z.shape, np.nan)), "loss")
