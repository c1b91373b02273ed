"""The composition root: opens everything, puts it together in one nursery, and ends it when told.

Nobody else opens a device or a part for the loop; nobody at all reads the environment but the config and the keys.
"""

from __future__ import annotations

import dataclasses
import gc
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import trio

from voiceloop.capture.microphone import Microphone, open_microphone
from voiceloop.capture.segmenter import Segmenter
from voiceloop.config.tables import Config, PartTable
from voiceloop.conversation import Conversation, open_conversation
from voiceloop.events import Publish
from voiceloop.hearing import Deafness, Ears
from voiceloop.net.client import open_clients
from voiceloop.playback.output import open_speaker
from voiceloop.playback.speaker import Speaker
from voiceloop.plugins import Services
from voiceloop.turn import Stage

LEAVE_WITHIN_S = 0.8
"""How long an orderly end may take once told to; then the process leaves as it is."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The four pluggable parts, opened. `Any`: they come through the plug-in door, which checked them."""

    vad: Any
    transcriber: Any
    handler: Any
    synthesizer: Any


async def until_told(work: Callable[[], Awaitable[int]]) -> int:
    """Do `work` until it is done, SIGTERM or Ctrl-C; the exit code: its result, 0 or 130. Raises what `work` raises."""
    codes: list[int] = []
    async with trio.open_nursery() as nursery:
        await nursery.start(_end_when_told, nursery.cancel_scope, codes)
        codes.append(await work())
        nursery.cancel_scope.cancel("done")
    return codes[0]


async def run(config: Config, publish: Publish) -> int:
    """Run the loop until its input ends, with 0. Raises what keeps it from starting."""
    began = time.monotonic()
    async with AsyncExitStack() as stack:
        services = await open_services(stack, config, publish)
        # Devices first: opening one waits for the sound server, and is what most often goes wrong.
        speaker = await stack.enter_async_context(open_speaker(config.audio, publish))
        microphone = await stack.enter_async_context(open_microphone(config.audio, publish))
        parts = await open_parts(stack, services)
        stage = Stage(
            parts.transcriber,
            parts.handler,
            parts.synthesizer,
            speaker,
            publish,
            config.conversation,
            time.monotonic,
            trio.CapacityLimiter(config.conversation.overlap),
        )
        _tell_what_is_on(config, parts, microphone, speaker, publish)
        publish("ready", after_ms=round((time.monotonic() - began) * 1000))
        gc.collect()
        gc.freeze()  # a full collection over what was loaded at start stalls the callbacks for long enough to be heard
        await _converse(config, stage, parts, microphone)
    return 0


async def open_services(stack: AsyncExitStack, config: Config, publish: Publish) -> Services:
    """What the parts are lent."""
    return Services(config, await stack.enter_async_context(open_clients(publish, limits=config.limits)), publish)


async def open_part(stack: AsyncExitStack, table: PartTable, services: Services) -> Any:
    """Open the part that a table names."""
    return await stack.enter_async_context(table.part.open(table.options, services))


async def open_parts(stack: AsyncExitStack, services: Services) -> Parts:
    """Open all four."""
    config = services.config
    tables = (config.vad, config.transcribe, config.handler, config.speak)
    return Parts(*[await open_part(stack, table, services) for table in tables])


def half_duplex(config: Config) -> bool:
    """Whether the loop is deaf while it speaks. A loudspeaker that makes no sound can't be heard."""
    silent = config.audio.output == "none" or config.audio.output.startswith("file:")
    return config.audio.echo == "half-duplex" or (config.audio.echo == "auto" and not silent)


async def _converse(config: Config, stage: Stage, parts: Parts, microphone: Microphone) -> None:
    deaf = half_duplex(config)
    hangover_ms = config.segment.half_duplex_hangover_ms if deaf else config.segment.hangover_ms
    segmenter = Segmenter(config.segment, hangover_ms=hangover_ms)
    speaker = stage.speaker
    async with open_conversation(stage) as conversation:
        ears = Ears(
            parts.vad,
            segmenter,
            conversation,
            Deafness(lambda: speaker.audible, time.monotonic, config.audio.echo_tail_ms / 1000, half_duplex=deaf),
        )
        try:
            await ears.listen(microphone.frames)
        except trio.Cancelled:
            conversation.stop("told to end")
            raise
        finally:
            _tell_the_sum(conversation, ears, microphone, stage.publish)
    await speaker.silent()


def _tell_what_is_on(config: Config, parts: Parts, microphone: Microphone, speaker: Speaker, publish: Publish) -> None:
    deaf = half_duplex(config)
    if deaf and config.audio.echo == "auto":
        publish(
            "notice",
            text="echo: half-duplex: it does not listen while it speaks, so you cannot interrupt. "
            "With headphones: --set audio.echo=off",
        )
    publish(
        "listening",
        microphone=microphone.description,
        loudspeaker=speaker.description,
        echo="half-duplex" if deaf else "off",
        vad=parts.vad.description,
        transcribe=parts.transcriber.description,
        handler=parts.handler.description,
        speak=parts.synthesizer.description,
    )


def _tell_the_sum(conversation: Conversation, ears: Ears, microphone: Microphone, publish: Publish) -> None:
    ledger = dataclasses.replace(
        ears.ledger, received=microphone.received, dropped=microphone.dropped, lost=microphone.lost
    )
    publish("stopped", samples=dataclasses.asdict(ledger) | {"held": ledger.held}, usage=conversation.usage)


async def _end_when_told(scope: trio.CancelScope, codes: list[int], *, task_status: Any) -> None:
    """Cancel `scope` at SIGINT or SIGTERM, with the exit code in `codes`."""
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        task_status.started()
        async for number in signals:
            codes.append(130 if number == signal.SIGINT else 0)
            _leave_anyway(codes[0])
            scope.cancel(f"told to end by {signal.Signals(number).name}")


def _leave_anyway(code: int) -> None:
    """A thread that ends the process when the orderly way hangs, as it does in a sound server that was stopped."""
    # Nothing is flushed here: a flush may hang as well, and every line was flushed when it was printed.
    timer = threading.Timer(LEAVE_WITHIN_S, os._exit, [code])
    timer.daemon = True
    timer.start()


@asynccontextmanager
async def opened(config: Config, publish: Publish) -> AsyncIterator[tuple[AsyncExitStack, Services]]:
    """A stack and services for a command that opens only some of the parts."""
    async with AsyncExitStack() as stack:
        yield stack, await open_services(stack, config, publish)
