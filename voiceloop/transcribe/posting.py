"""What transcribers that post whole clips have in common: what to do when a model refuses one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from voiceloop.errors import BadRequest
from voiceloop.net.service import Request, Service
from voiceloop.plugins import Services, Transcription
from voiceloop.transcribe.answers import transcript
from voiceloop.transcribe.keeping import keeping
from voiceloop.transcribe.pieces import cut, join
from voiceloop.types import Transcript, Utterance

LONG_S = 55.0
"""Models that refuse long clips draw the line at about 60 s."""
LIMITS_S = {"google/chirp": LONG_S}
"""Models known to, by the beginnings of their names."""


class _Make(Protocol):
    def __call__(self, utterance: Utterance, *, verbose: bool) -> Request: ...


@dataclass(frozen=True, slots=True)
class Posting:
    """How clips are posted: what a request looks like, and which model it is for."""

    request: _Make
    """Makes the request for a clip; `verbose` asks for words and confidence (`verbose_json`)."""
    model: str
    verbose: bool
    max_clip_s: float | None = None


class Poster:
    """Posts clips, and learns what its model refuses.

    Both refusals look alike (a bare 400), so that it can only be tried without: `verbose_json` first, then shorter
    clips. What was learned holds for as long as the program runs, and is said once.
    """

    def __init__(self, service: Service, posting: Posting, services: Services) -> None:
        self._service, self._posting, self._publish = service, posting, services.publish
        self._keeps = services.keeps
        known = next((limit for name, limit in LIMITS_S.items() if posting.model.startswith(name)), None)
        self._longest_s = posting.max_clip_s or known
        self._verbose = posting.verbose

    @asynccontextmanager
    async def transcription(self) -> AsyncIterator[Transcription]:
        yield _Posted(self)

    async def post(self, utterance: Utterance) -> Transcript:
        """The transcript of a clip of any length. Raises `ServiceError`s; a clip that may not be sent is kept."""
        async with keeping(utterance, keeps=self._keeps):
            return await self._post(utterance)

    async def _post(self, utterance: Utterance) -> Transcript:
        if self._longest_s is None or utterance.duration_s <= self._longest_s:
            try:
                return await self._clip(utterance)
            except BadRequest:
                if self._longest_s is not None or utterance.duration_s <= LONG_S:
                    raise
            return await self._shorter(utterance)
        return await self._in_pieces(utterance, self._longest_s)

    async def _shorter(self, utterance: Utterance) -> Transcript:
        heard = await self._in_pieces(utterance, LONG_S)
        self._longest_s = LONG_S
        self._say(f"{self._posting.model} refuses clips over {LONG_S:g} s: longer ones are cut at pauses from now on")
        return heard

    async def _in_pieces(self, utterance: Utterance, longest_s: float) -> Transcript:
        return join(utterance, [await self._clip(piece) for piece in cut(utterance, longest_s)])

    async def _clip(self, utterance: Utterance) -> Transcript:
        if self._verbose:
            try:
                return await self._once(utterance, verbose=True)
            except BadRequest:
                # It may be the clip that is refused: only when it goes without is it the format.
                heard = await self._once(utterance, verbose=False)
            if self._verbose:
                self._verbose = False
                self._say(f"{self._posting.model} refuses verbose_json: no words and no confidence from now on")
            return heard
        return await self._once(utterance, verbose=False)

    async def _once(self, utterance: Utterance, *, verbose: bool) -> Transcript:
        request = self._posting.request(utterance, verbose=verbose)
        heard = transcript(await self._service.call(request), utterance, self._service.where(request))
        self._service.spent(heard.usage)
        return heard

    def _say(self, text: str) -> None:
        self._publish("notice", text=text)


class _Posted:
    """One utterance: nothing is sent before its end."""

    def __init__(self, poster: Poster) -> None:
        self._poster = poster

    async def feed(self, pcm: bytes) -> None:
        """A clip is posted whole."""

    async def finish(self, utterance: Utterance) -> Transcript:
        return await self._poster.post(utterance)
