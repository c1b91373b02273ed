"""The transcriber `use = "moonshine"`: Moonshine's models, embedded. English comes with the extra `local`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, ClassVar, Self

import trio
from pydantic import BaseModel

from voiceloop import registry
from voiceloop.config.language import Language, language_code
from voiceloop.config.tables import Table
from voiceloop.errors import ConfigError
from voiceloop.transcribe.embedded.moonshine import model_files
from voiceloop.transcribe.embedded.moonshine.recogniser import MoonshineRecogniser
from voiceloop.transcribe.embedded.transcriber import CLOSE_S, EmbeddedTranscriber

if TYPE_CHECKING:
    from voiceloop.plugins import Services


class MoonshineOptions(Table):
    """Options of `[transcribe] use = "moonshine"`."""

    model: str = "tiny-en"
    """The name of an installed model, or the path of a folder with one."""
    language: Language = None
    """Language of the speech, as an ISO 639-1 code. Each model knows one language; it must be that one."""
    vocabulary: tuple[str, ...] = ()
    """Names and terms that you are likely to say. What sounds like one of them is written as it is spelled here; a name
    that is said in another way than it is written has its sound after it: `kubectl=cube control`."""


class MoonshineTranscriber(EmbeddedTranscriber):
    """Moonshine on this machine's processor: the text of 3 s of speech after about 70 ms."""

    Options: ClassVar[type[BaseModel]] = MoonshineOptions
    requires: ClassVar = ("onnxruntime",)
    punctuates: ClassVar[bool] = False
    """It ends 95 % of whole sentences with a mark, and 75 % of those that break off (`scripts/bench endpoint`)."""

    @classmethod
    @asynccontextmanager
    async def open(cls, options: BaseModel, services: Services) -> AsyncIterator[Self]:
        """Load the model (0.3 s with ONNX Runtime). Raises `MissingExtra`, `ConfigError`, `EngineError`."""
        assert isinstance(options, MoonshineOptions)
        registry.check(cls)
        files = model_files.find(options.model)
        check_language(files.name, knows=files.language, wanted=options.language)
        recogniser = await trio.to_thread.run_sync(MoonshineRecogniser, files)
        self = cls(recogniser, vocabulary=options.vocabulary, language=files.language or options.language)
        try:
            yield self
        finally:
            with trio.move_on_after(CLOSE_S, shield=True):
                await self.close()


def check_language(model: str, *, knows: str | None, wanted: str | None) -> None:
    """Raise `ConfigError` when a model of one language is asked for another."""
    if knows is not None and wanted is not None and language_code(wanted) != knows:
        instead = "Many languages are known to transcribe.use = 'whisper' with a model like 'small'"
        raise ConfigError([f"transcribe.language: the model '{model}' knows '{knows}' only, not '{wanted}'. {instead}"])
