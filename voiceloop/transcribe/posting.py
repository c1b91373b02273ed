"""The posting of whole clips, with fallbacks when a model refuses the format or the length of a clip."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Flag, auto
from functools import partial
from typing import Protocol

import trio

from voiceloop.errors import BadRequest
from voiceloop.net.service import Request, Service
from voiceloop.plugins import Services, Transcription
from voiceloop.transcribe.answers import transcript
from voiceloop.transcribe.keeping import keeping_unsent
from voiceloop.transcribe.pieces import cut, join
from voiceloop.types import Transcript, Utterance

LONG_S = 55.0
"""Length of pieces for models that refuse long clips; their limit is about 60 s."""
LIMITS_S = {"google/chirp": LONG_S}
"""Models known to refuse long clips, by the start of their names."""


class Form(Flag):
    """What a request asks for beyond the text."""

    PLAIN = 0
    """Nothing."""
    SPEAKERS = auto()
    """Words, and who said each (`diarize`, with `verbose_json`)."""
    VERBOSE = auto()
    """Words and confidence (`verbose_json`)."""
    KEYTERMS = auto()
    """The vocabulary as `keyterms`."""


_REFUSED = {
    Form.SPEAKERS: "refuses diarize: it is not told who speaks from now on",
    Form.VERBOSE: "refuses verbose_json: no word times and no confidence from now on",
    Form.KEYTERMS: "refuses keyterms: the vocabulary is sent as the prompt from now on",
}


def with_keyterms(forms: Sequence[Form]) -> tuple[Form, ...]:
    """`forms`, each with `keyterms` first, then without."""
    return (*(form | Form.KEYTERMS for form in forms), *forms)


class _MakeRequest(Protocol):
    def __call__(self, utterance: Utterance, *, form: Form) -> Request: ...


@dataclass(frozen=True, slots=True)
class Posting:
    """How clips are posted: the form of the request, and the model."""

    request: _MakeRequest
    """Makes the request for a clip."""
    model: str
    forms: Callable[[], tuple[Form, ...]]
    """The form to ask for, then those to ask for where it is refused; `PLAIN` comes last. Asked for each clip."""
    max_clip_s: float | None = None
    """Longer clips are cut. None: not known yet."""


class Poster:
    """Posts clips, and remembers what its model refuses.

    A refused form and a refused length look alike (a plain 400). So the clip is posted again, first in a plainer form,
    then in shorter pieces. What is learned is kept until the program ends, with one notice.
    """

    def __init__(self, service: Service, posting: Posting, services: Services) -> None:
        self._service, self._posting, self._publish = service, posting, services.publish
        self._keeps = services.keeps
        known = next((limit for name, limit in LIMITS_S.items() if posting.model.startswith(name)), None)
        self._longest_s = posting.max_clip_s or known
        self._refused = Form.PLAIN
        """What the model has refused."""

    @property
    def _forms(self) -> tuple[Form, ...]:
        return tuple(form for form in self._posting.forms() if not form & self._refused)

    @property
    def tells_speakers(self) -> bool:
        """Whether it is asked who speaks."""
        return any(Form.SPEAKERS in form for form in self._forms)

    @asynccontextmanager
    async def transcription(self) -> AsyncIterator[Transcription]:
        yield _ClipTranscription(self)

    async def post(self, utterance: Utterance) -> Transcript:
        """Transcribe a clip of any length. Raises `ServiceError`s; a clip that may not be sent is saved."""
        async with keeping_unsent(utterance, keeps=self._keeps):
            return await self._post(utterance)

    async def _post(self, utterance: Utterance) -> Transcript:
        if self._longest_s is None or utterance.duration_s <= self._longest_s:
            try:
                return await self._post_clip(utterance)
            except BadRequest:
                if self._longest_s is not None or utterance.duration_s <= LONG_S:
                    raise
            return await self._post_long(utterance)
        return await self._in_pieces(utterance, self._longest_s)

    async def _post_long(self, utterance: Utterance) -> Transcript:
        """Post a refused long clip in pieces; if they are accepted, remember the limit."""
        result = await self._in_pieces(utterance, LONG_S)
        self._longest_s = LONG_S
        model = self._posting.model
        self._notify(f"{model} refuses clips over {LONG_S:g} s: longer ones are cut at pauses from now on")
        return result

    async def _in_pieces(self, utterance: Utterance, longest_s: float) -> Transcript:
        return join(utterance, [await self._post_clip(piece) for piece in cut(utterance, longest_s)])

    async def _post_clip(self, utterance: Utterance) -> Transcript:
        forms = self._forms
        tried = Form.PLAIN
        for form in forms:
            try:
                result = await self._call(utterance, form=form)
            except BadRequest:
                # The clip itself may be refused. It is the form only if the clip is accepted in another one.
                if form is forms[-1]:
                    raise
                tried |= form
            else:
                self._refuses(tried & ~(form | Form.VERBOSE if Form.SPEAKERS in form else form))
                return result
        raise AssertionError("there is at least one form")

    def _refuses(self, what: Form) -> None:
        """Remember what the model refuses, and say so unless another clip has found it out meanwhile."""
        new = what & ~self._refused
        self._refused |= what
        for part in new:
            self._notify(f"{self._posting.model} {_REFUSED[part]}")

    async def _call(self, utterance: Utterance, *, form: Form) -> Transcript:
        make = partial(self._posting.request, utterance, form=form)
        # Encoding minutes of sound takes longer than the loop may stand still.
        request = await trio.to_thread.run_sync(make) if utterance.duration_s > LONG_S else make()
        result = transcript(await self._service.call(request), utterance, self._service.where(request))
        self._service.spent(result.usage)
        return result

    def _notify(self, text: str) -> None:
        self._publish("notice", text=text)


class _ClipTranscription:
    """The transcription of one utterance. Nothing is sent before its end."""

    def __init__(self, poster: Poster) -> None:
        self._poster = poster

    async def feed(self, pcm: bytes) -> None:
        """Ignored: the whole clip is posted at the end."""

    async def finish(self, utterance: Utterance) -> Transcript:
        return await self._poster.post(utterance)
