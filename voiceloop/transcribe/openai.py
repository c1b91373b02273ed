"""Transcribes by OpenAI's own form of /audio/transcriptions, which is what servers that people run themselves speak:
speaches, LocalAI, vLLM, whisper.cpp's server (with `--inference-path /v1/audio/transcriptions`)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import ClassVar

from pydantic import BaseModel

from voiceloop.audio.wav import wav_bytes
from voiceloop.config.tables import OwnServer
from voiceloop.net.service import Request
from voiceloop.transcribe.clip_transcriber import ClipOptions, ClipTranscriber
from voiceloop.types import Utterance


class OpenAITranscribeOptions(ClipOptions, OwnServer):
    """Options of `[transcribe] use = "openai"`: a server of OpenAI's shape, and what to ask it."""

    base_url: str = "http://127.0.0.1:8000/v1"
    """Where it is."""
    model: str = "whisper-1"
    """The model that listens; some servers have but one and ignore this."""
    prompt: str | None = None
    """Words that are likely to be said: names, terms."""


class OpenAITranscriber(ClipTranscriber):
    """The transcriber that `use = "openai"` names."""

    Options: ClassVar[type[BaseModel]] = OpenAITranscribeOptions
    _options: OpenAITranscribeOptions

    @property
    def description(self) -> str:
        return f"openai, {self._options.model} at {self._service.shown_url}"

    def request(self, utterance: Utterance, *, verbose: bool) -> Request:
        options = self._options
        fields = {"model": options.model, "response_format": "verbose_json" if verbose else "json"}
        if options.language is not None:
            fields["language"] = options.language
        if (prompt := options.prompt_with(options.prompt)) is not None:
            fields["prompt"] = prompt
        if options.temperature is not None:
            fields["temperature"] = f"{options.temperature:g}"
        body = form(fields, wav_bytes(utterance.pcm, utterance.rate_hz), secrets.token_hex(16))
        return Request("/audio/transcriptions", body=body, model=options.model)


def form(fields: Mapping[str, str], clip: bytes, boundary: str) -> tuple[str, bytes]:
    """Content type and body of a form with a WAV as its `file` (RFC 7578)."""
    lines = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="clip.wav"\r\n'
    lines += [f"{head}Content-Type: audio/wav\r\n\r\n".encode(), clip, f"\r\n--{boundary}--\r\n".encode()]
    return f"multipart/form-data; boundary={boundary}", b"".join(lines)
