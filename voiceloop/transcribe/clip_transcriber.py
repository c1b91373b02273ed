"""The base classes of transcribers that post clips to a server: common options and the transcriber itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Annotated, Any, ClassVar, Literal, Self

import trio
from pydantic import BaseModel, Field

from voiceloop.audio.clip_formats import ClipFormat, encoded, lacking, load
from voiceloop.config.language import Language
from voiceloop.config.tables import Endpoint, Table, UploadMode
from voiceloop.errors import ConfigError, EngineError, MissingExtra
from voiceloop.net.bodies import Envelope
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
    upload_format: ClipFormat = "wav"
    """How clips are written. `flac`: the same sound in fewer bytes, about half. `ogg`: Opus, about a tenth, which loses
    some of the sound. Both need the extra `uploads`. `pcm`: the samples without a header. If the model refuses a
    format, WAV is used instead, with one notice."""
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
    """A transcriber that posts one utterance at a time. Subclasses build the body in `envelope`."""

    preemptive: ClassVar[bool] = True

    def __init__(self, options: Any, service: Service, services: Services) -> None:
        super().__init__(options, service, services)
        posting = Posting(
            request=self.request,
            request_with=self.request_with,
            envelope=self.envelope,
            streamed=self._is_streamed(options, services),
            formats=tuple(dict.fromkeys((options.upload_format, "wav"))),
            model=self.clip_model,
            forms=self.forms,
            max_clip_s=options.max_clip_s,
        )
        self._poster = Poster(service, posting, services)

    @classmethod
    def open(cls, options: BaseModel, services: Services) -> AbstractAsyncContextManager[Self]:
        @asynccontextmanager
        async def opened() -> AsyncIterator[Self]:
            assert isinstance(options, ClipOptions)
            await ready(options.upload_format)
            async with super(ClipTranscriber, cls).open(options, services) as transcriber:
                yield transcriber

        return opened()

    @staticmethod
    def upload_mode(options: Any, services: Services) -> UploadMode:
        """When clips are sent."""
        return "whole"

    def _is_streamed(self, options: Any, services: Services) -> bool:
        streamed = self.upload_mode(options, services) == "streamed"
        if streamed and options.upload_format == "flac":
            raise ConfigError([_NOT_AS_IT_COMES])
        return streamed

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

    def request(self, utterance: Utterance, *, form: Form, kind: ClipFormat) -> Request:
        """Build the request for one clip, in a format."""
        sound = encoded(kind, utterance.pcm, utterance.rate_hz)
        return self.request_with(sound, form=form, kind=kind)

    def request_with(self, sound: bytes, *, form: Form, kind: ClipFormat) -> Request:
        """Build the request for a clip that is encoded already."""
        body = self.envelope(form=form, kind=kind).around(sound)
        return Request("/audio/transcriptions", body=body, model=self.clip_model)

    def envelope(self, *, form: Form, kind: ClipFormat) -> Envelope:
        """Build the body of a request but for its sound, with only the fields that are set."""
        raise NotImplementedError


_NOT_AS_IT_COMES = (
    "transcribe.upload_format: 'flac' can't be sent while you speak (upload = 'streamed'), as its length comes before "
    "its sound. Use 'wav' or 'ogg', or upload = 'whole'."
)


def file_of(kind: ClipFormat) -> tuple[str, str]:
    """The name and the content type of a clip in a form."""
    return f"clip.{kind}", f"audio/{kind}"


async def ready(kind: ClipFormat) -> None:
    """Load what a format needs, before the first clip does. Raises `MissingExtra` and `EngineError`."""
    if (module := lacking(kind)) is not None:
        raise _missing(module, kind)
    try:
        await trio.to_thread.run_sync(load, kind, abandon_on_cancel=True)
    except (ImportError, OSError, RuntimeError) as error:
        raise EngineError(
            f"transcribe.upload_format = '{kind}': libsndfile can't be used: {error}",
            remedy="Install it again, or leave upload_format out: clips are then posted as WAV",
        ) from error


def _missing(module: str, kind: ClipFormat) -> MissingExtra:
    return MissingExtra(
        f"transcribe.upload_format = '{kind}' needs the package '{module}', which is not installed",
        remedy="pip install 'voiceloop[uploads]', or leave upload_format out: clips are then posted as WAV",
    )
