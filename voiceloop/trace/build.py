"""The builder of a session from a trace's records: levels, voice, requests, playback, turns. Pure.

An invalid record is left out and counted. No content of a file makes it raise an error.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from voiceloop.trace.levels import unpacked
from voiceloop.trace.read import Record, Records, maybe, number
from voiceloop.trace.timeline import Event, Level, Request, Session, Span, SpeakerState
from voiceloop.trace.turns import Material, build_turns, with_turns

T = TypeVar("T")
_STEP_SAMPLES = 320
_CONTIGUOUS_S = 0.01
_LONGEST_S = 7 * 24 * 3600.0
"""The longest session that is believed: a later time means a damaged record."""


def build(records: Records) -> Session:
    """The session that `records` describe."""
    return _Builder(records).session()


@dataclass(slots=True)
class _Builder:
    records: Records
    zero: float = 0.0
    rate_hz: float = 16_000.0
    bad_records: int = 0
    anchors: list[tuple[float, float]] = field(default_factory=list)
    """(sample index, session time) pairs, sorted by index."""

    def session(self) -> Session:
        header = self.records.header
        self.zero, self.rate_hz = number(header["at"]), _rate_hz(header)
        microphone = self._many("mic", self._mic)
        self.anchors.sort()
        events = self._each("event", self._event) + self._each("gap", self._gap)
        events.sort(key=lambda event: event.at)
        states = sorted(self._each("speaker", self._speaker), key=lambda state: state.at)
        playback = self._many("play", lambda record: self._play(record, states))
        requests = self._requests()
        utterances = tuple(self._utterances(events))
        turns = build_turns(Material(events, utterances, requests, playback, self._captured, self.zero, self.rate_hz))
        ends = [event.at for event in events] + [level.end for level in microphone[-1:] + playback[-1:]]
        ends += [request.end or request.start for request in requests] + [turn.end for turn in turns]
        return Session(
            version=str(header.get("voiceloop", "")),
            began_unix=number(header["time"]),
            length=max(ends + self._each("end", lambda record: self._at(record["at"])), default=0.0),
            config=header["config"] if isinstance(header.get("config"), dict) else {},
            events=tuple(events),
            microphone=tuple(microphone),
            voice=tuple(self._voice()),
            utterances=utterances,
            muted=tuple(_joined(self._each("muted", self._muted))),
            requests=with_turns(requests, turns),
            playback=tuple(playback),
            speaker=tuple(states),
            turns=turns,
            flaws=tuple(self._flaws()),
        )

    def _many(self, kind: str, take: Callable[[Record], list[Level]]) -> list[Level]:
        """The levels of all records of a kind, sorted by time. One record holds many levels."""
        return sorted((level for found in self._each(kind, take) for level in found), key=lambda level: level.start)

    def _each(self, kind: str, take: Callable[[Record], T]) -> list[T]:
        """`take` applied to each record of a kind; records for which it raises are counted as bad."""
        found = []
        for record in self.records.of(kind):
            try:
                found.append(take(record))
            except (KeyError, TypeError, ValueError, OverflowError):
                self.bad_records += 1
        return found

    def _at(self, value: object) -> float:
        """The session time of a monotonic clock time. Raises ValueError if it is not within the session."""
        at = number(value) - self.zero
        if not -60 <= at <= _LONGEST_S:
            raise ValueError("not within the session")
        return at

    def _captured(self, index: float) -> float | None:
        """The session time at which a sample was captured; None if the trace has no microphone records."""
        if not self.anchors:
            return None
        first, at = self.anchors[max(bisect_right(self.anchors, index, key=lambda anchor: anchor[0]) - 1, 0)]
        return at + (index - first) / self.rate_hz

    def _span(self, start: object, end: object, label: str = "") -> Span:
        begin, stop = self._captured(number(start)), self._captured(number(end))
        if begin is None or stop is None:
            raise ValueError("no clock")
        return Span(begin, max(begin, stop), label)

    # One method for each kind of record

    def _mic(self, record: Record) -> list[Level]:
        at, index = self._at(record["at"]), number(record["index"])
        peaks, means = unpacked(record["peak"]), unpacked(record["rms"])
        if len(peaks) != len(means):
            raise ValueError("peaks and means differ in number")
        self.anchors.append((index, at))
        step = _STEP_SAMPLES / self.rate_hz
        return [
            Level(at + n * step, at + (n + 1) * step, float(peak), float(rms))
            for n, (peak, rms) in enumerate(zip(peaks, means, strict=True))
        ]

    def _event(self, record: Record) -> Event:
        fields = record["fields"]
        if not isinstance(fields, dict) or not isinstance(record["name"], str):
            raise TypeError("not an event")
        return Event(self._at(record["at"]), record["name"], fields)

    def _gap(self, record: Record) -> Event:
        return Event(self._at(record["at"]), "microphone.gap", {"reason": str(record["reason"])})

    def _speaker(self, record: Record) -> SpeakerState:
        return SpeakerState(
            self._at(record["at"]),
            bool(record["sounding"]),
            bool(record["held"]),
            number(record["gain"]),
            int(number(record["underruns"])),
            number(record["latency_s"]),
        )

    def _play(self, record: Record, states: list[SpeakerState]) -> list[Level]:
        began, rate_hz = self._at(record["at"]), self._speaker_rate_hz()
        steps = zip(
            record["at_tenths_ms"], record["samples"], unpacked(record["peak"]), unpacked(record["rms"]), strict=True
        )
        found = []
        for tenths, samples, peak, rms in steps:
            start = began + number(tenths) / 10_000
            gain = _gain(states, start)
            found.append(
                Level(start, start + min(number(samples) / rate_hz, 1.0), float(peak) * gain, float(rms) * gain)
            )
        return found

    def _speaker_rate_hz(self) -> float:
        for record in self.records.of("speaker")[:1]:
            try:
                return max(number(record["rate_hz"]), 1_000.0)
            except (KeyError, ValueError):
                break
        return 24_000.0

    def _muted(self, record: Record) -> Span:
        return self._span(record["start"], record["end"])

    def _voice(self) -> Iterable[Span]:
        """Spans of voice. For the same samples a later verdict overrides an earlier one."""
        voiced: list[tuple[float, float]] = []
        for runs in self._each("vad", lambda record: [_run(run) for run in record["runs"]]):
            for start, end, is_voice in runs:
                _mark_voice(voiced, start, end, voiced=is_voice)
        for start, end in voiced:
            try:
                yield self._span(start, end)
            except ValueError:
                self.bad_records += 1

    def _utterances(self, events: list[Event]) -> Iterable[Span]:
        onset: float | None = None
        for event in events:
            if event.name == "speech.started":
                onset = self._sample_time(event.fields.get("at_s"))
            elif event.name in ("speech.ended", "speech.dropped") and onset is not None:
                end = self._sample_time(event.fields.get("end_s")) or event.at
                yield Span(onset, max(onset, end), event.name.removeprefix("speech."))
                onset = None
        if onset is not None:
            yield Span(onset, max(onset, events[-1].at), "unfinished")

    def _sample_time(self, seconds: object) -> float | None:
        """The session time of a time in seconds of microphone samples."""
        try:
            return self._captured(number(seconds) * self.rate_hz)
        except ValueError:
            return None

    def _requests(self) -> list[Request]:
        requests = {request.number: request for request in self._each("request", self._request)}
        for number_, changes in self._each("answer", self._answer) + self._each("response", self._response):
            if number_ in requests:
                requests[number_] = replace(requests[number_], **changes)
        return sorted(requests.values(), key=lambda request: request.start)

    def _request(self, record: Record) -> Request:
        turn = maybe(record["turn"])
        return Request(
            number=int(number(record["id"])),
            start=self._at(record["at"]),
            method=str(record["method"]),
            url=str(record["url"]),
            model=str(record["model"]),
            attempt=int(number(record["attempt"])),
            sent_bytes=int(number(record["sent_bytes"])),
            turn=None if turn is None else int(turn),
        )

    def _answer(self, record: Record) -> tuple[int, dict[str, Any]]:
        return int(number(record["id"])), {
            "answered": self._at(record["at"]),
            "status": int(number(record["status"])),
            "connected": bool(record["connected"]),
        }

    def _response(self, record: Record) -> tuple[int, dict[str, Any]]:
        first = record["first_byte"]
        return int(number(record["id"])), {
            "end": self._at(record["at"]),
            "first_byte": None if first is None else self._at(first),
            "bytes": int(number(record["bytes"])),
            "outcome": str(record["outcome"]),
            "error": None if record["error"] is None else str(record["error"]),
        }

    def _flaws(self) -> Iterable[str]:
        records = self.records
        if records.cut_off:
            yield "the last line is cut off: the program was killed, or is still writing"
        elif not records.of("end"):
            yield "the end record is missing: the program was killed, or is still writing"
        if bad := records.bad_lines + self.bad_records:
            yield f"{bad} damaged {'line' if bad == 1 else 'lines'} left out"
        lost = sum(self._each("lost", lambda record: int(number(record["records"]))))
        if lost:
            yield f"{lost} records were lost while the trace was written: the disk was too slow"
        if records.unknown:
            names = ", ".join(f"{name!r} ×{count}" for name, count in records.unknown.most_common(5))
            yield f"records of kinds that this version of voiceloop doesn't know: {names}"


def _rate_hz(header: Record) -> float:
    try:
        return max(number(header.get("rate_hz")), 1_000.0)
    except ValueError:
        return 16_000.0


def _joined(spans: Iterable[Span]) -> list[Span]:
    """`spans` with adjacent ones joined, because a long span is recorded in pieces."""
    found: list[Span] = []
    for span in spans:
        if found and abs(span.start - found[-1].end) < _CONTIGUOUS_S:
            found[-1] = Span(found[-1].start, span.end)
        else:
            found.append(span)
    return found


def _run(run: Any) -> tuple[float, float, bool]:
    start, end, voiced = run
    return number(start), number(end), bool(voiced)


def _mark_voice(spans: list[tuple[float, float]], start: float, end: float, *, voiced: bool) -> None:
    """Set `start` to `end` to voice or no voice in `spans`, the sorted spans of voice. Adjacent spans are joined."""
    after: list[tuple[float, float]] = []
    while spans and spans[-1][1] > start:
        a, b = spans.pop()
        if b > end:
            after.insert(0, (max(a, end), b))
        if a < start:
            spans.append((a, start))
            break
    if voiced and end > start:
        if spans and spans[-1][1] == start:
            start = spans.pop()[0]
        if after and after[0][0] == end:
            end = after.pop(0)[1]
        spans.append((start, end))
    spans.extend(after)


def _gain(states: list[SpeakerState], at: float) -> float:
    """The gain at a time. A state recorded up to 1 ms later counts: it was set when those samples were taken."""
    place = bisect_right(states, at + 0.001, key=lambda state: state.at)
    return states[place - 1].gain if place else 1.0
