"""The language of a transcript picks the voice of the reply to it."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from trio.testing import MockClock

from tests.turns.room import Room, Voice, open_room
from voiceloop.types import Transcript, Utterance


class Telling:
    """A transcription that states the language of its text."""

    def __init__(self, inner: Any, language: str | None) -> None:
        self._inner, self._language = inner, language

    async def feed(self, pcm: bytes) -> None:
        await self._inner.feed(pcm)

    async def finish(self, utterance: Utterance) -> Transcript:
        transcript: Transcript = await self._inner.finish(utterance)
        return dataclasses.replace(transcript, language=self._language)


def tell(room: Room, language: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the room's recogniser state `language`."""
    real = room.recogniser.transcription

    @asynccontextmanager
    async def transcription() -> AsyncIterator[Telling]:
        async with real() as inner:
            yield Telling(inner, language)

    monkeypatch.setattr(room.recogniser, "transcription", transcription)


def with_voices(room: Room, monkeypatch: pytest.MonkeyPatch) -> dict[str, Voice]:
    """Give the room's voice another one for German."""
    voices = {"de": Voice()}
    monkeypatch.setattr(room.voice, "in_language", lambda code: voices.get(code, room.voice), raising=False)
    return voices


async def test_a_reply_is_spoken_by_the_voice_of_its_language(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_room(["wie spät ist es", "what time is it"], ["Zwölf.", "Noon."]) as room:
        voices = with_voices(room, monkeypatch)
        tell(room, "de", monkeypatch)
        await room.say(1.0)
        await room.quiet(3)
        tell(room, "en", monkeypatch)
        await room.say(1.0)
    assert voices["de"].chunks == ["Zwölf."]
    assert room.voice.chunks == ["Noon."]


async def test_a_transcript_without_a_language_is_answered_by_the_usual_voice(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_room(["what time is it"], ["Noon."]) as room:
        voices = with_voices(room, monkeypatch)
        await room.say(1.0)
    assert (voices["de"].chunks, room.voice.chunks) == ([], ["Noon."])
