"""What the synthesizers that ask a server have in common: options, opening, the request."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Annotated, Any, Literal

import trio
from pydantic import Field

from voiceloop.config.tables import Endpoint, Table
from voiceloop.net.service import Request
from voiceloop.net.service_part import ServedPart
from voiceloop.net.wanted import Wanted, server_of
from voiceloop.speak.streamed import mp3_speech, streamed_speech
from voiceloop.types import Speech


class SpokenOptions(Table):
    """Options of every such synthesizer."""

    model: str
    voice: str
    speed: Annotated[float, Field(gt=0, le=4)] | None = None
    """How fast, 1 is normal; ignored by models that don't know it."""
    instructions: str | None = None
    rate_hz: Annotated[int, Field(ge=4_000, le=192_000)] = 24_000
    """The rate of the samples when the server doesn't say it."""

    def wanted(self, openrouter: Endpoint) -> Wanted:
        settings, table = server_of(self, openrouter, "speak")
        return Wanted("speak", "speech", settings, table, (self.model,), self.voice)


class ServedSynthesizer(ServedPart):
    """Speaks by /audio/speech: PCM streamed as it is made. Those that are named add to the request by `extra`."""

    def speech(self, text: str) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[Speech]]:
        """Speak `text`. Nothing is tried again once sound has been given out. Raises `ServiceError`s on leaving."""
        return streamed_speech(self._service, self._request(text, "pcm"), self._options.rate_hz)

    async def mp3(self, text: str) -> bytes:
        """`text` spoken, as MP3, for saving. Raises `ServiceError`s."""
        return await mp3_speech(self._service, self._request(text, "mp3"))

    def extra(self) -> dict[str, Any]:
        """The fields of a request that not every server knows."""
        raise NotImplementedError

    def _request(self, text: str, form: Literal["pcm", "mp3"]) -> Request:
        options = self._options
        body: dict[str, Any] = {"model": options.model, "input": text, "voice": options.voice, "response_format": form}
        if options.speed is not None:
            body["speed"] = options.speed
        return Request("/audio/speech", json=body | self.extra(), model=options.model)
