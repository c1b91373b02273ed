"""Kinds of recordings, told by their first bytes: their names, and whether they can be read as they come. Pure."""

from __future__ import annotations

from voiceloop.audio.compressed import compressed
from voiceloop.audio.riff import is_wav

HEAD_BYTES = 4_096
"""So many bytes are looked at."""
_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"moof", b"styp")
"""What an MP4 or QuickTime file begins with (ISO 14496-12)."""


def name_of(head: bytes) -> str:
    """The name of the kind, for messages: `MP4`; empty if it is none that is known."""
    if is_wav(head):
        return "WAV"
    if head.startswith(_ASF):
        return "WMA"
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return "AVI"
    return "MP4" if head[4:8] in _BOXES else compressed(head, complete=True) or ""


def needs_seeking(head: bytes) -> bool | None:
    """Whether a recording that begins with `head` can't be read from a pipe: its index stands at its end, or may stand
    there. None: more bytes are needed to know."""
    if head.startswith(b"caff"):
        return True  # Apple writes the table of packets behind them
    if head[4:8] not in _BOXES:
        return False
    at = 0
    while at + 8 <= len(head):
        size, name = int.from_bytes(head[at : at + 4], "big"), head[at + 4 : at + 8]
        if name in {b"moov", b"moof"}:
            return False
        if name == b"mdat" or name not in _BOXES or size < 8:
            return True
        at += size
    return None if len(head) < HEAD_BYTES else True
