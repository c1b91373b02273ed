"""Layers of configuration: merges them and remembers which layer each value came from. Pure: reads no file.

If a layer names another part in a table (`use`), that table of the layers below is dropped with all its options: the
options of one engine have no meaning for another. A key that says the same as another one of a layer below replaces
that, too (`Alternatives`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from voiceloop.config.toml import DEEPEST, NotToml, parse

Path = tuple[str, ...]
Data = dict[str, object]
Alternatives = Collection[tuple[Path, Path]]
"""Pairs of keys that say the same. A layer that has one of them replaces the other one of the layers below."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One source of values: a file, a preset, the defaults or `--set`. `lines` are the line numbers of its keys, as far
    as they could be found."""

    name: str
    data: Mapping[str, object]
    lines: Mapping[Path, int] = field(default_factory=dict)
    raw: Mapping[Path, str] = field(default_factory=dict)
    """The text that was typed for a value, if known (`--set`)."""

    def line(self, path: Path) -> int:
        """The line number of `path`, or else of the table around it; 0 if neither is known."""
        return next((self.lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in self.lines), 0)

    def place(self, path: Path) -> str:
        """The layer's name with the line number of `path`: `my.toml:4`."""
        line = self.line(path)
        return f"{self.name}:{line}" if line else self.name


@dataclass(frozen=True, slots=True)
class Merged:
    """All layers merged: nested values, and for each value that is not a table the layer that it came from."""

    values: Data
    origins: Mapping[Path, Layer]

    def origin(self, path: Path) -> Layer | None:
        """The layer of the value at `path`; for a table, the layer of the last key written into it."""
        for end in range(len(path), 0, -1):
            if layer := self.origins.get(path[:end]):
                return layer
        inside = [layer for key, layer in self.origins.items() if key[: len(path)] == path]
        return inside[-1] if inside else None


def merge(layers: Sequence[Layer], part_tables: Collection[str], alternatives: Alternatives = ()) -> Merged:
    """Merge the layers, the lowest first: a value of a later layer replaces the same key of an earlier one.

    `part_tables` are the names of the tables that have `use`.
    """
    values: Data = {}
    origins: dict[Path, Layer] = {}
    for layer in layers:
        for table, content in layer.data.items():
            if table in part_tables and _names_another(values.get(table), content):
                _remove((table,), values, origins)
        for one, other in (*alternatives, *((other, one) for one, other in alternatives)):
            if _has(layer.data, one) and not _has(layer.data, other):
                _remove(other, values, origins)
        _overlay(values, layer.data, (), layer, origins)
    return Merged(values, origins)


def _has(data: object, path: Path) -> bool:
    for key in path:
        if not isinstance(data, Mapping) or key not in data:
            return False
        data = data[key]
    return True


def _remove(path: Path, values: Data, origins: dict[Path, Layer]) -> None:
    """Remove a value or a table with all that is in it, if it is there."""
    table: object = values
    for key in path[:-1]:
        table = table.get(key) if isinstance(table, dict) else None
    if isinstance(table, dict):
        table.pop(path[-1], None)
    _forget(path, origins)


def _forget(path: Path, origins: dict[Path, Layer]) -> None:
    for stale in [old for old in origins if old[: len(path)] == path]:
        del origins[stale]


def _names_another(below: object, above: object) -> bool:
    if not isinstance(below, dict) or not isinstance(above, Mapping) or "use" not in above:
        return False
    return bool(below.get("use") != above["use"])


def _overlay(target: Data, source: Mapping[str, object], at: Path, layer: Layer, origins: dict[Path, Layer]) -> None:
    for key, value in source.items():
        path = (*at, key)
        below = target.get(key)
        if isinstance(value, Mapping) and value:
            inner: Data = below if isinstance(below, dict) else {}
            target[key] = inner
            origins.pop(path, None)
            _overlay(inner, value, path, layer, origins)
        elif isinstance(value, Mapping) and isinstance(below, dict):
            continue  # an empty table changes nothing
        else:
            _forget(path, origins)
            target[key] = dict(value) if isinstance(value, Mapping) else value
            origins[path] = layer


_KEY = re.compile(r"[A-Za-z0-9_-]+")


def parse_sets(sets: Sequence[str]) -> tuple[Layer, list[str]]:
    """A layer of the `--set table.key=value` arguments, and a message for each argument that is malformed.

    A value is TOML (`5`, `true`, `["a", "b"]`, `"text"`); what is not TOML is taken as text (`file:talk.wav`).
    """
    data: Data = {}
    raw: dict[Path, str] = {}
    problems: list[str] = []
    for item in sets:
        name, equals, text = item.partition("=")
        path = tuple(part.strip() for part in name.split("."))
        if not equals or not 2 <= len(path) <= DEEPEST or not all(_KEY.fullmatch(part) for part in path):
            shown = ".".join(path) if equals else "an argument without '='"
            problems.append(f"--set: {shown} is not of the form table.key=value. For example: --set audio.echo=off")
            continue
        try:
            _put(data, path, _value(text))
        except ValueError as error:
            problems.append(f"--set {'.'.join(path)}: {error}")
        else:
            raw[path] = text
    return Layer("--set", data, raw=raw), problems


def _value(text: str) -> object:
    try:
        parsed = parse(f"value = {text}")
    except NotToml as error:
        if text.lstrip()[:1] in {"[", "{", '"', "'"}:
            raise ValueError("the value is not valid TOML. Check its quotes and brackets") from error
        return text
    return parsed["value"] if len(parsed) == 1 else text


def _put(data: Data, path: Path, value: object) -> None:
    for key in path[:-1]:
        inner = data.setdefault(key, {})
        if not isinstance(inner, dict):  # a plain value is already there
            raise ValueError(  # noqa: TRY004
                f"'{key}' has a plain value already and can't be a table too. Give one or the other"
            )
        data = inner
    data[path[-1]] = value


_HEADER = re.compile(r"\[([^\[\]]+)\]\s*(#.*)?")
_MULTILINE = re.compile("\"{3}|'{3}")
_NAMES = re.compile(r"[A-Za-z0-9_.\-\"' \t]+")


def find_lines(text: str) -> dict[Path, int]:
    """The line number of each key and table in a TOML text. tomllib does not report them, so the lines are scanned.

    Keys inside inline tables and arrays of tables are not found; messages then give the line of the enclosing table.
    """
    lines: dict[Path, int] = {}
    table: Path = ()
    for number, line in _outside_multiline(text):
        name, equals, _ = line.partition("=")
        if header := _HEADER.fullmatch(line.strip()):
            table = _split(header[1])
            lines.setdefault(table, number)
        elif equals and _NAMES.fullmatch(name) and name.strip():
            path = (*table, *_split(name))
            lines.setdefault(path, number)
    return lines


def _split(dotted: str) -> Path:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))


def _outside_multiline(text: str) -> Iterator[tuple[int, str]]:
    """The lines that are not inside a multi-line string, with their numbers."""
    delimiter = ""  # of the multi-line string that is open
    for number, line in enumerate(text.splitlines(), start=1):
        if not delimiter:
            yield number, line
        at = 0
        while quotes := (re.compile(delimiter) if delimiter else _MULTILINE).search(line, at):
            at, delimiter = quotes.end(), "" if delimiter else quotes[0]
