"""A measured plane as a mesh of triangles, for Blender, ParaView and the like: Wavefront OBJ, binary glTF 2.0 and VTK's XML PolyData.

The mesh has what was measured and nothing else: a vertex for each finite value of the grid, two triangles for each cell whose four corners are finite, holes
elsewhere. Distances in weight space are to scale on both horizontal axes; upwards, values are multiplied by one factor, which each file names, so that the
relief is as high as HEIGHT of its longer side. Values themselves are an attribute of the vertices where the format has one.
"""

from __future__ import annotations

import json
import struct
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from plotly.colors import get_colorscale, sample_colorscale, unlabel_rgb

from explorer.core.errors import Refused
from explorer.core.files import system
from explorer.core.points import Array
from explorer.figures.data import form_of
from explorer.figures.plane import SCALE, Surface, span

FORMS = {"obj": "model/obj", "glb": "model/gltf-binary", "vtp": "application/xml"}
HEIGHT = 0.5
FLOAT, INDEX, VERTICES, TRIANGLES = 5126, 5125, 34962, 34963  # of glTF 2.0: component types and targets


@dataclass(frozen=True, eq=False)
class Mesh:
    """(n, 3) vertices, z upwards; (m, 3) corners of triangles, anticlockwise seen from above; (n,) values; (n, 3) colours from 0 to 1. factor: what a value,
    or its decimal logarithm, was multiplied by to be a height."""

    vertices: Array
    triangles: NDArray[np.uint32]
    values: Array
    colours: Array
    factor: float
    name: str


def mesh(grid: Surface, name: str, *, log: bool = False, scale: str = SCALE) -> Mesh:
    """The mesh of a plane; name: what its values are, with their unit. log: heights and colours by the decimal logarithm, as in the picture. Refused where no
    cell is measured at all its corners."""
    low, high = span(grid.z, log)
    z = np.where(np.isfinite(grid.z), grid.z, np.nan)
    height = np.log10(np.maximum(z, low)) if log else z
    ends = (np.log10(low), np.log10(high)) if log else (low, high)
    known = np.isfinite(height)
    whole = known[:-1, :-1] & known[:-1, 1:] & known[1:, 1:] & known[1:, :-1]
    if not whole.any():
        raise Refused("No cell of this plane is measured at its four corners, so there is no surface yet.")
    number = np.full(z.shape, -1, dtype=np.int64)
    number[known] = np.arange(known.sum())
    a, b, c, d = (part[whole] for part in (number[:-1, :-1], number[:-1, 1:], number[1:, 1:], number[1:, :-1]))
    triangles = np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])
    factor = HEIGHT * float(max(np.ptp(grid.x), np.ptp(grid.y))) / float(ends[1] - ends[0])
    x, y = np.meshgrid(grid.x, grid.y)
    vertices = np.stack([x[known], y[known], factor * (height[known] - ends[0])], axis=1)
    shares = np.clip((height[known] - ends[0]) / (ends[1] - ends[0]), 0, 1)
    colours = np.array([unlabel_rgb(str(c)) for c in sample_colorscale(get_colorscale(scale), shares.tolist())]) / 255
    return Mesh(vertices, triangles.astype(np.uint32), z[known], colours, factor, name)


def written(made: Mesh, form: str) -> bytes:
    """The mesh as a file: "obj", "glb" or "vtp"."""
    if form not in FORMS:
        raise Refused(f"No format of a mesh is called {form!r}. There are: {', '.join(FORMS)}.")
    return {"obj": _obj, "glb": _glb, "vtp": _vtp}[form](made)


def save(made: Mesh, *files: Path | str) -> None:
    """The same into files, each of the form that its ending says."""
    paths = [Path(file) for file in files]
    for path, content in [(path, written(made, form_of(path, tuple(FORMS), "Meshes"))) for path in paths]:
        with system(path, "written"):
            path.write_bytes(content)


def normals(made: Mesh) -> Array:
    """(n, 3) of length 1, each the mean of the triangles around its vertex by their areas; a vertex without a triangle looks up."""
    a, b, c = (made.vertices[made.triangles[:, k]] for k in range(3))
    across = np.cross(b - a, c - a)
    summed = np.zeros_like(made.vertices)
    for k in range(3):
        np.add.at(summed, made.triangles[:, k], across)
    length = np.linalg.norm(summed, axis=1, keepdims=True)
    return np.where(length > 0, summed / np.where(length > 0, length, 1), [0.0, 0.0, 1.0])


def _said(made: Mesh) -> str:
    return f"{made.name}; heights are {made.factor:.6g} times the values above the lowest"


