"""The posting of whole clips, with fallbacks when a model refuses the format or the length of a clip."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Flag, auto
from functools import partial
from typing import Protocol

import trio

from voiceloop.audio.clip_formats import ClipFormat, is_long, is_slow
from voiceloop.errors import BadRequest
from voiceloop.net.bodies import Envelope
from voiceloop.net.service import Request, Service
from voiceloop.nursery import private_nursery
from voiceloop.plugins import Services, Transcription
from voiceloop.transcribe.answers import transcript
from voiceloop.transcribe.growing_clip import EncodedClip, SlowClip
from voiceloop.transcribe.keeping import keeping_unsent
from voiceloop.transcribe.pieces import cut, join
from voiceloop.transcribe.streamed_clip import StreamedClip, Streams
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
    def __call__(self, utterance: Utterance, *, form: Form, kind: ClipFormat) -> Request: ...


class _MakeRequestWith(Protocol):
    def __call__(self, sound: bytes, *, form: Form, kind: ClipFormat) -> Request: ...


class _MakeEnvelope(Protocol):
    def __call__(self, *, form: Form, kind: ClipFormat) -> Envelope: ...


@dataclass(frozen=True, slots=True)
class Posting:
    """How clips are posted: the form of the request, and the model."""

    request: _MakeRequest
    """Makes the request for a clip."""
    request_with: _MakeRequestWith
    """Makes it for a clip that is encoded already."""
    envelope: _MakeEnvelope
    """Makes its body but for the sound."""
    model: str
    forms: Callable[[], tuple[Form, ...]]
    """The form to ask for, then those to ask for where it is refused; `PLAIN` comes last. Asked for each clip."""
    formats: tuple[ClipFormat, ...] = ("wav",)
    """The format to post clips in, then those for where it is refused."""
    streamed: bool = False
    """Whether clips are sent while they are spoken."""
    max_clip_s: float | None = None
    """Longer clips are cut. None: not known yet."""


class Poster:
    """Posts clips, and remembers what its model refuses.

    A refused format, a refused form and a refused length look alike (a plain 400). So the clip is posted again, first
    in a plainer format, then in a plainer form, then in shorter pieces. What is learned is kept until the program ends,
    with one notice.
    """

    def __init__(self, service: Service, posting: Posting, services: Services) -> None:
        self._service, self._posting, self._publish = service, posting, services.publish
        self._keeps = services.keeps
        known = next((limit for name, limit in LIMITS_S.items() if posting.model.startswith(name)), None)
        self._longest_s = posting.max_clip_s or known
        self._refused = Form.PLAIN
        """What the model has refused."""
        self._formats = posting.formats
        self._streams = Streams(service, posting.model, self._notify) if posting.streamed else None

    @property
    def _forms(self) -> tuple[Form, ...]:
        return tuple(form for form in self._posting.forms() if not form & self._refused)

    @property
    def tells_speakers(self) -> bool:
        """Whether it is asked who speaks."""
        return any(Form.SPEAKERS in form for form in self._forms)

    @asynccontextmanager
    async def transcription(self) -> AsyncIterator[Transcription]:
        if self._streams is None:
            yield _ClipTranscription(self)
            return
        async with private_nursery() as nursery:  # what was not finished is cancelled
            yield _StreamedTranscription(self, self._streams, nursery)

    def opening(self) -> tuple[ClipFormat, Envelope]:
        """The format of a clip that is sent while it is spoken, and the request around it."""
        kind = self._formats[0]
        return kind, self._posting.envelope(form=self._forms[0], kind=kind)

    def takes(self, seconds: float) -> bool:
        """Whether a clip may be so long."""
        return self._longest_s is None or seconds <= self._longest_s

    async def post_instead(self, clip: StreamedClip, utterance: Utterance) -> Transcript:
        """Transcribe, as a whole, what could not be sent while it was spoken. Remembers that if that is the reason."""
        known = (self._forms, self._formats, self._longest_s)
        result = await self.post(utterance)
        learned = known != (self._forms, self._formats, self._longest_s)
        if self._streams is None:
            return result
        if clip.doubt:
            self._streams.doubted(clip.doubt)
        elif clip.refusal and not (learned and clip.refused_by_status):
            self._streams.refused(clip.refusal)
        return result

    def slow_clip(self) -> SlowClip | None:
        """A clip to encode while it is spoken; None where it is encoded at its end."""
        return SlowClip(self._formats[0]) if is_slow(self._formats[0]) else None

    async def post(self, utterance: Utterance, slow: SlowClip | None = None) -> Transcript:
        """Transcribe a clip of any length. Raises `ServiceError`s; a clip that may not be sent is saved.

        `slow` was fed the clip while that was spoken."""
        async with keeping_unsent(utterance, keeps=self._keeps):
            return await self._post(utterance, slow)

    async def _post(self, utterance: Utterance, slow: SlowClip | None) -> Transcript:
        if self.takes(utterance.duration_s):
            try:
                return await self._post_clip(utterance, None if slow is None else await slow.whole(utterance))
            except BadRequest:
                if self._longest_s is not None or utterance.duration_s <= LONG_S:
                    raise
            return await self._post_long(utterance)
        return await self._in_pieces(utterance, self._longest_s or LONG_S)

    async def _post_long(self, utterance: Utterance) -> Transcript:
        """Post a refused long clip in pieces; if they are accepted, remember the limit."""
        result = await self._in_pieces(utterance, LONG_S)
        self._longest_s = LONG_S
        model = self._posting.model
        self._notify(f"{model} refuses clips over {LONG_S:g} s: longer ones are cut at pauses from now on")
        return result

    async def _in_pieces(self, utterance: Utterance, longest_s: float) -> Transcript:
        return join(utterance, [await self._post_clip(piece) for piece in cut(utterance, longest_s)])

    async def _post_clip(self, utterance: Utterance, whole: EncodedClip | None = None) -> Transcript:
        """`whole` is the clip in some format, if that is at hand."""
        formats, tried = self._formats, Form.PLAIN
        tries = [(form, kind) for form in self._forms for kind in formats]
        for form, kind in tries:
            try:
                result = await self._call(
                    utterance, whole.sound if whole is not None and whole.kind == kind else None, form=form, kind=kind
                )
            except BadRequest:
                # The clip itself may be refused. It is the format or the form only if the clip is accepted in another
                # one.
                if (form, kind) == tries[-1]:
                    raise
                tried |= form
            else:
                self._refuses(tried & ~(form | Form.VERBOSE if Form.SPEAKERS in form else form))
                self._learn_format(formats, kind)
                return result
        raise AssertionError("there is at least one form")

    def _refuses(self, what: Form) -> None:
        """Remember what the model refuses, and say so unless another clip has found it out meanwhile."""
        new = what & ~self._refused
        self._refused |= what
        for part in new:
            self._notify(f"{self._posting.model} {_REFUSED[part]}")

    def _learn_format(self, formats: tuple[ClipFormat, ...], accepted: ClipFormat) -> None:
        if accepted == formats[0] or formats is not self._formats:  # another clip may have found it out meanwhile
            return
        self._formats = formats[formats.index(accepted) :]
        what = f"refuses the format {formats[0]}: clips are posted as {accepted} from now on"
        self._notify(f"{self._posting.model} {what}")

    async def _call(self, utterance: Utterance, sound: bytes | None, *, form: Form, kind: ClipFormat) -> Transcript:
        if sound is not None:
            make = partial(self._posting.request_with, sound, form=form, kind=kind)
        else:
            make = partial(self._posting.request, utterance, form=form, kind=kind)
        slow = utterance.duration_s > LONG_S if sound is not None else is_long(kind, utterance.duration_s)
        request = await trio.to_thread.run_sync(make) if slow else make()
        result = transcript(await self._service.call(request), utterance, self._service.where(request))
        self._service.spent(result.usage)
        return result

    def _notify(self, text: str) -> None:
        self._publish("notice", text=text)


class _ClipTranscription:
    """The transcription of one utterance. Nothing is sent before its end."""

    def __init__(self, poster: Poster) -> None:
        self._poster, self._slow = poster, poster.slow_clip()

    async def feed(self, pcm: bytes) -> None:
        """Ignored, as the whole clip is posted at the end, unless it takes long to encode."""
        if self._slow is not None:
            await self._slow.feed(pcm)

    async def finish(self, utterance: Utterance) -> Transcript:
        return await self._poster.post(utterance, self._slow)


class _StreamedTranscription:
    """The transcription of one utterance that is sent while it is spoken, where that can be."""

    def __init__(self, poster: Poster, streams: Streams, nursery: trio.Nursery) -> None:
        self._poster, self._streams, self._nursery = poster, streams, nursery
        self._first: bytes | None = None
        self._clip: StreamedClip | None = None
        self._whole: _ClipTranscription | None = None

    async def feed(self, pcm: bytes) -> None:
        # The request is opened with the second piece: a clip that comes in one piece is over, and is posted whole.
        if self._first is None:
            self._first = pcm
            await trio.lowlevel.checkpoint()
            return
        if self._clip is None and self._whole is None:
            pcm = self._first + pcm
            self._clip = self._streams.begin(self._nursery, *self._poster.opening())
            if self._clip is None:
                self._whole = _ClipTranscription(self._poster)
        if self._whole is not None:
            await self._whole.feed(pcm)
        elif self._clip is not None:
            await self._clip.feed(pcm)
            if not self._poster.takes(self._clip.duration_s):
                self._clip.abandon()

    async def finish(self, utterance: Utterance) -> Transcript:
        if self._clip is None:
            return await (self._whole or _ClipTranscription(self._poster)).finish(utterance)
        result = await self._clip.finish(utterance)
        if result is None:
            return await self._poster.post_instead(self._clip, utterance)
        self._streams.taken()
        return result
