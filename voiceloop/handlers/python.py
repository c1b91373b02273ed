"""`python`: passes what the user said to a Python function and speaks what it returns or yields.

    def answer(text):                       async def answer(text, history):
        return f"You said {text}"               async for delta in model(text, history):
                                                    yield delta

Yielded pieces are joined without a separator; a piece that ends with a newline is spoken at once.
"""

from __future__ import annotations

import inspect
import traceback
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Literal, Self

import trio
from pydantic import BaseModel

from voiceloop import registry
from voiceloop.config.tables import Table
from voiceloop.errors import ConfigError, HandlerError, first
from voiceloop.handlers.user_output import own_output, users_function
from voiceloop.text import clean_line
from voiceloop.types import Transcript

if TYPE_CHECKING:
    from voiceloop.plugins import Reply, Services

PLACE = "handler.function"
THREADS = 8
"""The most calls of a synchronous function at once: the current one, and cancelled ones that have not returned yet. At
the limit, the next turn waits."""
_END = object()


class PythonOptions(Table):
    """Options of `[handler] use = "python"`; `use = "module:function"` is short for it."""

    function: str
    """The function, as `module:function`. It is called with the text. If its second parameter has no default, or is
    called `history`, it also gets the conversation so far (a list of `voiceloop.types.Message`, oldest first).
    A synchronous function runs in a thread."""
    turns: Literal["replace", "in_order", "exclusive"] = "replace"
    """What happens when you speak again during an answer. `replace`: the answer is cancelled. `exclusive`: your words
    wait until it is finished. `in_order`: several answers are prepared at once."""
    preemptive: bool = False
    """Call the function before it is certain that you have finished, and cancel it if you go on: the answer comes
    sooner. Only for asynchronous functions without side effects."""


class PythonHandler:
    """The handler for `use = "python"`: calls the user's function with the text."""

    Options = PythonOptions

    def __init__(self, options: PythonOptions) -> None:
        self._name = options.function
        self._function = load(options.function)
        self._with_history = wants_history(self._function, options.function)
        self._asynchronous = _asynchronous(self._function)
        if options.preemptive and not self._asynchronous:
            remedy = "Make the function 'async def', or leave preemptive out"
            raise ConfigError([f"handler.preemptive: '{self._name}' is synchronous and can't be cancelled. {remedy}"])
        self.turns = options.turns
        self.preemptive = options.preemptive
        self._threads = trio.CapacityLimiter(THREADS)

    @classmethod
    @asynccontextmanager
    async def open(cls, options: BaseModel, services: Services) -> AsyncIterator[Self]:
        """Import the function. Raises ConfigError or EngineError, with the file and the remedy, if that fails."""
        assert isinstance(options, PythonOptions)
        with own_output():
            yield cls(options)

    @property
    def description(self) -> str:
        return f"Python function {self._name}"

    async def warm(self) -> None:
        await trio.lowlevel.checkpoint()

    async def handle(self, transcript: Transcript, reply: Reply) -> None:
        """Call the function. Raises HandlerError, naming the line of code, if the function raises."""
        arguments = (transcript.text, list(reply.history)) if self._with_history else (transcript.text,)
        with self._name_line_of_error():
            result = (
                self._function(*arguments) if self._asynchronous else await self._thread(self._function, *arguments)
            )
            if inspect.isawaitable(result):
                result = await result
        await self._say(result, reply)

    async def _say(self, result: object, reply: Reply) -> None:
        if result is None:
            return
        if isinstance(result, str):
            await reply.say(result)
        elif isinstance(result, AsyncIterator):
            async with _closing(result):
                await self._say_async(result, reply)
        elif isinstance(result, Iterator):
            await self._say_sync(result, reply)
        else:
            raise self._not_text(result)

    async def _say_async(self, pieces: AsyncIterator[object], reply: Reply) -> None:
        while True:
            with self._name_line_of_error():
                piece = await anext(pieces, _END)
            if piece is _END:
                return
            await reply.say(self._text(piece))

    async def _say_sync(self, pieces: Iterator[object], reply: Reply) -> None:
        while True:
            with self._name_line_of_error():
                piece = await self._thread(next, pieces, _END)
            if piece is _END:
                return
            await reply.say(self._text(piece))

    async def _thread(self, function: Callable[..., object], *arguments: object) -> object:
        # A cancelled call goes on in its thread and its result is dropped: Python can't stop a thread.
        return await trio.to_thread.run_sync(function, *arguments, abandon_on_cancel=True, limiter=self._threads)

    def _text(self, piece: object) -> str:
        if not isinstance(piece, str):
            raise self._not_text(piece)
        return piece

    def _not_text(self, result: object) -> HandlerError:
        what = f"'{self._name}' returned {type(result).__name__}, not text"
        return HandlerError(what, place=PLACE, remedy="Return or yield strings")

    @contextmanager
    def _name_line_of_error(self) -> Iterator[None]:
        """Turn an exception of the user's code into a HandlerError that names its line; keep what it prints apart."""
        try:
            with users_function():
                yield
        except trio.Cancelled:
            raise
        except BaseException as error:  # a user's function may raise anything
            if isinstance(error, BaseExceptionGroup):  # of a nursery of its own
                if error.subgroup(trio.Cancelled) is not None:  # the turn is being cancelled
                    raise
                error = first(error)
            cause = clean_line(f"{type(error).__name__}: {error}".rstrip(": "))
            line = _line_of(error)
            what = f"'{self._name}' failed: {cause}{f' ({line})' if line else ''}"
            raise HandlerError(what, place=PLACE, remedy="Fix the function") from error


def load(name: str) -> Callable[..., Any]:
    """Import the function that `name` (`module:function`) names. Raises ConfigError or EngineError."""
    function = registry.import_attribute(name, name)
    if not callable(function) or isinstance(function, type):
        raise ConfigError([f"{PLACE}: '{name}' is not a function"])
    return function


def wants_history(function: Callable[..., object], name: str) -> bool:
    """Whether to call the function as (text, history) rather than (text), judging by its signature.

    Raises ConfigError when neither call fits.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # a built-in without a signature
        return False
    positional = [p for p in signature.parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    second = positional[1] if len(positional) > 1 else None
    wanted = second is not None and (second.default is second.empty or second.name == "history")
    try:
        signature.bind(*(("", ()) if wanted else ("",)))
    except TypeError as error:
        where = clean_line(f"{inspect.getsourcefile(function) or name}")
        remedy = "It must take (text) or (text, history)"
        raise ConfigError([f"{PLACE}: '{name}' in {where} can't be called with the text: {error}. {remedy}"]) from None
    return wanted


def _asynchronous(function: Callable[..., object]) -> bool:
    call = getattr(function, "__call__", function)  # noqa: B004 - an object's __call__ may be async
    return any(inspect.iscoroutinefunction(f) or inspect.isasyncgenfunction(f) for f in (function, call))


def _closing(pieces: AsyncIterator[object]) -> AbstractAsyncContextManager[object]:
    return aclosing(pieces) if isinstance(pieces, AsyncGenerator) else nullcontext()


def _line_of(error: BaseException) -> str:
    """`file:line` of the innermost place in the user's code, if there is one."""
    frames = traceback.extract_tb(error.__traceback__)
    # The first is this module, if the function itself could not be called; or the user's, of a task of their nursery.
    last = frames[-1] if frames and frames[-1].filename != __file__ else None
    return f"{last.filename}:{last.lineno}" if last else ""
