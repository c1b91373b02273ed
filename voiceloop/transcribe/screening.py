"""Screening: a transcriber that does not post clips without speech, and drops hallucinations.

Every drop is published with its reason, and all are counted at the end; the text of one never is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from typing import Any

from pydantic import BaseModel

from voiceloop.config.tables import Hallucinations
from voiceloop.events import Publish
from voiceloop.plugins import Transcriber, Transcription, is_preemptive
from voiceloop.transcribe.hallucinations import Reason, judge, not_worth_posting
from voiceloop.types import Transcript, Utterance


class Screened:
    """`plugins.Transcriber` around another one."""

    def __init__(
        self, inner: Transcriber, rules: Hallucinations, prompts: tuple[str, ...], publish: Publish | None
    ) -> None:
        self._inner, self._rules, self.prompts, self._publish = inner, rules, prompts, publish
        self.preemptive = is_preemptive(inner)
        self.dropped: Counter[Reason] = Counter()

    @property
    def description(self) -> str:
        return self._inner.description

    async def warm(self) -> None:
        await self._inner.warm()

    @asynccontextmanager
    async def transcription(self) -> AsyncIterator[Transcription]:
        async with self._inner.transcription() as transcription:
            yield _Screening(self, transcription)

    def quietly(self) -> Screened:
        """The same, for guesses at what may be transcribed again: nothing is counted or told."""
        return Screened(self._inner, self._rules, self.prompts, None)

    async def finish(self, transcription: Transcription, utterance: Utterance) -> Transcript:
        """The transcript of `utterance` without what nobody said."""
        if (reason := not_worth_posting(utterance, self._rules)) is not None:
            self._drop(reason, utterance)
            return Transcript("", utterance)
        transcript = await transcription.finish(utterance)
        judgement = judge(transcript, self._rules, self.prompts)
        if judgement.reason is None:
            return transcript
        self._drop(judgement.reason, utterance)
        return replace(transcript, text=judgement.text, words=())

    def _drop(self, reason: Reason, utterance: Utterance) -> None:
        if self._publish is not None:
            self.dropped[reason] += 1
            at_s = round(utterance.start / utterance.rate_hz, 2)
            self._publish(
                "hallucination.dropped", reason=str(reason), at_s=at_s, length_s=round(utterance.duration_s, 2)
            )


class _Screening:
    def __init__(self, owner: Screened, inner: Transcription) -> None:
        self._owner, self._inner = owner, inner

    async def feed(self, pcm: bytes) -> None:
        await self._inner.feed(pcm)

    async def finish(self, utterance: Utterance) -> Transcript:
        return await self._owner.finish(self._inner, utterance)


@contextmanager
def screened(inner: Transcriber, rules: Hallucinations, options: BaseModel, publish: Publish) -> Iterator[Screened]:
    """`inner` with its hallucinations dropped; what was dropped is counted up when the block ends."""
    outer = Screened(inner, rules, tuple(_prompts(options)), publish)
    yield outer
    if outer.dropped:
        publish("hallucinations", dropped={str(reason): count for reason, count in outer.dropped.items()})


def _prompts(options: BaseModel) -> Iterator[str]:
    """What the recogniser is told to expect: `prompt`, or that of each provider, with the vocabulary or without."""
    given: list[Any] = [getattr(options, "prompt", None)]
    providers = getattr(options, "provider", None)
    if isinstance(providers, dict):
        given += [values.get("prompt") for values in providers.values() if isinstance(values, dict)]
    whole = getattr(options, "prompt_with", None)
    given += [whole(prompt) for prompt in dict.fromkeys([*given, None])] if whole is not None else []
    yield from dict.fromkeys(prompt for prompt in given if isinstance(prompt, str))
