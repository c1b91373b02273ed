"""Hand-made trace files: the records of a session, with times that are easy to check."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from voiceloop.trace.build import build
from voiceloop.trace.read import read
from voiceloop.trace.records import VERSION
from voiceloop.trace.taps import Levels
from voiceloop.trace.timeline import Session
from voiceloop.trace.writing import Record, line

ZERO = 5_000.0
"""The monotonic clock at the start of the session. All other times are seconds since then."""
MIC_START_S = 0.5
"""When sample 0 was captured."""
MARKS = {
    "last_voiced": 2.0,
    "pause": 2.2,
    "post": 2.21,
    "text": 2.5,
    "first_text": 2.8,
    "committed": 2.61,
    "first_pcm": 3.1,
    "first_write": 3.11,
    "first_played": 3.13,
}


def header(**changes: Any) -> Record:
    fields = {
        "k": "trace",
        "version": VERSION,
        "voiceloop": "9.9",
        "at": ZERO,
        "time": 1_700_000_000.0,
        "rate_hz": 16_000,
    }
    return fields | {"config": {"segment": {"pause_ms": 160}, "odd": 7}} | changes


def event(at: float, name: str, **fields: Any) -> Record:
    return {"k": "event", "at": ZERO + at, "name": name, "fields": fields}


def done(at: float, number: int = 1, marks: dict[str, float] | None = None, **fields: Any) -> Record:
    marked = {name: ZERO + when for name, when in (MARKS if marks is None else marks).items()}
    return event(at, "turn.done", **({"turn": number, "outcome": "done", "reason": "", "marks": marked} | fields))


def microphone(seconds: float = 4.0) -> list[Record]:
    """Records of half a second each: three of loud samples, then silence."""
    found: list[Record] = []
    for number in range(int(seconds * 2)):
        pcm = np.full(8_000, 8_000 if number < 3 else 0, "<i2").tobytes()
        found.append(
            {
                "k": "mic",
                "at": ZERO + MIC_START_S + number / 2,
                "index": number * 8_000,
                "levels": Levels(pcm, [320] * 25),
            }
        )
    return found


def request(number: int, at: float, first: float, end: float, path: str, **changes: Any) -> list[Record]:
    sent = {"k": "request", "id": number, "at": ZERO + at, "method": "POST", "url": f"http://host/v1{path}"}
    sent |= {"model": "a/b", "attempt": 1, "sent_bytes": 100, "turn": 1}
    answer = {"k": "answer", "id": number, "at": ZERO + first, "status": 200, "connected": False}
    response = {"k": "response", "id": number, "at": ZERO + end, "first_byte": ZERO + first, "bytes": 50}
    response |= {"outcome": "done", "error": None}
    return [sent | changes, answer, response]


def playing(at: float, seconds: float, value: int = 16_384) -> Record:
    steps = int(seconds * 50)
    pcm = np.full(480 * steps, value, "<i2").tobytes()
    times = [200 * n for n in range(steps)]
    return {
        "k": "play",
        "at": ZERO + at,
        "at_tenths_ms": times,
        "samples": [480] * steps,
        "levels": Levels(pcm, [480] * steps),
    }


def speaker(at: float, **changes: Any) -> Record:
    state = {"sounding": False, "held": False, "gain": 1.0, "underruns": 0, "latency_s": 0.03, "rate_hz": 24_000}
    return {"k": "speaker", "at": ZERO + at} | state | changes


def one_turn() -> list[Record]:
    """A session of one turn, in which everything happens once."""
    return [
        header(),
        event(0.1, "listening", echo="off", vad="hybrid", transcribe="x", handler="y", speak="z"),
        speaker(0.2),
        *microphone(),
        {"k": "vad", "runs": [[0, 1_600, 0], [1_600, 24_000, 1], [24_000, 64_000, 0]]},
        event(0.7, "speech.started", at_s=0.1),
        event(2.6, "speech.ended", start_s=0.0, end_s=1.5),
        event(2.61, "transcript", turn=1, text="what time is it", start_s=0.0, end_s=1.5, replaces=None),
        *request(1, 2.21, 2.49, 2.5, "/audio/transcriptions"),
        *request(2, 2.51, 2.79, 3.4, "/chat/completions"),
        *request(3, 2.9, 3.1, 3.2, "/audio/speech"),
        speaker(3.13, sounding=True),
        playing(3.13, 1.0),
        speaker(4.14, sounding=False),
        event(4.2, "reply", turn=1, text="It is four.", complete=True),
        done(4.2),
        {"k": "end", "at": ZERO + 4.5},
    ]


def written(path: Path, records: list[Record]) -> Path:
    path.write_text("".join(line(record) + "\n" for record in records))
    return path


def session(tmp_path: Path, records: list[Record]) -> Session:
    return build(read(written(tmp_path / "t.jsonl", records)))


def lines(records: list[Record]) -> list[Any]:
    return [json.loads(line(record)) for record in records]
