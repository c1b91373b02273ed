"""What the transcribers that post clips to a server have in common: options, opening, warming."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from voiceloop.config.tables import Endpoint, Table
from voiceloop.net.service import Request, Service
from voiceloop.net.service_part import ServedPart
from voiceloop.net.wanted import Wanted, server_of
from voiceloop.plugins import Services, Transcription
from voiceloop.transcribe.posting import Poster, Posting
from voiceloop.types import Utterance


class ClipOptions(Table):
    """Options of every such transcriber."""

    model: str
    language: str | None = None
    """What is spoken, as ISO 639-1 (`en`, `ja`); detected when left out."""
    temperature: Annotated[float, Field(ge=0, le=1)] | None = None
    """How freely the model guesses; 0 is its best guess."""
    response_format: Literal["json", "verbose_json"] = "json"
    """`verbose_json` asks for words, confidence and the language too, as far as the model knows them; one that refuses
    it is asked without, which is said once."""
    vocabulary: tuple[str, ...] = ()
    """Names and terms that are likely to be said. Sent as the prompt, by which models of Whisper's kind spell;
    dictation also writes them as they are spelled here."""
    max_clip_s: Annotated[float, Field(ge=5, le=3600)] | None = None
    """Longer clips are cut at pauses. Left out: what is known of the model, or is learned when it refuses one."""

    def prompt_with(self, prompt: object) -> str | None:
        """A prompt of the user's with the vocabulary behind it; None when there is neither."""
        return " ".join(part for part in (str(prompt or ""), ", ".join(self.vocabulary)) if part) or None

    def wanted(self, openrouter: Endpoint) -> Wanted:
        settings, table = server_of(self, openrouter, "transcribe")
        return Wanted("transcribe", "transcription", settings, table, (self.model,))


class ClipTranscriber(ServedPart):
    """A transcriber that posts one utterance at a time. Those that are named say how by `request`."""

    preemptive: ClassVar[bool] = True

    def __init__(self, options: Any, service: Service, services: Services) -> None:
        super().__init__(options, service, services)
        posting = Posting(self.request, options.model, options.response_format == "verbose_json", options.max_clip_s)
        self._poster = Poster(service, posting, services)

    def transcription(self) -> AbstractAsyncContextManager[Transcription]:
        return self._poster.transcription()

    def request(self, utterance: Utterance, *, verbose: bool) -> Request:
        """The post of one clip: every field that is set, and no other. `verbose` asks for `verbose_json`."""
        raise NotImplementedError
