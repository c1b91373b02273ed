"""MP3 joiner: joins the MP3 files of the pieces of a text into one file. Pure; decodes nothing.

Frames are independent, so files can simply be appended. But the first frame of a file may hold no sound, only a table
(Xing, Info) with the length of that file. It is removed: otherwise players believe it and stop there.
Layouts: ISO 11172-3 2.4.2.3, ISO 13818-3, https://id3.org/id3v2.4.0-structure.
"""

from __future__ import annotations

from collections.abc import Sequence

TAG_HEAD_BYTES = 10
_KBPS_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBPS_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_RATES_HZ = (44_100, 48_000, 32_000)
_TABLES = (b"Xing", b"Info", b"VBRI")


def join(parts: Sequence[bytes]) -> bytes:
    """Join files to one; a single file is returned unchanged."""
    return parts[0] if len(parts) == 1 else b"".join(map(frames, parts))


def frames(mp3: bytes) -> bytes:
    """The frames of a file that hold sound: without its tags, and without a first frame that holds only a table."""
    mp3 = mp3[tag_bytes(mp3) :]
    if mp3[-128:-125] == b"TAG":
        mp3 = mp3[:-128]
    length = frame_bytes(mp3)
    return mp3[length:] if any(table in mp3[4:length] for table in _TABLES) else mp3


def tag_bytes(mp3: bytes) -> int:
    """The length of the tag that a file begins with, in bytes; 0 if there is none."""
    if mp3[:3] != b"ID3" or len(mp3) < TAG_HEAD_BYTES:
        return 0
    size = 0
    for byte in mp3[6:TAG_HEAD_BYTES]:
        size = size << 7 | byte & 0x7F
    return TAG_HEAD_BYTES + size


def frame_bytes(mp3: bytes) -> int:
    """The length of the first frame, of layer III, in bytes; 0 if there is none."""
    if len(mp3) < 4 or mp3[0] != 0xFF or mp3[1] & 0xE6 != 0xE2:
        return 0
    version, kbps, rate = mp3[1] >> 3 & 3, mp3[2] >> 4, mp3[2] >> 2 & 3
    if version == 1 or kbps in {0, 15} or rate == 3:
        return 0
    mpeg_1 = version == 3
    rate_hz = _RATES_HZ[rate] >> {3: 0, 2: 1, 0: 2}[version]
    bits = (_KBPS_1 if mpeg_1 else _KBPS_2)[kbps] * 1000
    return (144 if mpeg_1 else 72) * bits // rate_hz + (mp3[2] >> 1 & 1)
