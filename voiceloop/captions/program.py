"""Composition root of `voiceloop captions`: a microphone, listener and captioner per source, one handler for all."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio

from voiceloop.audio.runaway import RUNAWAY, runaway
from voiceloop.captions.captioner import Captioner
from voiceloop.captions.controls import Controls
from voiceloop.captions.handler import CaptionsHandler
from voiceloop.captions.options import CaptionsOptions
from voiceloop.captions.pacer import SERVER_SHARE, SHARE, Pacer
from voiceloop.captions.posts import CaptionContext
from voiceloop.captions.price import RunningCost
from voiceloop.capture.enhancer import Enhancer
from voiceloop.capture.ledger import Ledger
from voiceloop.capture.listener import HalfDuplexMute, Listener
from voiceloop.capture.microphone import Microphone
from voiceloop.capture.segmenter import Segmenter
from voiceloop.capture.sources import open_microphone
from voiceloop.config.tables import Audio, Config, PartTable
from voiceloop.control.attention import Attention
from voiceloop.control.controller import Loop
from voiceloop.control.kept import NOTHING, Kept
from voiceloop.control.setup import Controlled, take_control
from voiceloop.errors import StartAnew
from voiceloop.events import Publish
from voiceloop.journal.journal import open_journal
from voiceloop.journal.no_journal import NO_JOURNAL
from voiceloop.net.catalogue import Cache
from voiceloop.net.wanted import transcribed_by
from voiceloop.opening import open_part, open_services, open_transcriber, open_vad
from voiceloop.plugins import Journal
from voiceloop.types import Frame

if TYPE_CHECKING:
    from voiceloop.captions.both import Both


_WHO = (
    "Who speaks is told where several people speak without a pause between them. After a pause the numbers begin again."
)


@dataclass(frozen=True, slots=True)
class _Source:
    """A source of speech, with its microphone and its VAD."""

    name: str
    microphone: Microphone
    vad: Any
    enhancer: Enhancer | None = None


async def run(config: Config, inputs: Mapping[str, str], publish: Publish, *, kept: Kept = NOTHING) -> int:
    """Caption until the input ends; returns the exit code 0. `inputs` maps the name of each source, as captions show
    it, to its device, as in `audio.input`. `kept` is what lives on of a process before this one.

    Raises a VoiceloopError if it can't start, and StartAnew when a new process has to go on. It goes on in files of the
    next number: nothing is overwritten.
    """
    began = time.monotonic()
    attention = kept.attention or Attention(listening=config.control.start == "listening")
    async with AsyncExitStack() as stack:
        controlled = take_control(stack, config, attention, publish, "captions") if config.control.enabled else None
        if controlled is not None:
            publish = controlled.controller.publish
        services, clients = await open_services(stack, config, publish)
        # The captioners themselves keep speech that can't be transcribed: the clips that they post overlap.
        transcriber = await open_transcriber(stack, replace(services, keeps=False, names_speakers=True))
        handler = await open_part(stack, _with_kept_path(config.handler, kept), services)
        assert isinstance(handler, CaptionsHandler)
        vads = [await open_vad(stack, services) for _ in inputs]
        # Devices last: loading an engine holds the GIL for longer than an audio callback may wait.
        sources = []
        for (name, device), vad in zip(inputs.items(), vads, strict=True):
            audio = config.audio.model_copy(update={"input": device})
            microphone = await stack.enter_async_context(open_microphone(audio, publish))
            sources.append(_Source(name, microphone, vad, await _open_enhancer(audio)))
        both = _both(config, inputs, sources, publish)
        options = handler.options
        keeps = config.journal.enabled and (options.writes_files or config.journal.captions)
        journal: Journal = NO_JOURNAL
        if keeps:
            engine = transcribed_by(config)
            journal = await stack.enter_async_context(open_journal(config.journal, publish, engine=engine))
        turns = count(1)
        transcriber.shows_sounds = options.sound_events
        cost = RunningCost.of(config, posted_per_second=options.posted_per_second, guesses=options.guesses)
        if (line := cost.brief(_listings())) is not None:
            publish("notice", text=line)
        if transcriber.tells_speakers:
            publish("notice", text=_WHO)
        publish(
            "listening",
            **{source.name or "source": _described(inputs[source.name], source.microphone) for source in sources},
            vad=sources[0].vad.description,
            **({"echo": both.description} if both is not None else {}),
            transcribe=transcriber.description,
            handler=handler.description,
            cost=cost.at_start(_listings()),
            control=controlled.description if controlled is not None else "off",
        )
        context = CaptionContext(
            transcriber=transcriber,
            guesser=transcriber.quietly(),
            showing=handler.showing if both is None else both.showing(handler.showing),
            publish=publish,
            room=clients.pool.gate.room,
            waiting=config.conversation.waiting,
            keeps=keeps,
            page=lambda: journal.turn(next(turns)),
            overlap_s=options.overlap_ms / 1000,
            guesses=options.guesses,
            sounds=options.sound_events,
        )
        heard = _heard([(source.name, inputs[source.name], source.microphone.heard) for source in sources])
        publish("ready", after_ms=round((time.monotonic() - began) * 1000), state=attention.state, heard=heard)
        if cost.asks(_listings()):
            clients.pool.soon(partial(cost.tell, clients, publish))
        gc.collect()
        gc.freeze()  # as in `app.py`: a full collection of the objects loaded at start would stall the audio callbacks
        paid, files = cost.is_paid, handler.files
        shared = handler.address.path.strip("/") if handler.address is not None and options.share else None
        lives_on = Kept(attention=attention, share_path=shared)
        await _caption(
            *(config, options, context, sources, attention, controlled),
            both=both,
            paid=paid,
            files=files,
            lives_on=lives_on,
        )
    return 0


async def _open_enhancer(audio: Audio) -> Enhancer | None:
    """What makes a microphone's sound clearer, if that is wanted. What the computer plays needs none."""
    if not audio.enhances or audio.input == "monitor":
        return None
    from voiceloop.echo.webrtc_aec import open_enhancer

    return await trio.to_thread.run_sync(open_enhancer, audio)


