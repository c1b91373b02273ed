"""The transcriber `use = "parakeet"`: NVIDIA's Parakeet TDT, run by onnx-asr. Experimental. The extra `parakeet`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

import trio
from pydantic import BaseModel, Field

from voiceloop import registry
from voiceloop.config.language import Language, language_code
from voiceloop.config.tables import Table
from voiceloop.errors import ConfigError
from voiceloop.transcribe.embedded import parakeet_files, processor
from voiceloop.transcribe.embedded.parakeet_files import ModelFiles
from voiceloop.transcribe.embedded.parakeet_recogniser import ParakeetRecogniser
from voiceloop.transcribe.embedded.transcriber import EmbeddedTranscriber

if TYPE_CHECKING:
    from voiceloop.plugins import Services


class ParakeetOptions(Table):
    """Options of `[transcribe] use = "parakeet"`."""

    model: str = "parakeet-tdt-0.6b-v3"
    """The name of a model on this machine, or the path of a folder with one in ONNX's format. Names are looked up in
    the user's data folder (`voiceloop/models/NAME`) and in the local cache of the Hugging Face hub. Nothing is
    downloaded."""
    quantization: str | None = None
    """Which of several files of a model to use: `int8` is in their names, and an empty text means those without. Left
    out: `int8` where it is there."""
    language: Language = None
    """Language of the speech, as an ISO 639-1 code. The model finds it out by itself and doesn't say it: here it says
    which language's spoken commands count."""
    vocabulary: tuple[str, ...] = ()
    """Names and terms that you are likely to say. What sounds like one of them is written as it is spelled here."""
    cpu_threads: Annotated[int, Field(ge=1, le=64)] | None = None
    """Threads on the processor. Left out: half of its cores, at most 4."""


class ParakeetTranscriber(EmbeddedTranscriber):
    """Parakeet on this machine's processor. Experimental: it was tested on networks made by hand only."""

    Options: ClassVar[type[BaseModel]] = ParakeetOptions
    requires: ClassVar = ("onnx_asr", "onnxruntime")

    @classmethod
    @asynccontextmanager
    async def open(cls, options: BaseModel, services: Services) -> AsyncIterator[Self]:
        """Load the model. Raises `MissingExtra`, `ConfigError`, `EngineError`."""
        assert isinstance(options, ParakeetOptions)
        registry.check(cls)
        files = parakeet_files.find(options.model, options.quantization)
        language = language_code(options.language)
        _check_language(files, language)
        threads = options.cpu_threads or processor.threads()
        recogniser = await trio.to_thread.run_sync(ParakeetRecogniser, files, threads)
        self = cls(recogniser, vocabulary=options.vocabulary, language=language)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.close)
            yield self


def _check_language(files: ModelFiles, language: str | None) -> None:
    """Raise `ConfigError` when the model is known not to know the language that is set."""
    if language is None or files.languages is None or language in files.languages:
        return
    known = ", ".join(sorted(files.languages))
    text = f"'{language}' is not what the model '{files.name}' knows: {known}. Many others are known to "
    raise ConfigError([f"transcribe.language: {text}transcribe.use = 'whisper' with a model like 'small'"])
