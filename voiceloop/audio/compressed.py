"""Recognises compressed sound by its first bytes, whatever it is announced as: played as samples it is noise. Pure."""

from __future__ import annotations

from voiceloop.audio.mp3 import frame_bytes

_MAGIC = (
    (b"ID3", "MP3"),
    (b"OggS", "Ogg"),
    (b"fLaC", "FLAC"),
    (b"\x1aE\xdf\xa3", "WebM"),
    (b"FORM", "AIFF"),
    (b"caff", "CAF"),
    (b"#!AMR", "AMR"),
    (b".snd", "AU"),
)
_MAGIC_BYTES = 8
_FRAMES = 3
"""So many frames in a row are no chance: samples look like the head of one frame now and then."""
_HEAD_BYTES = 7


def compressed(data: bytes, *, complete: bool) -> str | None:
    """The name of the format that a body begins with; empty if it is none that is known. None: more bytes are needed.

    `complete`: no more will come.
    """
    if len(data) < _MAGIC_BYTES and not complete:
        return None
    for magic, name in _MAGIC:
        if data.startswith(magic):
            return name
    if data[4:8] == b"ftyp":
        return "MP4"
    at = frames = 0
    while frames < _FRAMES:
        head = data[at : at + _HEAD_BYTES]
        if len(head) < _HEAD_BYTES:
            if not complete and _may_begin(head):
                return None
            return _name(data) if frames and at == len(data) else ""
        length = frame_bytes(head) or _adts_bytes(head)
        if not length:
            return ""
        at, frames = at + length, frames + 1
    return _name(data)


def _may_begin(head: bytes) -> bool:
    """Whether a frame may begin with `head`, which is cut off."""
    return not head or (head[0] == 0xFF and (len(head) == 1 or head[1] & 0xE0 == 0xE0))


def _name(data: bytes) -> str:
    return "MP3" if frame_bytes(data) else "AAC"


def _adts_bytes(head: bytes) -> int:
    """The length of an AAC frame in ADTS (ISO 13818-7, 6.2), with its head; 0 if it is none."""
    if head[0] != 0xFF or head[1] & 0xF6 != 0xF0 or head[2] >> 2 & 0xF > 12:
        return 0
    length = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    return length if length > _HEAD_BYTES else 0