def _with_kept_path(handler: PartTable, kept: Kept) -> PartTable:
    """The handler's table, with the path at which a process before this one shared its page: readers come back."""
    if kept.share_path is None:
        return handler
    options = handler.options.model_copy(update={"share_path": kept.share_path})
    return handler.model_copy(update={"options": options})


def _both(config: Config, inputs: Mapping[str, str], sources: Sequence[_Source], publish: Publish) -> Both | None:
    """What keeps the loudspeaker's sound out of the microphone's captions; None where it can't be in there."""
    if len(sources) == 1:
        return None
    from voiceloop.captions import both

    if not both.is_wanted(config.audio, inputs):
        return None
    microphones = {source.name: source.microphone for source in sources}
    return both.Both(microphones["mic"], microphones["speaker"], publish)


async def _caption(  # noqa: PLR0913, PLR0917 - it connects all of these
    config: Config,
    options: CaptionsOptions,
    context: CaptionContext,
    sources: list[_Source],
    attention: Attention,
    controlled: Controlled | None,
    *,
    both: Both | None = None,
    paid: bool = True,
    files: Sequence[Path] = (),
    lives_on: Kept = NOTHING,
) -> None:
    pacers = [pacer_of(options, embedded=context.transcriber.embedded, paid=paid) for _ in sources]
    listeners: list[Listener] = []
    captioners: list[Captioner] = []
    clock = _SessionClock([source.microphone for source in sources], context.publish)
    try:
        async with trio.open_nursery() as nursery, AsyncExitStack() as stack:
            for source, pacer in zip(sources, pacers, strict=True):
                captioner = Captioner(source.name, context, pacer, clock.captured_by(source.microphone), nursery)
                segmenter = Segmenter.of(config.segment)
                listener = Listener(source.vad, segmenter, captioner, _NEVER_MUTED, enhancer=source.enhancer)
                listener.accepts = _accepting(attention, source.microphone)
                if both is None:  # which compares the two microphones as their sound comes
                    listener.relax = partial(_relax, source.microphone)
                listeners.append(listener)
                captioners.append(captioner)
            if both is not None:
                both.attach({source.name: listener for source, listener in zip(sources, listeners, strict=True)})
            if controlled is not None:
                controls = Controls([source.microphone for source in sources], listeners, captioners)
                controls = controls if both is None else replace(controls, holds=both.holds)
                await controlled.serve(stack, Loop(controls, controls, controls, lambda: None, both))
                if config.control.shortcut:
                    from voiceloop.shortcut.keeping import open_shortcut

                    await stack.enter_async_context(open_shortcut(config.control.shortcut, controlled.controller))
            async with trio.open_nursery() as watching:
                held = (lambda: False) if both is None else partial(both.holds_any, listeners)
                watching.start_soon(_start_anew, captioners, lives_on, held, name="watching PortAudio")
                async with trio.open_nursery() as listening:
                    for source, listener in zip(sources, listeners, strict=True):
                        listening.start_soon(listener.listen, source.microphone.frames, name=f"listen to {source.name}")
                watching.cancel_scope.cancel()
    finally:
        # The end may be a signal or an unplugged microphone. The nursery is closed: no transcript can arrive any more.
        for captioner, listener in zip(captioners, listeners, strict=True):
            rest = both.end(listener) if both is not None else listener.segmenter.flush()
            captioner.end(rest)
        ledger = sum((listener.ledger for listener in listeners), Ledger())
        for source, listener in zip(sources, listeners, strict=True):
            if what := source.microphone.without_speech(listener.ledger.sent):
                context.publish("notice", text=what)
        posted_s, heard_s = sum(pacer.posted_s for pacer in pacers), sum(pacer.heard_s for pacer in pacers)
        context.publish(
            "captions.stopped",
            heard_s=round(heard_s, 1),
            posted_s=round(posted_s, 1),
            silence_s=round(ledger.silence / 16_000, 1),
            kept=sum(captioner.kept for captioner in captioners),
            files=list(map(str, files)),
            **({"echoes": both.dropped} if both is not None else {}),
        )


