"""The transcriber for servers with OpenAI's own form of /audio/transcriptions (a multipart form).

Self-hosted servers use this form: speaches, LocalAI, vLLM, whisper.cpp's server (with
`--inference-path /v1/audio/transcriptions`).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, ClassVar, Literal

from pydantic import BaseModel

from voiceloop.audio.clip_formats import ClipFormat
from voiceloop.config.address import host_of
from voiceloop.config.language import language_code
from voiceloop.config.server_tables import Endpoint, OwnServer, UploadMode
from voiceloop.config.table import Conflict
from voiceloop.net.bodies import Envelope, form_envelope
from voiceloop.net.wanted import Wanted
from voiceloop.plugins import Services
from voiceloop.transcribe.clip_transcriber import ClipOptions, ClipTranscriber, file_of
from voiceloop.transcribe.posting import Form

OPENAI = "api.openai.com"
ENDING = ("whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe", "gpt-4o-transcribe-diarize")
END = "2027-02-26"
"""When OpenAI ends these models, as it has announced; its listing doesn't say."""


class OpenAITranscribeOptions(ClipOptions, OwnServer):
    """Options of `[transcribe] use = "openai"`: a server with OpenAI's API."""

    base_url: str = "http://127.0.0.1:8000/v1"
    """Address of the server."""
    model: str = "whisper-1"
    """The transcription model. Servers with a single model ignore this. For OpenAI's own server it must be set."""
    prompt: str | None = None
    """Words that you are likely to say: names, terms."""
    upload: UploadMode = "whole"
    """As `openrouter.upload`: `streamed` sends a clip while it is spoken."""
    upload_format: Literal["wav", "flac", "ogg"] = "wav"
    """How clips are written. `flac`: the same sound in fewer bytes, about half. `ogg`: Opus, about a tenth, which loses
    some of the sound. Both need the extra `uploads`. If the server refuses a format, WAV is used instead, with one
    notice."""

    def conflicts(self) -> Iterable[Conflict]:
        yield from super().conflicts()
        default = type(self).model_fields["model"].default
        if host_of(self.base_url) == OPENAI and default in ENDING and "model" not in self.model_fields_set:
            what = f"must be set for OpenAI's own server: the default, {default}, ends there on {END}"
            yield Conflict(("model", "base_url"), what, f"So do {', '.join(ENDING[1:])}. Name one that stays.")

    def wanted(self, openrouter: Endpoint) -> Wanted:
        ends = host_of(self.base_url) == OPENAI and self.model in ENDING
        return replace(super().wanted(openrouter), ends=END if ends else "")


class OpenAITranscriber(ClipTranscriber):
    """The transcriber of `use = "openai"`."""

    Options: ClassVar[type[BaseModel]] = OpenAITranscribeOptions
    _options: OpenAITranscribeOptions

    @property
    def description(self) -> str:
        return f"openai, {self._options.model} at {self._service.shown_url}"

    @staticmethod
    def upload_mode(options: Any, services: Services) -> UploadMode:
        mode: UploadMode = options.upload
        return mode

    def envelope(self, *, form: Form, kind: ClipFormat) -> Envelope:
        options = self._options
        fields = {"model": self.clip_model, "response_format": "verbose_json" if Form.VERBOSE in form else "json"}
        if (language := language_code(options.language)) is not None:
            fields["language"] = language
        if (prompt := options.prompt_with(options.prompt)) is not None:
            fields["prompt"] = prompt
        if options.temperature is not None:
            fields["temperature"] = f"{options.temperature:g}"
        return form_envelope(fields, file_of(kind), secrets.token_hex(16))
