"""Synthesizer `openai`: a server with OpenAI's API, such as kokoro-fastapi, speaches or LocalAI on your own machine."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel

from voiceloop.config.tables import OwnServer
from voiceloop.speak.service_synthesizer import ServiceSynthesizer, SpokenOptions


class OpenAISpeakOptions(SpokenOptions, OwnServer):
    """Options of `[speak] use = "openai"`: a server with OpenAI's API, its model and voice."""

    base_url: str = "http://127.0.0.1:8880/v1"
    """The URL of the server's API."""
    model: str = "tts-1"
    """The model; some servers have only one and ignore this."""
    voice: str = "alloy"
    """The voice; each server has its own."""


class OpenAISynthesizer(ServiceSynthesizer):
    """The synthesizer that `use = "openai"` names."""

    Options: ClassVar[type[BaseModel]] = OpenAISpeakOptions
    _options: OpenAISpeakOptions

    @property
    def description(self) -> str:
        return f"openai, {self._options.model}, voice {self._options.voice} at {self._service.shown_url}"
