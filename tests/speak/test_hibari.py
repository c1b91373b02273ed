"""Synthesizer `hibari`: speech from the real package and its voice."""

from __future__ import annotations

import random
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import trio

from voiceloop.speak.hibari import HibariOptions, HibariSynthesizer
from voiceloop.speak.hibari_voice import RATE_HZ, Voice, find_voice
from voiceloop.speak.serial_calls import open_serial_calls
from voiceloop.types import Speech

pytest.importorskip("hibari", reason="the extra 'local' is not installed")

SENTENCE = "The quick brown fox jumps over the lazy dog, and then it sleeps."
TEXTS = [
    "Hello.",
    SENTENCE,
    "Frobnicate the zyxwvut, Voiceloop.",
    "It's 7:05 pm on 3/4/2024 and costs $3.50. " * 3,
    "Floccinaucinihilipilification " * 8,
    "word " * 48,
    "1234567890" * 4,
    "Write to jane.doe@example.com, or see https://example.com/a?b=1.",
]


class Notices(list[str]):
    """Keeps the notices that a part publishes."""

    def services(self) -> Any:
        return SimpleNamespace(publish=lambda name, text: self.append(text))


@asynccontextmanager
async def loaded(**options: Any) -> AsyncIterator[HibariSynthesizer]:
    """The synthesizer as the program opens it."""
    async with HibariSynthesizer.open(HibariOptions(**options), Notices().services()) as synthesizer:
        yield synthesizer


@cache
def voice(*, british: bool) -> Voice:
    return Voice(find_voice("heart"), british=british)


@asynccontextmanager
async def opened(notices: Notices | None = None, **options: Any) -> AsyncIterator[HibariSynthesizer]:
    """The synthesizer with a voice that all tests share, because loading one takes a second."""
    wanted = HibariOptions(**options)
    services = (notices if notices is not None else Notices()).services()
    async with open_serial_calls() as calls:
        yield HibariSynthesizer(voice(british=wanted.accent == "gb"), wanted, calls, services)


async def say(synthesizer: HibariSynthesizer, text: str) -> list[Speech]:
    async with synthesizer.speech(text) as pieces:
        return [piece async for piece in pieces]


def sound(pieces: list[Speech]) -> np.ndarray[Any, np.dtype[np.int16]]:
    return np.frombuffer(b"".join(piece.pcm for piece in pieces), "<i2")


async def test_a_text_is_audible_and_as_long_as_it_takes_to_say() -> None:
    async with opened() as synthesizer:
        pieces = await say(synthesizer, SENTENCE)
    heard = sound(pieces)
    assert {piece.rate_hz for piece in pieces} == {RATE_HZ}
    assert 3 < len(heard) / RATE_HZ < 6
    assert np.abs(heard).max() > 5_000


async def test_a_long_text_comes_in_pieces_before_it_is_complete() -> None:
    async with opened() as synthesizer, synthesizer.speech(f"{SENTENCE} " * 20) as pieces:
        first = await pieces.receive()
        assert pieces.statistics().current_buffer_used < 10
    assert len(first.pcm) / 2 / RATE_HZ < 12


async def test_speed_is_applied() -> None:
    async with opened(speed=0.7) as slow, opened(speed=1.5) as fast:
        assert len(sound(await say(slow, SENTENCE))) > 1.7 * len(sound(await say(fast, SENTENCE)))


async def test_british_pronunciation_sounds_different() -> None:
    async with opened(accent="gb") as british, opened() as american:
        text = "I can't dance in the bath after the schedule."
        assert sound(await say(british, text)).tobytes() != sound(await say(american, text)).tobytes()


async def test_freed_memory_is_given_back_after_each_text(monkeypatch: pytest.MonkeyPatch) -> None:
    given_back: list[str] = []
    monkeypatch.setattr("voiceloop.speak.hibari.give_back", lambda: given_back.append("text"))
    async with opened() as synthesizer:
        for text in TEXTS[:3]:
            await say(synthesizer, text)
    assert len(given_back) == 3


async def test_200_cancellations_at_random_moments_leave_the_right_sound_and_soon() -> None:
    chance = random.Random(3)
    async with opened() as synthesizer:
        right = {text: sound(await say(synthesizer, text)).tobytes() for text in TEXTS}
        for number in range(200):
            with trio.move_on_after(chance.choice([0, 0.001, chance.uniform(0, 0.1)])):
                await say(synthesizer, chance.choice(TEXTS))
            if number % 10 == 0:
                text = chance.choice(TEXTS)
                with trio.fail_after(60):
                    assert sound(await say(synthesizer, text)).tobytes() == right[text]


async def test_leaving_a_speech_returns_while_the_engine_still_works(monkeypatch: pytest.MonkeyPatch) -> None:
    working, go_on = threading.Event(), threading.Event()
    real = Voice.sound

    def slow(self: Voice, phonemes: str, speed: float = 1.0) -> bytes:
        working.set()
        go_on.wait()
        return real(self, phonemes, speed)

    monkeypatch.setattr(Voice, "sound", slow)
    async with opened() as synthesizer:
        async with synthesizer.speech(SENTENCE):
            await trio.to_thread.run_sync(working.wait)
        assert not go_on.is_set()  # left, although the call is not over
        go_on.set()
        assert await say(synthesizer, "Next.")


async def test_two_texts_at_once_are_each_spoken_rightly() -> None:
    spoken: dict[str, bytes] = {}
    async with opened() as synthesizer:
        alone = {text: sound(await say(synthesizer, text)).tobytes() for text in TEXTS}

        async def keep(text: str) -> None:
            spoken[text] = sound(await say(synthesizer, text)).tobytes()

        async with trio.open_nursery() as nursery:
            for text in TEXTS:
                nursery.start_soon(keep, text)
    assert spoken == alone


async def test_40_digits_are_spoken() -> None:
    async with opened() as synthesizer:
        assert len(sound(await say(synthesizer, "1234567890" * 4))) > 10 * RATE_HZ


async def test_text_in_another_script_is_said_once_to_be_left_out() -> None:
    notices = Notices()
    async with opened(notices) as synthesizer:
        assert await say(synthesizer, "Привет, как дела?") == []
        assert await say(synthesizer, "Ещё раз.") == []
        assert len(await say(synthesizer, "He said 你好 to me.")) == 1
    assert len(notices) == 2
    assert "Cyrillic" in notices[0]
    assert "Chinese" in notices[1]


@pytest.mark.parametrize("text", ["", " ", "...", "😀👍", "—", "\0", "()", "-- --"])
async def test_text_without_words_gives_no_sound_and_no_error(text: str) -> None:
    notices = Notices()
    async with opened(notices) as synthesizer:
        assert await say(synthesizer, text) == []
    assert notices == []
