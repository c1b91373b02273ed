"""Synthesizer `openrouter`: speech from OpenRouter's /audio/speech. Knows no device and no turn."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, ClassVar, Literal, Self

import trio
from pydantic import BaseModel, Field

from voiceloop.config.server_tables import Endpoint
from voiceloop.config.table import Conflict, FreeTable
from voiceloop.net.common_fields import common_fields
from voiceloop.net.parameters import Asked, Known
from voiceloop.net.providers import Feature
from voiceloop.net.service import Request
from voiceloop.net.wanted import Wanted
from voiceloop.plugins import Services
from voiceloop.speak.references import Reference, encoded
from voiceloop.speak.service_synthesizer import ServiceSynthesizer, SpokenOptions

_INSTRUCTED = Known(
    ("openai/gpt-", "google/gemini", "fish"), "OpenAI's gpt-4o-mini-tts, Gemini's and Fish Audio's speech models"
)
_CLONES = Feature("input_references", "supports_voice_cloning", "imitates a voice")
_CLONES_FROM_SEVERAL = Feature("input_references", "supports_multiple_audio_references", "takes several recordings")


class OpenRouterSpeakOptions(SpokenOptions):
    """Options of `[speak] use = "openrouter"`."""

    model: str
    """The model, for example `openai/gpt-4o-mini-tts-2025-12-15`; `voiceloop models --speech` lists all."""
    voice: str | None = None
    """The voice; each model has its own. Left out, or empty: the model's usual one, or that of `input_references`."""
    instructions: Annotated[str, Field(min_length=1)] | None = None
    """How to speak, described in words, for OpenAI's gpt-4o-mini-tts, Gemini's and Fish Audio's models."""
    input_references: Annotated[tuple[Reference, ...], Field(max_length=3)] = ()
    """Recordings of a voice that is to be imitated, for models that can: `[{ file = "me.wav", text = "What I say in
    it." }]`. They are sent with each piece of speech, so keep them short."""
    provider: dict[str, FreeTable] = Field(default_factory=dict)
    """Options that are passed on to a provider, by its name: `provider.azure = { style = "cheerful" }`."""

    def conflicts(self) -> Iterable[Conflict]:
        if self.instructions is not None and "instructions" in self.provider.get("openai", {}):
            what = "is said by provider.openai.instructions, too"
            yield Conflict(("instructions", "provider"), what, "Remove the latter: it is the older form.")

    def wanted(self, openrouter: Endpoint) -> Wanted:
        asked = []
        if self.instructions is not None:
            asked.append(Asked("instructions", ("instructions",), known=_INSTRUCTED))
        if self.speed not in {None, 1}:
            asked.append(Asked("speed", ("speed",)))
        features = (_CLONES, _CLONES_FROM_SEVERAL)[: len(self.input_references)]
        return replace(super().wanted(openrouter), asked=tuple(asked), features=features)


class OpenRouterSynthesizer(ServiceSynthesizer):
    """The synthesizer that `use = "openrouter"` names."""

    Options: ClassVar[type[BaseModel]] = OpenRouterSpeakOptions
    _options: OpenRouterSpeakOptions
    _references: bytes = b""
    """`input_references` as JSON; empty when there are none."""

    @classmethod
    def open(cls, options: BaseModel, services: Services) -> AbstractAsyncContextManager[Self]:
        @asynccontextmanager
        async def opened() -> AsyncIterator[Self]:
            assert isinstance(options, OpenRouterSpeakOptions)
            read = partial(encoded, options.input_references)
            references = (
                await trio.to_thread.run_sync(read, abandon_on_cancel=True) if options.input_references else b""
            )
            async with super(OpenRouterSynthesizer, cls).open(options, services) as synthesizer:
                synthesizer._references = references
                yield synthesizer

        return opened()

    @property
    def description(self) -> str:
        voice = f", voice {self._options.voice}" if self._options.voice else ""
        imitated = ", an imitated voice" if self._references else ""
        return f"openrouter, {self._options.model}{voice}{imitated}"

    def extra(self) -> dict[str, Any]:
        provider = self._options.provider
        return common_fields(self._service.settings, {"options": provider} if provider else None)

    def _request(self, text: str, form: Literal["pcm", "mp3"]) -> Request:
        request = super()._request(text, form)
        if not self._references:
            return request
        head = json.dumps(request.json, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
        whole = b'%b,"input_references":%b}' % (head.removesuffix(b"}"), self._references)
        return replace(request, body=("application/json", whole))
