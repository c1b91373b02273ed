"""Export of a session in Chrome's trace event format, for Perfetto (ui.perfetto.dev) and chrome://tracing. Pure.

The format: https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU. Used here: complete events
(`X`), instants (`i`), counters (`C`), names (`M`). Times are in microseconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from voiceloop.text import clean_line
from voiceloop.trace.states import states
from voiceloop.trace.terminal import outcome
from voiceloop.trace.timeline import Level, Request, Session, Turn

T = TypeVar("T")
_PROCESS = 1
_PAUSE_S = 0.05
_TURNS, _VOICE, _REQUESTS, _PLAYBACK, _EVENTS = 100, 200, 300, 400, 500

Json = dict[str, Any]


def chrome_trace(session: Session) -> Json:
    """The document, for `json.dumps`."""
    return {"displayTimeUnit": "ms", "traceEvents": list(_all(session))}


def _all(session: Session) -> Iterator[Json]:
    yield {"ph": "M", "name": "process_name", "pid": _PROCESS, "args": {"name": f"voiceloop {_safe(session.version)}"}}
    lanes_used = {_VOICE: "voice activity", _VOICE + 1: "utterances", _VOICE + 2: "not listening"}
    for span in session.voice:
        yield _complete("voice", _VOICE, span.start, span.end)
    for span in session.utterances:
        yield _complete(_safe(span.label), _VOICE + 1, span.start, span.end)
    for span in session.muted:
        yield _complete("muted", _VOICE + 2, span.start, span.end)
    for lane, turn in _in_lanes(session.turns, lambda t: (t.start, t.end)):
        lanes_used[_TURNS + lane] = "turns" if not lane else f"turns, overlapping ({lane})"
        yield from _turn(turn, _TURNS + lane)
    for lane, request in _in_lanes(session.requests, lambda r: (r.start, r.end or session.length)):
        lanes_used[_REQUESTS + lane] = f"requests {lane + 1}"
        yield from _request(request, _REQUESTS + lane, session.length)
    for place, (name, spans) in enumerate(states(session).items()):
        lanes_used[_PLAYBACK + place] = f"loudspeaker {name}"
        for span in spans:
            yield _complete(_safe(span.label) or name, _PLAYBACK + place, span.start, span.end)
    lanes_used[_EVENTS] = "events"
    for event in session.events:
        args = {_safe(name): _safe(str(value))[:500] for name, value in event.fields.items()}
        yield _instant(_safe(event.name), _EVENTS, event.at, args)
    yield from _level("microphone level", session.microphone)
    yield from _level("playback level", session.playback)
    yield from _names(lanes_used)


def _names(lanes: dict[int, str]) -> Iterable[Json]:
    for tid, name in lanes.items():
        yield {"ph": "M", "name": "thread_name", "pid": _PROCESS, "tid": tid, "args": {"name": name}}
        yield {"ph": "M", "name": "thread_sort_index", "pid": _PROCESS, "tid": tid, "args": {"sort_index": tid}}


def _turn(turn: Turn, tid: int) -> Iterable[Json]:
    args: Json = {"outcome": outcome(turn), "text": _safe(turn.text), "reply": _safe(turn.reply)}
    args |= {f"mark {_safe(name)}": round(at, 4) for name, at in turn.marks.items()}
    yield _complete(f"turn {turn.number}: {outcome(turn)}", tid, turn.start, turn.end, args)
    for stage in turn.stages:
        yield _complete(stage.name, tid, stage.start, min(stage.end, turn.end), {"ms": round(stage.ms, 1)})
    for name, at in turn.marks.items():
        yield _instant(_safe(name), tid, at, {"turn": turn.number})


def _request(request: Request, tid: int, length: float) -> Iterable[Json]:
    end = request.end if request.end is not None else length
    args = {
        "url": _safe(request.url),
        "model": _safe(request.model),
        "turn": request.turn,
        "attempt": request.attempt,
        "status": request.status,
        "outcome": _safe(request.error or request.outcome),
        "new connection": request.connected,
        "sent bytes": request.sent_bytes,
        "received bytes": request.bytes,
    }
    yield _complete(f"{request.kind} {_safe(request.model)}".strip(), tid, request.start, end, args)
    first = request.first_byte if request.first_byte is not None else request.answered
    if first is not None and first < end:
        yield _complete("body", tid, first, end)


def _complete(name: str, tid: int, start: float, end: float, args: Json | None = None) -> Json:
    times = {"ts": _us(start), "dur": max(0, _us(end) - _us(start))}
    return {"ph": "X", "name": name, "pid": _PROCESS, "tid": tid, **times, "args": args or {}}


def _instant(name: str, tid: int, at: float, args: Json) -> Json:
    return {"ph": "i", "s": "t", "name": name, "pid": _PROCESS, "tid": tid, "ts": _us(at), "args": args}


def _level(name: str, levels: Iterable[Level]) -> Iterable[Json]:
    """Counter events of the peak, one for each change; 0 in pauses without samples."""
    shown, until = 0.0, -math.inf
    for level in levels:
        if shown and level.start - until > _PAUSE_S:
            yield _counter(name, until, 0.0)
            shown = 0.0
        if (peak := round(level.peak, 2)) != shown:
            yield _counter(name, level.start, peak)
            shown = peak
        until = level.end
    if shown:
        yield _counter(name, until, 0.0)


def _counter(name: str, at: float, value: float) -> Json:
    return {"ph": "C", "name": name, "pid": _PROCESS, "ts": _us(at), "args": {"peak": value}}


def _us(seconds: float) -> int:
    return round(seconds * 1_000_000)


def _safe(text: str) -> str:
    return clean_line(text)


def _in_lanes(things: Sequence[T], span: Callable[[T], tuple[float, float]]) -> Iterator[tuple[int, T]]:
    """Each thing with the first lane that is free at its start, so that overlapping things get different lanes."""
    free: list[float] = []
    for thing in sorted(things, key=lambda thing: span(thing)[0]):
        start, end = span(thing)
        lane = next((lane for lane, until in enumerate(free) if until <= start), len(free))
        free[lane : lane + 1] = [max(end, start)]
        yield lane, thing
