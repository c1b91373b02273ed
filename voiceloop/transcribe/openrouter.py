"""The transcriber for OpenRouter's /audio/transcriptions: one post for each utterance. Knows no device and no turn."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field

from voiceloop.audio.clip_formats import ClipFormat
from voiceloop.config.language import language_code
from voiceloop.config.tables import Conflict, UploadMode
from voiceloop.net.bodies import SOUND, Envelope, form_envelope, json_envelope
from voiceloop.plugins import Services
from voiceloop.transcribe.clip_transcriber import ClipOptions, ClipTranscriber, file_of
from voiceloop.transcribe.posting import Form

PROMPTED = ("groq", "openai")
"""Providers whose transcription takes a `prompt`. OpenRouter passes each its own options and ignores the rest."""


class OpenRouterTranscribeOptions(ClipOptions):
    """Options of `[transcribe] use = "openrouter"`."""

    model: str
    """The transcription model, like `openai/whisper-large-v3`; `voiceloop models --transcription` lists them."""
    timestamp_granularities: tuple[Literal["segment", "word"], ...] = ()
    """Which times `verbose_json` returns: of segments, of words, or both."""
    diarize: bool = False
    """Whether the service is to tell who said each word, for captions and `transcribe --json`; it may charge extra for
    it. Persons are told apart within one clip alone. If the model refuses it, there is one notice, and no names."""
    provider: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Options passed on to a provider, by its name: `provider.groq = { prompt = "names: Ada, Grace" }`."""

    multipart: bool = False
    """Whether a clip is sent as the file of a form in place of base64 in JSON: a quarter fewer bytes, and 25 MB at
    most. Gateways with OpenRouter's API may not take it."""

    def provider_options(self) -> dict[str, dict[str, Any]]:
        """`provider`, with the vocabulary added to the prompts of those in `PROMPTED`. Others don't receive it."""
        options = {name: dict(values) for name, values in self.provider.items()}
        if self.vocabulary:
            for name in PROMPTED:
                options.setdefault(name, {})
                options[name]["prompt"] = self.prompt_with(options[name].get("prompt"))
        return options

    def conflicts(self) -> Iterable[Conflict]:
        if self.timestamp_granularities and self.response_format != "verbose_json":
            yield Conflict(
                ("timestamp_granularities", "response_format"),
                "needs response_format = 'verbose_json'",
                "Set that, or leave timestamp_granularities out.",
            )
        if self.multipart and self.upload_format == "pcm":
            yield Conflict(("multipart", "upload_format"), "a form can't say that its file is pcm", "Leave one out.")


class OpenRouterTranscriber(ClipTranscriber):
    """The transcriber of `use = "openrouter"`."""

    Options: ClassVar[type[BaseModel]] = OpenRouterTranscribeOptions
    _options: OpenRouterTranscribeOptions

    @property
    def description(self) -> str:
        language = f", language {self._options.language}" if self._options.language else ""
        return f"openrouter, {self._options.model}{language}"

    @staticmethod
    def forms(options: Any, services: Services) -> tuple[Form, ...]:
        forms = ClipTranscriber.forms(options, services)
        return (Form.SPEAKERS, *forms) if options.diarize and services.names_speakers else forms

    @staticmethod
    def upload_mode(options: Any, services: Services) -> UploadMode:
        return services.config.openrouter.upload

    @property
    def tells_speakers(self) -> bool:
        return self._poster.tells_speakers

    def without_speakers(self) -> OpenRouterTranscriber:
        if not self._options.diarize:
            return self
        options = self._options.model_copy(update={"diarize": False})
        return OpenRouterTranscriber(options, self._service, self._services)

    def envelope(self, *, form: Form, kind: ClipFormat) -> Envelope:
        options = self._options
        body: dict[str, Any] = {"model": options.model}
        if not options.multipart:
            body["input_audio"] = {"data": SOUND, "format": kind}
        if (language := language_code(options.language)) is not None:
            body["language"] = language
        if options.temperature is not None:
            body["temperature"] = options.temperature
        if form is not Form.PLAIN:
            body["response_format"] = "verbose_json"
            if form is Form.SPEAKERS:
                body["diarize"] = True
            if options.timestamp_granularities:
                body["timestamp_granularities"] = list(options.timestamp_granularities)
        if provider := options.provider_options():
            body["provider"] = {"options": provider}
        return form_envelope(body, file_of(kind), secrets.token_hex(16)) if options.multipart else json_envelope(body)
