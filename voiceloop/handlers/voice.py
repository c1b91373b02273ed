"""Answers with a voice-native model: the utterance itself goes to /chat/completions, and sound comes back.

One request in place of three. The model hears how something was said, and the first sample comes without a
transcription before it; what was said stays unknown to us unless the transcriber still runs (see `history`).
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, Field

from voiceloop.audio.pcm import Aligner
from voiceloop.audio.wav import wav_bytes
from voiceloop.config.tables import Table
from voiceloop.handlers.completing import Patience, completing
from voiceloop.handlers.completion import Sound
from voiceloop.handlers.prompt import SYSTEM, messages, recent
from voiceloop.net.service import Service
from voiceloop.plugins import Reply, Services, Turns
from voiceloop.types import Speech, Transcript, Usage

RATE_HZ = 24_000
"""Of `pcm16`, the format in which these models stream."""


class VoiceOptions(Table):
    """Options of `[handler] use = "voice"`."""

    model: str
    """A model that takes and gives sound, like `openai/gpt-audio`."""
    voice: str = "alloy"
    """Its voice."""
    system: str = SYSTEM
    """The system prompt; empty for none."""
    history_turns: Annotated[int, Field(ge=0, le=1_000)] = 20
    """How many past messages (yours and what was heard of the answers, as text) the model is shown."""
    history_tokens: Annotated[int, Field(ge=0, le=10_000_000)] = 4_000
    """About how many tokens of them."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    """How freely the model answers."""
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """The longest answer."""
    first_word_s: Annotated[float, Field(gt=0, le=600)] = 15.0
    """How long the model may think before its first sound."""
    next_word_s: Annotated[float, Field(gt=0, le=600)] = 10.0
    """How long it may then be silent."""
    rate_hz: Annotated[int, Field(ge=8_000, le=48_000)] = RATE_HZ
    """The rate of its sound."""
    provider: dict[str, Any] = Field(default_factory=dict)
    """OpenRouter's provider routing."""


class VoiceHandler:
    """The handler that `use = "voice"` names."""

    Options: ClassVar[type[BaseModel]] = VoiceOptions
    turns: ClassVar[Turns] = "replace"
    speculative: ClassVar[bool] = True

    def __init__(self, options: VoiceOptions, service: Service) -> None:
        self._options, self._service = options, service

    @classmethod
    def open(cls, options: BaseModel, services: Services) -> AbstractAsyncContextManager[Self]:
        @asynccontextmanager
        async def opened() -> AsyncIterator[Self]:
            assert isinstance(options, VoiceOptions)
            yield cls(options, services.clients.endpoint(services.config.openrouter))

        return opened()

    @property
    def description(self) -> str:
        return f"voice, {self._options.model}, voice {self._options.voice}"

    async def warm(self) -> None:
        await self._service.warm()

    async def handle(self, transcript: Transcript, reply: Reply) -> None:
        """Stream the model's sound into `reply`. Raises `ServiceError`s; what was played before one stays played."""
        options = self._options
        aligner = Aligner()
        words: list[str] = []
        async with completing(
            self._service, self._body(transcript, reply), Patience(options.first_word_s, options.next_word_s)
        ) as deltas:
            async for delta in deltas:
                match delta:
                    case Sound():
                        words.append(delta.text)
                        # The words often come before their sound: they wait for samples to ride on.
                        if pcm := aligner.feed(delta.pcm):
                            await reply.play(Speech(pcm, options.rate_hz), "".join(words))
                            words.clear()
                    case str():
                        # A model that answers in text all the same is spoken like any other.
                        await reply.say(delta)
                    case Usage():
                        reply.spent(delta)
        if rest := "".join(words):
            await reply.play(Speech(b"", options.rate_hz), rest)

    def _body(self, transcript: Transcript, reply: Reply) -> dict[str, Any]:
        options = self._options
        clip = transcript.utterance
        data = base64.b64encode(wav_bytes(clip.pcm, clip.rate_hz)).decode("ascii")
        said = [{"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}]
        past = recent(reply.history, turns=options.history_turns, limit_tokens=options.history_tokens)
        body: dict[str, Any] = {"model": options.model, "messages": messages(options.system, past, said)}
        body |= {"modalities": ["text", "audio"], "audio": {"voice": options.voice, "format": "pcm16"}}
        body |= {"stream": True, "stream_options": {"include_usage": True}}
        if options.temperature is not None:
            body["temperature"] = options.temperature
        if options.max_tokens is not None:
            body["max_tokens"] = options.max_tokens
        if options.provider:
            body["provider"] = options.provider
        return body
