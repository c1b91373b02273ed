"""JSON of services: transcriptions, messages of the realtime API, listings of models, and errors of every status."""

from __future__ import annotations

import json
import tempfile
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

from bench.fuzz.family import Family
from bench.fuzz.mutating import encoded, text, value
from bench.fuzz.texts import HEARD, name
from voiceloop.captions.cues import CueCutter
from voiceloop.captions.words import spoken
from voiceloop.config.tables import Hallucinations
from voiceloop.errors import ServiceError
from voiceloop.net.catalogue import Cache, advice, character_usd, doubt, parse
from voiceloop.net.failures import Where, from_error_object, from_status
from voiceloop.net.local_servers import LocalServer, chat_models, instead, ollama_url, suggestion
from voiceloop.net.redaction import Redaction, safe_id
from voiceloop.net.server_errors import error_in
from voiceloop.net.service import JsonAnswer
from voiceloop.net.usage import cost
from voiceloop.net.values import retry_after_s
from voiceloop.transcribe.annotations import without_annotations, without_credits
from voiceloop.transcribe.answers import transcript
from voiceloop.transcribe.bounds import bounded
from voiceloop.transcribe.hallucinations import judge
from voiceloop.transcribe.merging import join
from voiceloop.transcribe.realtime import protocol
from voiceloop.types import Utterance

KEY = "sk-or-v1-0123456789abcdef0123456789abcdef"
_HIDE = Redaction([KEY])
_WHERE = Where("https://example.org/v1/x", "a/model", "OPENROUTER_API_KEY", "handler", _HIDE)
_CLIP = Utterance(b"\1\2" * 16_000, 0, 16_000)

_TRANSCRIPTIONS: tuple[Any, ...] = (
    {"text": HEARD[0], "usage": {"seconds": 1.0, "cost": 0.0001, "input_tokens": 3}, "language": "german"},
    {
        "text": "Hello world.",
        "words": [{"word": "Hello", "start": 0.0, "end": 0.4}, {"word": "world.", "start": 0.4, "end": 0.9}],
        "segments": [{"avg_logprob": -0.2, "no_speech_prob": 0.01, "start": 0, "end": 0.9}],
    },
    *({"text": said} for said in HEARD),
)


def _transcription(random: Random) -> None:
    try:
        answer = json.loads(encoded(random, value(random, random.choice(_TRANSCRIPTIONS))))
    except (ValueError, RecursionError):
        return
    if not isinstance(answer, dict) or error_in(answer) is not None:
        return
    try:
        found = transcript(JsonAnswer(answer, None), _CLIP, _WHERE)
    except ServiceError:
        return
    found.text.encode()
    cost(found.usage)
    found = bounded(found)
    rest = without_credits(*_pair(without_annotations(found.text, found.words)))
    judge(found, Hallucinations(), ("names: Ada, Grace",))
    join([found, found])
    words = spoken(found)
    assert all(word.start_s <= word.end_s for word in words)
    cues = CueCutter().cut(words)
    assert all(cue.start_s < cue.end_s for cue in cues)
    assert len(rest.text) <= len(found.text)


def _pair(stripped: Any) -> tuple[str, Any]:
    return stripped.text, stripped.words


_ITEM = "conversation.item.input_audio_transcription."
_MESSAGES: tuple[Any, ...] = (
    {"type": "session.updated"},
    {"type": "input_audio_buffer.speech_started", "item_id": "a"},
    {"type": "input_audio_buffer.committed", "item_id": "a"},
    {"type": f"{_ITEM}delta", "item_id": "a", "delta": "Hel"},
    {"type": f"{_ITEM}completed", "item_id": "a", "transcript": "Hello.", "usage": {"input_tokens": 2}},
    {"type": f"{_ITEM}failed", "item_id": "a", "error": {"message": "no"}},
    {"type": "error", "error": {"code": "input_audio_buffer_commit_empty", "message": "buffer too small"}},
)


