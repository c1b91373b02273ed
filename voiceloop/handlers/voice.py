"""`voice`: answers with a voice-native model: the recorded utterance goes to /chat/completions, and sound comes back.

One request replaces three (transcribe, chat, speak). The model hears the tone of voice, and the first sample arrives
without waiting for a transcription. What the user said is then known as text only if the transcriber also runs (see
`history`).
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, Field

from voiceloop.audio.pcm import Aligner
from voiceloop.audio.wav import wav_bytes
from voiceloop.errors import ContextTooLong
from voiceloop.handlers.completing import completing
from voiceloop.handlers.completion import Sound
from voiceloop.handlers.completion_handler import CompletionHandler, CompletionOptions
from voiceloop.handlers.prompt import messages
from voiceloop.plugins import Reply
from voiceloop.transcribe.keeping import keeping_unsent
from voiceloop.types import Message, Speech, Transcript, Usage

RATE_HZ = 24_000
"""The sample rate of `pcm16`, the format in which these models stream."""


class VoiceOptions(CompletionOptions):
    """Options of `[handler] use = "voice"`."""

    model: str
    """A model with sound as input and output, like `openai/gpt-audio`."""
    voice: str = "alloy"
    """The model's voice."""
    rate_hz: Annotated[int, Field(ge=8_000, le=48_000)] = RATE_HZ
    """The sample rate of the model's sound, in Hz."""


class VoiceHandler(CompletionHandler):
    """The handler for `use = "voice"`."""

    Options: ClassVar[type[BaseModel]] = VoiceOptions
    _options: VoiceOptions

    @property
    def description(self) -> str:
        return f"voice, {self._options.model}, voice {self._options.voice}"

    async def handle(self, transcript: Transcript, reply: Reply) -> None:
        """Stream the model's sound into `reply`.

        Raises `ServiceError`s; sound passed to `reply` before the error is still played.
        """
        # No transcriber keeps the utterance here, so the handler does.
        async with keeping_unsent(transcript.utterance, keeps=self._services.keeps):
            await self._handle(transcript, reply)

    async def _handle(self, transcript: Transcript, reply: Reply) -> None:
        past = self.past(reply.history)
        try:
            said = await self._ask(self._body(transcript, past), reply)
        except ContextTooLong:
            if not past:
                raise
            limit = self._most_tokens
            try:
                said = await self._ask(self._body(transcript, self.forget(past)), reply)
            except ContextTooLong:
                self._most_tokens = limit  # the past was not the reason
                raise
        if not said:
            raise self.nothing_said()

    async def _ask(self, body: dict[str, Any], reply: Reply) -> bool:
        """Make the request; returns whether anything was said."""
        rate_hz = self._options.rate_hz
        aligner = Aligner()
        words: list[str] = []
        said = False
        async with completing(self._service, body, self.patience, self._habits) as deltas:
            async for delta in deltas:
                said = said or isinstance(delta, Sound | str)
                match delta:
                    case Sound():
                        words.append(delta.text)
                        # Words often arrive before their sound: keep them until there are samples to play.
                        if pcm := aligner.feed(delta.pcm):
                            await reply.play(Speech(pcm, rate_hz), "".join(words))
                            words.clear()
                    case str():
                        # If the model answers in text after all, the text is spoken as in `chat`.
                        await reply.say(delta)
                    case Usage():
                        reply.spent(delta)
        if rest := "".join(words):
            await reply.play(Speech(b"", rate_hz), rest)
        return said

    def _body(self, transcript: Transcript, past: Sequence[Message]) -> dict[str, Any]:
        clip = transcript.utterance
        data = base64.b64encode(wav_bytes(clip.pcm, clip.rate_hz)).decode("ascii")
        content = [{"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}]
        body = self.body(messages(self._options.system, past, content))
        return body | {"modalities": ["text", "audio"], "audio": {"voice": self._options.voice, "format": "pcm16"}}
