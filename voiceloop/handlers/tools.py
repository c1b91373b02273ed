"""Functions that a model may call: found by name, described by their signature, called with checked arguments."""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Callable, Sequence
from typing import Any, get_type_hints

import trio
from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from voiceloop.errors import ConfigError
from voiceloop.handlers.completion import ToolCall
from voiceloop.net.failures import clean

RESULT_LIMIT = 20_000
"""Characters of a result that the model is shown."""


class Tool:
    """One function. The model is told its name, the first paragraph of its docstring and its parameters' types."""

    def __init__(self, function: Callable[..., Any], place: str) -> None:
        self._function = function
        self.name = str(getattr(function, "__name__", "")) or place.rpartition(":")[2].strip("'")
        self._arguments = _arguments(function, place)
        self._description = (inspect.getdoc(function) or "").partition("\n\n")[0]

    def schema(self) -> dict[str, Any]:
        """As /chat/completions wants it."""
        parameters = self._arguments.model_json_schema()
        parameters.pop("title", None)
        described = {"name": self.name, "description": self._description, "parameters": parameters}
        return {"type": "function", "function": described}

    async def call(self, arguments: str) -> str:
        """The function's result as text. What goes wrong is told to the model, which can try again or say so."""
        try:
            checked = self._arguments.model_validate_json(arguments or "{}")
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_url=False))
            return f"error: the arguments are wrong: {clean(wrong)}"
        values = {name: getattr(checked, name) for name in type(checked).model_fields}
        try:
            if inspect.iscoroutinefunction(self._function):
                result = await self._function(**values)
            else:
                result = await trio.to_thread.run_sync(lambda: self._function(**values), abandon_on_cancel=True)
            text = result if isinstance(result, str) else json.dumps(result, ensure_ascii=False, default=str)
        except Exception as error:  # noqa: BLE001 - it belongs to the user's function, and the model is told
            return f"error: {type(error).__name__}: {clean(str(error))}"
        return text[:RESULT_LIMIT]


class Toolbox:
    """The tools of a handler."""

    def __init__(self, names: Sequence[str]) -> None:
        self._tools: dict[str, Tool] = {}
        for name in names:
            tool = _load(name)
            if tool.name in self._tools:
                raise ConfigError([f"handler.tools: {name!r} is called {tool.name}, as another is. Rename one of them"])
            self._tools[tool.name] = tool

    def __bool__(self) -> bool:
        return bool(self._tools)

    def schemas(self) -> list[dict[str, Any]]:
        return [tool.schema() for tool in self._tools.values()]

    async def answer(self, call: ToolCall) -> dict[str, Any]:
        """Make a call; gives the message with its result."""
        tool = self._tools.get(call.name)
        if tool is None:
            known = ", ".join(self._tools) or "none"
            content = f"error: there is no tool {clean(call.name, 60)}; there are: {known}"
        else:
            content = await tool.call(call.arguments)
        return {"role": "tool", "tool_call_id": call.id, "content": content}


def requested(text: str, calls: Sequence[ToolCall]) -> dict[str, Any]:
    """The assistant's message that asked for `calls`, as it has to be shown again with their results."""
    asked = [{"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}} for c in calls]
    return {"role": "assistant", "content": text or None, "tool_calls": asked}


def _load(name: str) -> Tool:
    place = f"handler.tools: {name!r}"
    module, colon, function = name.partition(":")
    if not colon or not module or not function:
        raise ConfigError([f"{place} is not of the form module:function. For example: 'my_tools:weather'"])
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise ConfigError([f"{place} can't be imported: {error}. Is its folder on PYTHONPATH?"]) from None
    except Exception as error:  # a user's module may raise anything
        raise ConfigError([f"{place}: importing it failed: {type(error).__name__}: {error}. Mend it"]) from error
    if not callable(found):
        raise ConfigError([f"{place} is not a function. Name one"])
    try:
        return Tool(found, place)
    except ConfigError:
        raise
    except Exception as error:  # what pydantic and inspect say of types and signatures that they can't read
        why = clean(str(error).partition("\n")[0]).rstrip(".")
        remedy = (
            "Give it parameters of plain types (str, int, float, bool, lists of these) whose names begin with a letter"
        )
        raise ConfigError([f"{place} can't be described to a model: {why}. {remedy}"]) from error


def _arguments(function: Callable[..., Any], place: str) -> type[BaseModel]:
    """A model of the function's parameters."""
    hints = get_type_hints(function)
    fields: dict[str, Any] = {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY}:
            raise ConfigError([f"{place} takes {parameter}: a model can't fill that in. Use named parameters"])
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[parameter.name] = (hints.get(parameter.name, str), default)
    return create_model("Arguments", __config__=ConfigDict(extra="forbid"), **fields)
