"""Speech saved to a file instead of played: WAV from any synthesizer, MP3 from those whose service makes it."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, runtime_checkable

import trio

from voiceloop.audio.mp3 import join
from voiceloop.audio.resample import Resampler
from voiceloop.audio.wav import WavWriter
from voiceloop.errors import DeviceError, UsageError
from voiceloop.plugins import Synthesizer
from voiceloop.speak.private_text import PrivateText
from voiceloop.speak.splitter import Splitter
from voiceloop.system.private_files import write_private
from voiceloop.types import Speech, Usage

CHUNK_CHARACTERS = 1_000
"""The longest text that is synthesised at once. Longer texts are cut between sentences, and their audio is joined."""
_PLACE = "say --save"


@runtime_checkable
class SpeaksMp3(Protocol):
    """A synthesizer that can also make MP3."""

    async def mp3(self, text: str) -> bytes:
        """Speak `text`; returns an MP3 file."""
        ...


def checked(path: Path) -> Path:
    """Return `path` if its format and its folder are usable. Raises UsageError."""
    if path.suffix.lower() not in {".wav", ".mp3"}:
        raise UsageError(
            f"{path.name}: only .wav and .mp3 can be written", place=_PLACE, remedy="Give the file one of these endings"
        )
    if not path.absolute().parent.is_dir():
        # Checked before any request is paid for.
        raise UsageError(f"there is no folder {path.parent}", place=_PLACE, remedy="Create it, or name another")
    return path


def pieces(text: str) -> list[str]:
    """Cut `text` into pieces that a service accepts."""
    private, splitter = PrivateText(react=False), Splitter(first_min=CHUNK_CHARACTERS // 2, longest=CHUNK_CHARACTERS)
    return [*splitter.feed(private.feed(text) + private.end()), *splitter.finish()]


async def save(synthesizer: Synthesizer, text: str, path: Path) -> Usage | None:
    """Save `text` as speech in the file at `path`. Returns the usage, for a WAV only.

    Raises ServiceError, EngineError, DeviceError and UsageError.
    """
    if not pieces(text):
        raise UsageError("the text holds nothing that can be spoken", place=_PLACE, remedy="Give a text in words")
    if path.suffix.lower() == ".mp3":
        await _save_mp3(synthesizer, text, path)
        return None
    return await _save_wav(synthesizer, text, path)


async def _save_mp3(synthesizer: Synthesizer, text: str, path: Path) -> None:
    if not isinstance(synthesizer, SpeaksMp3):
        raise UsageError(
            f"speak.use = {synthesizer.description.split(',')[0]} can't make MP3",
            place=_PLACE,
            remedy="Name a .wav file, or use openrouter",
        )
    parts = [await synthesizer.mp3(piece) for piece in pieces(text)]
    try:
        await trio.to_thread.run_sync(write_private, path, join(parts))
    except OSError as error:
        problem = f"{path} can't be written: {(error.strerror or str(error)).lower()}"
        raise DeviceError(problem, place=_PLACE, remedy="Check the path and the free disk space") from None


async def _save_wav(synthesizer: Synthesizer, text: str, path: Path) -> Usage | None:
    file = _Wav(path)
    usage: Usage | None = None
    try:
        for piece in pieces(text):
            async with synthesizer.speech(piece) as channel:
                async for speech in channel:
                    file.write(speech)
                    if speech.usage is not None:
                        usage = speech.usage if usage is None else usage + speech.usage
    finally:
        file.close()
    return usage


class _Wav:
    """A WAV file with the sample rate of the first speech that is written to it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: WavWriter | None = None
        self._resampler = Resampler(from_hz=1, to_hz=1)
        self._rate_hz = 0

    def write(self, speech: Speech) -> None:
        if self._writer is None:
            self._rate_hz = speech.rate_hz
            self._writer = WavWriter(self._path, speech.rate_hz, place=_PLACE)
        if self._resampler.from_hz != speech.rate_hz:
            self._resampler = Resampler(from_hz=speech.rate_hz, to_hz=self._rate_hz)
        self._writer.write(self._resampler.feed(speech.pcm))

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
