"""Answers with a voice-native model: the utterance itself goes to /chat/completions, and sound comes back.

One request in place of three. The model hears how something was said, and the first sample comes without a
transcription before it; what was said stays unknown to us unless the transcriber still runs (see `history`).
"""

from __future__ import annotations

import base64
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, Field

from voiceloop.audio.pcm import Aligner
from voiceloop.audio.wav import wav_bytes
from voiceloop.handlers.completing import completing
from voiceloop.handlers.completion import Sound
from voiceloop.handlers.completion_handler import CompletionHandler, CompletionOptions
from voiceloop.handlers.prompt import messages
from voiceloop.plugins import Reply
from voiceloop.transcribe.keeping import keeping
from voiceloop.types import Speech, Transcript, Usage

RATE_HZ = 24_000
"""Of `pcm16`, the format in which these models stream."""


class VoiceOptions(CompletionOptions):
    """Options of `[handler] use = "voice"`."""

    model: str
    """A model that takes and gives sound, like `openai/gpt-audio`."""
    voice: str = "alloy"
    """Its voice."""
    rate_hz: Annotated[int, Field(ge=8_000, le=48_000)] = RATE_HZ
    """The rate of its sound."""


class VoiceHandler(CompletionHandler):
    """The handler that `use = "voice"` names."""

    Options: ClassVar[type[BaseModel]] = VoiceOptions
    _options: VoiceOptions

    @property
    def description(self) -> str:
        return f"voice, {self._options.model}, voice {self._options.voice}"

    async def handle(self, transcript: Transcript, reply: Reply) -> None:
        """Stream the model's sound into `reply`. Raises `ServiceError`s; what was played before one stays played."""
        # Nobody writes it down but the model.
        async with keeping(transcript.utterance, keeps=self._services.keeps):
            await self._handle(transcript, reply)

    async def _handle(self, transcript: Transcript, reply: Reply) -> None:
        rate_hz = self._options.rate_hz
        aligner = Aligner()
        words: list[str] = []
        async with completing(self._service, self._body(transcript, reply), self.patience) as deltas:
            async for delta in deltas:
                match delta:
                    case Sound():
                        words.append(delta.text)
                        # The words often come before their sound: they wait for samples to ride on.
                        if pcm := aligner.feed(delta.pcm):
                            await reply.play(Speech(pcm, rate_hz), "".join(words))
                            words.clear()
                    case str():
                        # A model that answers in text all the same is spoken like any other.
                        await reply.say(delta)
                    case Usage():
                        reply.spent(delta)
        if rest := "".join(words):
            await reply.play(Speech(b"", rate_hz), rest)

    def _body(self, transcript: Transcript, reply: Reply) -> dict[str, Any]:
        clip = transcript.utterance
        data = base64.b64encode(wav_bytes(clip.pcm, clip.rate_hz)).decode("ascii")
        said = [{"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}]
        body = self.body(messages(self._options.system, self.past(reply.history), said))
        return body | {"modalities": ["text", "audio"], "audio": {"voice": self._options.voice, "format": "pcm16"}}
