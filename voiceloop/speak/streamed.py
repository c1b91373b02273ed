"""Speech request: streams the answer of /audio/speech as pieces of speech, or reads it as an MP3 file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import trio

from voiceloop.audio.recordings.decoded_stream import CODECS, DecodedStream
from voiceloop.audio.recordings.decoding import EXTRA, is_installed
from voiceloop.errors import TimedOut
from voiceloop.net.failures import BODY_LIMIT, bad_answer
from voiceloop.net.service import Request, Service, refusal
from voiceloop.net.streaming import streaming
from voiceloop.speak.pcm_stream import CompressedSpeech, Format, NotSpeech, SpeechParser, announced
from voiceloop.types import Speech

if TYPE_CHECKING:
    from voiceloop.net.attempt import Attempt
    from voiceloop.net.http import Answer

CHANNEL_PIECES = 4
"""The bound of the channel between socket and player, in pieces of at most 64 KB. When it is full the socket waits."""
MAX_SPEECH_S = 600.0
"""The longest answer that is accepted. A chunk of a reply is a sentence or two: a longer answer is taken as endless."""
SLOWEST = 4
"""An answer fails if it arrives this many times slower than it plays, for as long as a server may be silent."""
MP3_LIMIT = 64 * 1024 * 1024
"""The largest MP3 that is accepted for one piece of text, in bytes: an hour at the highest rate."""


@asynccontextmanager
async def streamed_speech(
    service: Service, request: Request, rate_hz: int
) -> AsyncIterator[trio.MemoryReceiveChannel[Speech]]:
    """Stream the speech that `request` asks for, at `rate_hz` if the server states no rate.

    A failed request is repeated only while no audio was delivered. Raises ServiceError on leaving.
    """

    async def produce(send: trio.MemorySendChannel[Speech]) -> None:
        await _SpeechRequest(service, request, rate_hz, send).run()

    async with streaming(produce, CHANNEL_PIECES) as pieces:
        yield pieces


async def mp3_speech(service: Service, request: Request) -> bytes:
    """Read the whole MP3 that `request` asks for. Raises ServiceError."""

    async def attempt(tried: Attempt) -> bytes:
        async with service.exchange(request, tried) as answer:
            body = await answer.read(MP3_LIMIT)
            if not _is_mp3(body):
                problem = f"the answer is announced as {answer.kind} but is not MP3" if body else "the answer is empty"
                raise refusal(body, answer, problem)
            service.spoke(request.json["input"], answer)
            return body

    return await service.retry(request, attempt)


def _is_mp3(body: bytes) -> bool:
    """Whether `body` begins with an ID3 tag or the sync word of a frame, whatever its announced type."""
    return body.startswith(b"ID3") or (len(body) > 2 and body[0] == 0xFF and body[1] & 0xE0 == 0xE0)


class Drip:
    """Detects a server that is too slow but never silent, as it sends a little audio now and then.

    Pure. Only the time spent waiting for the server counts, not the time that the reader takes for a piece.
    """

    def __init__(self, *, patience_s: float, now: float) -> None:
        self._patience_s, self._since = patience_s, now
        self._waited_s = self._spoken_s = 0.0

    def arrived(self, now: float, *, spoken_s: float) -> None:
        """Note that a piece arrived; `spoken_s` is the speech that has arrived in all."""
        self._waited_s += now - self._since
        self._since, self._spoken_s = now, spoken_s

    @property
    def too_slow(self) -> bool:
        """Whether the server is too slow, as of the last piece."""
        return self._waited_s > self._patience_s and self._spoken_s < self._waited_s / SLOWEST

    def listened(self, now: float) -> None:
        """Note that the reader has taken the piece."""
        self._since = now


class _Body:
    """Turns the body of an answer into speech: samples as they are, MP3 and AAC with the extra `files`."""

    def __init__(self, announced: Format) -> None:
        self._parser: SpeechParser | DecodedStream = SpeechParser(announced)

    @property
    def samples(self) -> int:
        return self._parser.samples

    @property
    def rate_hz(self) -> int:
        return self._parser.rate_hz

    async def feed(self, piece: bytes) -> list[Speech]:
        """The speech that `piece` completes. Raises NotSpeech."""
        try:
            return self._parser.feed(piece)
        except CompressedSpeech as compressed:
            return await self._decoded(compressed)

    async def end(self) -> list[Speech]:
        """The speech that was held back. Raises NotSpeech."""
        try:
            return self._parser.end()
        except CompressedSpeech as compressed:  # a body of a few frames
            return [*await self._decoded(compressed), *self._parser.end()]

    async def _decoded(self, compressed: CompressedSpeech) -> list[Speech]:
        if compressed.kind not in CODECS or not is_installed():
            raise compressed
        self._parser = parser = await trio.to_thread.run_sync(DecodedStream, compressed.kind)
        return parser.feed(compressed.data)


def _remedy(kind: str) -> str:
    return f"Have the server send PCM, or install the extra 'files': {EXTRA}" if kind in CODECS else "Ask for PCM"


class _SpeechRequest:
    """A request for the speech of one text, whose pieces are sent to a channel."""

    def __init__(self, service: Service, request: Request, rate_hz: int, send: trio.MemorySendChannel[Speech]) -> None:
        self._service, self._request, self._rate_hz, self._send = service, request, rate_hz, send
        self._delivered = False
        """Whether some audio was sent on; then the request must not be repeated."""

    async def run(self) -> None:
        await self._service.retry(self._request, self._attempt, may_repeat=lambda: not self._delivered)

    async def _attempt(self, tried: Attempt) -> None:
        async with self._service.exchange(self._request, tried) as answer:
            try:
                format_ = announced(answer.kind, rate_hz=self._rate_hz)
            except NotSpeech as error:
                raise refusal(await answer.read(BODY_LIMIT, cut=True), answer, str(error)) from None
            parser = _Body(format_)
            drip = Drip(patience_s=self._service.settings.read_timeout_s, now=trio.current_time())

            async def take(piece: bytes) -> bool:
                speeches = await parser.feed(piece)
                drip.arrived(trio.current_time(), spoken_s=parser.samples / parser.rate_hz)
                if drip.too_slow:
                    raise TimedOut(
                        f"the speech arrives more than {SLOWEST} times slower than it plays",
                        place=str(answer.where),
                        remedy="Choose a faster model",
                    )
                if parser.samples > MAX_SPEECH_S * parser.rate_hz:
                    raise bad_answer(f"the speech is longer than {MAX_SPEECH_S:g} s", answer.where)
                await self._deliver(speeches, answer)
                drip.listened(trio.current_time())
                return True

            try:
                await answer.drain(take)
                await self._deliver(await parser.end(), answer)
            except CompressedSpeech as error:
                raise bad_answer(str(error), answer.where, remedy=_remedy(error.kind)) from None
            except NotSpeech as error:
                raise refusal(error.said, answer, str(error)) from None
            if not parser.samples:
                raise bad_answer("the answer holds no sound", answer.where, remedy="Choose another voice or model")

    async def _deliver(self, speeches: list[Speech], answer: Answer) -> None:
        for speech in speeches:
            piece = speech
            if not self._delivered:
                # The first piece carries the usage: a request that was begun is paid for, even if the rest is never
                # heard.
                piece = replace(speech, usage=self._service.spoke(self._request.json["input"], answer))
            self._delivered = True
            await self._send.send(piece)
