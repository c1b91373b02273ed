"""The composition root: opens the devices and parts of the loop, connects them, and runs them until the input ends.

No other module opens a device or a part for the loop. Only the config and the API keys read the environment.
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

from voiceloop.audio.runaway import RUNAWAY, runaway
from voiceloop.capture.endpointing.endpointer import Endpointer
from voiceloop.capture.endpointing.hearing import Hearing
from voiceloop.capture.endpointing.sound_judge import open_sound_judge
from voiceloop.capture.enhancer import Enhancer
from voiceloop.capture.listener import HalfDuplexMute, Listener, Watch
from voiceloop.capture.microphone import Microphone
from voiceloop.capture.second_opinion import SecondOpinion
from voiceloop.capture.segmenter import Segmenter
from voiceloop.capture.sources import open_microphone
from voiceloop.config.tables import Config
from voiceloop.control.attention import Attention
from voiceloop.control.controller import Loop
from voiceloop.control.kept import NOTHING, Kept
from voiceloop.echo import webrtc_aec as echo
from voiceloop.echo.canceller import Canceller, Nothing, Processor
from voiceloop.echo.far_end import FarEnd
from voiceloop.echo.reporting import reporting
from voiceloop.echo.without_chimes import WithoutChimes
from voiceloop.errors import DeviceError, StartAnew
from voiceloop.events import Publish
from voiceloop.journal.no_journal import NO_JOURNAL
from voiceloop.net.wanted import transcribed_by
from voiceloop.opening import Parts, open_acoustic_judge, open_part, open_parts, open_services, open_vad
from voiceloop.playback.chimes import Chimes
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
    """The microphone, with the trace's tap on it and the canceller that removes the reply from its sound, if any."""

    microphone: Microphone
    watch: Watch | None
    canceller: Canceller | None
    second: SecondOpinion | None
    enhancer: Enhancer | None
    hearing: Hearing


async def run(
    config: Config, publish: Publish, *, trace: Path | None = None, name: str = "run", kept: Kept = NOTHING
) -> int:
    """Run the loop until its input ends; returns exit code 0. Raises the error that keeps it from starting.

    `trace` is the file to write the session's trace to. `name` is the running command (`run`, `dictate`), which control
    clients see. `kept` is what lives on of a process before this one. Raises StartAnew when a new process has to go on;
    only the user can start that where a trace is written, which it would overwrite.
    """
    began = time.monotonic()
    attention = kept.attention or Attention(listening=config.control.start == "listening")
    async with AsyncExitStack() as stack:
        controlled = _take_control(stack, config, attention, publish, name)
        if controlled is not None:
            publish = controlled.controller.publish
        tracing = await _open_tracing(stack, config, publish, trace)
        if tracing is not None:
            publish = tracing.publish
        observe = tracing.observe if tracing is not None else None
        services, clients = await open_services(stack, config, publish, observe)
        publish = clients.pool.costs.told(publish)
        handler = await open_part(stack, config.handler, services)
        journal = await _open_journal(stack, config, handler, publish)
        # With a journal the parts need not save speech as well.
        parts = await open_parts(stack, dataclasses.replace(services, keeps=journal is NO_JOURNAL), handler)
        mode = echo.mode(config.audio)
        processor = await _open_processor(config)
        enhancer = await trio.to_thread.run_sync(echo.open_enhancer, config.audio) if config.audio.enhances else None
        hearing = await open_acoustic_judge(config, _language(config))
        if hearing.failure:
            publish("notice", text=hearing.failure)
        second_vad = await open_vad(stack, services) if processor is not None else None
        # Devices last: loading an engine holds the GIL for longer than an audio callback may wait.
        tap = Tap() if mode != "half-duplex" else None
        idle_s = CANCELLING_IDLE_S if mode == "cancel" else IDLE_S
        config, speaker = await _open_speaker(stack, config, publish, tap, idle_s)
        microphone = await stack.enter_async_context(open_microphone(config.audio, publish))
        canceller = _canceller(processor, microphone, tap)
        second = SecondOpinion(second_vad, canceller) if canceller is not None and second_vad is not None else None
        context = TurnContext(
            transcriber=parts.transcriber,
            handler=parts.handler,
            synthesizer=parts.synthesizer,
            speaker=speaker,
            publish=reporting(publish, canceller) if canceller is not None else publish,
            settings=config.conversation,
            preemptive=PreemptiveGeneration(enabled=config.preemptive.enabled, max_waste=config.preemptive.max_waste),
            now=time.monotonic,
            captured=microphone.clock,
            posts=trio.CapacityLimiter(config.conversation.overlap),
            language=_language(config),
            reply_language=getattr(config.speak.options, "language", None),
            journal=journal,
            asleep=lambda: attention.asleep,
            played=tap,
            raw=canceller,
        )
        control = controlled.description if controlled is not None else "off"
        turns = _ends_a_turn(config, parts.transcriber, hearing)
        _publish_start(config, parts, microphone, speaker, control, turns, publish)
        after_ms = round((time.monotonic() - began) * 1000)
        handles = parts.handler.description
        publish("ready", after_ms=after_ms, state=attention.state, heard=microphone.heard, handler=handles)
        gc.collect()
        # A full collection over everything loaded at start would stall the audio callbacks audibly.
        gc.freeze()
        watch = tracing.tap(microphone.clock, speaker) if tracing is not None else None
        source = Input(microphone, watch, canceller, second, enhancer, hearing)
        if attention.muted:
            microphone.mute(muted=True)
        await _converse(config, context, parts, source, attention, controlled, kept, anew=trace is None)
    return 0


