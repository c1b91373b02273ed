"""Layers of configuration, one over the other, and where each value came from. Pure: reads no file.

A table that names a part (`use`) is replaced as a whole by a layer that names another one: the options of an engine
mean nothing to the next.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

Path = tuple[str, ...]
Data = dict[str, object]


@dataclass(frozen=True, slots=True)
class Layer:
    """One source of values. `lines` are where its keys stand in the file, as far as they could be found."""

    name: str
    data: Mapping[str, object]
    lines: Mapping[Path, int] = field(default_factory=dict)
    raw: Mapping[Path, str] = field(default_factory=dict)
    """What was typed for a value, where that is known (`--set`)."""

    def line(self, path: Path) -> int:
        """The line of `path`, or of the table around it; 0 when there is none."""
        return next((self.lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in self.lines), 0)

    def place(self, path: Path) -> str:
        """The layer's name, with the line of `path` in it."""
        line = self.line(path)
        return f"{self.name}:{line}" if line else self.name


@dataclass(frozen=True, slots=True)
class Merged:
    """All layers as one: nested values, and for each leaf the layer that it came from."""

    values: Data
    origins: Mapping[Path, Layer]

    def origin(self, path: Path) -> Layer | None:
        """The layer of the value at `path`; of a table, that of the last key written into it."""
        for end in range(len(path), 0, -1):
            if layer := self.origins.get(path[:end]):
                return layer
        inside = [layer for key, layer in self.origins.items() if key[: len(path)] == path]
        return inside[-1] if inside else None


def merge(layers: Sequence[Layer], part_tables: Collection[str]) -> Merged:
    """Put each layer over the one before."""
    values: Data = {}
    origins: dict[Path, Layer] = {}
    for layer in layers:
        for table, content in layer.data.items():
            if table in part_tables and _names_another(values.get(table), content):
                del values[table]
                for path in [path for path in origins if path[0] == table]:
                    del origins[path]
        _overlay(values, layer.data, (), layer, origins)
    return Merged(values, origins)


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
            for stale in [old for old in origins if old[: len(path)] == path]:
                del origins[stale]
            target[key] = dict(value) if isinstance(value, Mapping) else value
            origins[path] = layer


_KEY = re.compile(r"[A-Za-z0-9_-]+")


def parse_sets(sets: Sequence[str]) -> tuple[Layer, list[str]]:
    """`table.key=value` from the command line as a layer, and what is wrong with those that aren't that.

    A value is TOML (`5`, `true`, `["a", "b"]`, `"text"`); anything else is text as it stands (`file:talk.wav`).
    """
    data: Data = {}
    raw: dict[Path, str] = {}
    problems: list[str] = []
    for item in sets:
        name, equals, text = item.partition("=")
        path = tuple(part.strip() for part in name.split("."))
        if not equals or len(path) < 2 or not all(_KEY.fullmatch(part) for part in path):
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
        parsed = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError as error:
        if text.lstrip()[:1] in {"[", "{", '"', "'"}:
            raise ValueError("the value is not TOML. Check its quotes and brackets") from error
        return text
    return parsed["value"] if len(parsed) == 1 else text


def _put(data: Data, path: Path, value: object) -> None:
    for key in path[:-1]:
        inner = data.setdefault(key, {})
        if not isinstance(inner, dict):  # a value, though of the right type, is in the way
            raise ValueError(  # noqa: TRY004
                f"'{key}' was given a value before. Give a table or a value, not both"
            )
        data = inner
    data[path[-1]] = value


_HEADER = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]\s*(#.*)?$")
_ASSIGNMENT = re.compile(r"\s*([A-Za-z0-9_.\-\"' \t]+?)\s*=\s*(.*)$")


def find_lines(text: str) -> dict[Path, int]:
    """The line of each key and table in a TOML text, by a light scan: tomllib doesn't tell.

    Keys inside inline tables and arrays of tables are not found; a message then names the line around them.
    """
    lines: dict[Path, int] = {}
    table: Path = ()
    for number, line in _outside_multiline(text):
        if header := _HEADER.match(line):
            table = _split(header[1])
            lines.setdefault(table, number)
        elif assignment := _ASSIGNMENT.match(line):
            path = (*table, *_split(assignment[1]))
            lines.setdefault(path, number)
    return lines


def _split(dotted: str) -> Path:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))


def _outside_multiline(text: str) -> Iterator[tuple[int, str]]:
    """The numbered lines that don't stand inside a multi-line string."""
    fence = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if not fence:
            yield number, line
        rest = line
        while rest:
            opened = fence or next((f for f in ('"""', "'''") if f in rest), "")
            if not opened or opened not in rest:
                break
            rest = rest.split(opened, 1)[1]
            fence = "" if fence else opened
