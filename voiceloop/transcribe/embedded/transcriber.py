"""The transcriber over an embedded recogniser: cuts clips, runs the recogniser in threads, and gives calls up.

    clip -> [piece] [piece] [piece] -> one call each, in a thread -> joined text -> vocabulary

A clip that grows by a pause and more speech has the same first pieces as before, so their texts are kept for a while:
only the last piece is recognised again. Knows no turn and no particular recogniser.
"""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import trio

from voiceloop.audio.resample import resample
from voiceloop.inference.memory import give_back
from voiceloop.plugins import Transcription
from voiceloop.transcribe.embedded.recogniser import Call, Recognised, Recogniser
from voiceloop.transcribe.pieces import cut, join
from voiceloop.types import CAPTURE_RATE_HZ, SAMPLE_BYTES, Transcript, Utterance

if TYPE_CHECKING:
    from voiceloop.transcribe.vocabulary import Vocabulary

REMEMBERED = 16
"""How many pieces' texts are kept."""
CLOSE_S = 3.0
"""How long closing waits for calls that were given up. A recogniser that can't be stopped needs up to about two seconds
for its longest piece."""

_LONG = 400
"""Terms of the vocabulary are looked for in longer texts in a thread: the loop waits for nothing over 20 ms."""


class EmbeddedTranscriber:
    """Transcribes whole clips with a `Recogniser`. Every call runs in a thread; leaving `transcription` gives it up."""

    preemptive: ClassVar[bool] = True
    embedded: ClassVar[bool] = True

    def __init__(self, recogniser: Recogniser, *, vocabulary: Sequence[str] = (), language: str | None = None) -> None:
        self._recogniser = recogniser
        # A token is held until the call has really ended, also when it was given up: no more than `at_once` calls run.
        self._limiter = trio.CapacityLimiter(recogniser.at_once)
        self._calls: set[Call] = set()
        self._known: OrderedDict[bytes, Recognised] = OrderedDict()
        self._language = language
        self._terms = tuple(vocabulary)
        self._vocabularies: dict[str | None, Vocabulary] = {}
        """By the language of the speech, which may be known only from the first text."""
        if self._terms and language is not None:
            self._vocabularies[language] = _vocabulary(self._terms, language)

    @property
    def description(self) -> str:
        """The recogniser, its model and its language."""
        return str(self._recogniser)

    async def warm(self) -> None:
        """Do nothing: the model is in memory already."""
        await trio.lowlevel.checkpoint()

    @asynccontextmanager
    async def transcription(self) -> AsyncIterator[Transcription]:
        """Begin an utterance. Nothing is recognised before its end."""
        yield _EmbeddedTranscription(self)

    async def transcribe(self, utterance: Utterance) -> Transcript:
        """The transcript of a clip of any length and rate. Raises `EngineError`."""
        clip = utterance
        if utterance.rate_hz != CAPTURE_RATE_HZ:
            pcm = resample(utterance.pcm, from_hz=utterance.rate_hz, to_hz=CAPTURE_RATE_HZ)
            clip = Utterance(pcm, start=0, voiced_end=len(pcm) // SAMPLE_BYTES, continues=utterance.continues)
        parts = [self._transcript(p, await self._recognise(p.pcm)) for p in cut(clip, self._recogniser.longest_s)]
        return await self._with_terms(replace(join(clip, parts), utterance=utterance))

    def _transcript(self, piece: Utterance, found: Recognised) -> Transcript:
        language = found.language or self._language
        return Transcript(
            found.text,
            piece,
            words=found.words,
            confidence=found.confidence,
            no_speech=found.no_speech,
            language=language,
        )

    async def _with_terms(self, transcript: Transcript) -> Transcript:
        if not self._terms or not transcript.text:
            return transcript
        language = transcript.language
        if language not in self._vocabularies:
            self._vocabularies[language] = await trio.to_thread.run_sync(_vocabulary, self._terms, language)
        vocabulary = self._vocabularies[language]
        if len(transcript.text) > _LONG:
            return await trio.to_thread.run_sync(_applied, vocabulary, transcript)
        return _applied(vocabulary, transcript)

    async def _recognise(self, pcm: bytes) -> Recognised:
        key = hashlib.blake2b(pcm, digest_size=16).digest()
        if (known := self._known.get(key)) is not None:
            self._known.move_to_end(key)
            await trio.lowlevel.checkpoint()
            return known
        found = await self._call(pcm)
        self._known[key] = found
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return found

    async def _call(self, pcm: bytes) -> Recognised:
        call = Call()
        self._calls.add(call)
        try:
            # The loop doesn't wait for a call that is given up: native code may need a while to notice.
            return await trio.to_thread.run_sync(
                partial(_recognise, self._recogniser, pcm, call), abandon_on_cancel=True, limiter=self._limiter
            )
        except trio.Cancelled:
            call.give_up()
            raise
        finally:
            self._calls.discard(call)

    async def idle(self) -> None:
        """Wait until no call is running, those that were given up included. No call may begin afterwards."""
        for _ in range(math.ceil(self._limiter.total_tokens)):
            await self._limiter.acquire_on_behalf_of(object())

    async def close(self) -> None:
        """Give all calls up and wait for their end, for up to `CLOSE_S`. Is not cancelled: a model must not be freed
        under a call that uses it."""
        for call in self._calls:
            call.give_up()
        with trio.move_on_after(CLOSE_S, shield=True):
            await self.idle()


def _applied(vocabulary: Vocabulary, transcript: Transcript) -> Transcript:
    text, words = vocabulary.apply(transcript.text), vocabulary.apply_to_words(transcript.words)
    return replace(transcript, text=text, words=words)


def _vocabulary(terms: Sequence[str], language: str | None) -> Vocabulary:
    from voiceloop.transcribe.vocabulary import Vocabulary  # only where there is a vocabulary

    return Vocabulary(terms, language)


def _recognise(recogniser: Recogniser, pcm: bytes, call: Call) -> Recognised:
    import numpy as np

    call.check()
    samples = np.frombuffer(pcm[: len(pcm) // SAMPLE_BYTES * SAMPLE_BYTES], "<i2").astype(np.float32)
    try:
        return recogniser.recognise(samples / np.float32(32768), call)
    finally:
        give_back()


class _EmbeddedTranscription:
    """The transcription of one utterance."""

    def __init__(self, owner: EmbeddedTranscriber) -> None:
        self._owner = owner

    async def feed(self, pcm: bytes) -> None:
        """Ignored: the whole clip is recognised at the end."""

    async def finish(self, utterance: Utterance) -> Transcript:
        return await self._owner.transcribe(utterance)
