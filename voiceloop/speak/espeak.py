"""Synthesizer `espeak`: runs eSpeak NG in this process, through ctypes. Knows no playback.

eSpeak NG is licensed under GPL-3, so it is an optional extra and never a dependency. Whoever distributes voiceloop
together with it must do so under GPL-3.

The library has one global engine, so calls are serialised. They run in a thread: ctypes releases the GIL while the
engine works, and takes it only for the callback that passes on a piece of PCM.
"""

from __future__ import annotations

import ctypes
import functools
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

import trio
from pydantic import BaseModel, Field

from voiceloop import registry
from voiceloop.config.tables import Table
from voiceloop.errors import ConfigError, EngineError
from voiceloop.nursery import private_nursery
from voiceloop.types import SAMPLE_BYTES, Speech

if TYPE_CHECKING:
    from voiceloop.plugins import Services

PLACE = 'speak.use = "espeak"'
PIECE_MS = 50
QUEUE_PIECES = 400
"""The bound of the queue: 20 s, about 0.9 MB. A usual chunk of text fits in whole, which frees the engine for the next
one. When a longer text fills the queue, the callback waits for the reader."""

# From espeak-ng/speak_lib.h.
_SYNCHRONOUS = 2
_DONT_EXIT = 0x8000
_CHARS_UTF8 = 1
_CHARACTER = 1
_RATE, _VOLUME, _PITCH = 1, 2, 3
_GO_ON, _STOP = 0, 1

_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


class EspeakOptions(Table):
    """The keys of `[speak]` with `use = "espeak"`."""

    voice: str = "en-us"
    """A language or voice of eSpeak NG, optionally with a variant: `en-us`, `de`, `en-gb+f3`."""
    rate_wpm: Annotated[int, Field(ge=80, le=450)] = 175
    """The speed, in words per minute."""
    pitch: Annotated[int, Field(ge=0, le=99)] = 50
    """The pitch, from 0 (low) to 99 (high)."""
    volume: Annotated[int, Field(ge=0, le=200)] = 100
    """The volume, in percent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """The settings of the engine. The engine keeps the last one, because setting a voice reads files."""

    voice: str
    rate_wpm: int
    pitch: int
    volume: int


class CaughtException:
    """A context manager that catches every exception of its body and stores the last one. No exception may leave a
    ctypes callback: ctypes would only print it, and the engine would go on speaking."""

    error: BaseException | None = None
    """The last exception that was caught."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> bool:
        self.error = error or self.error
        return True


class Engine:
    """The global engine of the library. Call its methods in a thread, and only while holding `lock`."""

    def __init__(self) -> None:
        from espeakng_loader import get_data_path, get_library_path

        self.lock = trio.Lock()
        self._lib = ctypes.CDLL(get_library_path())  # type: ignore[no-untyped-call]
        self._sink: Callable[[bytes], None] = lambda pcm: None
        self._caught = CaughtException()
        self._manner: Manner | None = None
        # The data path compiled into the library is that of the machine on which the wheel was built.
        self._data: str = get_data_path()  # type: ignore[no-untyped-call]
        self.rate_hz: int = self._lib.espeak_Initialize(_SYNCHRONOUS, PIECE_MS, self._data.encode(), _DONT_EXIT)
        if self.rate_hz <= 0:
            raise EngineError("eSpeak NG can't read its data files", place=PLACE, remedy=_REINSTALL)
        self._callback = _CALLBACK(self._on_pcm)  # a reference is kept here, because the library holds only a pointer
        self._lib.espeak_SetSynthCallback(self._callback)
        self._lib.espeak_Synth.argtypes = [
            ctypes.c_char_p,
            ctypes.c_size_t,
            ctypes.c_uint,
            ctypes.c_int,
            ctypes.c_uint,
            ctypes.c_uint,
            ctypes.c_void_p,
            ctypes.c_void_p,
        ]

    def set(self, manner: Manner) -> bool:
        """Apply the settings. Returns False if there is no such voice."""
        if manner == self._manner:
            return True
        self._manner = None
        # The library takes the name of a folder of voices for a voice, and crashes when it speaks.
        names = manner.voice.partition("+")[0]
        if "\0" in names or any(os.path.isdir(os.path.join(self._data, kind, names)) for kind in ("lang", "voices")):  # noqa: PTH112, PTH118
            return False
        if self._lib.espeak_SetVoiceByName(manner.voice.encode()) != 0:
            return False
        for parameter, value in ((_RATE, manner.rate_wpm), (_PITCH, manner.pitch), (_VOLUME, manner.volume)):
            self._lib.espeak_SetParameter(parameter, value, 0)
        self._manner = manner
        return True

    def speak(self, text: str, manner: Manner, sink: Callable[[bytes], None]) -> None:
        """Speak into `sink` (int16, mono, `rate_hz`). An exception of `sink` stops the engine and is raised here."""
        self.set(manner)
        self._sink, self._caught = sink, CaughtException()
        data = text.replace("\0", " ").encode()
        if self._lib.espeak_Synth(data, len(data) + 1, 0, _CHARACTER, 0, _CHARS_UTF8, None, None) != 0:
            raise EngineError("eSpeak NG failed to speak", place=PLACE, remedy=_REINSTALL)
        if self._caught.error is not None:
            raise self._caught.error

    def _on_pcm(self, samples: int | None, count: int, _events: Any) -> int:
        if samples and count:
            with self._caught:
                self._sink(ctypes.string_at(samples, count * SAMPLE_BYTES))
        return _GO_ON if self._caught.error is None else _STOP


