"""One utterance on its way to a service behind a home's uplink: the VAD, the segmenter and the transcribing of the
program, in real time."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import trio

from bench.uploads.material import Spoken
from testbed.http_parts import KEY_ENV
from testbed.server import Script, open_server
from testbed.uplink import Uplink, open_uplink
from voiceloop.capture.segmenter import Segmenter
from voiceloop.capture.speech_events import (
    SpeechAudio,
    SpeechEnded,
    SpeechEvent,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
)
from voiceloop.capture.vad.hybrid import HybridOptions, HybridVad
from voiceloop.config.load import load
from voiceloop.config.tables import Hallucinations, Segment
from voiceloop.nursery import private_nursery
from voiceloop.opening import open_part, open_services
from voiceloop.transcribe.screening import Screened
from voiceloop.turns.transcribing import Transcribing
from voiceloop.types import CAPTURE_RATE_HZ, SAMPLE_BYTES, Frame, Transcript, Utterance

SEGMENT = Segment(adaptive=False, hangover_ms=800, max_utterance_s=60)
"""As the defaults, but a pause of 500 ms ends no utterance, and one of 30 s isn't cut."""
FRAME_BYTES = 20 * CAPTURE_RATE_HZ // 1000 * SAMPLE_BYTES


@dataclass(frozen=True, slots=True)
class Result:
    """What one utterance took. Times in seconds."""

    after_speech_s: float
    """From the end of speech until the last byte of the request left the line."""
    after_pause_s: float
    """The same from when the pause was noticed: before that nobody knows that speech has ended."""
    up_bytes: int
    """All bytes that went up, those of abandoned requests included."""
    text: str
    finished: int
    """Requests that the service got to their end."""
    notices: tuple[str, ...] = ()


@dataclass(slots=True)
class _Owner:
    """The turn: it is told what is posted, and saves nothing."""

    paused_at: float = 0.0

    async def saved(self) -> None:
        await trio.lowlevel.checkpoint()

    def posting(self, clip: Utterance) -> None: ...

    def posted(self, transcript: Transcript) -> None: ...

    def pause_failed(self) -> None: ...


@dataclass(slots=True)
class _Speaking:
    """The utterance's events, as the conversation hands them to the turn."""

    transcriber: Any
    nursery: trio.Nursery
    owner: _Owner = field(default_factory=_Owner)
    transcribing: Transcribing = field(init=False)

    def __post_init__(self) -> None:
        self.transcribing = Transcribing(self.transcriber, trio.CapacityLimiter(3), 20, self.owner)

    def take(self, event: SpeechEvent) -> None:
        match event:
            case SpeechStarted():
                self.nursery.start_soon(self.transcriber.warm)
                self.transcribing.begin()
                self.transcribing.feed(event.pcm)
            case SpeechAudio():
                self.transcribing.feed(event.pcm)
            case SpeechPaused():
                self.owner.paused_at = trio.current_time()
                self.transcribing.pause(event.utterance)
            case SpeechResumed():
                self.transcribing.resume()
            case SpeechEnded():
                self.transcribing.end(event.utterance)


async def measure(said: Spoken, settings: Sequence[str], script: Script | None = None) -> Result:
    """Say it in real time to a transcriber with these settings, as `--set` takes them."""
    notices: list[str] = []

    def publish(name: str, /, **fields: object) -> None:
        if name == "notice":
            notices.append(str(fields["text"]))

    os.environ.setdefault(KEY_ENV, "test-key")
    async with (
        open_server(script or Script()) as server,
        open_uplink(Uplink(server.port)) as line,
        private_nursery() as nursery,
        AsyncExitStack() as stack,
    ):
        common = [f"openrouter.base_url={line.url}", f"openrouter.api_key_env={KEY_ENV}", "handler.use=echo"]
        common += ["speak.use=none", "transcribe.use=openrouter", "transcribe.model=openai/whisper-large-v3"]
        config = load(None, [*common, *settings])
        services, _ = await open_services(stack, config, publish)
        inner = await open_part(stack, config.transcribe, services)
        await inner.warm()
        speaking = _Speaking(Screened(inner, Hallucinations(), (), None), nursery)
        nursery.start_soon(speaking.transcribing.run)
        ended_at = await _say(said, speaking)
        text = (await speaking.transcribing.text()).text
        # Nothing was sent after the last post: only what was abandoned has connections opened in its place.
        left_at = max(flow.left_at for flow in line.flows)
        up = sum(flow.up_bytes for flow in line.flows)
        finished = len(server.posts("/audio/transcriptions"))
    paused_at = speaking.owner.paused_at
    return Result(left_at - ended_at, left_at - paused_at, up, text, finished, tuple(notices))


async def _say(said: Spoken, speaking: _Speaking) -> float:
    """Say it; returns when its speech ended, once the utterance is over."""
    vad, segmenter = HybridVad(HybridOptions()), Segmenter.of(SEGMENT)
    began = trio.current_time()
    for start, end in pairwise([*range(0, len(said.pcm), FRAME_BYTES), len(said.pcm)]):
        frame = Frame(said.pcm[start:end], start // SAMPLE_BYTES)
        await trio.sleep_until(began + frame.end / CAPTURE_RATE_HZ)
        for event in segmenter.feed(frame, vad.feed(frame.pcm, frame.index)):
            speaking.take(event)
            if isinstance(event, SpeechEnded):
                return began + said.end / CAPTURE_RATE_HZ
    raise AssertionError("the utterance has not ended")
