"""Checks requests against the published field rules of the audio and chat APIs; names the rule that is broken. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from email.parser import BytesParser
from email.policy import HTTP
from itertools import pairwise
from typing import Any

from testbed.server.chat_rules import chat, part
from testbed.server.field_rules import (
    COMMON,
    MAGIC,
    Broken,
    audio,
    common,
    keys,
    model,
    need,
    number,
    provider_options,
    text,
    wav,
)


def clip(body: dict[str, Any]) -> bytes | None:
    """The WAV of a transcription request, JSON or form; None when there is none that can be read."""
    if "file" in body:
        return bytes(body["file"]) if isinstance(body["file"], bytes) else None
    try:
        raw = audio(body.get("input_audio"))
    except Broken:
        return None
    return raw if raw.startswith(MAGIC["wav"]) else None


def transcription(body: Any) -> None:
    optional = {"language", "temperature", "provider", "response_format", "timestamp_granularities", "diarize"}
    keys(body, {"model", "input_audio"}, {*optional, "keyterms", *COMMON}, "the body")
    common(body)
    terms = body.get("keyterms", ["x"])
    need(isinstance(terms, list) and terms and all(isinstance(t, str) and t for t in terms), "keyterms are odd")
    model(body["model"])
    audio(body["input_audio"])
    if "language" in body:
        need(re.fullmatch(r"[a-z]{2,3}", str(body["language"])), "language must be ISO-639-1")
    if "temperature" in body:
        number(body["temperature"], 0, 1, "temperature")
    if "provider" in body:
        provider_options(body["provider"])
    _response_format(body)


def _response_format(body: Any) -> None:
    if "diarize" in body:
        need(isinstance(body["diarize"], bool), "diarize must be a boolean")
        verbose = body.get("response_format") == "verbose_json"
        need(verbose or not body["diarize"], "diarize needs response_format verbose_json")
    if "response_format" in body:
        need(body["response_format"] in {"json", "verbose_json"}, "response_format must be json or verbose_json")
    if "timestamp_granularities" in body:
        need(body.get("response_format") == "verbose_json", "timestamp_granularities needs verbose_json")
        given = body["timestamp_granularities"]
        need(isinstance(given, list) and given and set(given) <= {"segment", "word"}, "timestamp_granularities is odd")


def speech(body: Any) -> None:
    optional = {"voice", "response_format", "speed", "provider", "instructions", "input_references"}
    keys(body, {"model", "input"}, {*optional, *COMMON}, "the body")
    common(body)
    model(body["model"])
    text(body["input"], "input")
    text(body.get("voice", "x"), "voice")
    text(body.get("instructions", "x"), "instructions")
    _references(body.get("input_references", []))
    if "response_format" in body:
        need(body["response_format"] in {"pcm", "mp3"}, "response_format must be pcm or mp3")
    if "speed" in body:
        number(body["speed"], 0, 10, "speed")
    if "provider" in body:
        provider_options(body["provider"])


def _references(parts: Any) -> None:
    """One to three clips, each with its transcript behind it, if there is one."""
    need(isinstance(parts, list), "input_references must be a list")
    kinds = [each.get("type") for each in parts]
    for each in parts:
        part(each)
    need(not kinds or 1 <= kinds.count("input_audio") <= 3, "input_references must hold one to three clips")
    need(not kinds or kinds[0] == "input_audio", "input_references must begin with a clip")
    need(("text", "text") not in set(pairwise(kinds)), "a clip has one transcript")


def form(headers: Mapping[str, str], raw: bytes) -> dict[str, Any]:
    """The fields of a multipart form, `file` as bytes."""
    head = f"Content-Type: {headers['content-type']}\r\n\r\n".encode()
    parts = BytesParser(policy=HTTP).parsebytes(head + raw)
    need(parts.is_multipart(), "not a multipart form")
    fields: dict[str, Any] = {}
    for entry in parts.iter_parts():
        name = entry.get_param("name", header="content-disposition")
        content = entry.get_payload(decode=True)
        assert isinstance(content, bytes)
        if str(name).endswith("[]"):
            fields.setdefault(str(name), []).append(content.decode())
            continue
        need(name not in fields, f"{name} comes twice")
        fields[str(name)] = content if name == "file" else content.decode()
        need(name != "file" or entry.get_filename(), "file has no filename")
    return fields


def transcription_form(fields: dict[str, Any], *, openai: bool) -> None:
    optional = {"language", "prompt", "response_format", "temperature"}
    if not openai:
        optional = {"language", "response_format", "temperature", "diarize", "provider", "timestamp_granularities[]"}
        optional |= {"keyterms[]", "session_id", "user", "trace"}
    keys(fields, {"file", "model"}, optional, "the form")
    kind = next((kind for kind, magic in MAGIC.items() if fields["file"].startswith(magic)), None)
    need(kind is not None, "the file is of no known format")
    if kind == "wav":
        wav(fields["file"])
    text(fields["model"], "model")
    if "language" in fields:
        need(re.fullmatch(r"[a-z]{2,3}", fields["language"]), "language must be ISO-639-1")
    if "temperature" in fields:
        number(float(fields["temperature"]), 0, 1, "temperature")
    if "provider" in fields:
        provider_options(json.loads(fields["provider"]))
    if "diarize" in fields:
        fields = fields | {"diarize": json.loads(fields["diarize"])}
    if (given := fields.get("timestamp_granularities[]")) is not None:
        fields = fields | {"timestamp_granularities": given}
    _response_format(fields)


RULES: Mapping[str, Callable[[Any], None]] = {
    "/audio/transcriptions": transcription,
    "/audio/speech": speech,
    "/chat/completions": chat,
}


def broken(path: str, headers: Mapping[str, str], body: Any, *, openai: bool = False) -> str | None:
    """The rule that a request breaks; None when it keeps all rules.

    `openai`: the rules of OpenAI's API. It takes any model name, clips as multipart forms, and also `instructions`.
    """
    if path == "/audio/transcriptions" and headers.get("content-type", "").startswith("multipart/form-data"):
        try:
            transcription_form(body, openai=openai)
        except Broken as error:
            return str(error)
        return None
    if headers.get("content-type", "").split(";")[0] != "application/json":
        return "Content-Type must be application/json"
    if openai and path == "/audio/transcriptions":
        return "file: field required"
    if openai and isinstance(body, dict):
        body = {**body, "model": f"any/{body.get('model')}"}
        if not isinstance(body.pop("instructions", ""), str):
            return "instructions must be a string"
    try:
        RULES[path](body)
    except Broken as error:
        return str(error)
    return None
