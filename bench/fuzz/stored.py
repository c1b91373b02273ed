"""Files that voiceloop reads again: traces, and the journal of what was not delivered."""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any

from bench.fuzz.family import Family
from bench.fuzz.mutating import ODD_TEXTS, data, encoded, text, value
from bench.fuzz.texts import UNSAFE
from voiceloop.audio.wav import read_wav, wav_bytes
from voiceloop.errors import BadAudioFile, BadTraceFile
from voiceloop.journal.store import Bounds, JournalStore
from voiceloop.trace.build import build
from voiceloop.trace.page import page
from voiceloop.trace.perfetto import chrome_trace
from voiceloop.trace.read import read
from voiceloop.trace.records import VERSION
from voiceloop.trace.terminal import Screen, rendered
from voiceloop.types import Utterance

_LEVELS = {"peak": "/////wAA", "rms": "gICAgAAA"}
_MARKS = {"last_voiced": 12.0, "post": 12.2, "text": 12.5, "first_text": 12.8, "first_pcm": 13.1, "first_write": 13.2}


def _event(at: float, kind: str, **fields: Any) -> dict[str, Any]:
    return {"k": "event", "at": at, "name": kind, "fields": fields}


_SPEAKER = {"sounding": True, "held": False, "gain": 1.0, "underruns": 0, "latency_s": 0.03, "rate_hz": 24_000}
_RECORDS: tuple[dict[str, Any], ...] = (
    {
        "k": "trace",
        "version": VERSION,
        "voiceloop": "1",
        "at": 10.0,
        "time": 1.7e9,
        "rate_hz": 16_000,
        "config": {"a": {"b": 1}},
    },
    {"k": "mic", "at": 10.5, "index": 0, **_LEVELS},
    {"k": "mic", "at": 11.5, "index": 16_000, **_LEVELS},
    {"k": "vad", "runs": [[0, 1_600, 0], [1_600, 24_000, 1], [24_000, 64_000, 0]]},
    {"k": "muted", "start": 100, "end": 3_000},
    {"k": "gap", "at": 11.0, "index": 8_000, "reason": "lost"},
    _event(10.7, "speech.started", at_s=0.1),
    _event(12.0, "speech.ended", start_s=0.0, end_s=1.5),
    _event(12.5, "transcript", turn=1, text="what time is it", start_s=0.0, end_s=1.5, replaces=None),
    {
        "k": "request",
        "id": 1,
        "at": 12.2,
        "method": "POST",
        "url": "http://h/v1/audio/speech",
        "model": "a/b",
        "attempt": 1,
        "sent_bytes": 9,
        "turn": 1,
    },
    {"k": "answer", "id": 1, "at": 12.4, "status": 200, "connected": True},
    {"k": "response", "id": 1, "at": 12.5, "first_byte": 12.4, "bytes": 50, "outcome": "done", "error": None},
    {"k": "play", "at": 13.2, "at_tenths_ms": [0, 200, 400, 600, 800, 1000], "samples": [480] * 6, **_LEVELS},
    {"k": "speaker", "at": 13.2, **_SPEAKER},
    _event(14.0, "reply", turn=1, text="It is four.", complete=True),
    _event(14.0, "turn.done", turn=1, outcome="done", reason="", marks=_MARKS),
    _event(14.0, "echo.reply", turn=1, delay_ms=80.0, erle_db=20.0, aligned_s=3.0, shifts=0),
    _event(14.1, "preemptive.wasted", turn=1, requests=1),
    {"k": "lost", "records": 2},
    {"k": "end", "at": 14.5},
)


def _trace(random: Random) -> None:
    records = list(_RECORDS)
    for _ in range(random.randint(1, 4)):
        at = random.randrange(1, len(records)) if random.random() < 0.9 else 0
        records[at] = value(random, records[at])
    lines = [encoded(random, record) if random.random() < 0.1 else json.dumps(record).encode() for record in records]
    body = b"\n".join(lines) + b"\n"
    body = data(random, body) if random.random() < 0.3 else body
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "t.jsonl")
        path.write_bytes(body)
        try:
            session = build(read(path))
        except BadTraceFile:
            return
    shown = rendered(session, Screen(80))
    assert not UNSAFE.search(shown), shown
    json.dumps(chrome_trace(session), allow_nan=False).encode()
    page(session).encode()


_FACTS = {"time": 1.7e9, "engine": "openrouter openai/whisper-1", "text": "What was said.", "reason": "no network"}
_NAMES = (
    "20260102-030405-678901.000007",
    "20260102-030405-678901.000008.left",
    "x.000001.delivering",
    "y.1.gone",
    "a.wav",
)
_CLIP = wav_bytes(bytes(640), 16_000)


def _mess(random: Random, folder: Path) -> None:
    """A journal's folder as a crash, a broken disk or another program leaves it."""
    for _ in range(random.randint(1, 4)):
        given = random.choice(_NAMES)
        name = given if random.random() < 0.6 else text(random, given)
        path = folder / (
            name.translate({0: "", 47: "_"}).encode("utf-8", "replace")[:100].decode("utf-8", "replace") or "x"
        )
        if path.exists() or path.name in {".", ".."}:
            continue
        if random.random() < 0.3:
            path.write_bytes(data(random, _CLIP))
            continue
        path.mkdir()
        (path / "000001.wav").write_bytes(data(random, _CLIP) if random.random() < 0.5 else _CLIP)
        (path / "entry.json").write_bytes(encoded(random, value(random, _FACTS)))
        if random.random() < 0.2:
            at = random.choice((0, 2**33, int(time.time()) - 90 * 86_400))
            os.utime(path, (at, at))


def _journal(random: Random) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _mess(random, Path(folder))
        store = JournalStore(Path(folder))
        store.enter()
        own = store.entry(1)
        own.put(0, Utterance(bytes(320), 0, 160), engine="x")
        store.trim(Bounds(random.choice((0, 2_000, 10**9)), random.choice((0.0, 86_400.0))), now=time.time())
        with store.claimed() as entries:
            for entry in entries or ():
                _look_at(entry)
                if random.random() < 0.5:
                    entry.remove()
        assert own.path.is_dir()
        assert own.engine == "x"
        own.note(text=text(random, random.choice(ODD_TEXTS)))
        assert isinstance(own.text, str)
        own.mark_delivering()
        own.remove()
        store.end()


def _look_at(entry: Any) -> None:
    assert entry.text is None or isinstance(entry.text, str)
    assert entry.engine is None or isinstance(entry.engine, str)
    if entry.path.is_dir():
        entry.note(text="What was said.")
        assert entry.text == "What was said."
    for clip in entry.clips:
        try:
            read_wav(clip)
        except BadAudioFile:
            continue


FAMILIES = (
    Family("traces", "trace files, in every format in which they are shown", _trace),
    Family("journal", "folders of the journal", _journal),
)
