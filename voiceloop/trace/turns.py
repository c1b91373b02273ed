"""The turns of a traced session, and the stages between the last voiced sample and the first audible one played. Pure.

    | end | transcribe | answer     | clause     | speak     | gate        | device       |       stages
    ^     ^            ^            ^            ^           ^             ^              ^       marks
    |     post         text         first_text   speak_post  first_pcm     first_write    first_played
    last_voiced

A turn's marks are the times of its steps; `first_pcm`, `first_write` and `first_played` are those of the reply's first
audible sample (`voiceloop/audio/audible.py`). Unknown marks are kept and shown. A missing mark is inferred from other
records where possible, and otherwise left out.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from voiceloop.audio.audible import is_audible
from voiceloop.echo.words import reply_echo
from voiceloop.trace.read import number
from voiceloop.trace.timeline import Event, Level, Request, Span, Stage, Turn

STAGES: Mapping[str, tuple[str, str]] = {
    "end": ("post", "end of turn: until the pause was long enough to post the clip"),
    "transcribe": ("text", "transcription"),
    "answer": ("first_text", "first words of the answer"),
    "clause": ("speak_post", "first clause: until it was complete"),
    "speak": ("first_pcm", "speech: until its first audible sound arrived"),
    "gate": ("first_write", "held back: until the turn was certain"),
    "device": ("first_played", "jitter buffer and loudspeaker"),
}
"""The stages in order: name, and the mark that ends the stage with its description."""
KNOWN_MARKS = frozenset(
    (
        *("last_voiced", "pause", "speech_end", "committed", "cancelled"),
        *(mark for mark, _ in STAGES.values()),
    )
)
_EARLY_S = 0.05
_WEEK_S = 7 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Material:
    """The records from which turns are built; `playback` is sorted by time.

    `zero` is the monotonic clock's time at session time 0; `captured` gives the session time of a sample index.
    """

    events: Sequence[Event]
    utterances: Sequence[Span]
    requests: Sequence[Request]
    playback: Sequence[Level]
    captured: Callable[[float], float | None]
    zero: float
    rate_hz: float


@dataclass(slots=True)
class _TurnEvents:
    """The events and marks of one turn, as far as they were recorded."""

    number: int
    marks: dict[str, float] = field(default_factory=dict)
    found: set[str] = field(default_factory=set)
    done: Event | None = None
    transcript: Event | None = None
    reply: str = ""
    error: str = ""
    echo: str = ""
    wasted: int = 0
    latest: float = 0.0

    def infer(self, name: str, at: float | None) -> None:
        """Add a mark that was not recorded, unless it was."""
        if at is not None and name not in self.marks:
            self.marks[name] = at
            self.found.add(name)


def build_turns(material: Material) -> tuple[Turn, ...]:
    """The turns in the events, sorted by number."""
    by_number = _by_turn(material.events)
    for turn in by_number.values():
        _take_marks(turn, material.zero)
        _infer_last_voiced(turn, material)
    turns = [_turn(turn, material) for turn in by_number.values()]
    owned = with_turns(material.requests, turns)
    replaced = {turn.replaces: turn.number for turn in turns if turn.replaces is not None}
    return tuple(
        replace(_finished(turn, by_number[turn.number], owned, material), replaced_by=replaced.get(turn.number))
        for turn in sorted(turns, key=lambda turn: turn.number)
    )


def with_turns(requests: Iterable[Request], turns: Sequence[Turn]) -> tuple[Request, ...]:
    """The requests with their turns: the recorded one, or else the latest turn running at the request's start."""
    return tuple(request if request.turn is not None else _guess(request, turns) for request in requests)


def _guess(request: Request, turns: Sequence[Turn]) -> Request:
    if request.kind == "warm":
        return request
    under_way = [turn for turn in turns if turn.start <= request.start <= turn.end]
    if not under_way:
        return request
    return replace(request, turn=max(under_way, key=lambda turn: turn.start).number, guessed=True)


