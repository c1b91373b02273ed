"""The transcriber `use = "whisper"`: Whisper's models of any size, run by faster-whisper. The extra `whisper`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

import trio
from pydantic import BaseModel, Field

from voiceloop import registry
from voiceloop.config.language import Language, language_code
from voiceloop.config.tables import Table
from voiceloop.errors import EngineError
from voiceloop.transcribe.embedded import processor, whisper_files
from voiceloop.transcribe.embedded.transcriber import EmbeddedTranscriber
from voiceloop.transcribe.embedded.whisper_files import ModelFiles
from voiceloop.transcribe.embedded.whisper_recogniser import LEAST_WINDOW_S, Search, WhisperRecogniser, check_language

if TYPE_CHECKING:
    from voiceloop.plugins import Services

ComputeType = Literal["int8", "int8_float16", "int8_bfloat16", "int16", "float16", "bfloat16", "float32", "auto"]


class WhisperOptions(Table):
    """Options of `[transcribe] use = "whisper"`."""

    model: str = "small"
    """The name of a model on this machine, like `tiny.en`, `small` or `large-v3`, or the path of a folder with one in
    CTranslate2's format. Names are looked up in the user's data folder (`voiceloop/models/NAME`), in the local cache of
    the Hugging Face hub and in installed packages. Nothing is downloaded."""
    language: Language = None
    """Language of the speech, as an ISO 639-1 code (`en`, `ja`). Left out, or `auto`: detected by the model in every
    clip."""
    vocabulary: tuple[str, ...] = ()
    """Names and terms that you are likely to say. The model is told them, and what sounds like one of them is written
    as it is spelled here."""
    beam_size: Annotated[int, Field(ge=1, le=10)] = 1
    """How many texts the search follows at the same time. With more, it takes longer."""
    word_times: bool = True
    """Whether the time of every word is computed. Captions use them; without, they are estimated."""
    window_s: Annotated[float, Field(ge=10, le=30)] = LEAST_WINDOW_S
    """Shorter clips are filled up with silence to this length, in seconds. The model was trained on 30, which takes
    four times as long as 15."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the model runs. `auto` is a graphics card (CUDA) where there is one on which the model works, else the
    processor."""
    compute_type: ComputeType | None = None
    """The type of the model's numbers. Left out: `int8` on the processor, the card's fastest (`auto`) on a graphics
    card."""
    cpu_threads: Annotated[int, Field(ge=1, le=64)] | None = None
    """Threads on the processor. Left out: half of its cores, at most 4."""

    def prompt_with(self, prompt: object) -> str | None:
        """What the model is told before each clip: the vocabulary; None when there is none. `prompt` is not used."""
        from voiceloop.transcribe.vocabulary import as_written

        return ", ".join(as_written(self.vocabulary)) or None


class WhisperTranscriber(EmbeddedTranscriber):
    """Whisper on this machine's processor or graphics card."""

    Options: ClassVar[type[BaseModel]] = WhisperOptions
    requires: ClassVar = ("faster_whisper",)

    @classmethod
    @asynccontextmanager
    async def open(cls, options: BaseModel, services: Services) -> AsyncIterator[Self]:
        """Load the model. Raises `MissingExtra`, `ConfigError`, `EngineError`."""
        assert isinstance(options, WhisperOptions)
        registry.check(cls)
        files = whisper_files.find(options.model)
        language = language_code(options.language)
        if files.english_only:
            check_language(files.name, language, known=("en",))
            language = "en"
        recogniser = await _load(files, options, language, services)
        if recogniser.english_only:
            language = "en"
        self = cls(recogniser, vocabulary=options.vocabulary, language=language)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.close)
            yield self


async def _load(
    files: ModelFiles, options: WhisperOptions, language: str | None, services: Services
) -> WhisperRecogniser:
    """The recogniser on the graphics card, or else on the processor."""
    search = Search(
        device="cpu",
        compute_type=options.compute_type or "int8",
        threads=options.cpu_threads or processor.threads(),
        language=language,
        hotwords=options.prompt_with(None),
        beam_size=options.beam_size,
        word_times=options.word_times,
        window_s=options.window_s,
    )
    load = partial(WhisperRecogniser, files.folder, files.name)
    if options.device == "cuda" or (options.device == "auto" and await trio.to_thread.run_sync(_has_cuda)):
        try:
            card = replace(search, device="cuda", compute_type=options.compute_type or "auto")
            return await trio.to_thread.run_sync(load, card)
        except EngineError as error:
            if options.device == "cuda":
                raise
            text = f"Whisper runs on the processor, because it does not run on the graphics card ({error.what})."
            services.publish("notice", text=text)
            # The card's number types, which may be set, are mostly not the processor's.
            search = replace(search, compute_type="int8")
    return await trio.to_thread.run_sync(load, search)


def _has_cuda() -> bool:
    """Whether there is a graphics card with its driver. Its libraries may still be missing."""
    import ctranslate2

    return bool(ctranslate2.get_cuda_device_count())
