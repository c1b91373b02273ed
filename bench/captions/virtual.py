"""Measures live captions in virtual time: a real recogniser, but each answer takes exactly as long as is asked for.

So the figures don't depend on what else the machine does, and three minutes of speech take less than one. Everything
between the microphone's frames and the events is the program's own; the recogniser is called in its place.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast
from unittest.mock import patch

import trio
from trio.testing import MockClock

from bench.captions.material import Material
from bench.captions.mistakes import Mistakes, mistakes
from bench.captions.recognised import Run, scored
from testbed.server.engine import hearing
from voiceloop.audio.wav import wav_bytes
from voiceloop.captions.handler import CaptionsHandler
from voiceloop.captions.posts import CaptionContext
from voiceloop.captions.program import _caption, _Source
from voiceloop.config.load import load
from voiceloop.control.attention import Attention
from voiceloop.net.limits import Room
from voiceloop.opening import open_part
from voiceloop.plugins import Services, Transcription
from voiceloop.transcribe.screening import Screened
from voiceloop.types import CAPTURE_RATE_HZ, FRAME_SAMPLES, SAMPLE_BYTES, Frame, Transcript, Utterance

EMBEDDED_S = (0.02, 0.035)
"""How long Moonshine takes on a calm machine: for a clip, and for each second of it."""


@dataclass
class _Engine:
    """A transcriber that answers after a fixed time. `service_s` None: as an engine on this machine does."""

    hear: Callable[[bytes], str]
    service_s: float | None
    description: str = "a recogniser in virtual time"

    @property
    def embedded(self) -> bool:
        return self.service_s is None

    @asynccontextmanager
    async def transcription(self) -> AsyncIterator[Transcription]:
        yield self

    async def feed(self, pcm: bytes) -> None:
        await trio.lowlevel.checkpoint()

    async def warm(self) -> None:
        await trio.lowlevel.checkpoint()

    async def finish(self, utterance: Utterance) -> Transcript:
        text = self.hear(wav_bytes(utterance.pcm, utterance.rate_hz))
        fixed_s, per_second = EMBEDDED_S if self.service_s is None else (self.service_s, 0.0)
        await trio.sleep(fixed_s + per_second * utterance.duration_s)
        return Transcript(text, utterance)


class _Microphone:
    """Yields the track in virtual real time."""

    received = 1

    def __init__(self, pcm: bytes) -> None:
        self._pcm, self._at, self._began = pcm, 0, trio.current_time()

    @property
    def frames(self) -> _Microphone:
        return self

    def clock(self, index: int) -> float:
        return self._began + index / CAPTURE_RATE_HZ

    async def receive(self) -> Frame:
        pcm = self._pcm[SAMPLE_BYTES * self._at : SAMPLE_BYTES * (self._at + FRAME_SAMPLES)]
        if len(pcm) < SAMPLE_BYTES * FRAME_SAMPLES:
            raise trio.EndOfChannel
        frame = Frame(pcm, self._at)
        await trio.sleep_until(self.clock(frame.end))
        self._at = frame.end
        return frame

    def receive_nowait(self) -> Frame:
        raise trio.WouldBlock


def session(made: Material, engine: str, words: Sequence[str], *, service_ms: int | None) -> Run:
    """Run one session, and score it. `service_ms`: how long each answer of the server takes; None: the engine is in the
    program. `cores` is the processor time of everything, the recogniser included."""
    hear = hearing(engine)
    transcriber = _Engine(hear, None if service_ms is None else service_ms / 1000)
    before = time.process_time()
    with patch.object(trio.to_thread, "run_sync", _here):  # the virtual clock doesn't wait for threads
        events: list[dict[str, Any]] = trio.run(
            _captioned, made, transcriber, list(words), clock=MockClock(autojump_threshold=0)
        )
    cores = (time.process_time() - before) / (made.samples / CAPTURE_RATE_HZ)
    name = engine if service_ms is None else f"{engine}, served, {service_ms} ms"
    return scored(f"{name}, virtual time", made, events, _alone(made, hear), cores)


async def _here(work: Callable[..., Any], *values: Any, **_: Any) -> Any:
    await trio.lowlevel.checkpoint()
    return work(*values)


async def _captioned(made: Material, transcriber: _Engine, words: list[str]) -> list[dict[str, Any]]:
    config = load(None, words, preset="captions")
    events: list[dict[str, Any]] = [{"event": "captions.began", "at": trio.current_time()}]

    def publish(name: str, /, **fields: object) -> None:
        if name != "captions.began":  # in the machine's time
            events.append({"event": name, "time": trio.current_time(), **fields})

    async with AsyncExitStack() as stack:
        services = Services(config, cast("Any", None), publish)
        vad = await open_part(stack, config.vad, services)
        handler = await open_part(stack, config.handler, services)
        assert isinstance(handler, CaptionsHandler)
        screened = Screened(cast("Any", transcriber), config.hallucinations, (), publish)
        context = CaptionContext(
            transcriber=screened,
            guesser=screened.quietly(),
            showing=handler.showing,
            publish=publish,
            room=lambda: Room(crowded=False, share=1.0),
            waiting=config.conversation.waiting,
            keeps=False,
            overlap_s=handler.options.overlap_ms / 1000,
            guesses=handler.options.guesses,
        )
        source = _Source("", cast("Any", _Microphone(bytes(made.pcm))), vad)
        await _caption(config, handler.options, context, [source], Attention(), None)
    return events


def _alone(made: Material, hear: Callable[[bytes], str]) -> Mistakes:
    """The mistakes of the engine when it hears each prompt of the track alone."""
    total, at = Mistakes(0, 0, 0, 0), 0
    for start, end, count in made.placed:
        text = hear(wav_bytes(bytes(made.pcm[SAMPLE_BYTES * start : SAMPLE_BYTES * end]), CAPTURE_RATE_HZ))
        total += mistakes(made.said()[at : at + count], text.split())
        at += count
    return total
