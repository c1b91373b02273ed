"""The transcriber for servers with OpenAI's own form of /audio/transcriptions (a multipart form).

Self-hosted servers use this form: speaches, LocalAI, vLLM, whisper.cpp's server (with
`--inference-path /v1/audio/transcriptions`).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import ClassVar

from pydantic import BaseModel

from voiceloop.audio.wav import wav_bytes
from voiceloop.config.address import host_of
from voiceloop.config.language import language_code
from voiceloop.config.server_tables import Endpoint, OwnServer
from voiceloop.config.table import Conflict
from voiceloop.net.service import Request
from voiceloop.net.wanted import Wanted
from voiceloop.transcribe.clip_transcriber import ClipOptions, ClipTranscriber
from voiceloop.transcribe.posting import Form
from voiceloop.types import Utterance

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

    def request(self, utterance: Utterance, *, form: Form) -> Request:
        options = self._options
        fields = {"model": self.clip_model, "response_format": "verbose_json" if Form.VERBOSE in form else "json"}
        if (language := language_code(options.language)) is not None:
            fields["language"] = language
        if (prompt := options.prompt_with(options.prompt)) is not None:
            fields["prompt"] = prompt
        if options.temperature is not None:
            fields["temperature"] = f"{options.temperature:g}"
        body = multipart(fields, wav_bytes(utterance.pcm, utterance.rate_hz), secrets.token_hex(16))
        return Request("/audio/transcriptions", body=body, model=self.clip_model)


def multipart(fields: Mapping[str, str], clip: bytes, boundary: str) -> tuple[str, bytes]:
    """Content type and body of a multipart form (RFC 7578) with a WAV as its `file`."""
    lines = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="clip.wav"\r\n'
    lines += [f"{head}Content-Type: audio/wav\r\n\r\n".encode(), clip, f"\r\n--{boundary}--\r\n".encode()]
    return f"multipart/form-data; boundary={boundary}", b"".join(lines)