def _realtime(random: Random) -> None:
    hearing = protocol.Hearing()
    for _ in range(random.randint(1, 12)):
        if random.random() < 0.2:
            hearing.commit()
        message = random.choice(_MESSAGES)
        body = encoded(random, value(random, message) if random.random() < 0.6 else message)
        event = protocol.parse(body.decode("utf-8", "replace"))
        if event is not None:
            protocol.is_ready(event)
            hearing.take(event)
            hearing.commits_again()
    hearing.text.encode()
    assert isinstance(hearing.done, bool)


_LISTING = {
    "data": [
        {
            "id": "openai/whisper-1",
            "name": "Whisper",
            "supported_voices": ["alloy", "nova"],
            "pricing": {"prompt": "0.000015", "completion": "0"},
        },
        {"id": "qwen3:4b", "object": "model", "owned_by": "llamacpp"},
        {"id": f"echo/{KEY}", "name": KEY},
    ]
}


def _listing(random: Random) -> None:
    body = encoded(random, value(random, _LISTING))
    with suppress(ValueError, RecursionError):
        models = parse(json.loads(body), _HIDE)
        assert all(KEY not in f"{model}" for model in models)
        asked = name(random)
        str(doubt(asked, models, voice=random.choice((None, name(random)))))
        advice({"model": asked, "voice": name(random)}, models)
        character_usd(asked, models)
        with tempfile.TemporaryDirectory() as folder:
            cache = Cache(Path(folder))
            cache.put("http://a", "chat", models)
            assert cache.get("http://a", "chat") == models
    names = chat_models(body)
    instead(name(random), names)
    if names:
        suggestion(LocalServer("Ollama", ollama_url(name(random)), names))


def _cache(random: Random) -> None:
    """A listing on disk, as a broken disk or another program leaves it."""
    with tempfile.TemporaryDirectory() as folder:
        cache = Cache(Path(folder))
        cache.put("http://a", "chat", parse(_LISTING))
        (path,) = Path(folder).iterdir()
        path.write_bytes(encoded(random, value(random, json.loads(path.read_bytes()))))
        models = cache.get("http://a", "chat") or ()
        str(doubt("whisper", models, voice="alloy"))
        character_usd("openai/whisper-1", models)
        sorted(model.id for model in models)


_ERRORS: tuple[Any, ...] = (
    {"error": {"code": 429, "message": f"Slow down, {KEY}", "metadata": {"raw": "provider says no"}}},
    {"detail": [{"msg": "field required", "loc": ["body", "model"], "type": "missing"}]},
    {"detail": {"message": "nested"}},
    [{"error": {"message": "in a list", "status": "INVALID"}}],
    {"error": "plain", "error_description": "OAuth"},
    {"object": "error", "message": "vLLM", "code": 40303},
    {"error": {"type": "exceed_context_size_error", "message": "context size exceeded", "n_ctx": 4096}},
    "text alone",
)
_DATES = ("3", "1.5", "Wed, 21 Oct 2026 07:28:00 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "-1", "1e400", "0x10", "")


def _error(random: Random) -> None:
    mutated = value(random, random.choice(_ERRORS))
    body = encoded(random, mutated)
    after = text(random, random.choice(_DATES))
    headers = {"retry-after": after, "location": text(random, f"https://b.example/{KEY}?x=1")}
    status = random.choice((*range(300, 309), *range(400, 430), *range(500, 531), 599))
    error = from_status(status, headers, body, _WHERE)
    told = str(error)
    assert KEY not in told
    assert told.isprintable()
    assert error.retry_after_s is None or 0 <= error.retry_after_s <= 3600
    wait_s = retry_after_s(after)
    assert wait_s is None or wait_s >= 0
    with suppress(ValueError, RecursionError):
        found = error_in(json.loads(body))
        if found is not None:
            assert str(from_error_object(found, _WHERE)).isprintable()
    assert KEY not in (safe_id(text(random, KEY), _HIDE) or "")


FAMILIES = (
    Family(
        "transcriptions", "answers of /audio/transcriptions, and all that is done with a transcript", _transcription
    ),
    Family("realtime", "messages of a server that hears speech while it is spoken", _realtime),
    Family("listings", "listings of models", _listing),
    Family("cache", "listings on disk", _cache),
    Family("errors", "HTTP errors: statuses, bodies, headers", _error),
)
