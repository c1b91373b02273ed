"""Joining of MP3 files: tags and info frames are left out, every audio frame stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceloop.audio.mp3 import frames, join

TAG = b"ID3\x04\x00\x00\x00\x00\x01\x05" + bytes(133)
"""An ID3v2 tag of 133 bytes: its length is written in groups of 7 bits."""
HEADS = {
    "MPEG 1, 128 kbit/s, 44.1 kHz": (b"\xff\xfb\x90\x64", 417),
    "MPEG 1, padded": (b"\xff\xfb\x92\x64", 418),
    "MPEG 2, 64 kbit/s, 24 kHz": (b"\xff\xf3\x84\xc4", 192),
    "MPEG 2.5, 32 kbit/s, 8 kHz": (b"\xff\xe3\x48\xc4", 288),
}


def frame(head: bytes, length: int, content: bytes = b"") -> bytes:
    return (head + bytes(17) + content).ljust(length, b"\x55")


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("table", [b"Xing", b"Info"])
def test_tags_and_info_frames_are_left_out_and_audio_stays(name: str, table: bytes) -> None:
    head, length = HEADS[name]
    sound = frame(head, length) * 3
    with_tags = TAG + frame(head, length, table) + sound + b"TAG" + bytes(125)
    assert join([with_tags, sound, with_tags]) == sound * 3


def test_a_single_file_stays_as_it_is() -> None:
    head, length = HEADS["MPEG 1, padded"]
    whole = TAG + frame(head, length, b"Xing")
    assert join([whole]) == whole


@given(st.binary(max_size=40), st.sampled_from([b"", b"ID3", b"\xff\xfb", b"\xff\xf3\x84\xc4Xing"]))
def test_any_bytes_are_accepted(rest: bytes, start: bytes) -> None:
    assert (start + rest).endswith(frames(start + rest))
