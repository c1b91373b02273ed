"""Tools: functions that a model may call. Imports, describes and calls them, with checked arguments."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Sequence
from typing import Any, get_type_hints

import trio
from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from voiceloop.errors import ConfigError
from voiceloop.handlers.completion import ToolCall
from voiceloop.net.failures import clean
from voiceloop.system.user_modules import import_named

RESULT_LIMIT = 20_000
"""Characters of a result that are sent to the model; the rest is cut off."""


class Tool:
    """One function. The model is sent its name, the first paragraph of its docstring and its parameters' types."""

    def __init__(self, function: Callable[..., Any], place: str) -> None:
        self._function = function
        self.name = str(getattr(function, "__name__", "")) or place.rpartition(":")[2].strip("'")
        self._arguments = _arguments(function, place)
        self._description = (inspect.getdoc(function) or "").partition("\n\n")[0]

    def schema(self) -> dict[str, Any]:
        """The tool's description in the format of /chat/completions."""
        parameters = self._arguments.model_json_schema()
        parameters.pop("title", None)
        described = {"name": self.name, "description": self._description, "parameters": parameters}
        return {"type": "function", "function": described}

    async def call(self, arguments: str) -> str:
        """Call the function with `arguments` (JSON); return its result as text.

        An error is returned as text too, so that the model can try again or report it.
        """
        try:
            checked = self._arguments.model_validate_json(arguments or "{}")
        except ValidationError as error:
            mistakes = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_url=False))
            return f"error: the arguments are wrong: {clean(mistakes)}"
        values = {name: getattr(checked, name) for name in type(checked).model_fields}
        try:
            if inspect.iscoroutinefunction(self._function):
                result = await self._function(**values)
            else:
                result = await trio.to_thread.run_sync(lambda: self._function(**values), abandon_on_cancel=True)
            text = result if isinstance(result, str) else json.dumps(result, ensure_ascii=False, default=str)
        except Exception as error:  # noqa: BLE001 - a user's function may raise anything; the model gets the error
            return f"error: {type(error).__name__}: {clean(str(error))}"
        return text[:RESULT_LIMIT]


class Toolbox:
    """The tools of a handler."""

    def __init__(self, names: Sequence[str]) -> None:
        self._tools: dict[str, Tool] = {}
        for name in names:
            tool = _load(name)
            if tool.name in self._tools:
                raise ConfigError(
                    [f"handler.tools: {name!r} is called {tool.name}, like another tool. Rename one of them"]
                )
            self._tools[tool.name] = tool

    def __bool__(self) -> bool:
        return bool(self._tools)

    def schemas(self) -> list[dict[str, Any]]:
        return [tool.schema() for tool in self._tools.values()]

    async def answer(self, call: ToolCall) -> dict[str, Any]:
        """Carry out a call; return the message with its result."""
        tool = self._tools.get(call.name)
        if tool is None:
            known = ", ".join(self._tools) or "none"
            content = f"error: there is no tool {clean(call.name, 60)}; there are: {known}"
        else:
            content = await tool.call(call.arguments)
        return {"role": "tool", "tool_call_id": call.id, "content": content}


def requested(text: str, calls: Sequence[ToolCall]) -> dict[str, Any]:
    """The assistant message that requested `calls`: the next request must repeat it before their results."""
    tool_calls = [
        {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}} for c in calls
    ]
    return {"role": "assistant", "content": text or None, "tool_calls": tool_calls}


def _load(name: str) -> Tool:
    place = f"handler.tools: {name!r}"
    module, colon, function = name.partition(":")
    if not colon or not module or not function:
        raise ConfigError([f"{place} is not of the form module:function. For example: 'my_tools:weather'"])
    try:
        found = getattr(import_named(module), function)
    except (ImportError, AttributeError) as error:
        raise ConfigError([f"{place} can't be imported: {error}. Is it beside the config file?"]) from None
    except Exception as error:  # a user's module may raise anything
        raise ConfigError([f"{place}: importing it failed: {type(error).__name__}: {error}. Fix the module"]) from error
    if not callable(found):
        raise ConfigError([f"{place} is not a function. Name a function"])
    try:
        return Tool(found, place)
    except ConfigError:
        raise
    except (
        Exception
    ) as error:  # pydantic and inspect raise various errors for types and signatures that they can't handle
        why = clean(str(error).partition("\n")[0]).rstrip(".")
        remedy = (
            "Give it parameters of plain types (str, int, float, bool, lists of these) whose names begin with a letter"
        )
        raise ConfigError([f"{place} can't be described to a model: {why}. {remedy}"]) from error


def _arguments(function: Callable[..., Any], place: str) -> type[BaseModel]:
    """A pydantic model of the function's parameters. Raises ConfigError for parameters that can't be passed by name."""
    hints = get_type_hints(function)
    fields: dict[str, Any] = {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY}:
            raise ConfigError([f"{place} takes {parameter}, which a model can't fill in. Use named parameters"])
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[parameter.name] = (hints.get(parameter.name, str), default)
    return create_model("Arguments", __config__=ConfigDict(extra="forbid"), **fields)
