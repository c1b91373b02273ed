"""Synthesizer `openrouter`: speech from OpenRouter's /audio/speech. Knows no device and no turn."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, Field

from voiceloop.net.common_fields import common_fields
from voiceloop.speak.service_synthesizer import ServiceSynthesizer, SpokenOptions


class OpenRouterSpeakOptions(SpokenOptions):
    """Options of `[speak] use = "openrouter"`."""

    model: str
    """The model, for example `openai/gpt-4o-mini-tts-2025-12-15`; `voiceloop models --speech` lists all."""
    voice: str
    """The voice; each model has its own."""
    instructions: str | None = None
    """How to speak, described in words, for OpenAI's models (`provider.openai.instructions`)."""
    provider: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Options that are passed on to a provider, by its name: `provider.azure = { style = "cheerful" }`."""


class OpenRouterSynthesizer(ServiceSynthesizer):
    """The synthesizer that `use = "openrouter"` names."""

    Options: ClassVar[type[BaseModel]] = OpenRouterSpeakOptions
    _options: OpenRouterSpeakOptions

    @property
    def description(self) -> str:
        return f"openrouter, {self._options.model}, voice {self._options.voice}"

    def extra(self) -> dict[str, Any]:
        provider = {name: dict(values) for name, values in self._options.provider.items()}
        if self._options.instructions is not None:
            provider.setdefault("openai", {})["instructions"] = self._options.instructions
        return common_fields(self._service.settings, {"options": provider} if provider else None)