def _by_turn(events: Iterable[Event]) -> dict[int, _TurnEvents]:
    found: dict[int, _TurnEvents] = {}
    for event in events:
        key = event.fields.get("turn")
        if isinstance(key, bool) or not isinstance(key, int):
            continue
        turn = found.setdefault(key, _TurnEvents(key))
        turn.latest = max(turn.latest, event.at)
        match event.name:
            case "turn.done":
                turn.done = event
            case "transcript":
                turn.transcript = event
            case "reply":
                turn.reply = str(event.fields.get("text", ""))
            case "turn.failed":
                turn.error = str(event.fields.get("error", ""))
            case "echo.reply":
                turn.echo = reply_echo(event.fields)
            case "preemptive.wasted":
                turn.wasted += int(_or_none(event.fields.get("requests")) or 0)
    return found


def _or_none(value: object) -> float | None:
    try:
        return number(value)
    except ValueError:
        return None


def _take_marks(turn: _TurnEvents, zero: float) -> None:
    marks: Any = turn.done.fields.get("marks") if turn.done else None
    if isinstance(marks, dict):
        for name, value in marks.items():
            if (at := _or_none(value)) is not None and abs(at - zero) < _WEEK_S:
                turn.marks[str(name)] = at - zero


def _sampled(turn: _TurnEvents, name: str, material: Material) -> float | None:
    """The session time of a field of the transcript event, which counts seconds of microphone samples."""
    seconds = _or_none(turn.transcript.fields.get(name)) if turn.transcript else None
    return None if seconds is None else material.captured(seconds * material.rate_hz)


def _infer_last_voiced(turn: _TurnEvents, material: Material) -> None:
    turn.infer("last_voiced", _sampled(turn, "end_s", material))
    noticed = turn.marks.get("speech_end") or turn.marks.get("post") or turn.marks.get("text")
    if noticed is not None:
        before = [span.end for span in material.utterances if span.end <= noticed]
        turn.infer("last_voiced", max(before, default=None))


def _turn(recorded: _TurnEvents, material: Material) -> Turn:
    fields: Mapping[str, Any] = recorded.done.fields if recorded.done else {}
    transcript: Mapping[str, Any] = recorded.transcript.fields if recorded.transcript else {}
    first = min([*recorded.marks.values(), recorded.latest])
    starts = [span.start for span in material.utterances if span.start <= first]
    start = _sampled(recorded, "start_s", material)
    replaces = _or_none(transcript.get("replaces"))
    return Turn(
        number=recorded.number,
        start=start if start is not None else max(starts, default=first),
        end=max([recorded.latest, *recorded.marks.values()]),
        marks={},
        found=frozenset(),
        stages=(),
        outcome=str(fields.get("outcome", "unfinished")),
        reason=str(fields.get("reason", "")),
        error=recorded.error,
        text=str(transcript.get("text", "")),
        reply=recorded.reply,
        replaces=None if replaces is None else int(replaces),
        echo=recorded.echo,
        wasted=recorded.wasted,
    )


def _finished(turn: Turn, recorded: _TurnEvents, requests: Iterable[Request], material: Material) -> Turn:
    own = tuple(request for request in requests if request.turn == turn.number and request.kind != "warm")
    reached = [recorded.marks[name] for name in ("first_text", "text", "last_voiced") if name in recorded.marks]
    if reached:
        since = reached[0]
        asked = (r.start for r in own if r.kind == "speak" and r.start >= since - _EARLY_S)
        recorded.infer("speak_post", min(asked, default=None))
    wrote = recorded.marks.get("first_write")
    if wrote is not None:
        first = bisect_left(material.playback, wrote, key=lambda level: level.start)
        last = bisect_right(material.playback, turn.end, key=lambda level: level.start)
        pulled = material.playback[first:last]
        peak = max((level.peak for level in pulled), default=0.0)
        audible = (level.start for level in pulled if is_audible(level.rms, peak))
        recorded.infer("first_played", next(audible, None))
    marks = dict(sorted(recorded.marks.items(), key=lambda item: item[1]))
    return replace(turn, marks=marks, found=frozenset(recorded.found), requests=own, stages=tuple(_stages(marks)))


def _stages(marks: Mapping[str, float]) -> Iterable[Stage]:
    """The stages: each begins where the one before ended, and ends at its mark. If its mark is missing, its time
    is part of the next stage. After preemptive work a stage may have length 0."""
    at = marks.get("last_voiced")
    if at is None:
        return
    marks = {"post": marks["speech_end"], **marks} if "speech_end" in marks else marks
    for name, (mark, _) in STAGES.items():
        if mark in marks:
            end = max(at, marks[mark])
            yield Stage(name, at, end)
            at = end