def _obj(made: Mesh) -> bytes:
    """Vertices with their colours behind their places, as Blender and MeshLab read them."""
    rows = [f"# loss-landscape explorer: {_said(made)}".replace("\n", " "), "o relief"]
    rows += [f"v {x:.9g} {y:.9g} {z:.9g} {r:.4f} {g:.4f} {b:.4f}" for (x, y, z), (r, g, b) in zip(made.vertices, made.colours, strict=True)]
    rows += [f"vn {x:.5f} {y:.5f} {z:.5f}" for x, y, z in normals(made)]
    rows += [f"f {a}//{a} {b}//{b} {c}//{c}" for a, b, c in (made.triangles.astype(np.int64) + 1).tolist()]
    return ("\n".join(rows) + "\n").encode()


def _glb(made: Mesh) -> bytes:
    """glTF 2.0 in one file (Khronos 2021, section 4.4): y upwards, as it wants. Colours are linear there, and values the attribute _VALUE."""

    def upright(places: Array) -> Array:
        return np.stack([places[:, 0], places[:, 2], -places[:, 1]], axis=1)

    linear = np.where(made.colours <= 0.04045, made.colours / 12.92, ((made.colours + 0.055) / 1.055) ** 2.4)
    parts = [
        ("POSITION", upright(made.vertices).astype("<f4"), "VEC3"),
        ("NORMAL", upright(normals(made)).astype("<f4"), "VEC3"),
        ("COLOR_0", linear.astype("<f4"), "VEC3"),
        ("_VALUE", made.values.astype("<f4"), "SCALAR"),
        ("", made.triangles.astype("<u4").ravel(), "SCALAR"),
    ]
    views: list[dict[str, object]] = []
    accessors: list[dict[str, object]] = []
    at = 0
    for index, (name, array, kind) in enumerate(parts):
        views.append({"buffer": 0, "byteOffset": at, "byteLength": array.nbytes, "target": VERTICES if name else TRIANGLES})
        accessor: dict[str, object] = {"bufferView": index, "componentType": FLOAT if name else INDEX, "count": len(array), "type": kind}
        if name == "POSITION":
            accessor |= {"min": array.min(axis=0).tolist(), "max": array.max(axis=0).tolist()}
        accessors.append(accessor)
        at += array.nbytes
    primitive = {"attributes": {name: i for i, (name, _, _) in enumerate(parts) if name}, "indices": len(parts) - 1, "material": 0, "mode": 4}
    document = {
        "asset": {"version": "2.0", "generator": "loss-landscape explorer", "extras": {"about": _said(made)}},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": "relief"}],
        "meshes": [{"name": "relief", "primitives": [primitive]}],
        "materials": [{"name": "values", "doubleSided": True, "pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 0.8}}],
        "buffers": [{"byteLength": at}],
        "bufferViews": views,
        "accessors": accessors,
    }
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    binary = b"".join(array.tobytes() for _, array, _ in parts)  # all of 4 bytes each, so nothing is to be filled up
    chunks = struct.pack("<II", len(text), 0x4E4F534A) + text + struct.pack("<II", len(binary), 0x004E4942) + binary
    return struct.pack("<III", 0x46546C67, 2, 12 + len(chunks)) + chunks


def _vtp(made: Mesh) -> bytes:
    """VTK's XML PolyData, arrays in base64: values are a named array of the points, so that ParaView colours by them."""

    def block(array: np.ndarray) -> str:
        return b64encode(struct.pack("<I", array.nbytes) + array.tobytes()).decode()

    def data(kind: str, name: str, array: np.ndarray, components: int = 1) -> str:
        return f'<DataArray type="{kind}" Name="{name}" NumberOfComponents="{components}" format="binary">{block(array)}</DataArray>'

    count, name = len(made.triangles), made.name.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    parts = [
        '<?xml version="1.0"?>',
        '<VTKFile type="PolyData" version="0.1" byte_order="LittleEndian" header_type="UInt32"><PolyData>',
        f'<Piece NumberOfPoints="{len(made.vertices)}" NumberOfVerts="0" NumberOfLines="0" NumberOfStrips="0" NumberOfPolys="{count}">',
        f'<PointData Scalars="{name}" Normals="normals">',
        data("Float64", name, made.values.astype("<f8")),
        data("Float32", "normals", normals(made).astype("<f4"), 3),
        "</PointData><Points>",
        data("Float64", "places", made.vertices.astype("<f8"), 3),
        "</Points><Polys>",
        data("Int32", "connectivity", made.triangles.astype("<i4")),
        data("Int32", "offsets", (3 * np.arange(1, count + 1)).astype("<i4")),
        "</Polys></Piece></PolyData></VTKFile>",
    ]
    return "\n".join(parts).encode()
