"""A session as text for a terminal: a row of times for each turn, and a bar that shows where the time went. Pure."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from voiceloop.text import clean_line, shortened
from voiceloop.trace.read import number
from voiceloop.trace.timeline import Session, Turn
from voiceloop.trace.turns import KNOWN_MARKS, STAGES

_COLUMNS = (
    ("pause", "pause"),
    ("post", "post"),
    ("text", "text"),
    ("token", "first_text"),
    ("pcm", "first_pcm"),
    ("played", "first_played"),
)
_LETTERS = {"end": "e", "transcribe": "t", "answer": "a", "clause": "c", "speak": "s", "gate": "g", "device": "d"}
_COLOURS = {"end": 244, "transcribe": 39, "answer": 135, "clause": 205, "speak": 208, "gate": 220, "device": 35}
_NARROWEST = 40
_LABEL = 6
_TOTAL = 10
_NOTABLE_EVENTS = frozenset(
    ("net.retry", "speech.failed", "speech.refused", "device.lost", "device.back", "microphone.gap", "warm.failed")
)


@dataclass(frozen=True, slots=True)
class Screen:
    """The terminal: its width in columns, and whether colours may be used."""

    width: int
    colour: bool = False

    @property
    def usable(self) -> int:
        return max(self.width, _NARROWEST)

    def paint(self, text: str, colour: int) -> str:
        return f"\x1b[38;5;{colour};48;5;{colour}m{text}\x1b[0m" if self.colour and text else text

    def key(self, text: str, colour: int) -> str:
        return f"\x1b[1;38;5;{colour}m{text}\x1b[0m" if self.colour else text

    def dim(self, text: str) -> str:
        return f"\x1b[2m{text}\x1b[0m" if self.colour and text else text


def rendered(session: Session, screen: Screen) -> str:
    """The whole text, without a newline at the end."""
    lines = [*_about(session, screen), ""]
    if session.turns:
        lines += [*_table(session.turns, screen), "", *_bars(session.turns, screen), ""]
    else:
        lines += ["No turn: no speech was recognised.", ""]
    lines += _notes(session, screen)
    return "\n".join(lines).rstrip("\n")


def _about(session: Session, screen: Screen) -> Iterable[str]:
    began = datetime.fromtimestamp(session.began_unix).astimezone() if abs(session.began_unix) < 1e11 else None
    when = f"{began:%Y-%m-%d %H:%M:%S}" if began else "at an unknown time"
    yield shortened(f"voiceloop {clean_line(session.version)}, {when}, {session.length:.1f} s", screen.usable)
    for name, description in session.described.items():
        yield screen.dim(shortened(f"  {clean_line(name):<11} {clean_line(description)}", screen.usable))


def _table(turns: Sequence[Turn], screen: Screen) -> Iterable[str]:
    yield shortened("Milliseconds after the last voiced sample:", screen.usable)
    head = f"{'turn':>4} {'voiced at':>10}" + "".join(f"{name:>7}" for name, _ in _COLUMNS) + f"{'end':>8}  "
    yield screen.dim(shortened(head + "outcome", screen.usable))
    for turn in turns:
        voiced = turn.marks.get("last_voiced")
        row = f"{turn.number:>4} " + (f"{voiced:>8.2f} s" if voiced is not None else f"{'–':>10}")
        row += "".join(f"{_ms(turn.after_voice_ms(mark)):>7}" for _, mark in _COLUMNS)
        ended = None if voiced is None else (turn.end - voiced) * 1000
        yield shortened(f"{row}{_ms(ended):>8}  {outcome(turn)}", screen.usable)
        if turn.text and screen.usable > _LABEL + 10:
            yield screen.dim(shortened(f"     “{clean_line(turn.text)}”", screen.usable))
        if turn.echo:
            yield screen.dim(shortened(f"     its echo: {turn.echo}", screen.usable))


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"


def outcome(turn: Turn) -> str:
    """The outcome of a turn in words that are safe to print."""
    if turn.outcome == "failed":
        words = f"failed: {turn.error}"
    elif turn.reason == "merged" and turn.replaced_by is not None:
        words = f"merged into turn {turn.replaced_by}"
    else:
        words = turn.outcome + (f": {turn.reason}" if turn.reason else "")
    if turn.replaces is not None:
        words += f", with turn {turn.replaces}"
    if turn.wasted:
        words += f", {_count(turn.wasted, 'request')} wasted"
    return clean_line(words)


def _bars(turns: Sequence[Turn], screen: Screen) -> Iterable[str]:
    staged = [turn for turn in turns if turn.stages]
    if not staged:
        return
    yield shortened("Where the time went, from the last voiced sample to the first audible one played:", screen.usable)
    room = screen.usable - _LABEL - _TOTAL
    longest = max(turn.stages[-1].end - turn.stages[0].start for turn in staged) or 1.0
    for turn in staged:
        bar, drawn, zero = "", 0, turn.stages[0].start
        for stage in turn.stages:
            until = round((stage.end - zero) / longest * room)
            bar += screen.paint(_LETTERS[stage.name] * (until - drawn), _COLOURS[stage.name])
            drawn = until
        total = f"{turn.answered_ms:.0f} ms" if turn.answered_ms is not None else "no reply"
        yield f"{turn.number:>4}  {bar} {total}"
    yield ""
    answered = [turn for turn in staged if turn.answered_ms is not None] or staged
    for name, (_, meaning) in STAGES.items():
        times = [stage.ms for turn in answered for stage in turn.stages if stage.name == name]
        if times:
            words = f"{statistics.median(times):>7.0f} ms  {meaning}"
            yield "   " + screen.key(_LETTERS[name], _COLOURS[name]) + shortened(words, screen.usable - 4)
    totals = [turn.answered_ms for turn in answered if turn.answered_ms is not None]
    if totals:
        words = f"{statistics.median(totals):>8.0f} ms  in total; medians of {_count(len(totals), 'turn')} with a reply"
        yield "   " + shortened(words, screen.usable - 3)


def _notes(session: Session, screen: Screen) -> Iterable[str]:
    failed = Counter(
        f"{r.kind} {r.error or r.outcome}" for r in session.requests if r.outcome in {"failed", "cancelled"}
    )
    posts = sum(request.method == "POST" for request in session.requests)
    new_connections = sum(request.connected for request in session.requests if request.method == "POST")
    words = f"{posts} posts"
    if new_connections:
        words += f", {new_connections} over a new connection"
    if failed:
        words += "; " + ", ".join(f"{count} × {clean_line(name)}" for name, count in failed.most_common())
    if session.requests:
        yield shortened(words, screen.usable)
    if session.speaker:
        underruns = session.speaker[-1].underruns
        yield shortened(
            f"{underruns} underruns; the loudspeaker reports a latency of "
            f"{session.speaker[-1].latency_s * 1000:.0f} ms, which the times of playback leave out",
            screen.usable,
        )
    if wasted := [event.fields for event in session.events if event.name == "preemptive.wasted"]:
        sums = {
            name: sum(_number(fields.get(name)) for fields in wasted) for name in ("requests", "audio_s", "cost_usd")
        }
        words = f"preemptive work wasted: {_count(round(sums['requests']), 'request')}, {sums['audio_s']:.1f} s posted"
        yield shortened(f"{words}, {sums['cost_usd']:.6f} USD", screen.usable)
    notable = Counter(event.name for event in session.events if event.name in _NOTABLE_EVENTS)
    if notable:
        yield shortened(
            "events: " + ", ".join(f"{count} × {name}" for name, count in notable.most_common()), screen.usable
        )
    for turn in session.turns:
        others = [f"{clean_line(name)[:40]} {at:.3f} s" for name, at in turn.marks.items() if name not in KNOWN_MARKS]
        if others:
            yield shortened(f"turn {turn.number} also has: {', '.join(others)}", screen.usable)
    for flaw in session.flaws:
        yield shortened(f"note: {clean_line(flaw)}", screen.usable)


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _number(value: object) -> float:
    try:
        return number(value)
    except ValueError:
        return 0.0
