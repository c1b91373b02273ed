"""The transcriber for OpenRouter's /audio/transcriptions: one post for each utterance. Knows no device and no turn."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field

from voiceloop.audio.clip_formats import ClipFormat
from voiceloop.config.language import language_code
from voiceloop.config.server_tables import Endpoint, UploadMode
from voiceloop.config.table import Conflict, FreeTable
from voiceloop.net.bodies import SOUND, Envelope, form_envelope, json_envelope
from voiceloop.net.common_fields import common_fields
from voiceloop.net.parameters import Asked
from voiceloop.net.providers import Feature
from voiceloop.net.wanted import Wanted
from voiceloop.plugins import Services
from voiceloop.transcribe.clip_transcriber import ClipOptions, ClipTranscriber, file_of
from voiceloop.transcribe.posting import Form, with_keyterms

PROMPTED = ("groq", "openai")
"""Providers whose transcription takes a `prompt`. OpenRouter passes each its own options and ignores the rest."""
_DIARIZES = Feature("diarize", "supports_diarization", "tells speakers apart")


class OpenRouterTranscribeOptions(ClipOptions):
    """Options of `[transcribe] use = "openrouter"`."""

    model: str
    """The transcription model, like `openai/whisper-large-v3`; `voiceloop models --transcription` lists them."""
    timestamp_granularities: tuple[Literal["segment", "word"], ...] = ()
    """Which times `verbose_json` returns: of segments, of words, or both."""
    diarize: bool = False
    """Whether the service is to tell who said each word, for captions and `transcribe --json`; it may charge extra for
    it. Persons are told apart within one clip alone. If the model refuses it, there is one notice, and no names."""
    keyterms: bool | None = None
    """Whether the vocabulary is sent as `keyterms`, to which a model's hearing is bent, and not as the prompt; the
    service may charge extra for it. Left out: if the model's listing says that it takes them. If the model refuses
    them, there is one notice, and the vocabulary is sent as the prompt."""
    provider: dict[str, FreeTable] = Field(default_factory=dict)
    """Options passed on to a provider, by its name: `provider.groq = { prompt = "names: Ada, Grace" }`."""

    multipart: bool = False
    """Whether a clip is sent as the file of a form in place of base64 in JSON: a quarter fewer bytes, and 25 MB at
    most. Gateways with OpenRouter's API may not take it."""

    def provider_options(self, *, prompted: bool) -> dict[str, dict[str, Any]]:
        """`provider`; if `prompted`, with the vocabulary added to the prompts of those in `PROMPTED`. Others don't
        receive it."""
        options = {name: dict(values) for name, values in self.provider.items()}
        if self.vocabulary and prompted:
            for name in PROMPTED:
                options.setdefault(name, {})
                options[name]["prompt"] = self.prompt_with(options[name].get("prompt"))
        return options

    def conflicts(self) -> Iterable[Conflict]:
        if self.timestamp_granularities and self.response_format != "verbose_json":
            yield Conflict(
                ("timestamp_granularities", "response_format"),
                "needs response_format = 'verbose_json'",
                "Set that, or leave timestamp_granularities out.",
            )
        if self.multipart and self.upload_format == "pcm":
            yield Conflict(("multipart", "upload_format"), "a form can't say that its file is pcm", "Leave one out.")
        if self.keyterms and not self.vocabulary:
            yield Conflict(("keyterms", "vocabulary"), "does nothing without a vocabulary", "Name terms, or remove it.")

    def wanted(self, openrouter: Endpoint) -> Wanted:
        return replace(
            super().wanted(openrouter),
            asked=(Asked("keyterms", ("keyterms",)),) if self.keyterms else (),
            features=(_DIARIZES,) if self.diarize else (),
            told_by_listing=bool(self.vocabulary) and self.keyterms is None,
        )


class OpenRouterTranscriber(ClipTranscriber):
    """The transcriber of `use = "openrouter"`."""

    Options: ClassVar[type[BaseModel]] = OpenRouterTranscribeOptions
    _options: OpenRouterTranscribeOptions

    @property
    def description(self) -> str:
        language = f", language {self._options.language}" if self._options.language else ""
        return f"openrouter, {self._options.model}{language}"

    def forms(self) -> tuple[Form, ...]:
        forms = super().forms()
        if self._options.diarize and self._services.names_speakers:
            forms = (Form.SPEAKERS, *forms)
        return with_keyterms(forms) if self._options.vocabulary and self.takes_keyterms else forms

    @property
    def takes_keyterms(self) -> bool:
        """Whether the vocabulary goes there, by the config or else by the listing, as far as that is known yet."""
        if self._options.keyterms is not None:
            return self._options.keyterms
        listed = self._service.listed
        return listed is not None and "keyterms" in listed.parameters

    @staticmethod
    def upload_mode(options: Any, services: Services) -> UploadMode:
        return services.config.openrouter.upload

    @property
    def tells_speakers(self) -> bool:
        return self._poster.tells_speakers

    def without_speakers(self) -> OpenRouterTranscriber:
        if not self._options.diarize:
            return self
        options = self._options.model_copy(update={"diarize": False})
        return OpenRouterTranscriber(options, self._service, self._services)

    def envelope(self, *, form: Form, kind: ClipFormat) -> Envelope:
        options = self._options
        body: dict[str, Any] = {"model": options.model}
        if not options.multipart:
            body["input_audio"] = {"data": SOUND, "format": kind}
        if (language := language_code(options.language)) is not None:
            body["language"] = language
        if options.temperature is not None:
            body["temperature"] = options.temperature
        if form & (Form.VERBOSE | Form.SPEAKERS):
            body["response_format"] = "verbose_json"
            if options.timestamp_granularities:
                body["timestamp_granularities"] = list(options.timestamp_granularities)
        if Form.SPEAKERS in form:
            body["diarize"] = True
        if Form.KEYTERMS in form:
            from voiceloop.transcribe.vocabulary import as_written  # only where there is a vocabulary

            body["keyterms"] = as_written(options.vocabulary)
        given = options.provider_options(prompted=Form.KEYTERMS not in form)
        body |= common_fields(self._service.settings, {"options": given} if given else None)
        return form_envelope(body, file_of(kind), secrets.token_hex(16)) if options.multipart else json_envelope(body)
