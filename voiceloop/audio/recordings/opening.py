"""Opens a recording of any kind as samples for the loop: int16, mono, 16 kHz, in constant memory. Reading blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from voiceloop.audio.mixing import Mixer
from voiceloop.audio.recordings import decoding
from voiceloop.audio.recordings.kinds import name_of
from voiceloop.audio.recordings.source import STDIN, Source, open_source
from voiceloop.audio.resample import Resampler
from voiceloop.audio.riff import BrokenHeader, is_wav, read_header
from voiceloop.audio.wav_reader import AGAIN, CONVERT, Block, WavReader, is_readable
from voiceloop.errors import BadAudioFile
from voiceloop.types import CAPTURE_RATE_HZ


class Reader(Protocol):
    """Reads the samples of a recording: `WavReader` and `DecodedReader`."""

    flaw: str
    duration_s: float | None

    @property
    def rate_hz(self) -> int: ...

    def read(self) -> Block | None: ...


class Sound:
    """The samples of an open recording. `read` raises BadAudioFile, with the recording's name."""

    def __init__(self, name: str, reader: Reader, place: str) -> None:
        self.name, self._reader, self._place = name, reader, place
        self._converter: _Converter | None = None
        self._next = self._read()
        if not self._next:
            raise named(BadAudioFile("has no samples", remedy=AGAIN), name, place)

    @property
    def duration_s(self) -> float | None:
        """Its length, where it is known."""
        return self._reader.duration_s

    @property
    def rate_hz(self) -> int:
        """The rate of the recording itself."""
        return self._reader.rate_hz

    @property
    def flaw(self) -> str:
        """What is wrong with it although it can be read, in words for its owner; may be known at its end only."""
        return self._reader.flaw

    def read(self) -> bytes:
        """The next samples, a second or less; none at the end."""
        pcm, self._next = self._next, b""
        return pcm or self._read()

    def _read(self) -> bytes:
        try:
            while (block := self._reader.read()) is not None:
                if pcm := self._converted(block):
                    return pcm
        except (BadAudioFile, OSError) as error:
            raise named(error, self.name, self._place) from error
        converter, self._converter = self._converter, None
        return converter.end() if converter is not None else b""

    def _converted(self, block: Block) -> bytes:
        before, converter = b"", self._converter
        shape = (block.samples.shape[1], block.rate_hz)
        if converter is None or converter.shape != shape:  # in some recordings they change
            before = converter.end() if converter is not None else b""
            self._converter = converter = _Converter(*shape)
        return before + converter.feed(block)


class _Converter:
    """Mixes down and resamples blocks of one shape."""

    def __init__(self, channels: int, rate_hz: int) -> None:
        self.shape = (channels, rate_hz)
        self._mixer = Mixer(channels, rate_hz)
        self._resampler = Resampler(from_hz=rate_hz, to_hz=CAPTURE_RATE_HZ)

    def feed(self, block: Block) -> bytes:
        return self._resampler.feed(self._mixer.feed(block.samples))

    def end(self) -> bytes:
        return self._resampler.feed(self._mixer.end(), last=True)


def shown(path: Path) -> str:
    """A recording's name in messages."""
    return "standard input" if path == STDIN else str(path)


@contextmanager
def open_sound(path: Path, *, place: str, check: Callable[[], None] = lambda: None) -> Iterator[Sound]:
    """Open a recording; `-` is the standard input. `check` is called while a pipe is kept whole, which may take long:
    what it raises ends the opening. Raises BadAudioFile for what can't be read."""
    name = shown(path)
    with ExitStack() as stack:
        try:
            source = stack.enter_context(open_source(path, check))
            reader = _reader(source, stack)
        except (BadAudioFile, OSError) as error:
            raise named(error, name, place) from error
        yield Sound(name, reader, place)


def named(error: BadAudioFile | OSError, name: str, place: str) -> BadAudioFile:
    """The error with the name of the recording."""
    if isinstance(error, BadAudioFile):
        return BadAudioFile(f"{name} {error.what}", place=place, remedy=error.remedy)
    why = (error.strerror or str(error)).lower()
    return BadAudioFile(f"{name} can't be read: {why}", place=place, remedy="Check the path")


def _reader(source: Source, stack: ExitStack) -> Reader:
    if _is_plain_wav(source) or not source.head:
        return WavReader(source.file, source.length)
    if decoding.is_installed():
        return stack.enter_context(decoding.open_decoder(source.file, source.head))
    kind = name_of(source.head)
    what = f"is {kind}, not a WAV file of plain samples" if kind else "is not a WAV file"
    raise BadAudioFile(what, remedy=f"Other kinds need the extra 'files': {decoding.EXTRA}. Or: {CONVERT}")


def _is_plain_wav(source: Source) -> bool:
    """Whether it is a WAV file that needs no decoder. One that is broken is told of by the reader of WAV."""
    if not is_wav(source.head):
        return False
    try:
        header = read_header(source.head, length=source.length)
    except BrokenHeader:
        return True
    return header is None or header.format is None or is_readable(header.format)
