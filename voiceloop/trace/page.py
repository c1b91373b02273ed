"""The HTML page of a session: one file that needs no network and no other file, and holds only what the trace holds.

Speech and replies are untrusted: they are embedded as data, cleaned and escaped, and shown only as text. The page's
Content-Security-Policy lets no script run but its own.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from importlib.resources import files
from typing import Any

from voiceloop.text import clean_line
from voiceloop.trace.states import states
from voiceloop.trace.terminal import outcome
from voiceloop.trace.timeline import Event, Level, Request, Session, Span, Turn
from voiceloop.trace.turns import STAGES

_SCRIPTS = ("data.js", "view.js", "lanes.js", "turns.js", "main.js")
_LONGEST_FIELD = 500
_CONTIGUOUS_S = 0.004

Json = dict[str, Any]


def page(session: Session) -> str:
    """The page as HTML text."""
    folder = files("voiceloop.trace") / "web"
    script = "(() => {\n'use strict';\n" + "".join((folder / n).read_text("utf-8") for n in _SCRIPTS) + "})();\n"
    style = (folder / "page.css").read_text("utf-8")
    html = (folder / "page.html").read_text("utf-8")
    for name, text in {
        "SCRIPT-HASH": _hash(script),
        "STYLE-HASH": _hash(style),
        "STYLE": style,
        "DATA": embedded(data(session)),
        "SCRIPT": script,
    }.items():
        before, _, after = html.partition(f"%%{name}%%")  # the first one only: inserted text may hold the same marker
        html = before + text + after
    return html


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def embedded(value: Json) -> str:
    """JSON for a script element, escaped so that nothing in it can end the element or begin a comment."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e").replace("%", "\\u0025")


def data(session: Session) -> Json:
    """The data that the page draws. All times are milliseconds since the session began."""
    began = datetime.fromtimestamp(session.began_unix).astimezone() if abs(session.began_unix) < 1e11 else None
    return {
        "version": _text(session.version),
        "began": f"{began:%Y-%m-%d %H:%M:%S}" if began else "",
        "length": _ms(max(session.length, 0.1)),
        "about": [[_text(name), _text(description)] for name, description in session.described.items()],
        "config": [[_text(name), _settings(table)] for name, table in session.config.items()],
        "flaws": [_text(flaw) for flaw in session.flaws],
        "stages": [[name, meaning] for name, (_, meaning) in STAGES.items()],
        "mic": _packed(session.microphone),
        "play": _packed(session.playback),
        "voice": _spans(session.voice),
        "utterances": _spans(session.utterances),
        "muted": _spans(session.muted),
        "states": {name: _spans(spans) for name, spans in states(session).items()},
        "requests": [_request(request) for request in session.requests],
        "events": [_event(event) for event in session.events],
        "turns": [_turn(turn) for turn in session.turns],
        "latency": _ms(session.speaker[-1].latency_s) if session.speaker else 0,
        "underruns": session.speaker[-1].underruns if session.speaker else 0,
    }


def _settings(table: object) -> str:
    if not isinstance(table, Mapping):
        return _text(table)
    return _text(", ".join(f"{name} {value}" for name, value in table.items()))


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)


def _maybe(seconds: float | None) -> float | None:
    return None if seconds is None else _ms(seconds)


def _text(value: object) -> str:
    text = clean_line(str(value))
    return text if len(text) <= _LONGEST_FIELD else text[: _LONGEST_FIELD - 1] + "…"


def _packed(levels: Sequence[Level]) -> list[Json]:
    """Runs of adjacent levels. `at` is the start of the run, `step` the mean length of a level, `each` the ends of the
    levels relative to `at` (None if all are equally long), `peak` and `rms` the levels as bytes."""
    runs: list[list[Level]] = []
    for level in levels:
        if runs and abs(level.start - runs[-1][-1].end) < _CONTIGUOUS_S:
            runs[-1].append(level)
        else:
            runs.append([level])
    return [
        {
            "at": _ms(run[0].start),
            "each": [_ms(level.end - run[0].start) for level in run] if _uneven(run) else None,
            "step": _ms((run[-1].end - run[0].start) / len(run)),
            "peak": _bytes(level.peak for level in run),
            "rms": _bytes(level.rms for level in run),
        }
        for run in runs
    ]


def _uneven(run: Sequence[Level]) -> bool:
    lengths = [level.end - level.start for level in run]
    return max(lengths) - min(lengths) > 0.001


def _bytes(levels: Iterable[float]) -> str:
    """Base64 of one byte for each level: 255 times its square root, so that quiet sound keeps its shape."""
    return base64.b64encode(bytes(round(255 * min(max(level, 0.0), 1.0) ** 0.5) for level in levels)).decode()


def _spans(spans: Iterable[Span]) -> list[list[object]]:
    return [[_ms(span.start), _ms(span.end), _text(span.label)] for span in spans]


def _request(request: Request) -> Json:
    return {
        "at": _ms(request.start),
        "answered": _maybe(request.answered),
        "first": _maybe(request.first_byte),
        "end": _maybe(request.end),
        "kind": request.kind,
        "method": _text(request.method),
        "url": _text(request.url),
        "model": _text(request.model),
        "turn": request.turn,
        "guessed": request.guessed,
        "attempt": request.attempt,
        "status": request.status,
        "connected": request.connected,
        "outcome": _text(request.outcome),
        "error": _text(request.error or ""),
        "sent": request.sent_bytes,
        "received": request.bytes,
    }


def _event(event: Event) -> list[object]:
    fields = ", ".join(f"{_text(name)}: {_text(value)}" for name, value in event.fields.items())
    return [_ms(event.at), _text(event.name), _text(fields)]


def _turn(turn: Turn) -> Json:
    return {
        "number": turn.number,
        "at": _ms(turn.start),
        "end": _ms(turn.end),
        "outcome": _text(turn.outcome),
        "became": _text(outcome(turn)),
        "text": _text(turn.text),
        "reply": _text(turn.reply),
        "echo": _text(turn.echo),
        "answered": None if turn.answered_ms is None else round(turn.answered_ms, 1),
        "marks": [[_text(name), _ms(at), name in turn.found] for name, at in turn.marks.items()],
        "stages": [[stage.name, _ms(stage.start), _ms(stage.end)] for stage in turn.stages],
    }
