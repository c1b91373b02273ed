"""Speech parser: samples from the bytes of a speech answer, raw PCM or WAV, wherever the stream is cut."""

from __future__ import annotations

import struct
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceloop.speak.pcm_stream import Format, NotSpeech, SpeechParser, announced

PCM = np.arange(-3_000, 3_000, dtype="<i2").tobytes()


def wav(pcm: bytes, rate: int, channels: int, *, extra: bytes = b"", size: int | None = None) -> bytes:
    """A WAV file with `extra` chunks before its samples, and `size` in its header (default: the right one)."""
    head = b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, channels, rate, rate * 2 * channels, 2 * channels, 16)
    body = head + extra + b"data" + struct.pack("<I", len(pcm) if size is None else size) + pcm
    return b"RIFF" + struct.pack("<I", len(body)) + body


def parse(pieces: list[bytes], format_: Format) -> tuple[bytes, int]:
    parser = SpeechParser(format_)
    speeches = [speech for piece in pieces for speech in parser.feed(piece)]
    speeches += parser.end()
    return b"".join(speech.pcm for speech in speeches), parser.rate_hz


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(at, len(data)) for at in cuts), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


STEREO = np.repeat(np.frombuffer(PCM, "<i2"), 2).astype("<i2").tobytes()
LIST = b"LIST" + struct.pack("<I", 5) + b"INFOx\0"
BODIES = {
    "raw": (PCM, Format(24_000, 1), 24_000),
    "raw, half a sample at the end": (PCM + b"\x01", Format(24_000, 1), 24_000),
    "raw stereo": (STEREO, Format(48_000, 2), 48_000),
    "WAV": (wav(PCM, 22_050, 1), Format(24_000, 1), 22_050),
    "WAV, stereo": (wav(STEREO, 16_000, 2), Format(24_000, 1), 16_000),
    "WAV, more before its samples": (wav(PCM, 22_050, 1, extra=LIST), Format(24_000, 1), 22_050),
    "WAV, more after its samples": (wav(PCM, 22_050, 1) + LIST, Format(24_000, 1), 22_050),
    "WAV, its header says half": (wav(PCM, 22_050, 1, size=len(PCM) // 2), Format(24_000, 1), 22_050),
    "WAV, its header says a twentieth, more after": (
        wav(PCM, 22_050, 1, size=len(PCM) // 20) + wav(b"", 22_050, 1),
        Format(24_000, 1),
        22_050,
    ),
    "WAV, its header says too much, another after": (
        wav(PCM[:6_000], 22_050, 1, size=1_000_000) + wav(PCM[6_000:], 22_050, 1),
        Format(24_000, 1),
        22_050,
    ),
    "a WAV for each sentence": (
        b"".join(wav(PCM[at : at + 3_000], 22_050, 1, extra=LIST) + LIST for at in range(0, len(PCM), 3_000)),
        Format(24_000, 1),
        22_050,
    ),
    "a WAV for each sentence, sizes unknown": (
        b"".join(wav(PCM[at : at + 3_000], 22_050, 1, size=0xFFFFFFFF) for at in range(0, len(PCM), 3_000)),
        Format(24_000, 1),
        22_050,
    ),
    "WAV, a large chunk after": (
        wav(PCM, 22_050, 1) + b"LIST" + struct.pack("<I", 2_000_000) + b"R" * 3_000,
        Format(24_000, 1),
        22_050,
    ),
    "raw that begins like a frame of MP3": (b"\xff\xfb\x90\x64" + PCM, Format(24_000, 1), 24_000),
    "WAV, size unknown": (wav(PCM, 22_050, 1, size=0xFFFFFFFF), Format(24_000, 1), 22_050),
    "WAV, size not filled in": (wav(PCM, 22_050, 1, size=0), Format(24_000, 1), 22_050),
}


def sound_of(name: str) -> bytes:
    return BODIES[name][0] if name.startswith("raw that") else PCM


@pytest.mark.parametrize("name", BODIES)
@given(cuts=st.lists(st.integers(0, 13_000), max_size=10))
def test_cutting_elsewhere_changes_nothing(name: str, cuts: list[int]) -> None:
    body, format_, rate = BODIES[name]
    assert parse(cut(body, cuts), format_) == (sound_of(name), rate)


@pytest.mark.parametrize("name", BODIES)
def test_one_byte_at_a_time_changes_nothing(name: str) -> None:
    body, format_, rate = BODIES[name]
    assert parse([bytes([byte]) for byte in body], format_) == (sound_of(name), rate)


@given(st.binary(max_size=64), st.lists(st.integers(0, 64), max_size=6))
def test_any_bytes_give_whole_samples_or_an_error(body: bytes, cuts: list[int]) -> None:
    try:
        whole = parse([body], Format(24_000, 1))
    except NotSpeech:
        with pytest.raises(NotSpeech):
            parse(cut(body, cuts), Format(24_000, 1))
    else:
        assert parse(cut(body, cuts), Format(24_000, 1)) == whole
        assert len(whole[0]) % 2 == 0


def test_stereo_is_mixed_down() -> None:
    pcm, _ = parse([struct.pack("<4h", 100, 300, -32768, 32767)], Format(24_000, 2))
    assert np.frombuffer(pcm, "<i2") == pytest.approx([200, 0], abs=1)


@pytest.mark.parametrize(
    ("content_type", "rate", "channels"),
    [
        ("audio/pcm;rate=24000;channels=1", 24_000, 1),
        ('Audio/PCM; Rate="44100" ; channels=2', 44_100, 2),
        ("audio/pcm", 16_000, 1),
        ("audio/L16;rate=8000", 8_000, 1),
        ("application/octet-stream", 16_000, 1),
        ("", 16_000, 1),
        ("audio/wav", 16_000, 1),
        ("audio/pcm;rate=fast", 16_000, 1),
    ],
)
def test_the_content_type_says_rate_and_channels(content_type: str, rate: int, channels: int) -> None:
    assert announced(content_type, rate_hz=16_000) == Format(rate, channels)


@pytest.mark.parametrize(
    ("content_type", "words"),
    [
        ("application/json", "the answer is application/json, not audio"),
        ("text/html; charset=utf-8", "the answer is text/html, not audio"),
        ("audio/mpeg", "the answer is audio/mpeg, not raw PCM"),
        ("audio/pcm;rate=1", "the answer announces 1 Hz and 1 channels"),
        ("audio/pcm;channels=99", "the answer announces 24000 Hz and 99 channels"),
    ],
)
def test_an_answer_that_is_not_pcm_is_refused(content_type: str, words: str) -> None:
    with pytest.raises(NotSpeech, match=words):
        announced(content_type)


def test_files_of_different_rates_in_one_body_keep_theirs() -> None:
    parser = SpeechParser(Format(24_000, 1))
    speeches = [*parser.feed(wav(PCM, 22_050, 1) + wav(STEREO, 16_000, 2)), *parser.end()]
    assert [(speech.pcm, speech.rate_hz) for speech in speeches] == [(PCM, 22_050), (PCM, 16_000)]


def frames(head: str, length: int, count: int) -> bytes:
    return (bytes.fromhex(head).ljust(length, b"\x55")) * count


COMPRESSED = {
    "MP3, MPEG 1": (frames("fffb9064", 417, 4), "MP3"),
    "MP3, MPEG 2": (frames("fff384c4", 192, 4), "MP3"),
    "MP3 of one frame": (frames("fff384c4", 192, 1), "MP3"),
    "MP3 with a tag": (b"ID3\x04" + bytes(40), "MP3"),
    "AAC": (frames("fff1508003fffc", 31, 4), "AAC"),
    "Ogg": (b"OggS" + bytes(40), "Ogg"),
    "WebM": (b"\x1aE\xdf\xa3" + bytes(40), "WebM"),
    "MP4": (b"\0\0\0\x20ftypM4A " + bytes(40), "MP4"),
    "AIFF": (b"FORM" + bytes(40), "AIFF"),
}


@pytest.mark.parametrize("name", COMPRESSED)
@pytest.mark.parametrize("pieces", ["whole", "bytes"])
def test_compressed_sound_is_refused_whatever_it_is_announced_as(name: str, pieces: str) -> None:
    body, kind = COMPRESSED[name]
    with pytest.raises(NotSpeech, match=f"the answer is {kind}, not raw PCM"):
        parse([body] if pieces == "whole" else [bytes([byte]) for byte in body], announced("audio/pcm"))


@pytest.mark.parametrize(
    "kind", ["audio/p\udc80cm", "audio/pcm; rate=\ud83d24000", "\udcff/\udcff", "audio/pcm;ü=\udce9"]
)
def test_a_content_type_that_no_text_can_be_is_refused_or_read(kind: str) -> None:
    try:
        found = announced(kind)
    except NotSpeech:
        return
    assert found == Format(24_000, 1)
