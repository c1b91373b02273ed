"""The rules of single fields that all endpoints share. Pure."""

from __future__ import annotations

import base64
import binascii
import io
import re
import wave
from typing import Any

FORMATS = {"wav", "mp3", "flac", "m4a", "ogg", "webm", "aac", "pcm"}
MAGIC = {"wav": b"RIFF", "flac": b"fLaC", "ogg": b"OggS", "webm": b"\x1a\x45\xdf\xa3"}


class Broken(Exception):
    """A request breaks a rule; the message says which."""


def need(ok: object, rule: str) -> None:
    if not ok:
        raise Broken(rule)


def keys(value: Any, required: set[str], optional: set[str], what: str) -> None:
    need(isinstance(value, dict), f"{what} must be an object")
    need(required <= value.keys(), f"{what} lacks {sorted(required - value.keys())}")
    unknown = value.keys() - required - optional
    need(not unknown, f"{what} has unknown fields {sorted(unknown)}")


def text(value: Any, what: str) -> None:
    need(isinstance(value, str) and value, f"{what} must be a non-empty string")


def number(value: Any, low: float, high: float, what: str) -> None:
    ok = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
    need(ok, f"{what} must be a number in {low}..{high}")


def model(value: Any) -> None:
    text(value, "model")
    need(re.fullmatch(r"[\w.-]+/[\w.:-]+", value), f"model {value!r} is not a full slug")


def provider_options(value: Any) -> None:
    keys(value, set(), {"options", "zdr", "data_collection"}, "provider")
    privacy(value)
    options = value.get("options", {})
    ok = isinstance(options, dict) and all(isinstance(given, dict) for given in options.values())
    need(ok, "provider.options must hold an object for each provider")


def privacy(provider: Any) -> None:
    need(isinstance(provider.get("zdr", True), bool), "provider.zdr must be a boolean")
    need(provider.get("data_collection", "deny") in {"allow", "deny"}, "provider.data_collection is odd")


COMMON = {"session_id", "user", "trace"}
"""Fields of all three endpoints."""


def common(body: Any) -> None:
    need(1 <= len(str(body.get("session_id", "x"))) <= 256, "session_id must have 1 to 256 characters")
    need(isinstance(body.get("user", ""), str), "user must be a string")
    need(isinstance(body.get("trace", {}), dict), "trace must be an object")


def audio(value: Any) -> bytes:
    """Check an `input_audio` object; gives the decoded audio."""
    keys(value, {"data", "format"}, set(), "input_audio")
    need(value["format"] in FORMATS, f"input_audio.format must be one of {sorted(FORMATS)}")
    text(value["data"], "input_audio.data")
    need(not value["data"].startswith("data:"), "input_audio.data must be base64, not a data URI")
    try:
        raw = base64.b64decode(value["data"], validate=True)
    except (binascii.Error, ValueError):
        raise Broken("input_audio.data is not base64") from None
    need(raw.startswith(MAGIC.get(value["format"], b"")), "input_audio.format does not match the bytes")
    if value["format"] == "wav":
        wav(raw)
    return raw


def wav(raw: bytes) -> None:
    if raw[40:44] == b"\xff" * 4:  # a stream's: its length is that of the bytes
        raw = raw[:40] + (len(raw) - 44).to_bytes(4, "little") + raw[44:]
    try:
        with wave.open(io.BytesIO(raw)) as file:
            frames = file.getnframes()
            need(len(file.readframes(frames)) == frames * file.getsampwidth() * file.getnchannels(), "the WAV is cut")
            need(frames > 0, "the WAV is empty")
    except (wave.Error, EOFError) as error:
        raise Broken(f"not a WAV: {error}") from None
