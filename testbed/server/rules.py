"""Checks requests against the published field rules of the audio and chat APIs; names the rule that is broken. Pure."""

from __future__ import annotations

import base64
import binascii
import io
import json
import re
import wave
from collections.abc import Callable, Mapping
from email.parser import BytesParser
from email.policy import HTTP
from itertools import pairwise
from typing import Any

FORMATS = {"wav", "mp3", "flac", "m4a", "ogg", "webm", "aac", "pcm"}
MAGIC = {"wav": b"RIFF", "flac": b"fLaC", "ogg": b"OggS", "webm": b"\x1a\x45\xdf\xa3"}

_BACK = {"reasoning", "reasoning_content", "reasoning_details", "extra_content"}
"""What came with the model's own message and may go back in it."""


class Broken(Exception):
    """A request breaks a rule; the message says which."""


def _need(ok: object, rule: str) -> None:
    if not ok:
        raise Broken(rule)


def _keys(value: Any, required: set[str], optional: set[str], what: str) -> None:
    _need(isinstance(value, dict), f"{what} must be an object")
    _need(required <= value.keys(), f"{what} lacks {sorted(required - value.keys())}")
    unknown = value.keys() - required - optional
    _need(not unknown, f"{what} has unknown fields {sorted(unknown)}")


def _text(value: Any, what: str) -> None:
    _need(isinstance(value, str) and value, f"{what} must be a non-empty string")


def _number(value: Any, low: float, high: float, what: str) -> None:
    ok = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
    _need(ok, f"{what} must be a number in {low}..{high}")


def _model(value: Any) -> None:
    _text(value, "model")
    _need(re.fullmatch(r"[\w.-]+/[\w.:-]+", value), f"model {value!r} is not a full slug")


def _provider_options(value: Any) -> None:
    _keys(value, set(), {"options", "zdr", "data_collection"}, "provider")
    _privacy(value)
    options = value.get("options", {})
    ok = isinstance(options, dict) and all(isinstance(given, dict) for given in options.values())
    _need(ok, "provider.options must hold an object for each provider")


def _privacy(provider: Any) -> None:
    _need(isinstance(provider.get("zdr", True), bool), "provider.zdr must be a boolean")
    _need(provider.get("data_collection", "deny") in {"allow", "deny"}, "provider.data_collection is odd")


_COMMON = {"session_id", "user", "trace"}
"""Fields of all three endpoints."""


def _common(body: Any) -> None:
    _need(1 <= len(str(body.get("session_id", "x"))) <= 256, "session_id must have 1 to 256 characters")
    _need(isinstance(body.get("user", ""), str), "user must be a string")
    _need(isinstance(body.get("trace", {}), dict), "trace must be an object")


def audio(value: Any) -> bytes:
    """Check an `input_audio` object; gives the decoded audio."""
    _keys(value, {"data", "format"}, set(), "input_audio")
    _need(value["format"] in FORMATS, f"input_audio.format must be one of {sorted(FORMATS)}")
    _text(value["data"], "input_audio.data")
    _need(not value["data"].startswith("data:"), "input_audio.data must be base64, not a data URI")
    try:
        raw = base64.b64decode(value["data"], validate=True)
    except (binascii.Error, ValueError):
        raise Broken("input_audio.data is not base64") from None
    _need(raw.startswith(MAGIC.get(value["format"], b"")), "input_audio.format does not match the bytes")
    if value["format"] == "wav":
        wav(raw)
    return raw


def wav(raw: bytes) -> None:
    if raw[40:44] == b"\xff" * 4:  # a stream's: its length is that of the bytes
        raw = raw[:40] + (len(raw) - 44).to_bytes(4, "little") + raw[44:]
    try:
        with wave.open(io.BytesIO(raw)) as file:
            frames = file.getnframes()
            _need(len(file.readframes(frames)) == frames * file.getsampwidth() * file.getnchannels(), "the WAV is cut")
            _need(frames > 0, "the WAV is empty")
    except (wave.Error, EOFError) as error:
        raise Broken(f"not a WAV: {error}") from None


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
    _keys(body, {"model", "input_audio"}, {*optional, "keyterms", *_COMMON}, "the body")
    _common(body)
    terms = body.get("keyterms", ["x"])
    _need(isinstance(terms, list) and terms and all(isinstance(t, str) and t for t in terms), "keyterms are odd")
    _model(body["model"])
    audio(body["input_audio"])
    if "language" in body:
        _need(re.fullmatch(r"[a-z]{2,3}", str(body["language"])), "language must be ISO-639-1")
    if "temperature" in body:
        _number(body["temperature"], 0, 1, "temperature")
    if "provider" in body:
        _provider_options(body["provider"])
    _response_format(body)


