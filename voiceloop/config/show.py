"""TOML output: the settings in effect with their origins, and a commented config file to start from. Pure.

Secrets are masked, whether recognised by the name of their key or by their form.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from voiceloop.config.layers import Layer, Merged, Path
from voiceloop.config.schema import docstrings
from voiceloop.config.secrets import MASK, is_secret
from voiceloop.config.tables import Config, PartTable
from voiceloop.config.validation import PART_TABLES

DEFAULT = "default"
_COMMENT_AT = 44


def effective(config: Config) -> dict[str, Any]:
    """All settings as plain values. The table of a part has `use` and the part's options."""
    values: dict[str, Any] = {}
    for name in Config.model_fields:
        table = getattr(config, name)
        if isinstance(table, PartTable):
            values[name] = {"use": table.use, **table.options.model_dump(mode="json")}
        else:
            values |= config.model_dump(mode="json", include={name})
    return {key: _masked(key, value) for key, value in values.items()}


def _masked(key: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {inner: _masked(inner, content) for inner, content in value.items()}
    return MASK if is_secret(key, value) else value


def origins(values: Mapping[str, Any], merged: Merged, base: Layer) -> dict[str, str]:
    """The origin of each value by its dotted key: `default`, a file with the line number, or `--set`.

    `base` is the layer of the built-in defaults.
    """
    found: dict[str, str] = {}
    for path, _ in _leaves(values, ()):
        layer = merged.origins.get(path) or _nearest_layer(path, merged)
        found[".".join(path)] = layer.place(path) if layer and layer is not base else DEFAULT
    return found


def _nearest_layer(path: Path, merged: Merged) -> Layer | None:
    """The layer of the value around `path`, or of one inside it. A table of free keys is one value in the origins; an
    empty table around `path` sets nothing in it."""
    for end in range(len(path) - 1, 1, -1):
        layer = merged.origins.get(path[:end])
        if layer is not None and not _is_empty_table(merged.values, path[:end]):
            return layer
    return next((layer for key, layer in merged.origins.items() if key[: len(path)] == path), None)


def _is_empty_table(values: Mapping[str, object], path: Path) -> bool:
    value: object = values
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value == {}


def _leaves(values: Mapping[str, Any], at: Path) -> Iterator[tuple[Path, Any]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*at, key))
        else:
            yield (*at, key), value


def as_toml(values: Mapping[str, Any], comments: Mapping[str, str]) -> str:
    """Values as TOML, each with its comment at the end of the line. Keys that are not set are written as comments."""
    return "\n".join(_tables(values, (), comments)).strip() + "\n"


def _tables(values: Mapping[str, Any], at: Path, comments: Mapping[str, str]) -> Iterator[str]:
    tables = {key: value for key, value in values.items() if isinstance(value, dict) and value}
    plain = {key: value for key, value in values.items() if key not in tables}
    if at and (plain or not tables):
        yield ""
        yield f"[{'.'.join(_key(step) for step in at)}]"
    for key, value in plain.items():
        line = f"# {_key(key)} is not set" if value is None else f"{_key(key)} = {literal(value)}"
        comment = comments.get(".".join((*at, key)), "")
        yield f"{line:<{_COMMENT_AT}}  # {comment}" if comment and value is not None else line
    for key, value in tables.items():
        yield from _tables(value, (*at, key), comments)


def _key(key: str) -> str:
    return key if key and all(c.isascii() and (c.isalnum() or c in "_-") for c in key) else literal(key)


def literal(value: Any) -> str:
    """`value` in TOML syntax."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case int() | float():
            return repr(value)
        case dict():
            inside = ", ".join(f"{_key(key)} = {literal(item)}" for key, item in value.items() if item is not None)
            return f"{{ {inside} }}" if inside else "{}"
        case _:
            return f"[{', '.join(literal(item) for item in value)}]"


STARTER = """\
# voiceloop's configuration. 'voiceloop config show' prints the settings in effect, 'voiceloop check' tests them.
# For completion in editors: voiceloop config schema > voiceloop.schema.json, and this as the file's first line:
#   #:schema ./voiceloop.schema.json

"""
REST = "# All other settings with their defaults. To change one, remove the '#' at the start of its line.\n"
ENGINES = """\
# The engines. As long as none is named here, each command chooses by itself: 'run' uses OpenRouter if its key is set,
# 'dictate' and 'captions' stay on this machine unless you choose otherwise (voiceloop config choose).
# To name them, remove the '#' at the start of the lines of one of these blocks, or of single tables.
"""


def starter(preset: str, taken: Mapping[str, object]) -> str:
    """A config file to start from: the preset's text, then every table that the preset lacks, commented out.

    `taken` are the preset's tables.
    """
    lines = [REST]
    for name, field in Config.model_fields.items():
        model = field.annotation
        if name in taken or name in PART_TABLES or not isinstance(model, type) or not issubclass(model, BaseModel):
            continue
        lines += _commented(name, model())
    return STARTER + preset.rstrip() + "\n\n" + "\n".join(lines) + "\n"


def engines(presets: Sequence[str]) -> str:
    """The texts of presets as comments, for a config file that names no engine. Their own comments have '##'."""
    return "\n".join([ENGINES, *(f"{_as_comment(preset)}\n" for preset in presets)])


def _as_comment(preset: str) -> str:
    """Every line of a preset as a comment, so that removing one '# ' restores a setting."""
    return "\n".join(
        f"#{line}" if line.startswith("#") else f"# {line}".rstrip() for line in preset.rstrip().splitlines()
    )


def _commented(name: str, table: BaseModel) -> Iterator[str]:
    texts = docstrings(type(table))
    inner: list[tuple[str, BaseModel]] = []
    yield f"[{name}]"
    for key in type(table).model_fields:
        value = getattr(table, key)
        if isinstance(value, BaseModel):
            inner.append((f"{name}.{key}", value))
            continue
        yield from (f"## {line}" for line in _wrapped(texts.get(key, "")))
        yield f"# {key} = {literal(value)}" if value is not None else f'# {key} = ""'
    yield ""
    for path, value in inner:
        yield from _commented(path, value)


def _wrapped(text: str) -> list[str]:
    import textwrap

    return textwrap.wrap(text, 110)
