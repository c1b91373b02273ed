"""Synthesizer `espeak`: speech from the real eSpeak NG library."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import numpy as np
import pytest
import trio

from voiceloop.errors import ConfigError, MissingExtra
from voiceloop.speak import espeak
from voiceloop.speak.espeak import EspeakOptions, EspeakSynthesizer
from voiceloop.types import Speech

pytest.importorskip("espeakng_loader", reason="the extra 'espeak' is not installed")

LONG = "This goes on and on, and then on again. " * 2_000
SERVICES = cast(Any, None)
"""The synthesizer uses no services."""


@asynccontextmanager
async def open_synthesizer(**options: Any) -> AsyncIterator[EspeakSynthesizer]:
    async with EspeakSynthesizer.open(EspeakOptions(**options), SERVICES) as synthesizer:
        yield synthesizer


async def say(synthesizer: EspeakSynthesizer, text: str) -> list[Speech]:
    async with synthesizer.speech(text) as pieces:
        return [piece async for piece in pieces]


def samples(pieces: list[Speech]) -> np.ndarray[Any, np.dtype[np.int16]]:
    return np.frombuffer(b"".join(piece.pcm for piece in pieces), "<i2")


async def test_a_text_is_audible_and_at_the_rate_of_the_engine() -> None:
    async with open_synthesizer() as synthesizer:
        pieces = await say(synthesizer, "Hello there, how are you?")
    sound = samples(pieces)
    assert {piece.rate_hz for piece in pieces} == {22_050}
    assert 0.8 < len(sound) / 22_050 < 3
    assert np.abs(sound).max() > 5_000


async def test_speech_comes_in_pieces_before_it_is_complete() -> None:
    async with open_synthesizer() as synthesizer, synthesizer.speech(LONG) as pieces:
        first = await pieces.receive()
    assert 0 < len(first.pcm) <= 2 * 22_050 // 5


async def test_leaving_a_speech_stops_the_engine() -> None:
    # If the engine went on with the long text, the second text would wait for minutes.
    async with open_synthesizer() as synthesizer:
        async with synthesizer.speech(LONG) as pieces:
            await pieces.receive()
        with trio.fail_after(60):
            assert await say(synthesizer, "Next.")


async def test_a_cancelled_turn_stops_the_engine() -> None:
    async with open_synthesizer() as synthesizer:
        with trio.move_on_after(0.05) as turn:
            await say(synthesizer, LONG)
        assert turn.cancelled_caught
        with trio.fail_after(60):
            assert await say(synthesizer, "Next.")


async def test_an_unread_long_text_waits_instead_of_filling_the_memory() -> None:
    async with open_synthesizer() as synthesizer, synthesizer.speech(LONG) as pieces:
        await pieces.receive()
        with trio.fail_after(120):
            while not pieces.statistics().tasks_waiting_send:  # noqa: ASYNC110 - there is no event to wait for
                await trio.sleep(0.01)
        assert pieces.statistics().current_buffer_used == espeak.QUEUE_PIECES


async def test_two_texts_at_once_are_spoken_one_after_the_other() -> None:
    texts = ["One two three four.", "Five six seven eight nine."]
    together: dict[str, list[Speech]] = {}
    async with open_synthesizer() as synthesizer:
        alone = {text: await say(synthesizer, text) for text in texts}

        async def keep(text: str) -> None:
            together[text] = await say(synthesizer, text)

        async with trio.open_nursery() as nursery:
            for text in texts:
                nursery.start_soon(keep, text)
    for text in texts:
        # The engine adds random dither, so two renderings of a text differ slightly.
        assert abs(len(samples(together[text])) - len(samples(alone[text]))) < 22_050 // 10


async def test_voice_rate_and_pitch_are_applied() -> None:
    text = "The same sentence each time."
    async with open_synthesizer(rate_wpm=120) as synthesizer:
        slow = samples(await say(synthesizer, text))
    async with open_synthesizer(rate_wpm=300) as synthesizer:
        fast = samples(await say(synthesizer, text))
    async with open_synthesizer(voice="de", pitch=90) as synthesizer:
        assert len(await say(synthesizer, "Guten Tag."))
    assert len(slow) > 1.5 * len(fast)


async def test_text_that_can_not_be_pronounced_gives_no_error() -> None:
    async with open_synthesizer() as synthesizer:
        await say(synthesizer, "")
        await say(synthesizer, "\0 … 日本語 👩")
        assert len(samples(await say(synthesizer, "before\0after"))) > 10_000


async def test_an_unknown_voice_is_named_with_examples() -> None:
    with pytest.raises(ConfigError, match=r"no voice 'no-such'.*en-us"):
        async with open_synthesizer(voice="no-such"):
            pass


async def test_an_error_of_the_reader_is_raised_unchanged() -> None:
    async with open_synthesizer() as synthesizer:

        async def read() -> None:
            async with synthesizer.speech(LONG) as pieces:
                await pieces.receive()
                raise KeyError

        with pytest.raises(KeyError):
            await read()


async def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"voiceloop\[espeak\]"):
        async with open_synthesizer():
            pass
