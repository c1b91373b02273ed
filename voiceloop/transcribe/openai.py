"""The transcriber for servers with OpenAI's own form of /audio/transcriptions (a multipart form).

Self-hosted servers use this form: speaches, LocalAI, vLLM, whisper.cpp's server (with
`--inference-path /v1/audio/transcriptions`).
"""

from __future__ import annotations

import secrets
from typing import Any, ClassVar, Literal

from pydantic import BaseModel

from voiceloop.audio.clip_formats import ClipFormat
from voiceloop.config.language import language_code
from voiceloop.config.tables import OwnServer, UploadMode
from voiceloop.net.bodies import Envelope, form_envelope
from voiceloop.plugins import Services
from voiceloop.transcribe.clip_transcriber import ClipOptions, ClipTranscriber, file_of
from voiceloop.transcribe.posting import Form


class OpenAITranscribeOptions(ClipOptions, OwnServer):
    """Options of `[transcribe] use = "openai"`: a server with OpenAI's API."""

    base_url: str = "http://127.0.0.1:8000/v1"
    """Address of the server."""
    model: str = "whisper-1"
    """The transcription model. Servers with a single model ignore this."""
    prompt: str | None = None
    """Words that you are likely to say: names, terms."""
    upload: UploadMode = "whole"
    """As `openrouter.upload`: `streamed` sends a clip while it is spoken."""
    upload_format: Literal["wav", "flac", "ogg"] = "wav"
    """How clips are written. `flac`: the same sound in fewer bytes, about half. `ogg`: Opus, about a tenth, which loses
    some of the sound. Both need the extra `uploads`. If the server refuses a format, WAV is used instead, with one
    notice."""


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
