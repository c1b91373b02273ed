"""The reader and writer of WAV files, complete and broken ones."""

from __future__ import annotations

import struct
from array import array
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceloop.audio.wav import WavWriter, parse_wav, read_wav, wav_bytes
from voiceloop.errors import BadAudioFile, DeviceError

SAMPLES = [0, 1000, -1000, 32767, -32768, 256]
PCM = array("h", SAMPLES).tobytes()


def chunk(name: bytes, body: bytes, *, size: int | None = None) -> bytes:
    return name + struct.pack("<I", len(body) if size is None else size) + body + b"\0" * (len(body) % 2)


def wav(  # noqa: PLR0913 - the fields of a header
    body: bytes,
    *,
    kind: int = 1,
    bits: int = 16,
    channels: int = 1,
    rate_hz: int = 16_000,
    extensible: bool = False,
    size: int | None = None,
    before: bytes = b"",
) -> bytes:
    width = channels * bits // 8
    form = struct.pack("<HHIIHH", 0xFFFE if extensible else kind, channels, rate_hz, rate_hz * width, width, bits)
    if extensible:
        form += (
            struct.pack("<HHI", 22, bits, 0) + struct.pack("<H", kind) + bytes.fromhex("000000001000800000aa00389b71")
        )
    parts = chunk(b"fmt ", form) + before + chunk(b"data", body, size=size)
    return b"RIFF" + struct.pack("<I", 4 + len(parts)) + b"WAVE" + parts


def samples(data: bytes) -> list[int]:
    return list(array("h", parse_wav(data).pcm))


def test_16_bits_are_read_as_they_are() -> None:
    read = parse_wav(wav(PCM, rate_hz=44_100))
    assert (read.pcm, read.rate_hz, read.flaw) == (PCM, 44_100, "")


def test_8_bits_are_unsigned() -> None:
    assert samples(wav(bytes([0, 128, 255]), bits=8)) == [-32768, 0, 32512]


def test_24_bits_are_reduced_to_16() -> None:
    body = b"".join((s << 8 | 0x55).to_bytes(3, "little", signed=True) for s in SAMPLES)
    assert samples(wav(body, bits=24)) == SAMPLES


def test_32_bits_are_reduced_to_16() -> None:
    assert samples(wav(struct.pack("<6i", *(s << 16 for s in SAMPLES)), bits=32)) == SAMPLES


@pytest.mark.parametrize(("code", "bits"), [("f", 32), ("d", 64)])
def test_floats_are_rounded_and_clipped(code: str, bits: int) -> None:
    values = [0.0, 0.5, -0.5, 1.5, -1.5, float("nan")]
    body = struct.pack(f"<6{code}", *values)
    assert samples(wav(body, kind=3, bits=bits)) == [0, 16384, -16384, 32767, -32768, 0]


def test_stereo_is_mixed_down() -> None:
    assert samples(wav(array("h", [100, 300, -100, -300]).tobytes(), channels=2)) == [200, -200]


def test_an_extensible_header_and_unknown_chunks_are_read() -> None:
    assert samples(wav(PCM, extensible=True, before=chunk(b"LIST", b"odd"))) == SAMPLES


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF])
def test_a_size_that_is_unknown_in_a_pipe_means_to_the_end(size: int) -> None:
    read = parse_wav(wav(PCM, size=size))
    assert (read.pcm, read.flaw) == (PCM, "")


