"""Turns what pydantic has to say about a value into plain words. Pure."""

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

    from voiceloop.config.tables import Conflict


MISSING = "is missing"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake: the key that it is about, what is wrong, and what to do."""

    path: Path
    what: str
    remedy: str = ""

    def line(self, place: str) -> str:
        """The whole line that the user reads."""
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


def explain(
    errors: Sequence[ErrorDetails], data: Mapping[str, object], at: Path, known: Sequence[str]
) -> list[Problem]:
    """One problem for each key that is wrong. `known` are the table's keys, for suggestions."""
    by_path: dict[Path, list[ErrorDetails]] = {}
    problems: list[Problem] = []
    for error in errors:
        if error["type"] == "conflicts":
            inner = (*at, *_real_path(error["loc"], data))
            problems += [_conflict(conflict, inner) for conflict in error["ctx"]["all"]]
        else:
            by_path.setdefault(_real_path(error["loc"], data), []).append(error)
    for path, group in by_path.items():
        what, remedy = _one(path, group, known)
        problems.append(Problem((*at, *path), what, remedy))
    return problems


def _conflict(conflict: Conflict, at: Path) -> Problem:
    return Problem((*at, conflict.keys[0]), conflict.what, conflict.remedy)


def _real_path(loc: Sequence[int | str], data: object) -> Path:
    """`loc` without the tags that pydantic adds for the branches of a union: only what stands in the data.

    The last step of a missing or a forbidden key is kept, so the walk ends at the first step that leads nowhere.
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


def _one(path: Path, group: Sequence[ErrorDetails], known: Sequence[str]) -> tuple[str, str]:
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
        return f"is {value}; {words} {context[bound]:g} is wanted", ""
    wanted = list(dict.fromkeys(_wanted(error) for error in group))
    near = _near_literal(first["input"], group)
    if all(wanted):
        return f"is {value}; it must be {' or '.join(wanted)}", _type_remedy(group, first["input"], near)
    return f"is {value}; {first['msg'][:1].lower()}{first['msg'][1:]}", near


def _wanted(error: ErrorDetails) -> str:
    kind = error["type"]
    if kind in {"literal_error", "enum"}:
        return str(error.get("ctx", {}).get("expected", ""))
    return _WANTED.get(kind.split("_")[0], "")


def _type_remedy(group: Sequence[ErrorDetails], value: object, near: str) -> str:
    if near:
        return near
    text_wanted = any(error["type"] == "string_type" for error in group)
    if text_wanted and isinstance(value, int | float) and not isinstance(value, bool):
        return f'Put it in quotes: "{value}".'
    number_wanted = any(error["type"].startswith(("int", "float", "bool")) for error in group)
    if number_wanted and isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?|true|false", value):
        return f"Take the quotes away: {value}."
    return ""


def _near_literal(value: object, group: Sequence[ErrorDetails]) -> str:
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
    """The nearest known key, or all of them."""
    near = difflib.get_close_matches(key, known, n=1)
    if near:
        return f"Did you mean '{near[0]}'?"
    return f"There are: {', '.join(known)}." if known else "It has no options."


def show(key: str, value: Any) -> str:
    """A value as the user wrote it, shortened; never a secret."""
    if is_secret(key, value):
        return MASK
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list):
        return "a list"
    text = f"'{value}'" if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:57] + "…'"
