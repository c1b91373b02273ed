"""Kinds of recordings, told by their first bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.recordings import KINDS, recorded
from voiceloop.audio.recordings.kinds import HEAD_BYTES, name_of, needs_seeking

NAMES = {
    "M4A, its index at the end": "MP4",
    "MOV": "MP4",
    "AAC": "AAC",
    "MP3": "MP3",
    "Ogg Vorbis": "Ogg",
    "FLAC": "FLAC",
    "WebM": "WebM",
    "WMA": "WMA",
    "G.722 WAV": "WAV",
    "AMR": "AMR",
    "CAF": "CAF",
    "AIFF": "AIFF",
}
SEEKING = {"M4A, its index at the end", "ALAC", "MP4 with pictures", "MOV", "CAF", "CAF of ALAC"}


@pytest.mark.parametrize("name", NAMES)
def test_a_kind_is_named_by_its_first_bytes(name: str) -> None:
    assert name_of(recorded(KINDS[name], bytes(32_000))[:HEAD_BYTES]) == NAMES[name]


@pytest.mark.parametrize("name", KINDS)
def test_only_what_has_its_index_at_its_end_must_be_kept(name: str) -> None:
    head = recorded(KINDS[name], bytes(32_000))[:HEAD_BYTES]
    assert bool(needs_seeking(head)) == (name in SEEKING)
    if needs_seeking(head[:12]) is not None:
        assert needs_seeking(head[:12]) == needs_seeking(head)


@given(st.binary(max_size=100), st.sampled_from([b"", b"\0\0\0\x18ftyp", b"\0\0\0\x08free", b"caff", b"RIFF"]))
def test_any_bytes_are_judged(data: bytes, magic: bytes) -> None:
    name_of(magic + data)
    assert needs_seeking((magic + data).ljust(HEAD_BYTES, b"\0")) is not None
