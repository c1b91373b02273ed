"""The checker: compares values with the tables and the parts' options, and collects every mistake. Reads no file.

Values are checked as JSON in pydantic's strict mode: a number in quotes is a mistake, but a TOML list can be a tuple.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from voiceloop.config.layers import Data, Layer, Merged, Path
from voiceloop.config.secrets import is_secret
from voiceloop.config.tables import Config, PartTable
from voiceloop.config.wording import MISSING, Problem, explain, suggestion
from voiceloop.errors import ConfigError, EngineError
from voiceloop.registry import Found

Find = Callable[[str, str], Found]

PART_TABLES = tuple(name for name, field in Config.model_fields.items() if field.annotation is PartTable)
"""The tables whose `use` names a part."""


class Checker:
    """Collects the mistakes of one configuration. `failures` are parts that are known but can't be imported."""

    def __init__(self, find: Find) -> None:
        self._find = find
        self.problems: list[Problem] = []
        self.failures: list[tuple[Path, EngineError]] = []

    def config(self, merged: Merged) -> Config | None:
        """The typed configuration; None if there are mistakes."""
        values = self._without_secrets(merged.values, ())
        tables: dict[str, object] = {}
        for name in values:
            if name not in Config.model_fields:
                self.problems.append(Problem((name,), "no such table", suggestion(name, list(Config.model_fields))))
        for name, field in Config.model_fields.items():
            if name in PART_TABLES:
                tables[name] = self._part(name, values.get(name), merged)
            elif name in values:
                model = field.annotation
                if isinstance(model, type) and issubclass(model, BaseModel):
                    tables[name] = self._table(model, values[name], (name,), merged)
                else:  # not a table of its own: checked by `_complete`
                    tables[name] = values[name]
        if self.problems or self.failures:
            return None
        return self._complete(tables)

    def _complete(self, tables: Mapping[str, object]) -> Config | None:
        try:
            return Config(**tables)  # type: ignore[arg-type]  # each table has been checked against its own type
        except ValidationError as error:
            self.problems += explain(error.errors(), tables, (), list(Config.model_fields))
            return None

    def _part(self, name: str, content: object, merged: Merged) -> PartTable | None:
        if not isinstance(content, dict):
            self.problems.append(_not_a_table((name,)))
            return None
        use = content.get("use")
        if not isinstance(use, str) or not use:
            self.problems.append(Problem((name, "use"), "must name an engine, in quotes"))
            return None
        try:
            found = self._find(name, use)
        except ConfigError as error:
            self.problems += [Problem((name, "use"), line) for line in error.problems]
            return None
        except EngineError as error:
            self.failures.append(((name, "use"), error))
            return None
        given = {key: value for key, value in content.items() if key != "use"} | dict(found.given)
        options = self._table(found.part.Options, given, (name,), merged)
        return None if options is None else PartTable(use=use, part=found.part, options=options)

    def _table(self, model: type[BaseModel], content: object, at: Path, merged: Merged) -> BaseModel | None:
        if not isinstance(content, dict):
            self.problems.append(_not_a_table(at))
            return None
        known = [field.alias or name for name, field in model.model_fields.items()]
        checked, problems = _validate(model, content, at, known)
        if typed := {problem.path: text for problem in problems if (text := _typed_text(problem, merged)) is not None}:
            for path, text in typed.items():
                _replace(content, path[len(at) :], text)
            checked, problems = _validate(model, content, at, known)
        if problems:
            # Pydantic checks for conflicts only if every single value is valid: check again without the invalid ones.
            wrong = {problem.path[len(at)] for problem in problems if len(problem.path) > len(at)}
            rest = {key: value for key, value in content.items() if key not in wrong}
            _, more = _validate(model, rest, at, known)
            reported = {problem.path for problem in problems}
            problems += [p for p in more if p.path not in reported and p.what != MISSING and not _mentions(p, wrong)]
        self.problems += problems
        return checked

    def _without_secrets(self, values: Mapping[str, object], at: Path) -> Data:
        """A copy of `values` without credentials. Each credential is recorded as a mistake."""
        clean: Data = {}
        for key, value in values.items():
            if isinstance(value, dict):
                clean[key] = self._without_secrets(value, (*at, key))
            elif is_secret(key, value):
                self.problems.append(_secret((*at, key)))
            else:
                clean[key] = value
        return clean


def _validate(
    model: type[BaseModel], content: Mapping[str, object], at: Path, known: list[str]
) -> tuple[BaseModel | None, list[Problem]]:
    try:
        return model.model_validate_json(json.dumps(content, default=_plain), strict=True), []
    except ValidationError as error:
        return None, explain(error.errors(include_url=False), content, at, known)


def _plain(value: object) -> object:
    """A TOML date or time as text, because JSON has no such type."""
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    raise TypeError(type(value))


def _not_a_table(at: Path) -> Problem:
    return Problem(at, "is not a table", f"Write its keys below a line [{'.'.join(at)}].")


def _secret(path: Path) -> Problem:
    remedy = "Name the variable (api_key_env) or the file (api_key_file) that holds it, in [openrouter]."
    return Problem(path, "a secret does not belong in the configuration", remedy)


def _typed_text(problem: Problem, merged: Merged) -> str | None:
    """The text typed after `--set` for a value that must be text: `--set audio.input=1` means "1". None otherwise."""
    origin: Layer | None = merged.origins.get(problem.path)
    return origin.raw.get(problem.path) if origin and "text in quotes" in problem.what else None


def _replace(content: Any, path: Path, value: object) -> None:
    for key in path[:-1]:
        content = content[key]
    content[path[-1]] = value


def _mentions(problem: Problem, keys: set[str]) -> bool:
    return any(key in problem.what for key in keys)
