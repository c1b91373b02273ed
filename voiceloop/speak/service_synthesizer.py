"""Base of the synthesizers that use a server: their common options, and the request to /audio/speech."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Annotated, Any, Literal

import trio
from pydantic import Field

from voiceloop.config.tables import Endpoint, Table
from voiceloop.net.service import Request
from voiceloop.net.service_part import ServicePart
from voiceloop.net.wanted import Wanted, server_of
from voiceloop.speak.streamed import mp3_speech, streamed_speech
from voiceloop.types import Speech


class SpokenOptions(Table):
    """Options of every synthesizer that uses a server."""

    model: str
    voice: str | None
    speed: Annotated[float, Field(gt=0, le=4)] | None = None
    """The speed of speech; 1, the normal one, is not sent. Models that don't support another ignore it or refuse it."""
    instructions: str | None = None
    """How to speak, described in words, for models that support it."""
    rate_hz: Annotated[int, Field(ge=4_000, le=192_000)] = 24_000
    """The sample rate to assume if the server doesn't state it."""

    def wanted(self, openrouter: Endpoint) -> Wanted:
        """The server, model and voice that these options name."""
        settings, table = server_of(self, openrouter, "speak")
        return Wanted("speak", "speech", settings, table, (self.model,), self.voice or None)


class ServiceSynthesizer(ServicePart):
    """A synthesizer that streams PCM from /audio/speech. Subclasses add fields to the request in `extra`."""

    def speech(self, text: str) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[Speech]]:
        """Speak `text`. A failed request is repeated only while no audio was delivered.

        Raises ServiceError on leaving.
        """
        return streamed_speech(self._service, self._request(text, "pcm"), self._options.rate_hz)

    async def mp3(self, text: str) -> bytes:
        """Speak `text`; returns an MP3 file. Raises ServiceError."""
        return await mp3_speech(self._service, self._request(text, "mp3"))

    def extra(self) -> dict[str, Any]:
        """The fields of a request that only some servers know."""
        return {}

    def _request(self, text: str, form: Literal["pcm", "mp3"]) -> Request:
        options = self._options
        body: dict[str, Any] = {"model": options.model, "input": text, "response_format": form}
        if options.voice:
            body["voice"] = options.voice
        if options.speed not in {None, 1}:
            body["speed"] = options.speed
        if options.instructions is not None:
            body["instructions"] = options.instructions
        return Request("/audio/speech", json=body | self.extra(), model=options.model)