def pacer_of(options: CaptionsOptions, *, embedded: bool, paid: bool) -> Pacer:
    """The pacer of a source, for a transcriber that is embedded or a service, which may cost money."""
    every_ms = (400 if embedded else 1_200) if options.guess_every_ms is None else options.guess_every_ms
    budget_s = options.posted_per_second if paid and not embedded else None
    return Pacer(every_s=every_ms / 1000, budget_s=budget_s, share=SHARE if embedded else SERVER_SHARE)


def _described(device: str, microphone: Microphone) -> str:
    prefix = "the computer's output, from " if device == "monitor" else ""
    return f"{prefix}{microphone.description}"


def _heard(sources: Sequence[tuple[str, str, str]]) -> str:
    """The sources in words, each given as its label on captions, its device and its microphone's `heard`."""
    said = [f"the computer's output ({heard})" if device == "monitor" else heard for _, device, heard in sources]
    if len(sources) == 1:
        return said[0]
    return " and ".join(f"{name}: {text}" for (name, _, _), text in zip(sources, said, strict=True))


def _accepting(attention: Attention, microphone: Microphone) -> Callable[[Frame], bool]:
    return lambda frame: attention.accepts(microphone.clock(frame.index))


def _relax(microphone: Microphone, calm: bool) -> None:
    microphone.relax(calm=calm)


class _SessionClock:
    """Session time: seconds since the first sample that any source captured, by the capture clocks."""

    def __init__(self, microphones: Sequence[Microphone], publish: Publish) -> None:
        self._microphones, self._publish = microphones, publish
        self._zero_s: float | None = None

    def captured_by(self, microphone: Microphone) -> Callable[[int], float]:
        """A function from a sample index of `microphone` to the time of its capture, in session time."""

        def captured(index: int) -> float:
            if self._zero_s is None:
                self._zero_s = min(m.clock(0) for m in self._microphones if m.received)
                # In wall-clock time, so that captions can be aligned with other recordings.
                self._publish("captions.began", at=round(time.time() - time.monotonic() + self._zero_s, 3))
            return max(0.0, microphone.clock(index) - self._zero_s)

        return captured


def _listings() -> Cache:
    from platformdirs import user_cache_path

    return Cache(user_cache_path("voiceloop", appauthor=False))


_NEVER_MUTED = HalfDuplexMute(lambda: False, time.monotonic, 0.0, half_duplex=False)


async def _start_anew(captioners: Sequence[Captioner], kept: Kept, held: Callable[[], bool]) -> None:
    """Raise StartAnew when PortAudio can only be used well by a new process. `held`: whether speech is held back."""

    def quiet() -> bool:
        return not (held() or any(captioner.speaking or captioner.working for captioner in captioners))

    await runaway(quiet)
    raise StartAnew(RUNAWAY, place="audio", kept=kept.values())
