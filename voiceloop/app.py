"""The composition root: opens everything, puts it together in one nursery, and ends it when told.

Nobody else opens a device or a part for the loop; nobody at all reads the environment but the config and the keys.
"""

from __future__ import annotations

import dataclasses
import gc
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from voiceloop.capture.endpointing.endpointer import Endpointer
from voiceloop.capture.listener import HalfDuplexMute, Listener, Watch
from voiceloop.capture.microphone import Microphone
from voiceloop.capture.segmenter import Segmenter
from voiceloop.capture.sources import open_microphone
from voiceloop.config.tables import Config
from voiceloop.control.attention import Attention
from voiceloop.control.controller import Loop
from voiceloop.echo import webrtc_aec as echo
from voiceloop.echo.canceller import Canceller
from voiceloop.echo.far_end import FarEnd
from voiceloop.events import Publish
from voiceloop.journal.no_journal import NO_JOURNAL
from voiceloop.net.wanted import transcribed_by
from voiceloop.opening import Parts, open_part, open_parts, open_services
from voiceloop.playback.output import CANCELLING_IDLE_S, IDLE_S, open_speaker
from voiceloop.playback.speaker import Speaker
from voiceloop.playback.tap import Tap
from voiceloop.plugins import Handler, Journal, Transcriber, is_preemptive, waking
from voiceloop.turns.context import TurnContext
from voiceloop.turns.conversation import Conversation, open_conversation
from voiceloop.turns.preemptive import PreemptiveGeneration
from voiceloop.types import CancelReason

if TYPE_CHECKING:
    from voiceloop.control.setup import Controlled
    from voiceloop.trace.recording import Tracing


@dataclass(frozen=True, slots=True)
class Input:
    """The microphone, who watches it, and what takes the reply out of it."""

    microphone: Microphone
    watch: Watch | None
    canceller: Canceller | None


async def run(config: Config, publish: Publish, *, trace: Path | None = None, name: str = "run") -> int:
    """Run the loop until its input ends, with 0. Raises what keeps it from starting.

    `trace` names the file that the session leaves its trace in, `name` what it is controlled by.
    """
    began = time.monotonic()
    attention = Attention(listening=config.control.start == "listening")
    async with AsyncExitStack() as stack:
        controlled = _take_control(stack, config, attention, publish, name)
        if controlled is not None:
            publish = controlled.controller.publish
        tracing = await _open_tracing(stack, config, publish, trace)
        if tracing is not None:
            publish = tracing.publish
        observe = tracing.observe if tracing is not None else None
        services, _ = await open_services(stack, config, publish, observe)
        mode = echo.mode(config.audio)
        tap = Tap() if mode != "half-duplex" else None
        idle_s = CANCELLING_IDLE_S if mode == "cancel" else IDLE_S
        # Devices first: opening one waits for the sound server, and is what most often goes wrong.
        speaker = await stack.enter_async_context(open_speaker(config.audio, publish, tap=tap, idle_s=idle_s))
        microphone = await stack.enter_async_context(open_microphone(config.audio, publish))
        canceller = await _open_canceller(microphone, tap) if mode == "cancel" else None
        handler = await open_part(stack, config.handler, services)
        journal = await _open_journal(stack, config, handler, publish)
        # What the journal keeps needs no other place.
        parts = await open_parts(stack, dataclasses.replace(services, keeps=journal is NO_JOURNAL), handler)
        context = TurnContext(
            parts.transcriber,
            parts.handler,
            parts.synthesizer,
            speaker,
            publish,
            config.conversation,
            PreemptiveGeneration(enabled=config.preemptive.enabled, max_waste=config.preemptive.max_waste),
            time.monotonic,
            microphone.clock,
            trio.CapacityLimiter(config.conversation.overlap),
            _language(config),
            journal,
            lambda: attention.asleep,
            tap,
        )
        control = controlled.description if controlled is not None else "off"
        _tell_what_is_on(config, parts, microphone, speaker, control, publish)
        publish("ready", after_ms=round((time.monotonic() - began) * 1000), state=attention.state)
        gc.collect()
        gc.freeze()  # a full collection over what was loaded at start stalls the callbacks for long enough to be heard
        watch = tracing.tap(microphone.clock, speaker) if tracing is not None else None
        heard = Input(microphone, watch, canceller)
        await _converse(config, context, parts, heard, attention, controlled)
    return 0


def _take_control(
    stack: AsyncExitStack, config: Config, attention: Attention, publish: Publish, name: str
) -> Controlled | None:
    if not config.control.enabled:
        return None
    from voiceloop.control.setup import take_control

    return take_control(stack, config, attention, publish, name)


async def _open_tracing(stack: AsyncExitStack, config: Config, publish: Publish, path: Path | None) -> Tracing | None:
    if path is None:
        return None
    from voiceloop.trace.recording import open_tracing

    return await stack.enter_async_context(open_tracing(path, config, publish))


