"""The regular answers of the server: status, headers and body, without faults. Pure."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from testbed.server import pacing
from testbed.server.script import Script, tone


@dataclass(frozen=True, slots=True)
class Plain:
    """An answer without faults. It begins `after_s` after the request was received.

    `pieces`: the chunks of the body. `due_s`: when each chunk is sent, from the answer's beginning; empty for all at
    once. `words`: the token or the text in each chunk, for the log.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    pieces: tuple[bytes, ...]
    after_s: float = 0.0
    due_s: tuple[float, ...] = ()
    words: tuple[str, ...] = ()


CREATED = 1_764_000_000
"""When every answer of a chat was made, in Unix seconds."""
MESSAGES = {
    400: "Invalid request parameters",
    401: "Missing Authentication header",
    402: "Insufficient credits. Add more using https://openrouter.ai/credits",
    404: "Resource not found",
    408: "Request timed out",
    429: "Rate limit exceeded",
    500: "Internal Server Error",
    502: "Provider returned error",
    503: "Service temporarily unavailable",
    524: "Request timed out. Please try again later.",
    529: "Provider returned error",
}


def error(status: int, message: str | None = None) -> Plain:
    text = MESSAGES.get(status, "It went wrong") if message is None else message
    body = json.dumps({"error": {"code": status, "message": text}}).encode()
    return Plain(status, (("Content-Type", "application/json"),), (body,))


def models(script: Script, query: str) -> Plain:
    """The rows of the catalogue with the output modality that the query asks for; without one, text."""
    wanted = parse_qs(query).get("output_modalities", ["text"])[0]
    rows = [row for row in script.catalogue if wanted in row["architecture"]["output_modalities"]]
    return Plain(200, (("Content-Type", "application/json"),), (json.dumps({"data": rows}).encode(),))


def page(value: Any) -> Plain:
    """A page: its JSON, or the status of a refusal."""
    if isinstance(value, int):
        return error(value)
    return Plain(200, (("Content-Type", "application/json"),), (json.dumps(value).encode(),))


def take(values: Sequence[Any], number: int) -> Any:
    """The value for a request's number; the last value is repeated."""
    return values[min(number, len(values) - 1)]


def transcription(script: Script, body: dict[str, Any], number: int, *, heard: str | None = None) -> Plain:
    """`heard`: the words recognised in the clip; without them the text comes from the script."""
    text = take(script.texts, number) if heard is None else heard
    value: dict[str, Any] = {"text": text, "usage": {"seconds": 1.5, "cost": 0.0001}, "some_new_field": {"x": 1}}
    if body.get("response_format") == "verbose_json":
        words = text.split()
        value |= {"task": "transcribe", "language": "english", "duration": 1.5}
        value["segments"] = [{"id": 0, "start": 0.0, "end": 1.5, "text": text, "avg_logprob": -0.1}]
        value["words"] = [{"word": w, "start": i * 0.3, "end": i * 0.3 + 0.25} for i, w in enumerate(words)]
        if body.get("diarize"):
            value["words"] = _by_sentence(value["words"])
        if script.words is not None:
            value["words"] = script.words(text)
    headers = (("Content-Type", "application/json"), ("X-Generation-Id", f"gen-stt-{number}"))
    return Plain(200, headers, (json.dumps(value).encode(),), script.transcribe_s, words=(text,))


def _by_sentence(words: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The words of two people: each sentence is said by the other one."""
    speaker, rows = 0, []
    for word in words:
        rows.append({**word, "type": "word", "speaker": speaker, "confidence": 0.9})
        speaker = (speaker + word["word"].endswith((".", "!", "?"))) % 2
    return rows


def speech(script: Script, body: dict[str, Any], number: int) -> Plain:
    rate, channels = script.speech_rate_hz, script.speech_channels
    pcm = script.voice(body["input"]) if script.voice is not None else None
    if pcm is None:
        pcm = take(script.speech, number) if script.speech else tone(body["input"], rate, channels)
    if body.get("response_format") == "mp3":
        # No test decodes it: the header of a frame is enough to recognise MP3.
        pcm = b"\xff\xfb\x90\x64" + body["input"].encode()
    kind = script.speech_type
    if kind is None:
        kind = "audio/mpeg" if body.get("response_format") == "mp3" else f"audio/pcm;rate={rate};channels={channels}"
    headers = (("Content-Type", kind), ("X-Generation-Id", f"gen-tts-{number}"))
    pieces = pacing.odd_pieces(pcm, (script.seed, number)) if script.odd_pieces else pacing.pieces(pcm, 8192)
    due_s = pacing.at_pace(pieces, script.pace * rate * channels * 2)
    return Plain(200, headers, pieces, script.speak_s, pacing.late(due_s, script.jitter_s, (script.seed, number)))


def _spoken(reply: str, words: Sequence[str]) -> list[dict[str, Any]]:
    """The deltas of an audio model's answer: words come before their sound, and the sound is cut inside samples."""
    pcm = tone(reply, 24_000)
    pieces = [pcm[at : at + 9_999] for at in range(0, len(pcm), 9_999)]
    deltas: list[dict[str, Any]] = [{"audio": {"id": "audio_1", "transcript": word}} for word in words]
    deltas += [{"audio": {"data": base64.b64encode(piece).decode()}} for piece in pieces]
    return [*deltas, {"audio": {"expires_at": 1_900_000_000}}]


def chat(script: Script, body: dict[str, Any], number: int) -> Plain:
    reply: str = take(script.replies, number)
    head = {"id": f"gen-chat-{number}", "object": "chat.completion.chunk", "created": CREATED, "model": body["model"]}
    more = {"finish_reason": None}
    words = [word if at == 0 else f" {word}" for at, word in enumerate(reply.split(" "))]
    events: list[Any] = [{**head, "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, **more}]}]
    deltas = _spoken(reply, words) if "audio" in body.get("modalities", ()) else [{"content": word} for word in words]
    events += [{**head, "choices": [{"index": 0, "delta": delta, **more}]} for delta in deltas]
    events.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    usage = {"prompt_tokens": 12, "completion_tokens": len(words), "total_tokens": 12 + len(words), "cost": 0.0002}
    events.append({**head, "choices": [], "usage": usage})
    pieces = [b": OPENROUTER PROCESSING\n\n"]
    pieces += [b"data: " + json.dumps(event).encode() + b"\n\n" for event in events]
    pieces.append(b"data: [DONE]\n\n")
    headers = (("Content-Type", "text/event-stream"), ("X-Generation-Id", f"gen-chat-{number}"))
    # The comment and the role come together with the first token, the rest together with the last one.
    tokens = [delta.get("content", "") for delta in deltas]
    due_s = [script.token_every_s * min(max(at - 2, 0), len(deltas) - 1) for at in range(len(pieces))]
    late = pacing.late(due_s, script.jitter_s, (script.seed, number))
    return Plain(200, headers, tuple(pieces), script.first_token_s, late, ("", "", *tokens, *[""] * 3))
