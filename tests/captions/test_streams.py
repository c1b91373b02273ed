"""Captions with a server that hears speech while it is spoken, in virtual time: no guess is posted beside its words."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
import trio
from trio.testing import MockClock

from tests.captions.recorded_captions import RecordedCaptions, Service
from tests.captions.speech import heard, said
from tests.captions.test_captioner import talk
from voiceloop.captions.pacer import Pacer
from voiceloop.captions.stream import TELLS_S
from voiceloop.captions.words import Spoken, text_of
from voiceloop.errors import Unreachable
from voiceloop.plugins import Transcription
from voiceloop.types import CAPTURE_RATE_HZ, SAMPLE_BYTES, Transcript, Utterance

LONG = [f"word{number}" for number in range(60)]


@dataclass
class StreamingService(Service):
    """A fake transcriber that tells the words that it was fed after `lag_s`, and posts a clip where that fails."""

    streams: bool = True
    lag_s: float = 0.4
    tells: bool = True
    """Whether it tells words before the end."""
    lost_s: float = float("inf")
    """When the connection is lost, in seconds of an utterance; it is not had again."""
    posted: list[Utterance] = field(default_factory=list)
    abandoned: int = 0

    @asynccontextmanager
    async def transcription(self) -> AsyncIterator[Transcription]:
        if not self.streams:
            yield _Post(self)
            return
        stream = _Stream(self)
        try:
            yield stream
        finally:
            self.abandoned += not stream.finished


@dataclass
class _Post:
    service: StreamingService

    async def feed(self, pcm: bytes) -> None:
        await trio.lowlevel.checkpoint()

    async def finish(self, clip: Utterance) -> Transcript:
        self.service.posted.append(clip)
        return await self.service.finish(clip)


@dataclass
class _Stream:
    service: StreamingService
    live: bool = True
    finished: bool = False
    fed_s: float = 0.0
    tell: Callable[[str], None] = lambda _: None

    def follow(self, heard: Callable[[str], None]) -> None:
        self.tell = heard

    async def feed(self, pcm: bytes) -> None:
        await trio.lowlevel.checkpoint()
        self.fed_s += len(pcm) / SAMPLE_BYTES / CAPTURE_RATE_HZ
        if self.fed_s > self.service.lost_s:
            self.live = self.service.streams = False
        now_s = trio.current_time() - self.service.lag_s
        begun_s = trio.current_time() - self.fed_s
        if self.live and self.service.tells and (words := heard(self.service.truth, begun_s - 0.1, now_s)):
            self.tell(text_of(words))

    async def finish(self, clip: Utterance) -> Transcript:
        self.finished = True
        if not self.live:
            return await _Post(self.service).finish(clip)
        await trio.sleep(self.service.service_s)
        return Transcript(text_of(heard(self.service.truth, clip.start / 16_000, clip.end / 16_000)), clip)


async def test_words_are_shown_as_the_server_tells_them_and_no_clip_is_posted(autojump_clock: MockClock) -> None:
    service = StreamingService(talk("please hold your call is important to us", "one moment please"))
    captions = RecordedCaptions(service)
    await captions.listen()
    assert captions.text == "please hold your call is important to us one moment please"
    assert service.posted == []
    live = [text for text in captions.live_texts if text]
    assert {"please", "please hold", "please hold your"} <= set(live)
    assert all(not live.sure for _, live in captions.lives)  # they may still change
    assert captions.live_texts[-1] == ""
    assert captions.pacer.posted_s == pytest.approx(captions.pacer.heard_s)


async def test_a_word_is_shown_as_soon_as_the_server_tells_it(autojump_clock: MockClock) -> None:
    service = StreamingService(said(LONG, 1.0), lag_s=0.3)
    captions = RecordedCaptions(service)
    await captions.listen(longest_s=100)
    for word in service.truth[5:-5]:
        shown_s = min(at for at, live in captions.lives if word.text in live.unsure.split())
        assert shown_s - word.end_s < 0.5


async def test_long_speech_in_pieces_loses_and_repeats_no_word(autojump_clock: MockClock) -> None:
    captions = RecordedCaptions(StreamingService(said(LONG, 1.0)))
    await captions.listen(longest_s=6)
    assert captions.text.split() == LONG
    assert len(captions.finals) >= 3


async def test_when_the_connection_is_lost_guesses_take_over_and_no_word_is_lost(autojump_clock: MockClock) -> None:
    service = StreamingService(said(LONG, 1.0), lost_s=5.0)
    captions = RecordedCaptions(service)
    await captions.listen(longest_s=100)
    assert captions.text.split() == LONG
    assert len(service.posted) > 5
    assert min(clip.end / CAPTURE_RATE_HZ for clip in service.posted) > 5.0
    updates = [at for at, live in captions.lives if live.unsure or live.sure]
    assert max(after - before for before, after in pairwise(updates)) < 3.0


async def test_a_server_that_tells_nothing_before_the_end_is_helped_with_guesses(autojump_clock: MockClock) -> None:
    service = StreamingService(talk(" ".join(LONG[:20]), " ".join(LONG[20:40])), tells=False)
    captions = RecordedCaptions(service, pacer=Pacer(every_s=0.7, budget_s=None))
    guessed: list[Utterance] = []
    ask = service.transcription

    @asynccontextmanager
    async def transcription() -> AsyncIterator[Transcription]:
        async with ask() as transcription:
            usual = transcription.finish

            async def finish(clip: Utterance) -> Transcript:
                guessed.append(clip)
                return await usual(clip)

            transcription.finish = finish  # type: ignore[method-assign, assignment]
            yield transcription

    service.transcription = transcription  # type: ignore[method-assign]
    await captions.listen()
    assert captions.text.split() == LONG[:40]
    first, second = (start for start in (1.0, service.truth[20].start_s))
    early = [clip.end / CAPTURE_RATE_HZ for clip in guessed]
    assert min(early) >= first + TELLS_S - 0.5
    # Of the second utterance it is known from the start.
    assert min(end_s for end_s in early if end_s > second) < second + TELLS_S


async def test_a_noise_is_given_up(autojump_clock: MockClock) -> None:
    service = StreamingService([Spoken("tap", 1.0, 1.13)])
    captions = RecordedCaptions(service)
    await captions.listen()
    assert captions.text == ""
    assert service.abandoned == 1


async def test_withdrawn_speech_is_given_up_and_shown_no_more(autojump_clock: MockClock) -> None:
    service = StreamingService(said(LONG[:20], 1.0))
    captions = RecordedCaptions(service)
    await captions.listen(cancel_s=5.0)
    withdrawn = " ".join(LONG[:8])
    assert withdrawn not in captions.text
    assert service.abandoned == 1


async def test_an_error_in_the_end_is_reported_and_the_words_that_were_shown_stay(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = StreamingService(talk("please hold your call is important"), lost_s=1.5)

    def fail(clip: Utterance) -> None:
        raise Unreachable("no connection")

    service.fail = fail
    captions = RecordedCaptions(service)
    monkeypatch.setattr("voiceloop.captions.posts.unsent.keep", lambda clip: None)

    async def run_here(work: Callable[..., object], *values: object) -> object:
        await trio.lowlevel.checkpoint()
        return work(*values)

    monkeypatch.setattr(trio.to_thread, "run_sync", run_here)
    await captions.listen()
    assert captions.text.startswith("please hold")
    (failed,) = [fields for name, fields in captions.published if name == "caption.failed"]
    assert "no connection" in str(failed["error"])


async def test_without_guesses_only_final_words_are_shown(autojump_clock: MockClock) -> None:
    captions = RecordedCaptions(StreamingService(talk("please hold your call")))
    await captions.listen(guesses=False)
    assert captions.text == "please hold your call"
    assert not any(captions.live_texts)