_REINSTALL = "Reinstall it: pip install --force-reinstall espeakng-loader"


@functools.cache
def engine() -> Engine:
    """The engine, loaded at first use and never unloaded. Raises EngineError."""
    try:
        return Engine()
    except OSError as error:
        raise EngineError(f"eSpeak NG can't be loaded: {error}", place=PLACE, remedy=_REINSTALL) from error


class EspeakSynthesizer:
    """The synthesizer eSpeak NG: about a hundred languages, an understandable but robotic voice, and the first PCM
    within a millisecond."""

    Options = EspeakOptions
    requires: ClassVar = ("espeakng_loader",)

    def __init__(self, engine: Engine, manner: Manner) -> None:
        self._engine = engine
        self._manner = manner

    @classmethod
    @asynccontextmanager
    async def open(cls, options: BaseModel, services: Services) -> AsyncIterator[Self]:
        """Load the engine (5 ms). Raises MissingExtra, EngineError, and ConfigError for an unknown voice."""
        assert isinstance(options, EspeakOptions)
        registry.check(cls)
        loaded = await trio.to_thread.run_sync(engine)
        manner = Manner(voice=options.voice, rate_wpm=options.rate_wpm, pitch=options.pitch, volume=options.volume)
        async with loaded.lock:
            if not await trio.to_thread.run_sync(loaded.set, manner):
                problem = (
                    f"speak.voice: eSpeak NG has no voice {options.voice!r}. Examples: en-us, en-gb+f3, de, fr, es"
                )
                raise ConfigError([problem])
        yield cls(loaded, manner)

    @property
    def description(self) -> str:
        return f"eSpeak NG, voice {self._manner.voice}, {self._engine.rate_hz} Hz"

    async def warm(self) -> None:
        """Do nothing: the engine is in memory already."""
        await trio.lowlevel.checkpoint()

    @asynccontextmanager
    async def speech(self, text: str) -> AsyncIterator[trio.MemoryReceiveChannel[Speech]]:
        """Speak `text`, in pieces of about 60 ms. Leaving the context stops the engine at its next callback (1 ms)."""
        # Bound: QUEUE_PIECES. When it is full the engine's thread waits.
        send, receive = trio.open_memory_channel[Speech](QUEUE_PIECES)
        async with private_nursery() as nursery, receive:
            nursery.start_soon(self._synthesise, text, send, name="synthesise with eSpeak NG")
            yield receive

    async def _synthesise(self, text: str, send: trio.MemorySendChannel[Speech]) -> None:
        def sink(pcm: bytes) -> None:
            # When the turn is cancelled this raises Cancelled in the thread, and the callback then stops the engine.
            trio.from_thread.run(send.send, Speech(pcm, self._engine.rate_hz))

        with send, suppress(trio.BrokenResourceError):  # the reader has gone
            async with self._engine.lock:
                await trio.to_thread.run_sync(self._engine.speak, text, self._manner, sink)
