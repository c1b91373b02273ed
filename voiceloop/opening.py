"""Opens services and parts, for the loop, for captions, and for commands that need only some parts."""

from __future__ import annotations

import math
import traceback
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trio

from voiceloop.capture.endpointing.hearing import Hearing, open_hearing
from voiceloop.capture.endpointing.smart_turn import FILE, MODEL
from voiceloop.capture.vad.steady import SteadyVad
from voiceloop.config.tables import Config, PartTable
from voiceloop.errors import EngineError, VoiceloopError
from voiceloop.events import Publish
from voiceloop.net.client import Clients, open_clients
from voiceloop.net.watch import Observe
from voiceloop.plugins import Services
from voiceloop.transcribe.embedded.places import user_models
from voiceloop.transcribe.screening import screened


@dataclass(frozen=True, slots=True)
class Parts:
    """The four pluggable parts, opened. Of type `Any`, because they are plug-ins; the registry has checked them."""

    vad: Any
    transcriber: Any
    handler: Any
    synthesizer: Any


async def open_services(
    stack: AsyncExitStack, config: Config, publish: Publish, observe: Observe | None = None
) -> tuple[Services, Clients]:
    """The services that parts are opened with, and the clients behind them. `observe` is called for every request."""
    clients = await stack.enter_async_context(open_clients(publish, limits=config.limits, observe=observe))
    return Services(config, clients, publish), clients


_UNMAPPED = "failed to map segment"
"""What the dynamic linker says of a library for which there is too little memory."""


def _lacks_memory(table: PartTable) -> EngineError:
    remedy = "Free some memory, or use an engine that is served"
    return EngineError(f"there is too little memory for '{table.use}'", remedy=remedy)


_CORRECT = "Correct it, or use another"


def _told(error: BaseException) -> str:
    """An error of a plug-in in one line, with the place at which it was raised."""
    what = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(": ")[:300]
    frames = traceback.extract_tb(error.__traceback__)
    return f"{what} ({frames[-1].filename}:{frames[-1].lineno})" if frames else what


@asynccontextmanager
async def _foreign(inner: AbstractAsyncContextManager[Any], use: str, publish: Publish) -> AsyncIterator[Any]:
    """The context manager `inner` of a plug-in, which the config names `use`. Of what it raises one line gets out.

    body of the session                     the part raises        what follows
    ends, or is cancelled                   while it is closed     a notice; the end is as ever
    fails                                   while it is closed     a notice; the body's own error
    cancelled by a task of the part                                EngineError, which names the part
    """
    begun, body, raised = False, None, None
    try:
        async with inner as part:
            begun = True
            try:
                yield part
            except BaseException as error:
                body = error
                raise
    except trio.Cancelled:
        raise
    except BaseException as error:  # noqa: BLE001 - raised again below, or told
        raised = error
    if raised is not None and not begun:
        raise raised
    own = [] if raised is None else _own(raised, body)
    if body is not None and _is_cancelled(body) and trio.current_effective_deadline() != -math.inf:
        # Nobody but the part has cancelled the body.
        what = _told(own[0]) if own else "its nursery was cancelled"
        raise EngineError(f"'{use}' failed in a task of its own: {what}", remedy=_CORRECT) from (
            own[0] if own else None
        )
    if own:
        publish("notice", text=f"'{use}' failed while it was closed: {_told(own[0])}.")
    if body is not None:  # without the group that a nursery of the part puts around it, and even if it swallows it
        raise body


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _is_cancelled(error: BaseException | None) -> bool:
    return error is not None and all(isinstance(leaf, trio.Cancelled) for leaf in _leaves(error))


def _own(raised: BaseException, error: BaseException | None) -> list[BaseException]:
    """What the part itself raised: neither what came from the body nor a cancellation."""
    passed = {id(leaf) for leaf in _leaves(error)} if error is not None else set()
    return [leaf for leaf in _leaves(raised) if id(leaf) not in passed and not isinstance(leaf, trio.Cancelled)]


async def open_part(stack: AsyncExitStack, table: PartTable, services: Services) -> Any:
    """Open the part that a table of the config names. Raises `EngineError` when a library of its can't be loaded, and
    what the part raises. Of a plug-in only an `EngineError` gets out; what it raises when it is closed is a notice."""
    built_in = table.part.__module__.startswith("voiceloop.")
    try:
        opening = table.part.open(table.options, services)
        if built_in:
            return await stack.enter_async_context(opening)
        part = await stack.enter_async_context(_foreign(opening, table.use, services.publish))
        str(part.description)  # it is shown at the start: a mistake in there is told now
        return part
    except MemoryError as error:
        raise _lacks_memory(table) from error
    except ImportError as error:  # a damaged installation, or a mistake in the user's own part
        if _UNMAPPED in str(error):
            raise _lacks_memory(table) from error
        raise EngineError(
            f"a library of '{table.use}' can't be loaded: {_told(error)}",
            remedy="Install the library again, or correct the import",
        ) from error
    except (VoiceloopError, trio.Cancelled):
        raise
    except BaseException as error:
        cancelled = isinstance(error, BaseExceptionGroup) and error.subgroup(trio.Cancelled) is not None
        if cancelled or built_in:
            raise
        what = f"'{table.use}' can't be opened: {_told(error)}"
        raise EngineError(what, remedy=_CORRECT) from error


async def open_vad(stack: AsyncExitStack, services: Services) -> Any:
    """Open the VAD, of which no exception gets out afterwards."""
    return SteadyVad(await open_part(stack, services.config.vad, services), services.publish)


async def open_acoustic_judge(config: Config, language: str | None) -> Hearing:
    """The network that judges turns by their sound, if it is to be used here and can be."""
    path = user_models() / MODEL / FILE

    def damage(path: Path) -> str:
        from voiceloop.downloads.checksums import difference
        from voiceloop.models.catalogue import named

        return difference(path, named(MODEL).files[0])

    return await trio.to_thread.run_sync(open_hearing, config.segment, language, path, damage)


async def open_transcriber(stack: AsyncExitStack, services: Services) -> Any:
    """Open the transcriber, with its hallucinations filtered out."""
    config = services.config
    inner = await open_part(stack, config.transcribe, services)
    return stack.enter_context(screened(inner, config.hallucinations, config.transcribe.options, services.publish))


async def open_parts(stack: AsyncExitStack, services: Services, handler: Any) -> Parts:
    """Open the three parts besides `handler`."""
    config = services.config
    vad = await open_vad(stack, services)
    transcriber = await open_transcriber(stack, services)
    return Parts(vad, transcriber, handler, await open_part(stack, config.speak, services))


@asynccontextmanager
async def opened(config: Config, publish: Publish) -> AsyncIterator[tuple[AsyncExitStack, Services]]:
    """An exit stack and services, for a command that opens only some of the parts."""
    async with AsyncExitStack() as stack:
        services, _ = await open_services(stack, config, publish)
        yield stack, services
