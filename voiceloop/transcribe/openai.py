"""The transcriber for servers with OpenAI's own form of /audio/transcriptions (a multipart form).

Self-hosted servers use this form: speaches, LocalAI, vLLM, whisper.cpp's server (with
`--inference-path /v1/audio/transcriptions`).
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import ClassVar

from pydantic import BaseModel

from voiceloop.audio.wav import wav_bytes
from voiceloop.config.language import language_code
from voiceloop.config.tables import OwnServer
from voiceloop.net.service import Request
from voiceloop.transcribe.clip_transcriber import ClipOptions, ClipTranscriber
from voiceloop.transcribe.posting import Form
from voiceloop.types import Utterance


class OpenAITranscribeOptions(ClipOptions, OwnServer):
    """Options of `[transcribe] use = "openai"`: a server with OpenAI's API."""

    base_url: str = "http://127.0.0.1:8000/v1"
    """Address of the server."""
    model: str = "whisper-1"
    """The transcription model. Servers with a single model ignore this."""
    prompt: str | None = None
    """Words that you are likely to say: names, terms."""


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
