"""Speaks by a server of OpenAI's shape, such as people run themselves: kokoro-fastapi, speaches, LocalAI."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel

from voiceloop.config.tables import OwnServer
from voiceloop.speak.service_synthesizer import ServedSynthesizer, SpokenOptions


class OpenAISpeakOptions(SpokenOptions, OwnServer):
    """Options of `[speak] use = "openai"`: a server of OpenAI's shape, and what to ask it."""

    base_url: str = "http://127.0.0.1:8880/v1"
    """Where it is."""
    model: str = "tts-1"
    """The model that speaks; some servers have but one and ignore this."""
    voice: str = "alloy"
    """Its voice; each server has its own."""
    instructions: str | None = None
    """How to speak, in words, for models that know it."""


class OpenAISynthesizer(ServedSynthesizer):
    """The synthesizer that `use = "openai"` names."""

    Options: ClassVar[type[BaseModel]] = OpenAISpeakOptions
    _options: OpenAISpeakOptions

    @property
    def description(self) -> str:
        return f"openai, {self._options.model}, voice {self._options.voice} at {self._service.shown_url}"

    def extra(self) -> dict[str, Any]:
        return {} if self._options.instructions is None else {"instructions": self._options.instructions}
