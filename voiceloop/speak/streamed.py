"""An answer of /audio/speech to pieces of speech, as they come. Knows no device and no turn."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import trio

from voiceloop.errors import TimedOut
from voiceloop.net.closing import streaming
from voiceloop.net.failures import BODY_LIMIT, bad_answer
from voiceloop.net.service import Request, Service, refusal
from voiceloop.speak.pcm_stream import NotSpeech, SpeechParser, announced
from voiceloop.types import Speech

if TYPE_CHECKING:
    from voiceloop.net.http import Answer, Attempt

CHANNEL_PIECES = 4
"""Pieces of at most 64 KB between the socket and the player; when they are there the socket waits."""
MAX_SPEECH_S = 600.0
"""One chunk of a reply is a sentence or two; an answer longer than this never ends."""
SLOWEST = 4
"""Speech that comes this many times slower than it is spoken, for as long as a server may be silent, never ends."""
MP3_LIMIT = 64 * 1024 * 1024
"""Bytes of MP3 for one piece of text; an hour at the highest rate."""


@asynccontextmanager
async def streamed_speech(
    service: Service, request: Request, rate_hz: int
) -> AsyncIterator[trio.MemoryReceiveChannel[Speech]]:
    """The speech that `request` asks for; `rate_hz` where the server says none. Raises `ServiceError`s on leaving;
    starts over after a failure only while nothing was given out."""

    async def produce(send: trio.MemorySendChannel[Speech]) -> None:
        await _Utter(service, request, rate_hz, send).run()

    async with streaming(produce, CHANNEL_PIECES) as pieces:
        yield pieces


async def mp3_speech(service: Service, request: Request) -> bytes:
    """The MP3 that `request` asks for, whole. Raises `ServiceError`s."""

    async def attempt(tried: Attempt) -> bytes:
        async with service.exchange(request, tried) as answer:
            body = await answer.read(MP3_LIMIT)
            if not _is_mp3(body):
                raise refusal(
                    body, answer, f"the answer is {answer.kind}, but no MP3" if body else "the answer is empty"
                )
            service.spoke(request.json["input"], answer)
            return body

    return await service.retry(request, attempt)


def _is_mp3(body: bytes) -> bool:
    """An ID3 tag or a frame's sync word, whatever was announced."""
    return body.startswith(b"ID3") or (len(body) > 2 and body[0] == 0xFF and body[1] & 0xE0 == 0xE0)


class Drip:
    """Tells a server that sends a little now and then, and so is never silent, from a slow one. Pure; what the listener
    takes its time for is not counted."""

    def __init__(self, patience_s: float, now: float) -> None:
        self._patience_s, self._since, self._waited_s = patience_s, now, 0.0

    def too_slow(self, now: float, spoken_s: float) -> bool:
        """More came: `spoken_s` of speech so far."""
        self._waited_s += now - self._since
        self._since = now
        return self._waited_s > self._patience_s and spoken_s < self._waited_s / SLOWEST

    def listened(self, now: float) -> None:
        """The listener has taken it."""
        self._since = now


class _Utter:
    """One text on its way to sound."""

    def __init__(self, service: Service, request: Request, rate_hz: int, send: trio.MemorySendChannel[Speech]) -> None:
        self._service, self._request, self._rate_hz, self._send = service, request, rate_hz, send
        self._given = False

    async def run(self) -> None:
        await self._service.retry(self._request, self._attempt, may_repeat=lambda: not self._given)

    async def _attempt(self, tried: Attempt) -> None:
        async with self._service.exchange(self._request, tried) as answer:
            try:
                format_ = announced(answer.kind, rate_hz=self._rate_hz)
            except NotSpeech as error:
                raise refusal(await answer.read(BODY_LIMIT, cut=True), answer, str(error)) from None
            parser = SpeechParser(format_)

            drip = Drip(self._service.settings.read_timeout_s, trio.current_time())

            async def take(piece: bytes) -> bool:
                speech = parser.feed(piece)
                if drip.too_slow(trio.current_time(), parser.samples / parser.rate_hz):
                    raise TimedOut(
                        "the speech comes many times slower than it is spoken",
                        place=str(answer.where),
                        remedy="Name a faster model",
                    )
                if parser.samples > MAX_SPEECH_S * parser.rate_hz:
                    raise bad_answer(f"the speech is over {MAX_SPEECH_S:g} s long", answer.where)
                await self._give(speech, answer)
                drip.listened(trio.current_time())
                return True

            try:
                await answer.drain(take)
                await self._give(parser.end(), answer)
            except NotSpeech as error:
                raise refusal(error.said, answer, str(error)) from None
            if not parser.samples:
                raise bad_answer("the answer holds no sound", answer.where, remedy="Name another voice or model")

    async def _give(self, speech: Speech | None, answer: Answer) -> None:
        if speech is None:
            return
        if not self._given:
            # The first piece carries the account: what was begun is paid for, even when the rest is never heard.
            speech = replace(speech, usage=self._service.spoke(self._request.json["input"], answer))
        self._given = True
        await self._send.send(speech)