async def _open_journal(stack: AsyncExitStack, config: Config, handler: Handler, publish: Publish) -> Journal:
    """Where what is said is kept, if something is done with it."""
    if handler.turns == "replace" or not config.journal.enabled:
        return NO_JOURNAL
    from voiceloop.journal.journal import open_journal

    return await stack.enter_async_context(open_journal(config.journal, publish, engine=transcribed_by(config)))


def half_duplex(config: Config) -> bool:
    """Whether the loop is deaf while it speaks."""
    return echo.mode(config.audio) == "half-duplex"


async def _open_canceller(microphone: Microphone, tap: Tap | None) -> Canceller | None:
    """In a thread: loading it must not keep the loop from fetching the microphone's first blocks."""
    if tap is None:
        return None
    processor = await trio.to_thread.run_sync(echo.open_processor)
    return Canceller(processor, FarEnd(tap), microphone.clock.counted)


async def _converse(  # noqa: PLR0913, PLR0917 - all that it puts together
    config: Config,
    context: TurnContext,
    parts: Parts,
    heard: Input,
    attention: Attention,
    controlled: Controlled | None,
) -> None:
    microphone = heard.microphone
    muted = half_duplex(config)
    hangover_ms = config.segment.half_duplex_hangover_ms if muted else config.segment.hangover_ms
    endpointer = Endpointer.of(config.segment, half_duplex=muted)
    segmenter = Segmenter(config.segment, hangover_ms=hangover_ms, endpointer=endpointer)
    speaker = context.speaker
    mute = HalfDuplexMute(lambda: speaker.audible, time.monotonic, config.audio.echo_tail_ms / 1000, half_duplex=muted)
    async with AsyncExitStack() as stack:
        # Told last, when every turn has ended and its cost is known, however it ends.
        counted = stack.enter_context(_the_sum(microphone, context.publish))
        conversation = counted.conversation = await stack.enter_async_context(open_conversation(context, endpointer))
        listener = counted.listener = Listener(
            parts.vad,
            segmenter,
            conversation,
            mute,
            lambda calm: microphone.relax(calm=calm),
            heard.watch,
            lambda frame: attention.heeds(microphone.clock(frame.index)),
            heard.canceller,
        )
        if controlled is not None:
            await controlled.serve(stack, Loop(microphone, conversation, listener, waking(parts.handler)))
        try:
            await listener.listen(microphone.frames)
        except trio.Cancelled:
            listener.end()  # what is being said is kept, where something is
            conversation.stop(CancelReason.ENDING)
            raise
    await speaker.silent()


def _tell_what_is_on(  # noqa: PLR0913, PLR0917 - all that is on
    config: Config, parts: Parts, microphone: Microphone, speaker: Speaker, control: str, publish: Publish
) -> None:
    mode = echo.mode(config.audio)
    if config.audio.echo == "auto" and mode in echo.MEANING:
        publish("notice", text=f"echo: {mode}: {echo.MEANING[mode]}")
    publish(
        "listening",
        microphone=microphone.description,
        loudspeaker=speaker.description,
        echo=mode,
        vad=parts.vad.description,
        turns=_ends_a_turn(config, parts.transcriber),
        transcribe=parts.transcriber.description,
        handler=parts.handler.description,
        speak=parts.synthesizer.description,
        control=control,
    )


def _ends_a_turn(config: Config, transcriber: Transcriber) -> str:
    """What ends a turn: words can be judged only where they are known before it has ended."""
    if not (config.preemptive.enabled and is_preemptive(transcriber)):
        return "ended by pauses, no work ahead"
    endpointer = Endpointer.of(config.segment, half_duplex=half_duplex(config))
    return f"ended by {endpointer.description(_language(config))}; work ahead in pauses"


def _language(config: Config) -> str | None:
    """What is spoken, where the config says it."""
    return getattr(config.transcribe.options, "language", None)


@dataclass(slots=True)
class _Sum:
    """What is counted over a run."""

    conversation: Conversation | None = None
    listener: Listener | None = None


@contextmanager
def _the_sum(microphone: Microphone, publish: Publish) -> Iterator[_Sum]:
    """Tells at the end where every sample went and what all requests took."""
    counted = _Sum()
    try:
        yield counted
    finally:
        if counted.listener is not None and counted.conversation is not None:
            ledger = dataclasses.replace(
                counted.listener.ledger, received=microphone.received, dropped=microphone.dropped, lost=microphone.lost
            )
            samples = dataclasses.asdict(ledger) | {"held": ledger.held}
            talk = counted.conversation
            publish("stopped", samples=samples, usage=talk.usage, wasted=talk.wasted, echoes=talk.own_voice.dropped)
