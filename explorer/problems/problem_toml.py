"""The problems: read from a folder's problem.toml, found by name or beside a checkpoint.

title = "…"                    # optional
loss = "cross_entropy"         # one of explorer/loss/
[network]                      # name, and the options of its `build`
[data]                         # name, path (relative to this file's folder), and the options of its `load`
[split]                        # val, test: shares of the data; seed
[tests.NAME]                   # any number of test sets besides: as [data], whose options hold where a set of the same kind gives none of its own
[symmetry]                     # only where it cannot be deduced: tensor = ["group", "-"], one text per axis (explorer.symmetry.groups)
"""

from __future__ import annotations

import logging
import re
import sys
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

from explorer.core import locations, model_path, registry, splits
from explorer.core.allowed_folders import content
from explorer.core.errors import Refused
from explorer.core.files import system
from explorer.core.spec import Method, NamedTestSet, ProblemSpec
from explorer.problems.data import fingerprint
from explorer.problems.write_problem_toml import found as described

log = logging.getLogger(__name__)

_LIMIT_BYTES = 2**20  # of a problem.toml


def read(path: str | Path) -> ProblemSpec:
    """The problem described in a folder's problem.toml, or in that file itself. Refused when something in it is not understood."""
    with system(Path(path), "read"):
        file = Path(path) / "problem.toml" if Path(path).is_dir() else Path(path)
    table = _toml(file)
    where = f"{file.resolve().parent.name}/{file.name}"
    _only(table, ("title", "loss", "network", "data", "split", "tests", "symmetry"), where)
    split = _table(table, "split", where, required=False)
    _only(split, ("val", "test", "seed"), f"{where}, [split]")
    val, test = _share(split, "val", 0.2, where), _share(split, "test", 0.3, where)
    if val + test >= 1:
        raise Refused(f"{where}: val {val:g} and test {test:g} leave nothing to train on. Their sum must be below 1.")
    seed = split.get("seed", 0)
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**63:
        raise Refused(f"{where}: 'seed' under [split] must be a whole number from 0, got {seed!r}.")
    if (loss := _text(table, "loss", where, "cross_entropy")) not in registry.names("loss"):
        raise Refused(f"{where}: there is no loss {loss!r}. There are: {', '.join(registry.names('loss'))}.")
    data = _table(table, "data", where)
    source, digest = _source_at(data, file, f"{where}, [data]")
    network = _network(_method("nets", _table(table, "network", where), f"{where}, [network]"), file, where)
    method = _method("data", {k: v for k, v in data.items() if k != "path"}, f"{where}, [data]")
    return ProblemSpec(
        network=network,
        data=method,
        loss=loss,
        code=registry.named_code(network.name, method.name, loss),
        val=val,
        test=test,
        seed=seed,
        digest=digest,
        symmetry=_symmetry(table, where),
        name=file.resolve().parent.name,
        title=_text(table, "title", where, ""),
        path="" if source is None else locations.shorten(source),
        tests=_tests(table, data, file, where),
    )


def shipped() -> list[ProblemSpec]:
    """The problems of the sample models, by name; a folder whose problem.toml is refused is left out and logged."""
    found: list[ProblemSpec] = []
    for file in sorted((locations.root() / "sample_models").glob("*/problem.toml")):
        try:
            found.append(read(file))
        except Refused as refusal:
            log.warning("%s is left out: %s", file, refusal)
    return found


def find(name: str | Path) -> ProblemSpec:
    """A shipped problem by name, or the one of a folder or a problem.toml. Refused with the shipped names when there is neither."""
    known = {file.parent.name: file for file in sorted((locations.root() / "sample_models").glob("*/problem.toml"))}
    if isinstance(name, str) and name in known:
        return read(known[name])
    with system(Path(name), "read"):
        if name and Path(name).exists():
            return read(name)
    raise Refused(f"There is no problem and no folder {str(name)!r}. Problems: {', '.join(known) or 'none'}; or give a folder with a problem.toml.")


def beside(checkpoint: Path) -> ProblemSpec | None:
    """The problem in a checkpoint's folder, or one folder up where transformers saved the folder as a whole; else the one that was
    written in the app for that folder (explorer.problems.write_problem_toml). None where there is none."""
    plain = model_path.parse(checkpoint).path
    folder = plain if plain.is_dir() else plain.parent
    with system(folder, "read"):
        folders = (folder, folder.parent) if (folder / "config.json").is_file() else (folder,)
    found = next((file for f in folders if (file := described(f)) is not None), None)
    return None if found is None else read(found)


