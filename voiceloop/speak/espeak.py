"""`espeak`: the embedded synthesiser, eSpeak NG through ctypes. Knows no playback.

eSpeak NG is licensed under GPL-3, so it is an optional extra and never a dependency; whoever ships voiceloop together
with it ships the whole under GPL-3.

It has one global engine, so calls are serialised. It runs in a thread: ctypes releases the GIL while it works, and
takes it only for the callback that passes a piece of PCM on.
"""

from __future__ import annotations

import ctypes
import functools
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
"""20 s, about 0.9 MB: a whole chunk of text is synthesised at once, which frees the engine for the next one; when a
longer text fills it, the callback waits for the reader."""

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
    """A language or a voice of eSpeak NG, with a variant if you like: `en-us`, `de`, `en-gb+f3`."""
    rate_wpm: Annotated[int, Field(ge=80, le=450)] = 175
    """Words a minute."""
    pitch: Annotated[int, Field(ge=0, le=99)] = 50
    """0 is low, 99 is high."""
    volume: Annotated[int, Field(ge=0, le=200)] = 100
    """Percent."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How the engine is set; kept, because setting a voice reads files."""

    voice: str
    rate_wpm: int
    pitch: int
    volume: int


class Kept:
    """Holds what its body raised, whatever it is: nothing may leave a ctypes callback, which would print it and let
    the engine speak on."""

    error: BaseException | None = None

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> bool:
        self.error = error or self.error
        return True


class Engine:
    """The one global engine. Its methods are called in a thread, one at a time (under `lock`)."""

    def __init__(self) -> None:
        from espeakng_loader import get_data_path, get_library_path

        self.lock = trio.Lock()
        self._lib = ctypes.CDLL(get_library_path())  # type: ignore[no-untyped-call]
        self._sink: Callable[[bytes], None] = lambda pcm: None
        self._stopped = Kept()
        self._manner: Manner | None = None
        # The path compiled into the wheel's library is that of the machine that built it.
        data = get_data_path().encode()  # type: ignore[no-untyped-call]
        self.rate_hz: int = self._lib.espeak_Initialize(_SYNCHRONOUS, PIECE_MS, data, _DONT_EXIT)
        if self.rate_hz <= 0:
            raise EngineError("eSpeak NG can't read its data", place=PLACE, remedy=_REINSTALL)
        self._callback = _CALLBACK(self._on_pcm)  # kept: the library holds only a pointer
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
        """Take on this manner of speaking; False when there is no such voice."""
        if manner == self._manner:
            return True
        self._manner = None
        if self._lib.espeak_SetVoiceByName(manner.voice.encode()) != 0:
            return False
        for parameter, value in ((_RATE, manner.rate_wpm), (_PITCH, manner.pitch), (_VOLUME, manner.volume)):
            self._lib.espeak_SetParameter(parameter, value, 0)
        self._manner = manner
        return True

    def speak(self, text: str, manner: Manner, sink: Callable[[bytes], None]) -> None:
        """Speak into `sink` (int16, mono, `rate_hz`). What it raises ends the speaking and is raised here."""
        self.set(manner)
        self._sink, self._stopped = sink, Kept()
        data = text.replace("\0", " ").encode()
        if self._lib.espeak_Synth(data, len(data) + 1, 0, _CHARACTER, 0, _CHARS_UTF8, None, None) != 0:
            raise EngineError("eSpeak NG failed to speak", place=PLACE, remedy=_REINSTALL)
        if self._stopped.error is not None:
            raise self._stopped.error

    def _on_pcm(self, samples: int | None, count: int, _events: Any) -> int:
        if samples and count:
            with self._stopped:
                self._sink(ctypes.string_at(samples, count * SAMPLE_BYTES))
        return _GO_ON if self._stopped.error is None else _STOP


_REINSTALL = "Install it again: pip install --force-reinstall espeakng-loader"


@functools.cache
def engine() -> Engine:
    """The engine, loaded at first use and for good. Raises EngineError."""
    try:
        return Engine()
    except OSError as error:
        raise EngineError(f"eSpeak NG can't be loaded: {error}", place=PLACE, remedy=_REINSTALL) from error


class EspeakSynthesizer:
    """eSpeak NG: about a hundred languages, understandable and robotic, first PCM within a millisecond."""

    Options = EspeakOptions
    requires: ClassVar = ("espeakng_loader",)

    def __init__(self, engine: Engine, manner: Manner) -> None:
        self._engine = engine
        self._manner = manner

    @classmethod
    @asynccontextmanager
    async def open(cls, options: BaseModel, services: Services) -> AsyncIterator[Self]:
        """Load the engine (5 ms). Raises MissingExtra, EngineError, and ConfigError for a voice that it hasn't."""
        assert isinstance(options, EspeakOptions)
        registry.check(cls)
        loaded = await trio.to_thread.run_sync(engine)
        manner = Manner(options.voice, options.rate_wpm, options.pitch, options.volume)
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
        """Nothing to do: it is in memory."""
        await trio.lowlevel.checkpoint()

    @asynccontextmanager
    async def speech(self, text: str) -> AsyncIterator[trio.MemoryReceiveChannel[Speech]]:
        """Speak `text`: pieces of about 60 ms. Leaving the context stops the engine at its next callback (1 ms)."""
        # Bound and policy: QUEUE_PIECES; the engine's thread waits when it is full.
        send, receive = trio.open_memory_channel[Speech](QUEUE_PIECES)
        async with private_nursery() as nursery, receive:
            nursery.start_soon(self._synthesise, text, send)
            yield receive

    async def _synthesise(self, text: str, send: trio.MemorySendChannel[Speech]) -> None:
        def sink(pcm: bytes) -> None:
            # Raises Cancelled here, in the thread, when the turn is cancelled: the callback then stops the engine.
            trio.from_thread.run(send.send, Speech(pcm, self._engine.rate_hz))

        with send, suppress(trio.BrokenResourceError):  # the reader has gone
            async with self._engine.lock:
                await trio.to_thread.run_sync(self._engine.speak, text, self._manner, sink)