def _response_format(body: Any) -> None:
    if "diarize" in body:
        _need(isinstance(body["diarize"], bool), "diarize must be a boolean")
        verbose = body.get("response_format") == "verbose_json"
        _need(verbose or not body["diarize"], "diarize needs response_format verbose_json")
    if "response_format" in body:
        _need(body["response_format"] in {"json", "verbose_json"}, "response_format must be json or verbose_json")
    if "timestamp_granularities" in body:
        _need(body.get("response_format") == "verbose_json", "timestamp_granularities needs verbose_json")
        given = body["timestamp_granularities"]
        _need(isinstance(given, list) and given and set(given) <= {"segment", "word"}, "timestamp_granularities is odd")


def speech(body: Any) -> None:
    optional = {"voice", "response_format", "speed", "provider", "instructions", "input_references"}
    _keys(body, {"model", "input"}, {*optional, *_COMMON}, "the body")
    _common(body)
    _model(body["model"])
    _text(body["input"], "input")
    _text(body.get("voice", "x"), "voice")
    _text(body.get("instructions", "x"), "instructions")
    _references(body.get("input_references", []))
    if "response_format" in body:
        _need(body["response_format"] in {"pcm", "mp3"}, "response_format must be pcm or mp3")
    if "speed" in body:
        _number(body["speed"], 0, 10, "speed")
    if "provider" in body:
        _provider_options(body["provider"])


def _references(parts: Any) -> None:
    """One to three clips, each with its transcript behind it, if there is one."""
    _need(isinstance(parts, list), "input_references must be a list")
    kinds = [part.get("type") for part in parts]
    for part in parts:
        _part(part)
    _need(not kinds or 1 <= kinds.count("input_audio") <= 3, "input_references must hold one to three clips")
    _need(not kinds or kinds[0] == "input_audio", "input_references must begin with a clip")
    _need(("text", "text") not in set(pairwise(kinds)), "a clip has one transcript")


_CHAT = {
    "stream", "stream_options", "temperature", "max_tokens", "provider", "models", "tools", "tool_choice",
    "modalities", "audio", "usage", "top_p", "stop", "seed", "reasoning", "reasoning_effort", "service_tier",
    "max_completion_tokens", "plugins", "verbosity", "parallel_tool_calls", "prompt_cache_key", *_COMMON,
}  # fmt: skip
_EFFORTS = {"none", "minimal", "low", "medium", "high", "xhigh", "max"}
_TIERS = {"auto", "default", "fast", "flex", "priority", "scale", "ultrafast"}
_PREFERENCES = {
    "allow_fallbacks", "data_collection", "enforce_distillable_text", "ignore", "max_price", "only", "options", "order",
    "preferred_max_latency", "preferred_min_throughput", "quantizations", "require_parameters", "sort", "zdr",
}  # fmt: skip


def chat(body: Any) -> None:
    _keys(body, {"model", "messages"}, _CHAT, "the body")
    _model(body["model"])
    _need(isinstance(body["messages"], list) and body["messages"], "messages must be a non-empty list")
    for message in body["messages"]:
        _message(message)
    if "temperature" in body:
        _number(body["temperature"], 0, 2, "temperature")
    if "max_tokens" in body:
        _number(body["max_tokens"], 1, 10**7, "max_tokens")
    if "max_completion_tokens" in body:
        _number(body["max_completion_tokens"], 1, 10**7, "max_completion_tokens")
    _common(body)
    _keys(body.get("provider", {}), set(), _PREFERENCES, "provider")
    _privacy(body.get("provider", {}))
    _reasoning(body)
    _need(body.get("service_tier", "auto") in _TIERS, "service_tier is odd")
    for plugin in body.get("plugins", ()):
        _text(plugin.get("id"), "a plugin's id")
    for tool in body.get("tools", ()):
        _tool(tool)
    if "stream" in body:
        _need(isinstance(body["stream"], bool), "stream must be a boolean")
    for model in body.get("models", ()):
        _model(model)
    _modalities(body)


