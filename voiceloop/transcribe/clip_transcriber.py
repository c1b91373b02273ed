"""The base classes of transcribers that post clips to a server: common options and the transcriber itself."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from voiceloop.config.language import Language
from voiceloop.config.tables import Endpoint, Table
from voiceloop.net.service import Request, Service
from voiceloop.net.service_part import ServicePart
from voiceloop.net.wanted import Wanted, server_of
from voiceloop.plugins import Services, Transcription
from voiceloop.transcribe.posting import Form, Poster, Posting
from voiceloop.types import Utterance


class ClipOptions(Table):
    """Options common to all transcribers that post clips."""

    model: str
    language: Language = None
    """Language of the speech (`en`, `ja`, `pt-BR`); the server is told it without a region. Left out, or `auto`:
    detected by the model."""
    temperature: Annotated[float, Field(ge=0, le=1)] | None = None
    """Randomness of the model's decoding, 0 to 1; at 0 it returns its best guess."""
    response_format: Literal["json", "verbose_json"] = "json"
    """`verbose_json` also asks for word times, confidence and the language, as far as the model provides them. If the
    model refuses this format, `json` is used instead, with one notice."""
    vocabulary: tuple[str, ...] = ()
    """Names and terms that you are likely to say. Sent as the prompt, whose spelling Whisper-like models follow, or by
    OpenRouter as `keyterms`; dictation also writes them as they are spelled here. `term=its sound` is sent without
    the sound."""
    max_clip_s: Annotated[float, Field(ge=5, le=3600)] | None = None
    """Longer clips are cut at pauses. Left out: the known limit of the model, or one found when it refuses a clip."""

    def prompt_with(self, prompt: object) -> str | None:
        """The user's prompt followed by the vocabulary; None when there is neither."""
        terms = ""
        if self.vocabulary:
            from voiceloop.transcribe.vocabulary import as_written  # only where there is a vocabulary

            terms = ", ".join(as_written(self.vocabulary))
        return " ".join(part for part in (str(prompt or ""), terms) if part) or None

    def wanted(self, openrouter: Endpoint) -> Wanted:
        settings, table = server_of(self, openrouter, "transcribe")
        return Wanted(part="transcribe", kind="transcription", settings=settings, table=table, models=(self.model,))


class ClipTranscriber(ServicePart):
    """A transcriber that posts one utterance at a time. Subclasses build the request in `request`."""

    preemptive: ClassVar[bool] = True

    def __init__(self, options: Any, service: Service, services: Services) -> None:
        super().__init__(options, service, services)
        posting = Posting(
            request=self.request,
            model=self.clip_model,
            forms=self.forms,
            max_clip_s=options.max_clip_s,
        )
        self._poster = Poster(service, posting, services)

    @property
    def clip_model(self) -> str:
        """The model that clips are posted to."""
        model: str = self._options.model
        return model

    def forms(self) -> tuple[Form, ...]:
        """The forms of answers to ask for (`Posting.forms`)."""
        return (Form.VERBOSE, Form.PLAIN) if self._options.response_format == "verbose_json" else (Form.PLAIN,)

    def transcription(self) -> AbstractAsyncContextManager[Transcription]:
        return self._poster.transcription()

    def request(self, utterance: Utterance, *, form: Form) -> Request:
        """Build the request for one clip, with only the fields that are set."""
        raise NotImplementedError
