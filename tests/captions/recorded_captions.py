"""A captioner in virtual time: words are spoken at known times, and a fake service returns those in each clip."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import trio

from tests.captions.speech import heard
from voiceloop.captions.captioner import Captioner
from voiceloop.captions.pacer import Pacer
from voiceloop.captions.posts import CaptionContext
from voiceloop.captions.showing import Final, Live
from voiceloop.captions.words import Spoken, text_of
from voiceloop.capture.listener import HalfDuplexMute, Listener
from voiceloop.capture.segmenter import Segmenter
from voiceloop.config.tables import Hallucinations, Segment
from voiceloop.journal.no_journal import NO_JOURNAL
from voiceloop.net.limits import Room
from voiceloop.plugins import Transcriber, Transcription, TurnJournal, Verdict
from voiceloop.transcribe.screening import Screened
from voiceloop.types import CAPTURE_RATE_HZ, FRAME_SAMPLES, CancelReason, Frame, Transcript, Utterance

ENOUGH_ROOM = Room(crowded=False, share=1.0)
NO_SCREENING = Hallucinations(quiet=False, phrases=False, no_speech=False, repetition=False, prompt_echo=False)


@dataclass
class Service:
    """A fake transcriber: returns exactly the words in a clip, after `service_s`. `fail` may raise instead."""

    truth: Sequence[Spoken]
    service_s: float = 0.3
    fail: Callable[[Utterance], None] = lambda _: None
    clips: list[Utterance] = field(default_factory=list)
    description: str = "a fake"
    embedded: bool = False
    at_work: int = 0
    most_at_work: int = 0

    @asynccontextmanager
    async def transcription(self) -> AsyncIterator[Transcription]:
        yield self

    async def feed(self, pcm: bytes) -> None:
        await trio.lowlevel.checkpoint()

    async def finish(self, clip: Utterance) -> Transcript:
        self.clips.append(clip)
        self.at_work += 1
        self.most_at_work = max(self.most_at_work, self.at_work)
        try:
            await trio.sleep(self.service_s)
        finally:
            self.at_work -= 1
        self.fail(clip)
        words = heard(self.truth, clip.start / CAPTURE_RATE_HZ, clip.end / CAPTURE_RATE_HZ)
        return Transcript(text_of(words), clip)

    async def warm(self) -> None:
        await trio.lowlevel.checkpoint()


@dataclass
class RecordedCaptions:
    """Runs a captioner on the words of `service`, and records what it shows and publishes, and when."""

    service: Service
    room: Room = ENOUGH_ROOM
    sounds: bool = False
    lives: list[tuple[float, Live]] = field(default_factory=list)
    finals: list[Final] = field(default_factory=list)
    published: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    pacer: Pacer = field(default_factory=lambda: Pacer(every_s=0.7, budget_s=5.0))
    page: Callable[[], TurnJournal] = lambda: NO_JOURNAL

    def live(self, live: Live) -> None:
        self.lives.append((trio.current_time(), live))

    def final(self, final: Final, live: Live) -> None:
        self.finals.append(final)
        self.live(live)

    def publish(self, name: str, /, **fields: object) -> None:
        self.published.append((name, fields))

    @property
    def text(self) -> str:
        return " ".join(final.text for final in self.finals)

    @property
    def live_texts(self) -> list[str]:
        return [f"{live.sure} {live.unsure}".strip() for _, live in self.lives]

    def context(self, *, guesses: bool = True, waiting: int = 100) -> CaptionContext:
        """What a captioner needs, with these captions as its output."""
        screened = Screened(cast("Transcriber", self.service), NO_SCREENING, (), self.publish)
        return CaptionContext(
            transcriber=screened,
            guesser=screened.quietly(),
            showing=self,
            publish=self.publish,
            room=lambda: self.room,
            waiting=waiting,
            keeps=True,
            overlap_s=1.2,
            guesses=guesses,
            sounds=self.sounds,
            page=self.page,
        )

    async def listen(
        self, *, longest_s: float = 12.0, guesses: bool = True, waiting: int = 100, cancel_s: float | None = None
    ) -> None:
        """Caption all words in real (virtual) time and wait for the last ones. Withdraw the speech at `cancel_s`."""
        context = self.context(guesses=guesses, waiting=waiting)
        segment = Segment(max_utterance_s=longest_s, adaptive=False, hangover_ms=500)
        captioners: list[Captioner] = []
        segmenter = Segmenter(segment, hangover_ms=500)
        try:
            async with trio.open_nursery() as nursery:
                captioner = Captioner("", context, self.pacer, lambda index: index / CAPTURE_RATE_HZ, nursery)
                captioners.append(captioner)
                listener = Listener(
                    cast("Any", WordVad(self.service.truth)),
                    segmenter,
                    captioner,
                    HalfDuplexMute(lambda: False, trio.current_time, 0, half_duplex=False),
                )
                began_s = trio.current_time()
                pcm = sound(self.service.truth)
                for at in range(0, len(pcm) // 2, FRAME_SAMPLES):
                    frame = Frame(pcm[2 * at : 2 * (at + FRAME_SAMPLES)], at)
                    await trio.sleep_until(began_s + frame.end / CAPTURE_RATE_HZ)
                    listener.hear(frame)
                    if cancel_s is not None and frame.end >= cancel_s * CAPTURE_RATE_HZ:  # as the controller does
                        cancel_s = None
                        if captioner.speaking:
                            listener.forget()
                        captioner.withdraw(CancelReason.WITHDRAWN)
                for event in listener.segmenter.flush():
                    captioner.on(event)
                await trio.sleep(60)  # for the last words
                nursery.cancel_scope.cancel()
        finally:  # as the session does
            for captioner in captioners:
                captioner.end(segmenter.flush())


@dataclass
class WordVad:
    """A fake VAD: frames are voiced where a word is spoken."""

    truth: Sequence[Spoken]

    def feed(self, pcm: bytes, index: int) -> list[Verdict]:
        end = index + len(pcm) // 2
        middle_s = (index + end) / 2 / CAPTURE_RATE_HZ
        voiced = any(word.start_s <= middle_s < word.end_s for word in self.truth)
        return [Verdict(index, end, voiced)]

    def reset(self) -> None:
        """Do nothing: it has no state."""


def sound(truth: Sequence[Spoken], tail_s: float = 2.0) -> bytes:
    """PCM with noise where the words are, softer at their edges, and near silence elsewhere."""
    count = round((truth[-1].end_s + tail_s) * CAPTURE_RATE_HZ)
    samples = np.random.default_rng(1).standard_normal(count) * 10
    for word in truth:
        begin, end = round(word.start_s * CAPTURE_RATE_HZ), round(word.end_s * CAPTURE_RATE_HZ)
        samples[begin:end] *= 300 * np.hanning(end - begin) + 20
    return samples.clip(-32_000, 32_000).astype("<i2").tobytes()