def _take_control(
    stack: AsyncExitStack, config: Config, attention: Attention, publish: Publish, name: str
) -> Controlled | None:
    if not config.control.enabled:
        return None
    from voiceloop.control.setup import take_control

    return take_control(stack, config, attention, publish, name)


async def _open_shortcut(stack: AsyncExitStack, config: Config, controlled: Controlled) -> None:
    if not config.control.shortcut:
        return
    from voiceloop.shortcut.keeping import open_shortcut

    await stack.enter_async_context(open_shortcut(config.control.shortcut, controlled.controller))


async def _open_tracing(stack: AsyncExitStack, config: Config, publish: Publish, path: Path | None) -> Tracing | None:
    if path is None:
        return None
    from voiceloop.trace.recording import open_tracing

    return await stack.enter_async_context(open_tracing(path, config, publish))


async def _open_journal(stack: AsyncExitStack, config: Config, handler: Handler, publish: Publish) -> Journal:
    """The journal that keeps speech until it is delivered: for handlers that act on speech, not for chat."""
    if handler.turns == "replace" or not config.journal.enabled:
        return NO_JOURNAL
    from voiceloop.journal.journal import open_journal

    return await stack.enter_async_context(open_journal(config.journal, publish, engine=transcribed_by(config)))


def _chimes(config: Config, speaker: Speaker, controlled: Controlled | None) -> Chimes | None:
    """The chimes, told of the attention state by the controller; None without."""
    if controlled is None or not config.control.sounds or config.audio.output == "none":
        return None
    chimes = Chimes(speaker, time.monotonic, listening=controlled.controller.attention.state == "listening")
    controlled.controller.hear(lambda state: chimes.tell(listening=state == "listening"))
    return chimes


async def _open_speaker(
    stack: AsyncExitStack, config: Config, publish: Publish, tap: Tap | None, idle_s: float
) -> tuple[Config, Speaker]:
    """The loudspeaker, and the configuration with the one that was opened. If only chimes would be played, and it can't
    be opened, a notice tells so, and nothing is played."""
    try:
        return config, await stack.enter_async_context(open_speaker(config.audio, publish, tap=tap, idle_s=idle_s))
    except DeviceError as error:
        if config.speak.use != "none" or not config.control.sounds:
            raise
        publish("notice", text=f"control.sounds: none are played. {error}")
    config = config.model_copy(update={"audio": config.audio.model_copy(update={"output": "none"})})
    return config, await stack.enter_async_context(open_speaker(config.audio, publish, tap=tap, idle_s=idle_s))


def half_duplex(config: Config) -> bool:
    """Whether the microphone is muted while the loop speaks (the half-duplex mute)."""
    return echo.mode(config.audio) == "half-duplex"


async def _open_processor(config: Config) -> Processor | None:
    """What removes the echo, or only has it judged; None where none can be heard, or the microphone is muted."""
    mode = echo.mode(config.audio)
    if mode == "cancel":
        return await trio.to_thread.run_sync(echo.open_processor)
    return Nothing() if mode == "off" and echo.has_loudspeaker(config.audio) else None


def _canceller(processor: Processor | None, microphone: Microphone, tap: Tap | None) -> Canceller | None:
    if processor is None or tap is None:
        return None
    return Canceller(processor, FarEnd(tap), microphone.clock.counted)