def _reasoning(body: Any) -> None:
    given = body.get("reasoning", {})
    _keys(given, set(), {"effort", "summary", "max_tokens", "exclude", "enabled"}, "reasoning")
    _need(body.get("reasoning_effort", "low") in _EFFORTS, "reasoning_effort is odd")
    _need(given.get("effort", "low") in _EFFORTS, "reasoning.effort is odd")
    _need("effort" not in given or "reasoning_effort" not in body, "reasoning.effort and reasoning_effort")


def _tool(tool: Any) -> None:
    if str(tool.get("type", "")).startswith("openrouter:"):
        _keys(tool, {"type"}, {"parameters"}, "a server tool")
        _need(isinstance(tool.get("parameters", {}), dict), "a server tool's parameters must be an object")
        return
    _keys(tool, {"type", "function"}, set(), "a tool")
    _need(tool["type"] == "function", "a tool must be a function")
    _keys(tool["function"], {"name", "parameters"}, {"description", "strict"}, "a tool's function")
    _need(re.fullmatch(r"[\w-]{1,64}", str(tool["function"]["name"])), "a tool's name is odd")
    _need(tool["function"]["parameters"].get("type") == "object", "a tool's parameters must be an object")


def _modalities(body: Any) -> None:
    given = body.get("modalities", ["text"])
    _need(isinstance(given, list) and set(given) <= {"text", "audio"}, "modalities must be of text and audio")
    if "audio" in given:
        _keys(body.get("audio"), {"voice", "format"}, set(), "audio")
        _need(body["audio"]["format"] == "pcm16" and body.get("stream"), "streamed audio is pcm16")


def _message(message: Any) -> None:
    optional = {"tool_calls", "tool_call_id", "name", "content", *_BACK}
    _keys(message, {"role"}, optional, "a message")
    _need(message["role"] in {"system", "user", "assistant", "tool"}, f"no role {message['role']!r}")
    content = message.get("content")
    if isinstance(content, str):
        return
    if content is None:
        _need(message.get("tool_calls"), "a message without content")
        return
    _need(isinstance(content, list) and content, "content must be text or a list of parts")
    for part in content:
        _part(part)


def _part(part: Any) -> None:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text":
        _keys(part, {"type", "text"}, set(), "a part")
        return
    _need(kind == "input_audio", f"no part of type {kind!r}")
    _keys(part, {"type", "input_audio"}, set(), "a part")
    audio(part["input_audio"])


def form(headers: Mapping[str, str], raw: bytes) -> dict[str, Any]:
    """The fields of a multipart form, `file` as bytes."""
    head = f"Content-Type: {headers['content-type']}\r\n\r\n".encode()
    parts = BytesParser(policy=HTTP).parsebytes(head + raw)
    _need(parts.is_multipart(), "not a multipart form")
    fields: dict[str, Any] = {}
    for part in parts.iter_parts():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        if str(name).endswith("[]"):
            fields.setdefault(str(name), []).append(content.decode())
            continue
        _need(name not in fields, f"{name} comes twice")
        fields[str(name)] = content if name == "file" else content.decode()
        _need(name != "file" or part.get_filename(), "file has no filename")
    return fields


def transcription_form(fields: dict[str, Any], *, openai: bool) -> None:
    optional = {"language", "prompt", "response_format", "temperature"}
    if not openai:
        optional = {"language", "response_format", "temperature", "diarize", "provider", "timestamp_granularities[]"}
        optional |= {"keyterms[]", "session_id", "user", "trace"}
    _keys(fields, {"file", "model"}, optional, "the form")
    kind = next((kind for kind, magic in MAGIC.items() if fields["file"].startswith(magic)), None)
    _need(kind is not None, "the file is of no known format")
    if kind == "wav":
        wav(fields["file"])
    _text(fields["model"], "model")
    if "language" in fields:
        _need(re.fullmatch(r"[a-z]{2,3}", fields["language"]), "language must be ISO-639-1")
    if "temperature" in fields:
        _number(float(fields["temperature"]), 0, 1, "temperature")
    if "provider" in fields:
        _provider_options(json.loads(fields["provider"]))
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
