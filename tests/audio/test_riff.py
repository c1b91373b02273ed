"""The reader of WAV headers: files and streams give the same result, also when the header has no true size."""

from __future__ import annotations

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceloop.audio.riff import BrokenHeader, WavFormat, WavHeader, is_wav, read_header
from voiceloop.audio.wav import parse_wav
from voiceloop.errors import BadAudioFile
from voiceloop.speak.pcm_stream import NotSpeech, SpeechParser, announced

SOUND = bytes(range(2, 202))
"""100 samples, none of them silent."""
UNKNOWN = [0, 0x7FFFF000, 0x7FFFFFFF, 0xFFFFFFFF]
"""Sizes written when the length is unknown. Into a pipe SoX writes the second, FFmpeg the last."""


def chunk(name: bytes, body: bytes, size: int | None = None) -> bytes:
    return name + struct.pack("<I", len(body) if size is None else size) + body + b"\0" * (len(body) % 2)


def fmt(kind: int = 1, channels: int = 1, rate_hz: int = 16_000, bits: int = 16, more: bytes = b"") -> bytes:
    frame = channels * bits // 8
    return chunk(b"fmt ", struct.pack("<HHIIHH", kind, channels, rate_hz, rate_hz * frame, frame, bits) + more)


def wav(*chunks: bytes, magic: bytes = b"RIFF") -> bytes:
    return magic + struct.pack("<I", 4 + sum(map(len, chunks))) + b"WAVE" + b"".join(chunks)


def streamed(data: bytes, cuts: list[int]) -> bytes:
    """Return the samples that the stream parser finds in `data`, cut at these places."""
    parser = SpeechParser(announced("audio/pcm"))
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    speeches = [speech for a, b in pairwise(places) for speech in parser.feed(data[a:b])]
    return b"".join(speech.pcm for speech in [*speeches, *parser.end()])


@pytest.mark.parametrize("size", UNKNOWN)
@pytest.mark.parametrize("magic", [b"RIFF", b"RF64"])
def test_an_unknown_size_means_to_the_end_in_a_file_and_in_a_stream(size: int, magic: bytes) -> None:
    data = wav(fmt(), chunk(b"data", SOUND, size), magic=magic)
    clip = parse_wav(data)
    assert (clip.pcm, clip.flaw) == (SOUND, "")
    assert streamed(data, [3, 20, 45]) == SOUND


def test_chunks_after_the_samples_are_no_sound_in_a_file_or_in_a_stream() -> None:
    data = wav(chunk(b"LIST", b"odd"), fmt(), chunk(b"data", SOUND), chunk(b"id3 ", b"Title"))
    assert parse_wav(data).pcm == streamed(data, []) == SOUND


@pytest.mark.parametrize("size", [0x7FFFEF00, 0x7FFFF001, 0x80000000, 0xFFFFFFFE])
def test_a_long_recording_that_was_cut_off_is_said_to_be_so(size: int) -> None:
    clip = parse_wav(wav(fmt(), chunk(b"data", SOUND, size)))
    assert clip.pcm == SOUND
    assert clip.flaw == f"is truncated: {len(SOUND)} of {size} bytes of sound are there, and are used"


@given(
    before=st.lists(st.binary(max_size=9).map(lambda body: chunk(b"LIST", body)), max_size=3),
    behind=st.lists(st.binary(max_size=9).map(lambda body: chunk(b"id3 ", body)), max_size=2),
    size=st.sampled_from([None, *UNKNOWN]),
    cuts=st.lists(st.integers(0, 400), max_size=8),
)
def test_a_file_and_a_stream_are_read_alike_wherever_the_stream_is_cut(
    before: list[bytes], behind: list[bytes], size: int | None, cuts: list[int]
) -> None:
    data = wav(*before, fmt(), chunk(b"data", SOUND, size), *(behind if size is None else []))
    assert streamed(data, cuts) == parse_wav(data).pcm == SOUND


@given(st.integers(0, 60))
def test_an_incomplete_header_is_waited_for(length: int) -> None:
    data = wav(chunk(b"LIST", b"abc"), fmt(), chunk(b"data", SOUND))
    start = data.index(SOUND)
    found = read_header(data[:length])
    assert found == (WavHeader(WavFormat(1, 1, 16_000, 16), start, len(SOUND)) if length >= start else None)


def test_an_extensible_format_is_read_as_its_sub_format() -> None:
    guid = bytes.fromhex("0100000000001000800000aa00389b71")
    data = wav(fmt(0xFFFE, more=struct.pack("<HHI", 22, 16, 4) + guid), chunk(b"data", SOUND))
    assert parse_wav(data).pcm == streamed(data, []) == SOUND
    floats = wav(fmt(0xFFFE, more=struct.pack("<HHI", 22, 16, 4) + b"\3" + guid[1:]), chunk(b"data", SOUND))
    with pytest.raises(BadAudioFile, match=r"unusual \(format 3, 16 bits\)"):
        parse_wav(floats)
    with pytest.raises(NotSpeech, match="16 bit, kind 3"):
        streamed(floats, [])


@pytest.mark.parametrize(
    ("chunks", "message"),
    [
        ((chunk(b"fmt ", b"short"),), "has a broken header"),
        ((fmt(channels=0),), "has a broken header: no channels or no rate"),
        ((fmt(rate_hz=0),), "has a broken header: no channels or no rate"),
    ],
)
def test_a_broken_format_has_the_same_error_in_a_file_and_in_a_stream(chunks: tuple[bytes, ...], message: str) -> None:
    data = wav(*chunks, chunk(b"data", SOUND))
    with pytest.raises(BrokenHeader, match=message):
        read_header(data, length=len(data))
    with pytest.raises(BadAudioFile, match=message):
        parse_wav(data)
    with pytest.raises(NotSpeech, match=f"the answer is a WAV that {message}"):
        streamed(data, [30])


def test_a_header_that_does_not_end_is_refused_in_a_stream() -> None:
    with pytest.raises(NotSpeech, match="a WAV that has no samples"):
        streamed(wav(fmt(), chunk(b"LIST", bytes(100_000))), [])


@given(st.binary(max_size=80))
def test_any_bytes_are_a_header_or_a_broken_header(rest: bytes) -> None:
    data = b"RIFF\0\0\0\0WAVE" + rest
    assert is_wav(data)
    for length in (len(data), None):
        try:
            header = read_header(data, length=length)
        except BrokenHeader:
            continue
        assert header is None or 12 < header.start <= len(data)
