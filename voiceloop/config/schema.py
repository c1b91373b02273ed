"""The JSON Schema of the configuration, for editors. It has the options of every installed part, selected by `use`.

It follows draft 7, which editors' TOML language servers support. Keys without a default are not marked as required,
because another layer may give them.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from pydantic import BaseModel, create_model
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from voiceloop import registry
from voiceloop.config.load import DEFAULTS
from voiceloop.config.tables import Config
from voiceloop.config.validation import PART_TABLES
from voiceloop.errors import VoiceloopError

DRAFT = "http://json-schema.org/draft-07/schema#"

PURPOSE = {
    "vad": "Voice activity detection: tells voice from other sounds.",
    "transcribe": "Speech recognition: turns speech into text.",
    "handler": "The handler: the program that you speak with.",
    "speak": "Speech synthesis: turns the answer into speech.",
}


def docstrings(model: type[BaseModel]) -> dict[str, str]:
    """The docstring below each attribute of a model and its base classes, each joined to one line.

    Empty for a class whose source code is not available.
    """
    found: dict[str, str] = {}
    for cls in reversed(model.__mro__):
        if issubclass(cls, BaseModel) and cls is not BaseModel:
            found |= _own_docstrings(cls)
    return found


def _own_docstrings(cls: type) -> dict[str, str]:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    except (OSError, TypeError, SyntaxError):
        return {}
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    return {
        above.target.id: " ".join(below.value.value.split())
        for above, below in pairwise(body)
        if isinstance(above, ast.AnnAssign) and isinstance(above.target, ast.Name)
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) and isinstance(below.value.value, str)
    }


class _Documented(GenerateJsonSchema):
    """Pydantic's generator, with the attributes' docstrings as descriptions."""

    def field_title_should_be_set(self, schema: object) -> bool:  # the name of the key is enough
        return False

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        made = super().model_schema(schema)
        texts = docstrings(schema["cls"])
        for name, value in made.get("properties", {}).items():
            if name in texts:
                value.setdefault("description", texts[name])
        made.pop("required", None)
        return made


def schema(note: Callable[[str], None]) -> dict[str, Any]:
    """The whole schema. `note` is called with a line for each part that had to be left out, with the reason."""
    engines = {kind: _options(kind, note) for kind in PART_TABLES}
    others: Any = {name: (f.annotation, f) for name, f in Config.model_fields.items() if name not in PART_TABLES}
    tables = create_model("Tables", __doc__="The tables without `use`.", **others)
    models = [tables, *(model for options in engines.values() for model in options.values())]
    references, shared = models_json_schema(
        [(model, "validation") for model in dict.fromkeys(models)], schema_generator=_Documented
    )
    definitions: dict[str, Any] = shared.get("$defs", {})
    texts = docstrings(Config)
    properties = {
        name: _table(table, texts.get(name, ""))
        for name, table in _resolved(references[tables, "validation"], definitions)["properties"].items()
    }
    for kind, options in engines.items():
        own = {name: _resolved(references[model, "validation"], definitions) for name, model in options.items()}
        properties[kind] = _by_use(kind, own)
    definitions.pop("Tables", None)
    return {
        "$schema": DRAFT,
        "title": "voiceloop's configuration",
        "type": "object",
        "additionalProperties": False,
        "properties": {name: properties[name] for name in Config.model_fields},
        "$defs": definitions,
    }


def _table(table: Mapping[str, Any], text: str) -> dict[str, Any]:
    """A table's schema. In draft 7 keys beside a `$ref` are ignored, so the `$ref` is wrapped in `allOf`.

    The table's own default is left out, because its keys have theirs.
    """
    made = {key: value for key, value in table.items() if key != "default"}
    if "$ref" in made:
        made = {"allOf": [{"$ref": made["$ref"]}]}
    return {"description": text, **made} if text else made


def _options(kind: str, note: Callable[[str], None]) -> dict[str, type[BaseModel]]:
    models: dict[str, type[BaseModel]] = {}
    for entry in registry.entries(kind):
        try:
            models.setdefault(entry.name, registry.find(kind, entry.name).part.Options)
        except VoiceloopError as error:
            note(f"{kind}.use = '{entry.name}' is left out: {error}")
    return models


def _resolved(reference: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """The definition that a `$ref` points to; the schema itself if it has no `$ref`."""
    if "$ref" in reference:
        return dict(definitions[str(reference["$ref"]).rsplit("/", 1)[-1]])
    return dict(reference)


def _by_use(kind: str, options: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A part's table: one branch for each engine, and one for a class of the user's own, whose options are unknown."""
    branches: list[dict[str, Any]] = [_branch(name, table) for name, table in options.items()]
    own = {"type": "string", "pattern": ":", "description": "A class or function of your own: package.module:name"}
    branches.append({"title": "your own", "properties": {"use": own}, "required": ["use"]})
    return {
        "type": "object",
        "description": PURPOSE.get(kind, ""),
        "properties": {"use": _use(kind, list(options))},
        "anyOf": branches,
    }


def _use(kind: str, names: Sequence[str]) -> dict[str, Any]:
    default: Any = DEFAULTS.data.get(kind)
    return {
        "description": f"The engine: {', '.join(names)}, or a class or function of your own as package.module:name.",
        "anyOf": [{"enum": list(names)}, {"type": "string", "pattern": ":"}],
        "default": default["use"] if isinstance(default, dict) else "",
    }


def _branch(name: str, table: Mapping[str, Any]) -> dict[str, Any]:
    properties = {"use": {"const": name}, **table.get("properties", {})}
    return {**table, "title": name, "type": "object", "properties": properties}
