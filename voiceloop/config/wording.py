"""Messages for wrong settings: pydantic's validation errors in plain words. Pure."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from voiceloop.config.layers import Path
from voiceloop.config.secrets import MASK, is_secret

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from voiceloop.config.table import Conflict


MISSING = "is missing"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake: the path of the key, what is wrong, and how to mend it."""

    path: Path
    what: str
    remedy: str = ""

    def line(self, place: str) -> str:
        """The line that the user reads: place, key, mistake, remedy."""
        key = ".".join(self.path)
        ending = f". {self.remedy}" if self.remedy else ""
        return f"{place + ' ' if place else ''}{key}: {self.what}{ending}"


_WANTED = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text in quotes",
    "list": "a list: [ … ]",
    "tuple": "a list: [ … ]",
    "set": "a list: [ … ]",
    "dict": "a table: { … }",
    "model": "a table",
    "none": "nothing",
    "path": "a path, in quotes",
    "url": "an address, in quotes",
}
_BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("more than", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
}
_LENGTHS = {
    "string_too_short": ("at least", "min_length"),
    "string_too_long": ("at most", "max_length"),
    "too_short": ("at least", "min_length"),
    "too_long": ("at most", "max_length"),
}


_ELSEWHERE: Mapping[Path, str] = {
    ("transcribe", "diarize"): "This engine doesn't tell who speaks: leave it out, or use 'openrouter'.",
}
"""Remedies for keys that only another engine has."""


def explain(
    errors: Sequence[ErrorDetails], data: Mapping[str, object], at: Path, known: Sequence[str]
) -> list[Problem]:
    """One problem for each wrong key. `data` are the values that were checked, `at` is the path of their table, `known`
    are the table's keys, for suggestions."""
    by_path: dict[Path, list[ErrorDetails]] = {}
    problems: list[Problem] = []
    for error in errors:
        if error["type"] == "conflicts":
            inner = (*at, *_real_path(error["loc"], data))
            problems += [_conflict(conflict, inner) for conflict in error["ctx"]["all"]]
        else:
            by_path.setdefault(_real_path(error["loc"], data), []).append(error)
    for path, group in by_path.items():
        what, remedy = _explain_key(path, group, known)
        remedy = _ELSEWHERE.get((*at, *path), remedy) if group[0]["type"] == "extra_forbidden" else remedy
        problems.append(Problem((*at, *path), what, remedy))
    return problems


def _conflict(conflict: Conflict, at: Path) -> Problem:
    return Problem((*at, conflict.keys[0]), conflict.what, conflict.remedy)


def _real_path(loc: Sequence[int | str], data: object) -> Path:
    """`loc` reduced to keys that are in the data: pydantic also adds tags for the branches of a union.

    The walk ends after the first step that is not in the data, so the name of a missing or unknown key is kept.
    """
    path: list[str] = []
    for step in loc:
        if isinstance(data, Mapping) and step in data:
            data = data[step]
            path.append(str(step))
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            data = data[step]
            path.append(str(step + 1))
        elif isinstance(data, Mapping) and isinstance(step, str) and re.fullmatch(r"[a-z0-9_]+", step):
            path.append(step)
            data = None
        else:
            break
    return tuple(path)


def _explain_key(path: Path, group: Sequence[ErrorDetails], known: Sequence[str]) -> tuple[str, str]:
    """What is wrong with one key, and the remedy. `group` are pydantic's errors for that key."""
    first = group[0]
    kind, context = first["type"], first.get("ctx", {})
    if kind == "missing":
        return MISSING, "Give it a value."
    if kind == "extra_forbidden":
        return "no such key", suggestion(path[-1], known) if len(path) == 1 else ""
    if kind in {"value_error", "assertion_error"}:
        return str(context.get("error", first["msg"])), ""
    value = show(path[-1] if path else "", first["input"])
    if kind in _BOUNDS:
        words, bound = _BOUNDS[kind]
        return f"is {value}; it must be {words} {context[bound]:g}", ""
    if kind in _LENGTHS:
        words, bound = _LENGTHS[kind]
        one, several = ("character", "characters") if kind.startswith("string") else ("entry", "entries")
        return f"is {value}; it must have {words} {context[bound]} {one if context[bound] == 1 else several}", ""
    wanted = list(dict.fromkeys(_wanted(error) for error in group))
    hint = _closest_choice(first["input"], group)
    if all(wanted):
        return f"is {value}; it must be {' or '.join(wanted)}", _type_remedy(group, first["input"], hint)
    return f"is {value}; {first['msg'][:1].lower()}{first['msg'][1:]}", hint


def _wanted(error: ErrorDetails) -> str:
    kind = error["type"]
    if kind in {"literal_error", "enum"}:
        return str(error.get("ctx", {}).get("expected", ""))
    return _WANTED.get(kind.split("_")[0], "")


def _type_remedy(group: Sequence[ErrorDetails], value: object, hint: str) -> str:
    if hint:
        return hint
    text_wanted = any(error["type"] == "string_type" for error in group)
    if text_wanted and isinstance(value, int | float) and not isinstance(value, bool):
        return f'Put it in quotes: "{value}".'
    number_wanted = any(error["type"].startswith(("int", "float", "bool")) for error in group)
    if number_wanted and isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?|true|false", value):
        return f"Remove the quotes: {value}."
    return ""


def _closest_choice(value: object, group: Sequence[ErrorDetails]) -> str:
    if not isinstance(value, str):
        return ""
    options = [
        option
        for error in group
        if error["type"] in {"literal_error", "enum"}
        for option in re.findall(r"'([^']*)'", str(error.get("ctx", {}).get("expected", "")))
    ]
    near = difflib.get_close_matches(value, options, n=1)
    return f"Did you mean '{near[0]}'?" if near else ""


def suggestion(key: str, known: Sequence[str]) -> str:
    """A hint that names the most similar known key, or else all known keys."""
    near = difflib.get_close_matches(key, known, n=1)
    if near:
        return f"Did you mean '{near[0]}'?"
    return f"There are: {', '.join(known)}." if known else "It has no options."


def show(key: str, value: Any) -> str:
    """A value as the user wrote it, shortened. Secrets are masked."""
    if is_secret(key, value):
        return MASK
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list):
        return "a list"
    text = f"'{value}'" if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:57] + "…'"
