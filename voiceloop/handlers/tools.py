"""Tools: functions that a model may call. Imports and describes them, checks their arguments, words their results."""

from __future__ import annotations

import inspect
import json
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from voiceloop.errors import ConfigError
from voiceloop.events import Publish
from voiceloop.handlers.tool_call_reader import ToolCall
from voiceloop.handlers.tool_calling import Calling, TooSlow, in_order, runs_on, wanted_asyncio
from voiceloop.net.failures import clean
from voiceloop.system.user_modules import import_named

RESULT_LIMIT = 20_000
"""Characters of a result that are sent to the model; the rest is cut off."""


class Tool:
    """One function. The model is sent its name, the first paragraph of its docstring and its parameters' types."""

    def __init__(self, function: Callable[..., Any], place: str) -> None:
        self._function, self.on = function, runs_on(function)
        self.name = str(getattr(function, "__name__", "")) or place.rpartition(":")[2].strip("'")
        self.parallel = bool(getattr(function, "parallel", True))
        """Whether it may run beside others. A function says no by its attribute: `press.parallel = False`."""
        self._arguments = _arguments(function, place)
        self._description = (inspect.getdoc(function) or "").partition("\n\n")[0]

    def schema(self) -> dict[str, Any]:
        """The tool's description in the format of /chat/completions."""
        parameters = self._arguments.model_json_schema()
        parameters.pop("title", None)
        described = {"name": self.name, "description": self._description, "parameters": parameters}
        return {"type": "function", "function": described}

    async def call(self, arguments: str, calling: Calling) -> str:
        """Call the function with `arguments` (JSON); return its result as text. Raises what the function raises."""
        try:
            checked = self._arguments.model_validate_json(_unpacked(arguments))
        except ValidationError as error:
            mistakes = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_url=False))
            return f"error: the arguments are wrong: {clean(mistakes)}"
        values = {name: getattr(checked, name) for name in type(checked).model_fields}
        try:
            result = await calling.call(self.name, partial(self._function, **values), on=self.on)
        except (RuntimeError, TypeError) as error:
            if self.on == "trio" and wanted_asyncio(error):
                self.on = "asyncio"  # what it had done by then is done: only the next call can go right
            raise
        text = result if isinstance(result, str) else json.dumps(result, ensure_ascii=False, default=str)
        return text[:RESULT_LIMIT]


def _unpacked(arguments: str) -> str:
    """Arguments as JSON of an object. Some models write that JSON as a text within JSON."""
    try:
        value = json.loads(arguments or "{}")
    except (ValueError, RecursionError):
        return arguments
    if value is None:
        return "{}"
    return value if isinstance(value, str) else arguments or "{}"


class Toolbox:
    """The tools of a handler."""

    def __init__(self, names: Sequence[str], publish: Publish, *, limit_s: float) -> None:
        self._publish, self._limit_s = publish, limit_s
        self._calling = Calling(limit_s, self._late)
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

    async def answer(self, calls: Sequence[ToolCall]) -> list[dict[str, Any]]:
        """Carry out calls, side by side where the tools allow it; return the messages with their results."""
        jobs = [(partial(self._answer, call), self._may_be_parallel(call)) for call in calls]
        return await in_order(jobs)

    def _may_be_parallel(self, call: ToolCall) -> bool:
        tool = self._tools.get(call.name)
        return tool is None or tool.parallel

    async def _answer(self, call: ToolCall) -> dict[str, Any]:
        """Carry out a call. An error is a result, too, so that the model can try again or report it."""
        tool = self._tools.get(call.name)
        if tool is None:
            known = ", ".join(self._tools) or "none"
            content = f"error: there is no tool {clean(call.name, 60)}; there are: {known}"
        else:
            try:
                content = await tool.call(call.arguments, self._calling)
            except TooSlow:
                content = f"error: it took over {self._limit_s:g} s and was given up"
                remedy = "The model goes on without it. Raise handler.tool_timeout_s, or make it faster"
                self._tell(tool.name, f"took over {self._limit_s:g} s and was given up. {remedy}")
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a user's function may raise anything
                content = f"error: {type(error).__name__}: {clean(str(error))}"
                self._failed(tool, error)
        return {"role": "tool", "tool_call_id": call.id, "content": content}

    def _failed(self, tool: Tool, error: BaseException) -> None:
        """Tell the owner what the model is told, and where it happened."""
        frames = traceback.extract_tb(error.__traceback__)
        line = f" ({clean(f'{frames[-1].filename}:{frames[-1].lineno}')})" if frames else ""
        moved = tool.on == "asyncio" and wanted_asyncio(error)
        more = "It needs asyncio, and is run on it from now on" if moved else "The model was told"
        self._tell(tool.name, f"raised {type(error).__name__}: {clean(str(error))}{line}. {more}")
        self._publish("tool.failed", tool=tool.name, text="".join(traceback.format_exception(error)))

    def _late(self, name: str, after_s: float) -> None:
        self._tell(name, f"returned after {after_s:.0f} s, too late: its result is dropped")

    def _tell(self, name: str, what: str) -> None:
        self._publish("notice", text=f"handler.tools: {name} {what}.")


def requested(text: str, calls: Sequence[ToolCall], fields: Mapping[str, Any]) -> dict[str, Any]:
    """The assistant message that requested `calls`: the next request must repeat it before their results.

    `fields` are those that came with the calls and must go back.
    """
    tool_calls = [
        {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": _sendable(c.arguments)}, **c.extra}
        for c in calls
    ]
    return {"role": "assistant", "content": text or None, "tool_calls": tool_calls, **fields}


def _sendable(arguments: str) -> str:
    """Arguments that servers take back: many parse them, and fail for ever at what a model wrote wrongly."""
    try:
        return arguments if isinstance(json.loads(arguments), dict) else "{}"
    except (ValueError, RecursionError):
        return "{}"


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
