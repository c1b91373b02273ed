"""The bodies of requests with sound in them, made in small steps: encoding minutes of sound in one call would hold up
every thread. Pure."""

from __future__ import annotations

import binascii
import json
from collections.abc import Mapping
from typing import Any

SOUND = "\x00sound\x00"
"""Stands for the sound in the value that is encoded."""
_STEP = 3 * 65_536
"""Bytes encoded at once: a multiple of three, so that the pieces join."""
PIECE = 131_072
"""Bytes that are handed to the connection at once."""


def with_sound(value: Mapping[str, Any], sound: bytes) -> tuple[str, bytes]:
    """Content type and bytes of `value` as JSON, with `sound` in base64 in the place of the string `SOUND`."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    head, tail = text.encode(errors="replace").split(json.dumps(SOUND).encode())
    steps = [binascii.b2a_base64(sound[at : at + _STEP], newline=False) for at in range(0, len(sound), _STEP)]
    return "application/json", b"".join([head, b'"', *steps, b'"', tail])


def pieces(content: bytes) -> list[bytes]:
    """`content` in pieces, so that other tasks take their turns between them."""
    return [content[at : at + PIECE] for at in range(0, len(content), PIECE)]