def _toml(file: Path) -> dict[str, object]:
    with system(file, "read"):
        if not file.is_file():
            raise Refused(f"{file} is missing. A problem is a folder with a problem.toml, or that file.")
        if file.stat().st_size > _LIMIT_BYTES:
            raise Refused(f"{file} is too large for a problem.toml. Check that it is one.")
        data = content(file)
    try:
        return tomllib.loads(data.decode("utf-8-sig"))  # -sig: some editors begin a file with a byte-order mark
    except (ValueError, RecursionError) as error:  # ValueError: also what is no UTF-8, or has too many digits for an int
        raise Refused(f"{file} is not valid TOML: {error}. Correct it there.") from error


def _only(table: Mapping[str, object], known: tuple[str, ...], where: str) -> None:
    if unknown := [key for key in table if key not in known]:
        raise Refused(f"{where}: {unknown[0]!r} is not known here. Known: {', '.join(known)}.")


def _table(table: Mapping[str, object], key: str, where: str, *, required: bool = True) -> Mapping[str, object]:
    value = table.get(key, None if required else {})
    if not isinstance(value, dict):
        raise Refused(f"{where}: a table [{key}] is expected{'' if value is None else f', got {value!r}'}.")
    return cast("dict[str, object]", value)


def _symmetry(table: Mapping[str, object], where: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    found: list[tuple[str, tuple[str, ...]]] = []
    for tensor, axes in sorted(_table(table, "symmetry", where, required=False).items()):
        if not isinstance(axes, list) or not all(isinstance(a, str) for a in cast("list[object]", axes)):
            raise Refused(f"{where}, [symmetry]: {tensor!r} needs a list of one text per axis, such as ['hidden', '-'], got {axes!r}.")
        found.append((tensor, tuple(cast("list[str]", axes))))
    return tuple(found)


def _tests(table: Mapping[str, object], data: Mapping[str, object], file: Path, where: str) -> tuple[NamedTestSet, ...]:
    found: list[NamedTestSet] = []
    sets = _table(table, "tests", where, required=False)
    for name in sets:
        here = f"{where}, [tests.{name}]"
        if not re.fullmatch(r"\w[\w .+-]*", name) or name in splits.OWN:
            raise Refused(f"{here}: a test set is named by letters, digits, spaces and .+-, and not {', '.join(splits.OWN)}. Choose another name.")
        given = _table(sets, name, here)
        if given.get("name", data.get("name")) == data.get("name"):
            given = {**{k: v for k, v in data.items() if k != "path"}, **given}
        source, digest = _source_at(given, file, here)
        method = _method("data", {k: v for k, v in given.items() if k != "path"}, here)
        found.append(NamedTestSet(method, digest, registry.code_of("data", method.name), name, "" if source is None else locations.shorten(source)))
    return tuple(found)


def _text(table: Mapping[str, object], key: str, where: str, default: str) -> str:
    if not isinstance(value := table.get(key, default), str):
        raise Refused(f"{where}: {key!r} must be a text, got {value!r}.")
    return value


def _share(split: Mapping[str, object], key: str, default: float, where: str) -> float:
    value = split.get(key, default)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1:
        raise Refused(f"{where}: {key!r} under [split] must be a share from 0 to below 1, got {value!r}.")
    return float(value)


def _source_at(data: Mapping[str, object], file: Path, where: str) -> tuple[Path | None, str]:
    """Where the data lie, and their fingerprint."""
    if not (text := _text(data, "path", where, "")):
        return None, ""
    if "\0" in text:
        raise Refused(f"{where}: 'path' cannot contain a zero character.")
    try:
        source = file.resolve().parent / Path(text).expanduser()
        return source, fingerprint(source)
    except RuntimeError as error:  # ~ of a user whom the system does not know
        raise Refused(f"{where}: 'path' is {text!r}, and that user's folder is not known. Write the path in full.") from error
    except Refused as refusal:
        raise Refused(f"{where}, path: {refusal}") from refusal


def _method(kind: str, table: Mapping[str, object], where: str) -> Method:
    options = dict(table)
    name = options.pop("name", None)
    if not isinstance(name, str):
        raise Refused(f"{where}: 'name' is expected, one of {', '.join(registry.names(kind))}.")
    try:
        return registry.method(kind, name, options)
    except Refused as refusal:
        raise Refused(f"{where}: {refusal}") from refusal


def _network(method: Method, file: Path, where: str) -> Method:
    """The network; where it is described by a file, the content of that file takes the place of its name (the module's `settle`)."""
    module = sys.modules[registry.find("nets", method.name).__module__]
    settle = cast("Callable[[Mapping[str, object], Path], Mapping[str, object]] | None", getattr(module, "settle", None))
    if settle is None:
        return method
    try:
        return registry.method("nets", method.name, settle(method.kwargs(), file.resolve().parent))
    except Refused as refusal:
        raise Refused(f"{where}, [network]: {refusal}") from refusal