async def _converse(  # noqa: PLR0913, PLR0917 - everything that it connects
    config: Config,
    context: TurnContext,
    parts: Parts,
    source: Input,
    attention: Attention,
    controlled: Controlled | None,
    kept: Kept,
    *,
    anew: bool,
) -> None:
    microphone = source.microphone
    muted = half_duplex(config)
    network = source.hearing.network
    segmenter = Segmenter.of(config.segment, half_duplex=muted, acoustic=network is not None)
    speaker = context.speaker
    chimes = _chimes(config, speaker, controlled)
    tail_s = config.audio.echo_tail_ms / 1000
    mute = HalfDuplexMute(lambda: speaker.audible and not speaker.chiming, time.monotonic, tail_s, half_duplex=muted)
    if not muted:  # where the loop hears itself all the same
        context = dataclasses.replace(context, half_duplex=mute.switch)
    async with AsyncExitStack() as stack:
        # Published last, when every turn has ended and its cost is known; also after an error.
        totals = stack.enter_context(_publishing_totals(microphone, context.publish))
        conversation = totals.conversation = await stack.enter_async_context(
            open_conversation(context, segmenter.tell, kept.history)
        )
        judge = None
        if network is not None:
            judge = await stack.enter_async_context(open_sound_judge(network, segmenter.tell, context.publish))
        listener = totals.listener = Listener(
            vad=parts.vad,
            segmenter=segmenter,
            receiver=conversation,
            mute=mute,
            relax=lambda calm: microphone.relax(calm=calm),
            watch=source.watch,
            accepts=lambda frame: attention.accepts(microphone.clock(frame.index)),
            cleaner=source.canceller,
            enhancer=source.enhancer,
            second=source.second,
            sound_judge=judge,
            without_chimes=WithoutChimes(chimes.heard_at, microphone.clock) if chimes is not None else None,
        )
        if controlled is not None:
            await controlled.serve(
                stack, Loop(microphone, conversation, listener, waking(parts.handler), source.canceller)
            )
            await _open_shortcut(stack, config, controlled)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_start_anew, conversation, speaker, attention, anew, name="watching PortAudio")
            try:
                await listener.listen(microphone.frames)
            except trio.Cancelled:
                listener.end()  # if there is a journal, it keeps the current utterance
                conversation.stop(CancelReason.ENDING)
                raise
            nursery.cancel_scope.cancel()
    await speaker.silent()


async def _start_anew(conversation: Conversation, speaker: Speaker, attention: Attention, anew: bool) -> None:
    """Raise StartAnew, with what lives on if a new process may begin, when only that can use PortAudio well."""

    def quiet() -> bool:
        return not (conversation.speaking or conversation.working or speaker.audible)

    await runaway(quiet)
    kept = Kept(conversation.history, attention).values() if anew else None
    remedy = "" if anew else "Start the program again. It doesn't do so by itself, for that would overwrite the trace"
    raise StartAnew(RUNAWAY, place="audio", remedy=remedy, kept=kept)


def _publish_start(  # noqa: PLR0913, PLR0917 - everything that the start-up lines name
    config: Config, parts: Parts, microphone: Microphone, speaker: Speaker, control: str, turns: str, publish: Publish
) -> None:
    if (warning := echo.warning(config.audio)) is not None:
        publish("notice", text=warning)
    publish(
        "listening",
        microphone=microphone.description,
        loudspeaker=speaker.description,
        echo=echo.mode(config.audio),
        vad=parts.vad.description,
        turns=turns,
        transcribe=parts.transcriber.description,
        handler=parts.handler.description,
        speak=parts.synthesizer.description,
        control=control,
    )


def _ends_a_turn(config: Config, transcriber: Transcriber, hearing: Hearing) -> str:
    """For the start-up lines: what ends a turn. Words help only if they are known before it ends (preemptive work)."""
    sound = "the sound, " if hearing.network is not None else ""
    lacks = f"; {hearing.why_not}" if hearing.why_not else ""
    if not (config.preemptive.enabled and is_preemptive(transcriber)):
        return f"ended by {sound}pauses, no preemptive work{lacks}"
    endpointer = Endpointer.of(config.segment, half_duplex=half_duplex(config))
    return f"ended by {sound}{endpointer.description(_language(config))}; preemptive work in pauses{lacks}"


def _language(config: Config) -> str | None:
    """The spoken language, if the config names one."""
    return getattr(config.transcribe.options, "language", None)


@dataclass(slots=True)
class _Totals:
    """The objects that count over a run, once they exist."""

    conversation: Conversation | None = None
    listener: Listener | None = None


@contextmanager
def _publishing_totals(microphone: Microphone, publish: Publish) -> Iterator[_Totals]:
    """Publish at the end where every sample went, and what all requests took."""
    totals = _Totals()
    try:
        yield totals
    finally:
        if totals.listener is not None and totals.conversation is not None:
            ledger = dataclasses.replace(
                totals.listener.ledger, received=microphone.received, dropped=microphone.dropped, lost=microphone.lost
            )
            samples = dataclasses.asdict(ledger) | {"held": ledger.held}
            conversation = totals.conversation
            if what := microphone.without_speech(ledger.sent):
                publish("notice", text=what)
            publish(
                "stopped",
                samples=samples,
                usage=conversation.usage,
                wasted=conversation.wasted,
                echoes=conversation.own_voice.dropped,
            )
