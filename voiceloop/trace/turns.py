"""Each turn's times, and where they went: the way from the last voiced sample to the first one played. Pure.

Takes whatever marks and events there are: what it doesn't know is kept and shown, what is missing is found out where
the other records tell it, and else left out.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from voiceloop.trace.read import number
from voiceloop.trace.timeline import Event, Level, Request, Span, Stage, Turn

STAGES: Mapping[str, tuple[str, str]] = {
    "end": ("post", "end of turn: until the pause was long enough to post"),
    "transcribe": ("text", "transcription"),
    "answer": ("first_text", "first words of the answer"),
    "clause": ("speak_post", "until the first clause stood"),
    "speak": ("first_pcm", "speech: until its first sound came"),
    "gate": ("first_write", "sound was there, held back until the turn was certain"),
    "device": ("first_played", "ring and loudspeaker"),
}
"""The stages in their order: the mark that ends each, and what it is."""
KNOWN_MARKS = frozenset(
    (
        *("last_voiced", "pause", "speech_end", "committed", "cancelled", "first_audible"),
        *(mark for mark, _ in STAGES.values()),
    )
)
_EARLY_S = 0.05
_AUDIBLE = 0.003
"""-50 dB: voices often begin with a moment of silence, which is no fault of the loop."""
_WEEK_S = 7 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Material:
    """What turns are found in, `playback` by its time.

    `zero` is the monotonic clock's time at 0, `captured` tells a sample's session time.
    """

    events: Sequence[Event]
    utterances: Sequence[Span]
    requests: Sequence[Request]
    playback: Sequence[Level]
    captured: Callable[[float], float | None]
    zero: float
    rate_hz: float


@dataclass(slots=True)
class _Told:
    """What the events say of one turn."""

    number: int
    marks: dict[str, float] = field(default_factory=dict)
    found: set[str] = field(default_factory=set)
    done: Event | None = None
    transcript: Event | None = None
    reply: str = ""
    error: str = ""
    wasted: int = 0
    latest: float = 0.0

    def find(self, name: str, at: float | None) -> None:
        """A mark that the loop didn't make."""
        if at is not None and name not in self.marks:
            self.marks[name] = at
            self.found.add(name)


def build_turns(material: Material) -> tuple[Turn, ...]:
    """The turns that the events tell of, in their order."""
    told = _told(material.events)
    for turn in told.values():
        _take_marks(turn, material.zero)
        _find_voice(turn, material)
    turns = [_turn(turn, material) for turn in told.values()]
    owned = with_turns(material.requests, turns)
    replaced = {turn.replaces: turn.number for turn in turns if turn.replaces is not None}
    return tuple(
        replace(_finished(turn, told[turn.number], owned, material), replaced_by=replaced.get(turn.number))
        for turn in sorted(turns, key=lambda turn: turn.number)
    )


def with_turns(requests: Iterable[Request], turns: Sequence[Turn]) -> tuple[Request, ...]:
    """The requests, each with its turn: as it was told, else the latest turn that was under way when it began."""
    return tuple(request if request.turn is not None else _guess(request, turns) for request in requests)


def _guess(request: Request, turns: Sequence[Turn]) -> Request:
    if request.kind == "warm":
        return request
    under_way = [turn for turn in turns if turn.start <= request.start <= turn.end]
    if not under_way:
        return request
    return replace(request, turn=max(under_way, key=lambda turn: turn.start).number, guessed=True)


def _told(events: Iterable[Event]) -> dict[int, _Told]:
    found: dict[int, _Told] = {}
    for event in events:
        key = event.fields.get("turn")
        if isinstance(key, bool) or not isinstance(key, int):
            continue
        turn = found.setdefault(key, _Told(key))
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
            case "preemptive.wasted":
                turn.wasted += int(_or_none(event.fields.get("requests")) or 0)
    return found


def _or_none(value: object) -> float | None:
    try:
        return number(value)
    except ValueError:
        return None


def _take_marks(turn: _Told, zero: float) -> None:
    marks: Any = turn.done.fields.get("marks") if turn.done else None
    if isinstance(marks, dict):
        for name, value in marks.items():
            if (at := _or_none(value)) is not None and abs(at - zero) < _WEEK_S:
                turn.marks[str(name)] = at - zero


def _sampled(turn: _Told, name: str, material: Material) -> float | None:
    """A time of the transcript, which counts samples."""
    seconds = _or_none(turn.transcript.fields.get(name)) if turn.transcript else None
    return None if seconds is None else material.captured(seconds * material.rate_hz)


def _find_voice(turn: _Told, material: Material) -> None:
    turn.find("last_voiced", _sampled(turn, "end_s", material))
    noticed = turn.marks.get("speech_end") or turn.marks.get("post") or turn.marks.get("text")
    if noticed is not None:
        before = [span.end for span in material.utterances if span.end <= noticed]
        turn.find("last_voiced", max(before, default=None))


def _turn(told: _Told, material: Material) -> Turn:
    fields: Mapping[str, Any] = told.done.fields if told.done else {}
    said: Mapping[str, Any] = told.transcript.fields if told.transcript else {}
    first = min([*told.marks.values(), told.latest])
    starts = [span.start for span in material.utterances if span.start <= first]
    start = _sampled(told, "start_s", material)
    replaces = _or_none(said.get("replaces"))
    return Turn(
        number=told.number,
        start=start if start is not None else max(starts, default=first),
        end=max([told.latest, *told.marks.values()]),
        marks={},
        found=frozenset(),
        stages=(),
        outcome=str(fields.get("outcome", "unfinished")),
        reason=str(fields.get("reason", "")),
        error=told.error,
        text=str(said.get("text", "")),
        reply=told.reply,
        replaces=None if replaces is None else int(replaces),
        wasted=told.wasted,
    )


def _finished(turn: Turn, told: _Told, requests: Iterable[Request], material: Material) -> Turn:
    own = tuple(request for request in requests if request.turn == turn.number and request.kind != "warm")
    reached = [told.marks[name] for name in ("first_text", "text", "last_voiced") if name in told.marks]
    if reached:
        since = reached[0]
        asked = (r.start for r in own if r.kind == "speak" and r.start >= since - _EARLY_S)
        told.find("speak_post", min(asked, default=None))
    wrote = told.marks.get("first_write")
    if wrote is not None:
        first = bisect_left(material.playback, wrote, key=lambda level: level.start)
        last = bisect_right(material.playback, turn.end, key=lambda level: level.start)
        pulled = material.playback[first:last]
        told.find("first_played", next((level.start for level in pulled), None))
        told.find("first_audible", next((level.start for level in pulled if level.peak > _AUDIBLE), None))
    marks = dict(sorted(told.marks.items(), key=lambda item: item[1]))
    return replace(turn, marks=marks, found=frozenset(told.found), requests=own, stages=tuple(_stages(marks)))


def _stages(marks: Mapping[str, float]) -> Iterable[Stage]:
    """Each stage ends at its mark and begins where the last one ended; one whose mark is missing is part of the next.
    Where work went ahead of its turn, as speculation does, a stage may have taken no time at all."""
    at = marks.get("last_voiced")
    if at is None:
        return
    marks = {"post": marks["speech_end"], **marks} if "speech_end" in marks else marks
    for name, (mark, _) in STAGES.items():
        if mark in marks:
            end = max(at, marks[mark])
            yield Stage(name, at, end)
            at = end