def test_a_truncated_file_is_read_as_far_as_it_goes_and_says_so() -> None:
    read = parse_wav(wav(PCM)[:-3])
    assert read.pcm == PCM[:-4]
    assert read.flaw == "is truncated: 9 of 12 bytes of sound are there, and are used"


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "is empty"),
        (b"ID3 this is an MP3", "is not a WAV file"),
        (b"RIFF\x04\0\0\0WAVE", "is cut off before its first sample"),
        (wav(PCM)[:30], "has a broken header"),
        (wav(b""), "has no samples"),
        (wav(PCM)[:-12], "has no samples"),
        (wav(PCM)[:40], "is cut off before its first sample"),
        (wav(PCM, kind=0x11, bits=4), "is compressed or unusual (format 17, 4 bits)"),
        (wav(PCM, channels=0), "has a broken header: no channels or no rate"),
        (b"RIFF\x04\0\0\0WAVE" + chunk(b"data", PCM), "has its samples before their format"),
    ],
)
def test_a_broken_file_is_one_clear_error(data: bytes, what: str, tmp_path: Path) -> None:
    path = tmp_path / "talk.wav"
    path.write_bytes(data)
    with pytest.raises(BadAudioFile) as caught:
        read_wav(path, place="audio.input")
    assert str(caught.value).startswith(f"audio.input: {path} {what}. ")
    assert caught.value.remedy
    assert caught.value.exit_code == 74


def test_unreadable_files_are_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(BadAudioFile, match=r"none\.wav can't be read: no such file or directory\. Check the path"):
        read_wav(tmp_path / "none.wav")
    with pytest.raises(BadAudioFile, match="can't be read: is a directory"):
        read_wav(tmp_path)


@given(data=st.binary(max_size=80))
def test_any_bytes_after_the_magic_are_read_or_refused(data: bytes) -> None:
    with suppress(BadAudioFile):
        parse_wav(b"RIFF\0\0\0\0WAVE" + data)


@given(cut=st.integers(0, 55))
def test_a_file_cut_anywhere_is_read_or_refused(cut: int) -> None:
    try:
        read = parse_wav(wav(PCM)[:cut])
    except BadAudioFile:
        assert cut < 46
    else:
        assert PCM.startswith(read.pcm)
        assert read.flaw


def test_a_written_file_is_read_back_unchanged(tmp_path: Path) -> None:
    assert parse_wav(wav_bytes(PCM, 24_000)) == parse_wav(wav(PCM, rate_hz=24_000))
    with WavWriter(tmp_path / "out.wav", 24_000) as writer:
        writer.write(PCM)
        writer.write(memoryview(PCM))
    assert (tmp_path / "out.wav").read_bytes() == wav_bytes(PCM + PCM, 24_000)


def test_a_file_being_written_is_valid_at_any_moment(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    writer = WavWriter(path, 24_000)
    for count in range(1, 4):
        writer.write(PCM)
        read = read_wav(path)
        assert (read.pcm, read.flaw) == (PCM * count, "")
    writer.close()


def test_a_file_that_cannot_be_created_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"^audio\.output: .*out\.wav can't be written: no such file"):
        WavWriter(tmp_path / "nowhere" / "out.wav", 24_000, place="audio.output")


def test_a_clip_is_resampled_to_another_rate(tmp_path: Path) -> None:
    clip = parse_wav(wav(PCM * 800, rate_hz=8000))
    assert len(clip.at(16_000)) == 2 * len(clip.pcm)
    assert clip.at(8000) is clip.pcm
    assert clip.duration_s == pytest.approx(0.6)


@pytest.mark.parametrize("bits", [32, 64])
def test_floats_that_are_too_large_or_no_numbers_are_read_without_a_warning(bits: int) -> None:
    code = "f" if bits == 32 else "d"
    largest = 3e38 if bits == 32 else 1.7e308
    samples = [largest, -largest, float("inf"), float("-inf"), float("nan"), 0.5]
    no_number = (b"\x01\x00\x80\x7f" if bits == 32 else b"\x01\x00\x00\x00\x00\x00\xf0\x7f") * 3  # one that signals
    data = struct.pack(f"<{len(samples)}{code}", *samples) + no_number
    form = struct.pack("<HHIIHH", 3, 1, 16_000, 2_000 * bits, bits // 8, bits)
    body = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", len(data)) + data
    read = array("h", parse_wav(b"RIFF" + struct.pack("<I", len(body)) + body).pcm)
    assert list(read) == [32767, -32768, 32767, -32768, 0, 16384, 0, 0, 0]
