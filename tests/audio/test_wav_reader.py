"""The reader of WAV files of any length: what others write, from files and pipes, in constant memory."""

from __future__ import annotations

import io
import struct
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceloop.audio.riff import WavFormat, read_header
from voiceloop.audio.wav import parse_wav
from voiceloop.audio.wav_reader import HEADER_LIMIT, WavReader
from voiceloop.errors import BadAudioFile
from voiceloop.speak.pcm_stream import SpeechParser, announced

SOUND = bytes(range(2, 202))


def chunk(name: bytes, body: bytes, size: int | None = None, *, padded: bool = True) -> bytes:
    return name + struct.pack("<I", len(body) if size is None else size) + body + b"\0" * (len(body) % 2 * padded)


def fmt(channels: int = 1, rate_hz: int = 16_000, bits: int = 16, kind: int = 1) -> bytes:
    frame = channels * bits // 8
    return chunk(b"fmt ", struct.pack("<HHIIHH", kind, channels, rate_hz, rate_hz * frame % 2**32, frame % 2**16, bits))


def wav(*chunks: bytes, magic: bytes = b"RIFF") -> bytes:
    return magic + struct.pack("<I", 4 + sum(map(len, chunks))) + b"WAVE" + b"".join(chunks)


class Trickle:
    """A pipe that gives a few bytes at a time."""

    def __init__(self, data: bytes, most: int) -> None:
        self._file, self._most = io.BytesIO(data), most

    def read(self, size: int, /) -> bytes:
        return self._file.read(min(size, self._most))


def pcm_of(reader: WavReader) -> bytes:
    return b"".join(block.samples.tobytes() for block in iter(reader.read, None))


def streamed(data: bytes, step: int) -> bytes:
    parser = SpeechParser(announced("audio/pcm"))
    speeches = [speech for at in range(0, len(data), step) for speech in parser.feed(data[at : at + step])]
    return b"".join(speech.pcm for speech in [*speeches, *parser.end()])


