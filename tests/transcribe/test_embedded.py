"""The transcriber over embedded recognisers: pieces, threads, giving up and closing. On the real Moonshine where time
and threads matter, on a recogniser that records its calls where the order does."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import numpy as np
import pytest
import trio
from numpy.typing import NDArray

from testbed.voices import prompt, two_cities, utterance, words
from voiceloop.audio.resample import resample
from voiceloop.errors import EngineError
from voiceloop.transcribe.embedded.moonshine.recogniser import MoonshineRecogniser
from voiceloop.transcribe.embedded.moonshine.transcriber import MoonshineOptions, MoonshineTranscriber
from voiceloop.transcribe.embedded.recogniser import Call, GivenUp, Recognised
from voiceloop.transcribe.embedded.transcriber import EmbeddedTranscriber
from voiceloop.types import CAPTURE_RATE_HZ, SAMPLE_BYTES, Transcript, Utterance

pytest.importorskip("onnxruntime", reason="the extra 'local' is not installed")

PATIENCE_S = 120
"""A generous timeout: no test waits for it."""
SERVICES = cast(Any, None)
"""Moonshine uses no services."""


@asynccontextmanager
async def moonshine(**options: Any) -> AsyncIterator[MoonshineTranscriber]:
    with trio.fail_after(PATIENCE_S):
        async with MoonshineTranscriber.open(MoonshineOptions(**options), SERVICES) as transcriber:
            yield transcriber


async def text_of(transcriber: EmbeddedTranscriber, clip: Utterance) -> str:
    async with transcriber.transcription() as transcription:
        await transcription.feed(clip.pcm)
        return (await transcription.finish(clip)).text


class Recording:
    """A recogniser that records its calls, and can be made to wait for `go` as native code does: deaf to `give_up`."""

    at_once = 1
    longest_s = 5.0

    def __init__(self) -> None:
        self.began: list[int] = []
        self.ended = 0
        self.at_work = 0
        self.go = threading.Event()
        self.go.set()
        self.started = threading.Event()

    def recognise(self, samples: NDArray[np.float32], call: Call) -> Recognised:
        assert samples.dtype == np.float32
        self.at_work += 1
        assert self.at_work == 1, "two calls at the same time"
        self.began.append(len(samples))
        self.started.set()
        self.go.wait(PATIENCE_S)
        self.at_work -= 1
        self.ended += 1
        return Recognised(f"{len(samples)} samples", confidence=0.5, language="xx")


def quiet(seconds: float) -> Utterance:
    return utterance(bytes(round(seconds * CAPTURE_RATE_HZ) * SAMPLE_BYTES))


async def test_clips_at_the_same_time_all_have_their_own_text() -> None:
    names = ("hello-world", "vm-goodbye", "please-try-again", "invalid", "digits/7", "auth-thankyou")
    clips = {name: prompt(name) for name in names}
    found: dict[str, set[str]] = {name: set() for name in names}
    async with moonshine() as transcriber:
        alone = {name: await text_of(transcriber, clip) for name, clip in clips.items()}

        async def hear(name: str, number: int) -> None:
            # Other samples each time, so that no text is remembered.
            found[name].add(await text_of(transcriber, utterance(clips[name].pcm + bytes(2 * number))))

        async with trio.open_nursery() as nursery:
            for number in range(5):
                for name in names:
                    nursery.start_soon(hear, name, number)
    assert words(alone["hello-world"]) == ["hello", "world"]
    assert all({tuple(words(text)) for text in texts} == {tuple(words(alone[name]))} for name, texts in found.items())


async def test_a_final_text_comes_right_and_soon_whatever_was_given_up_before() -> None:
    chance = random.Random(5)
    reading, last = two_cities(), prompt("please-try-again")
    waits: list[float] = []
    async with moonshine() as transcriber:
        for number in range(25):
            length = round(chance.choice((0.1, 1.0, 5.0, 12.0, 30.0)) * CAPTURE_RATE_HZ) * SAMPLE_BYTES
            start = chance.randrange(0, len(reading.pcm) - length, SAMPLE_BYTES)
            with trio.move_on_after(chance.random() * 0.6):
                await text_of(transcriber, utterance(reading.pcm[start : start + length]))
            began = time.process_time()
            text = await text_of(transcriber, utterance(last.pcm + bytes(2 * number)))
            waits.append(time.process_time() - began)
            assert words(text) == ["please", "try", "again"]
    # A call that is given up ends within milliseconds: nothing else is worked on while the text is waited for. How long
    # the work takes is for the machine to say.
    assert sorted(waits)[len(waits) // 2] < 0.5


async def test_closing_in_the_middle_of_calls_waits_for_their_end(monkeypatch: pytest.MonkeyPatch) -> None:
    at_work: list[Call] = []
    recognise = MoonshineRecogniser.recognise

    def counted(self: MoonshineRecogniser, samples: NDArray[np.float32], call: Call) -> Recognised:
        at_work.append(call)
        try:
            return recognise(self, samples, call)
        finally:
            at_work.remove(call)

    monkeypatch.setattr(MoonshineRecogniser, "recognise", counted)
    reading, most = two_cities(0, 30), 0
    for delay_s in (0.0, 0.01, 0.05, 0.2):
        async with moonshine() as transcriber, trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(text_of, transcriber, reading)
            await trio.sleep(delay_s)
            most = max(most, len(at_work))
            nursery.cancel_scope.cancel()
        assert not at_work, "the model is freed under a call"
    assert most


async def test_a_clip_that_grows_is_recognised_from_its_last_piece_on() -> None:
    recogniser = Recording()
    transcriber = EmbeddedTranscriber(recogniser)
    noise = np.random.default_rng(1).integers(-3_000, 3_000, 16 * CAPTURE_RATE_HZ).astype("<i2").tobytes()
    await transcriber.transcribe(utterance(noise[: 12 * CAPTURE_RATE_HZ * SAMPLE_BYTES]))
    before = recogniser.began.copy()
    await transcriber.transcribe(utterance(noise))
    again = sum(recogniser.began[len(before) :])
    assert len(before) >= 3
    assert again == 16 * CAPTURE_RATE_HZ - sum(before[:-1]), "all but the last piece are known"


async def test_the_same_clip_is_recognised_once() -> None:
    recogniser = Recording()
    transcriber = EmbeddedTranscriber(recogniser)
    first = await transcriber.transcribe(quiet(1))
    assert await transcriber.transcribe(quiet(1)) == first
    assert recogniser.began == [CAPTURE_RATE_HZ]
    assert (first.text, first.confidence, first.language) == ("16000 samples", 0.5, "xx")


async def test_a_call_that_cannot_be_stopped_keeps_the_next_one_waiting_and_its_text_is_thrown_away() -> None:
    recogniser = Recording()
    recogniser.go.clear()
    transcriber = EmbeddedTranscriber(recogniser)
    texts: list[str] = []

    async def last() -> None:
        texts.append(await text_of(transcriber, quiet(2)))

    with trio.fail_after(PATIENCE_S):
        async with trio.open_nursery() as nursery:
            scope = trio.CancelScope()
            nursery.start_soon(_cancel_when, recogniser.started, scope)
            with scope:
                await text_of(transcriber, quiet(1))
            assert scope.cancelled_caught
            assert recogniser.at_work == 1, "native code goes on"
            nursery.start_soon(last)
            await trio.testing.wait_all_tasks_blocked()
            assert len(recogniser.began) == 1
            recogniser.go.set()
    assert texts == ["32000 samples"]


async def _cancel_when(event: threading.Event, scope: trio.CancelScope) -> None:
    await trio.to_thread.run_sync(event.wait, PATIENCE_S)
    scope.cancel("given up")


async def test_closing_waits_for_a_call_that_cannot_be_stopped() -> None:
    recogniser = Recording()
    recogniser.go.clear()
    transcriber = EmbeddedTranscriber(recogniser)
    async with trio.open_nursery() as nursery:
        scope = trio.CancelScope()
        nursery.start_soon(_cancel_when, recogniser.started, scope)
        with scope:
            await text_of(transcriber, quiet(1))
        nursery.start_soon(transcriber.close)
        await trio.testing.wait_all_tasks_blocked()
        assert recogniser.ended == 0
        recogniser.go.set()
    assert recogniser.ended == 1


async def test_a_recogniser_that_fails_costs_one_text() -> None:
    class Failing(Recording):
        def recognise(self, samples: NDArray[np.float32], call: Call) -> Recognised:
            if not self.began:
                self.began.append(0)
                raise EngineError("it broke")
            return super().recognise(samples, call)

    transcriber = EmbeddedTranscriber(Failing())
    with pytest.raises(EngineError, match="it broke"):
        await transcriber.transcribe(quiet(1))
    assert (await transcriber.transcribe(quiet(1))).text == "16000 samples"


async def test_a_clip_at_another_rate_is_converted() -> None:
    clip = prompt("hello-world")
    narrow = resample(clip.pcm, from_hz=CAPTURE_RATE_HZ, to_hz=8_000)
    other = Utterance(narrow, 0, len(narrow) // SAMPLE_BYTES, rate_hz=8_000)
    async with moonshine() as transcriber:
        transcript = await transcriber.transcribe(other)
    assert words(transcript.text) == ["hello", "world"]
    assert transcript.utterance is other


@pytest.mark.parametrize("pcm", [b"", bytes(2), bytes(1_600)])
async def test_a_clip_too_short_for_a_word_has_no_text(pcm: bytes) -> None:
    async with moonshine() as transcriber:
        assert await transcriber.transcribe(utterance(pcm)) == Transcript("", utterance(pcm), language="en")


async def test_what_sounds_like_a_term_of_the_vocabulary_is_written_as_the_term() -> None:
    class Mishearing(Recording):
        def recognise(self, samples: NDArray[np.float32], call: Call) -> Recognised:
            return Recognised("Open the whale and portal.")

    transcriber = EmbeddedTranscriber(Mishearing(), vocabulary=("Wayland",), language="en")
    assert (await transcriber.transcribe(quiet(1))).text == "Open the Wayland portal."


async def test_a_vocabulary_works_in_the_language_that_was_recognised() -> None:
    """Whisper tells the language of a clip only with its text: English terms are found by their sound from then on."""

    class Multilingual(Recording):
        language = "de"

        def recognise(self, samples: NDArray[np.float32], call: Call) -> Recognised:
            return Recognised("Open the whale and portal, way land.", language=self.language)

    recogniser = Multilingual()
    transcriber = EmbeddedTranscriber(recogniser, vocabulary=("Wayland",))
    assert (await transcriber.transcribe(quiet(1))).text == "Open the whale and portal, Wayland."
    recogniser.language = "en"
    assert (await transcriber.transcribe(quiet(2))).text == "Open the Wayland portal, Wayland."


def test_a_call_given_up_before_it_began_is_stopped_when_it_names_its_stop() -> None:
    call, stopped = Call(), threading.Event()
    call.give_up()
    call.stop_by(stopped.set)
    assert stopped.is_set()
    with pytest.raises(GivenUp):
        call.check()
