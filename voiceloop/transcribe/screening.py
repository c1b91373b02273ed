"""A wrapper of a transcriber that skips clips without speech and drops hallucinations.

Publishes an event with the reason for every drop, and their counts at the end; never the dropped text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from typing import Any

from pydantic import BaseModel

from voiceloop.config.tables import Hallucinations
from voiceloop.events import Publish
from voiceloop.plugins import (
    Transcriber,
    Transcription,
    is_embedded,
    is_preemptive,
    streams,
    tells_speakers,
    without_speakers,
)
from voiceloop.transcribe.annotations import so_far, without_annotations, without_credits
from voiceloop.transcribe.bounds import LIVE, bounded
from voiceloop.transcribe.hallucination_phrases import key
from voiceloop.transcribe.hallucinations import Reason, judge, not_worth_posting, without_voice
from voiceloop.transcribe.voice_evidence import VoiceJudge
from voiceloop.types import SoundEvent, Transcript, Utterance


class Screened:
    """A `plugins.Transcriber` that screens the clips and transcripts of another one."""

    def __init__(
        self,
        inner: Transcriber,
        rules: Hallucinations,
        prompts: tuple[str, ...],
        publish: Publish | None,
        voice_judge: VoiceJudge | None = None,
    ) -> None:
        self._inner, self._rules, self.prompts, self._publish = inner, rules, prompts, publish
        self._voice_judge = voice_judge or VoiceJudge()
        self.preemptive, self.embedded = is_preemptive(inner), is_embedded(inner)
        self.annotations = rules.annotations
        """Whether annotations are dropped."""
        self.shows_sounds = False
        """Whether somebody shows the sounds that annotations describe: then they are not reported as dropped."""
        self.dropped: Counter[Reason] = Counter()

    @property
    def description(self) -> str:
        return self._inner.description

    @property
    def streams(self) -> bool:
        return streams(self._inner)

    @property
    def tells_speakers(self) -> bool:
        return tells_speakers(self._inner)

    async def warm(self) -> None:
        await self._inner.warm()

    @asynccontextmanager
    async def transcription(self) -> AsyncIterator[Screening]:
        async with self._inner.transcription() as transcription:
            yield Screening(self, transcription)

    def quietly(self) -> Screened:
        """The same without events, counts and speakers, for provisional transcripts of speech that is transcribed again
        later."""
        return Screened(without_speakers(self._inner), self._rules, self.prompts, None, self._voice_judge)

    async def finish(self, transcription: Transcription, utterance: Utterance) -> Transcript:
        """The transcript of `utterance` without hallucinations."""
        rules = self._rules
        reason, voice = not_worth_posting(utterance, rules), None
        if reason is None and (rules.quiet or rules.phrases):
            voice = await self._voice_judge.voice(utterance)
            reason = without_voice(utterance, voice, rules) if voice is not None else None
        if reason is not None:
            self._drop(reason, utterance)
            return Transcript("", utterance)
        transcript = self._without_annotations(bounded(await transcription.finish(utterance)))
        judgement = judge(transcript, rules, self.prompts, voice=voice)
        if judgement.reason is None:
            return transcript
        self._drop(judgement.reason, utterance)
        return replace(transcript, text=judgement.text, words=(), sounds=())

    def _without_annotations(self, transcript: Transcript) -> Transcript:
        """`transcript` without what was no speech, and without credits behind its words."""
        if not self._rules.annotations or not key(transcript.text):
            return transcript
        for reason, strip in ((Reason.ANNOTATION, without_annotations), (Reason.CREDIT, without_credits)):
            stripped = strip(transcript.text, transcript.words)
            if stripped.text != transcript.text:
                # Some recognisers put a token before every text; that is not worth a line each time.
                shown = self.shows_sounds and stripped.sounds
                if reason is Reason.CREDIT or not (stripped.text or shown):
                    self._drop(reason, transcript.utterance)
                sounds = _in_order(transcript.sounds, stripped.sounds)
                transcript = replace(transcript, text=stripped.text, words=stripped.words, sounds=sounds)
        return transcript

    def _drop(self, reason: Reason, utterance: Utterance) -> None:
        if self._publish is not None:
            self.dropped[reason] += 1
            at_s = round(utterance.start / utterance.rate_hz, 2)
            self._publish(
                "hallucination.dropped", reason=str(reason), at_s=at_s, length_s=round(utterance.duration_s, 2)
            )


class Screening:
    """One transcription, screened at its end. Its words so far are not: they are provisional."""

    def __init__(self, owner: Screened, inner: Transcription) -> None:
        self._owner, self._inner = owner, inner

    @property
    def live(self) -> bool:
        return bool(getattr(self._inner, "live", False))

    def follow(self, heard: Callable[[str], None]) -> None:
        follow: Callable[[Callable[[str], None]], None] | None = getattr(self._inner, "follow", None)
        if follow is None:
            return
        if not self._owner.annotations:
            follow(lambda text: heard(text[:LIVE]))
            return

        def hear(text: str) -> None:
            left = so_far(text[:LIVE])
            if left or not text:
                heard(left)

        follow(hear)

    async def feed(self, pcm: bytes) -> None:
        await self._inner.feed(pcm)

    async def finish(self, utterance: Utterance) -> Transcript:
        return await self._owner.finish(self._inner, utterance)


def _in_order(told: Sequence[SoundEvent], annotated: Sequence[SoundEvent]) -> tuple[SoundEvent, ...]:
    """The sounds that a service tells apart from the words, and those that it writes among them."""
    return tuple(sorted((*told, *annotated), key=lambda sound: sound.letters))


@contextmanager
def screened(inner: Transcriber, rules: Hallucinations, options: BaseModel, publish: Publish) -> Iterator[Screened]:
    """Wrap `inner` with the screening. When the block ends, the counts of drops are published (`hallucinations`)."""
    outer = Screened(inner, rules, tuple(_prompts(options)), publish)
    yield outer
    if outer.dropped:
        publish("hallucinations", dropped={str(reason): count for reason, count in outer.dropped.items()})


def _prompts(options: BaseModel) -> Iterator[str]:
    """The prompts that the recogniser may receive: `prompt` and those of the providers, with and without vocabulary."""
    prompts: list[Any] = [getattr(options, "prompt", None)]
    providers = getattr(options, "provider", None)
    if isinstance(providers, dict):
        prompts += [values.get("prompt") for values in providers.values() if isinstance(values, dict)]
    prompt_with = getattr(options, "prompt_with", None)
    if prompt_with is not None:
        prompts += [prompt_with(prompt) for prompt in dict.fromkeys([*prompts, None])]
    yield from dict.fromkeys(prompt for prompt in prompts if isinstance(prompt, str))