@pytest.mark.parametrize("magic", [b"RF64", b"BW64"])
def test_metadata_behind_the_samples_of_a_large_format_is_no_sound(magic: bytes) -> None:
    ds64 = chunk(b"ds64", struct.pack("<QQQI", 4_000, len(SOUND), len(SOUND) // 2, 0))
    data = wav(ds64, fmt(), chunk(b"data", SOUND, 0xFFFFFFFF), chunk(b"bext", b"Title" * 40), magic=magic)
    clip = parse_wav(data)
    assert (clip.pcm, clip.flaw) == (SOUND, "")
    assert streamed(data, 7) == SOUND


@pytest.mark.parametrize("large", [0, 2**64 - 1])
def test_a_large_format_that_was_never_completed_is_read_to_its_end(large: int) -> None:
    ds64 = chunk(b"ds64", struct.pack("<QQQI", large, large, large, 0))
    assert parse_wav(wav(ds64, fmt(), chunk(b"data", SOUND, 0xFFFFFFFF), magic=b"RF64")).pcm == SOUND


@pytest.mark.parametrize("step", [1, 3, 50, 1_000])
@pytest.mark.parametrize("padded", [True, False])
def test_an_odd_chunk_is_passed_with_and_without_its_pad_byte(padded: bool, step: int) -> None:
    odd = chunk(b"LIST", b"INFOabc", padded=padded)
    for data in (wav(odd, fmt(), chunk(b"data", SOUND)), wav(fmt(), odd, odd, chunk(b"data", SOUND), odd, odd)):
        assert parse_wav(data).pcm == SOUND
        assert streamed(data, step) == SOUND
        assert pcm_of(WavReader(Trickle(data, step), None)) == SOUND


def test_a_pad_byte_that_is_not_zero_is_a_pad_byte_all_the_same() -> None:
    odd = b"LIST" + struct.pack("<I", 3) + b"abc" + b"x"
    assert parse_wav(wav(odd, fmt(), chunk(b"data", SOUND))).pcm == SOUND


@pytest.mark.parametrize("rate_hz", [1, 999, 800_000, 4_294_967_295])
def test_a_rate_that_is_none_is_refused(rate_hz: int) -> None:
    with pytest.raises(BadAudioFile, match=rf"^says that its sample rate is {rate_hz} Hz; 1000 to 768000 Hz are read"):
        parse_wav(wav(fmt(rate_hz=rate_hz), chunk(b"data", SOUND)))


@pytest.mark.parametrize("size", [1 << 20, (1 << 30) + 1, 0xFFFFFFFE])
def test_over_4_gb_of_samples_are_read_although_the_header_cannot_say_so(size: int) -> None:
    data = wav(fmt(), chunk(b"data", SOUND, size))
    header = read_header(data, length=5 << 30)
    assert header is not None
    assert header.size is None
    header = read_header(data, length=4 << 30)
    assert header is not None
    assert header.size == size


@given(cut=st.integers(1, 300), behind=st.binary(max_size=30), channels=st.sampled_from([1, 2, 4]))
def test_a_pipe_is_read_as_a_file_is(cut: int, behind: bytes, channels: int) -> None:
    data = wav(fmt(channels), chunk(b"data", SOUND), chunk(b"note", behind))
    reader = WavReader(Trickle(data, cut), None)
    assert pcm_of(reader) == SOUND
    assert reader.flaw == ""


def test_a_pipe_that_breaks_off_is_read_as_far_as_it_goes_and_says_so() -> None:
    reader = WavReader(Trickle(wav(fmt(), chunk(b"data", SOUND))[:-3], 11), None)
    assert pcm_of(reader) == SOUND[:-4]
    assert reader.flaw == "is truncated: 197 of 200 bytes of sound are there, and are used"


def test_the_length_is_known_before_the_samples_are_read() -> None:
    data = wav(fmt(2, 44_100), chunk(b"data", SOUND))
    assert WavReader(io.BytesIO(data), len(data)).duration_s == pytest.approx(50 / 44_100)
    assert WavReader(io.BytesIO(data), None).duration_s == pytest.approx(50 / 44_100)
    open_end = wav(fmt(), chunk(b"data", SOUND, 0))
    assert WavReader(io.BytesIO(open_end), None).duration_s is None


class Endless:
    """A WAV of stereo at 44.1 kHz as long as is asked for."""

    def __init__(self, size: int) -> None:
        self._head, self._left = wav(fmt(2, 44_100), chunk(b"data", b"", size)), size

    def read(self, size: int, /) -> bytes:
        if self._head:
            piece, self._head = self._head[:size], self._head[size:]
            return piece
        size = min(size, self._left)
        self._left -= size
        return bytes(size)


def test_memory_does_not_grow_with_the_length() -> None:
    reader = WavReader(Endless(200_000_000), None)
    tracemalloc.start()
    samples = sum(len(block.samples) for block in iter(reader.read, None))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert samples == 50_000_000
    assert peak < 2_000_000


@pytest.mark.parametrize(("rate_hz", "bits"), [(1_000, 8), (8_000, 8), (16_000, 16), (192_000, 32)])
def test_no_block_is_longer_than_a_second(rate_hz: int, bits: int) -> None:
    sound = bytes(3 * rate_hz * bits // 8)
    reader = WavReader(io.BytesIO(wav(fmt(rate_hz=rate_hz, bits=bits), chunk(b"data", sound))), None)
    lengths = [len(block.samples) for block in iter(reader.read, None)]
    assert max(lengths) <= rate_hz
    assert sum(lengths) == 3 * rate_hz


def test_pictures_before_the_samples_are_passed_up_to_a_bound() -> None:
    picture = chunk(b"LIST", bytes(3_000_000))
    assert parse_wav(wav(picture, fmt(), chunk(b"data", SOUND))).pcm == SOUND
    with pytest.raises(BadAudioFile, match="no samples in its first 16 MB"):
        parse_wav(wav(chunk(b"LIST", bytes(HEADER_LIMIT + 1)), fmt(), chunk(b"data", SOUND)))


def test_a_frame_of_very_many_channels_is_read() -> None:
    body = b"\1\0" * 60_000 * 2
    blocks = list(iter(WavReader(io.BytesIO(wav(fmt(60_000), chunk(b"data", body))), None).read, None))
    assert [block.samples.shape for block in blocks] == [(1, 60_000), (1, 60_000)]


def test_the_format_of_a_header_is_told() -> None:
    header = read_header(wav(fmt(2, 44_100), chunk(b"data", SOUND)))
    assert header is not None
    assert header.format == WavFormat(1, 2, 44_100, 16)
