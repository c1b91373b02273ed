"""Decodes recordings of all kinds with FFmpeg's libraries, by PyAV (the extra `files`).

FFmpeg gets the bytes from a file of Python's, and only formats that hold their sound themselves: a playlist or a film
that names other files or addresses is refused.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from voiceloop.audio.recordings.kinds import name_of
from voiceloop.audio.wav_reader import RATES_HZ, Block, Readable, as_int16, bad_rate
from voiceloop.errors import BadAudioFile

if TYPE_CHECKING:
    import numpy as np
    from av import AudioFrame
    from numpy.typing import NDArray

EXTRA = "pip install 'voiceloop[files]'"
FORMATS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,eac3,flac,flv,g722,gsm,loas,m4v,matroska,webm,mov,mp4,mp3,mpeg,mpegts,"
    "ogg,tta,voc,w64,wav,wv,xwma"
)
"""The formats that are read, as FFmpeg names them. None of them makes FFmpeg open another file."""
_JUMP_S = 0.1
"""A smaller difference between a piece's time and the samples before it is rounding."""
_LONGEST_JUMP_S = 3_600.0
"""A longer one is a broken clock, and not silence."""
_SILENCE_LIMIT_S = 24 * 3_600.0
"""So much silence is put in for gaps, in all."""
_EXACT = ("mov", "flac", "wav", "w64", "caf", "aiff")
"""The formats whose length is exact; others are estimated by their first packets."""


def is_installed() -> bool:
    """Whether recordings other than WAV can be read."""
    return find_spec("av") is not None


class DecodedReader:
    """The samples of an opened recording, block by block. `flaw`: what is wrong with it, known at its end."""

    def __init__(self, container: Any) -> None:  # PyAV's types promise a stream, a decoder and times
        import av

        self._av: Any = av
        stream = container.streams.best("audio")
        if stream is None:
            raise BadAudioFile("holds no sound", remedy="Name a file that does")
        if stream.codec_context is None:
            raise BadAudioFile("holds sound that is copy-protected or of an unknown kind", remedy="Convert it")
        self._packets: Iterator[Any] = container.demux(stream)
        self._frames: deque[AudioFrame] = deque()
        self._origin_s = None if container.start_time is None else container.start_time / av.time_base
        self.duration_s = None if container.duration is None else container.duration / av.time_base
        exact = container.format.name.split(",")[0] in _EXACT
        # Of the sound alone: the pictures of a film may go on.
        self._announced_s = float(stream.duration * stream.time_base) if exact and stream.duration else None
        self.rate_hz = int(stream.rate or 0)
        self.flaw = ""
        self._damaged = 0
        self._at_s = 0.0
        """Where the next samples belong."""
        self._silence_s, self._filled_s = 0.0, 0.0
        self._ended = False

    def read(self) -> Block | None:
        """The next samples; None at the end. Raises BadAudioFile and OSError."""
        while not self._frames:
            if self._ended:
                return None
            self._decode()
        frame = self._frames[0]
        if frame.sample_rate not in RATES_HZ:
            raise bad_rate(frame.sample_rate)
        if silence := self._silence_before(frame):
            return self._silent(silence, frame)
        self._frames.popleft()
        self.rate_hz = frame.sample_rate
        self._at_s += frame.samples / frame.sample_rate
        return Block(samples_of(frame), frame.sample_rate)

    def _decode(self) -> None:
        """Take the next packet. Damaged ones are passed over and counted."""
        try:
            packet = next(self._packets, None)
        except self._av.FFmpegError:  # not what reading the file raises: that comes as it was
            self._damaged += 1
            packet = None
        if packet is None:
            self._end()
            return
        try:
            self._frames.extend(packet.decode())
        except self._av.EOFError:
            self._end()
        except self._av.FFmpegError:
            self._damaged += 1

    def _end(self) -> None:
        self._ended = True
        if self._damaged and not self._at_s:
            raise BadAudioFile("can't be decoded: it is damaged, or copy-protected", remedy="Copy or convert it again")
        if self._announced_s is not None and self._at_s < self._announced_s - 1:
            self.flaw = f"is cut off: {self._at_s:.1f} of {self._announced_s:.1f} s are there, and are used"
        elif self._damaged:
            self.flaw = "is damaged: what can be decoded of it is used"

    def _silence_before(self, frame: AudioFrame) -> float:
        """How long nothing was recorded before a frame: times in subtitles are those of the recording."""
        if self._silence_s:
            return self._silence_s
        if frame.pts is None or frame.time_base is None:
            return 0.0
        time_s = float(frame.pts * frame.time_base)
        if self._origin_s is None:
            self._origin_s = time_s
        jump_s = time_s - self._origin_s - self._at_s
        if abs(jump_s) <= _JUMP_S:
            return 0.0
        if not 0 < jump_s <= min(_LONGEST_JUMP_S, _SILENCE_LIMIT_S - self._filled_s):
            self._origin_s += jump_s
            return 0.0
        self._silence_s = jump_s
        return jump_s

    def _silent(self, length_s: float, frame: AudioFrame) -> Block:
        import numpy as np

        rate_hz = frame.sample_rate
        samples = max(1, round(min(length_s, 1.0) * rate_hz))
        self._silence_s = max(0.0, length_s - samples / rate_hz)
        if self._silence_s * rate_hz < 1:
            self._silence_s = 0.0
        self._at_s += samples / rate_hz
        self._filled_s += samples / rate_hz
        return Block(np.zeros((samples, frame.layout.nb_channels), "<i2"), rate_hz)


def samples_of(frame: AudioFrame) -> NDArray[np.int16]:
    """The samples of a frame (int16, shape `(n, channels)`), whatever its format."""
    array = frame.to_ndarray()
    channels = frame.layout.nb_channels
    return as_int16(array.T if frame.format.is_planar else array.reshape(-1, channels))


@contextmanager
def open_decoder(file: Readable, head: bytes) -> Iterator[DecodedReader]:
    """Open a recording of any kind, which begins with `head`. Raises BadAudioFile without its name, and OSError."""
    import av

    options = {"format_whitelist": FORMATS, "protocol_whitelist": "none"}
    # Tags in another encoding are no reason to read nothing; since 19 PyAV thinks so, too.
    lenient: Any = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
    with ExitStack() as stack:
        try:
            container = stack.enter_context(av.open(file, "r", options=options, **lenient))
        except av.FFmpegError as error:
            raise _refused(head, error) from error
        yield DecodedReader(container)


def _refused(head: bytes, error: Exception) -> BadAudioFile:
    kind = name_of(head)
    if not kind:
        return BadAudioFile("is not a WAV file, nor another recording that can be read", remedy="Name a recording")
    why = str(getattr(error, "strerror", "") or error).rstrip(".")
    what = f"is {kind} that can't be decoded: {why[:1].lower()}{why[1:]}"
    if kind == "MP4":  # the usual reason: what it holds, and where, is written last
        what = "is MP4 without an index: it is cut off, or damaged"
    return BadAudioFile(what, remedy="Record or copy it again")
