"""Cuts frames into utterances. Knows no clock, no device, no VAD engine and no network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from voiceloop.audio.tape import Tape, VoiceMap
from voiceloop.capture.endpointing.endpointer import Endpointer, Pause, samples
from voiceloop.capture.ledger import Ledger
from voiceloop.capture.spans import Spans
from voiceloop.capture.valley import Valley
from voiceloop.config.tables import Segment
from voiceloop.plugins import Verdict
from voiceloop.types import Frame, Utterance


class EndReason(StrEnum):
    """Why an utterance ended."""

    HANGOVER = "hangover"
    """It was quiet for long enough."""
    LENGTH = "length"
    """It was as long as an utterance may be: a `SpeechStarted` follows directly."""
    GAP = "gap"
    """The next samples are not contiguous with it."""
    MUTED = "muted"
    """Nobody listens any more: half-duplex, or the user has muted it."""
    END = "end"
    """The input ended."""


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Somebody began to speak. What `pcm` and the `SpeechAudio` after it hold is exactly the utterance to come."""

    start: int
    """The utterance's first sample: the onset less the pre-roll."""
    onset: int
    """The first voiced sample, back-dated."""
    noticed: int
    """How far the VAD had judged when the onset was certain."""
    pcm: bytes = field(repr=False)
    """From `start` on, as far as it is certain to belong to the utterance."""


@dataclass(frozen=True, slots=True)
class SpeechAudio:
    """The next piece of the open utterance. The quiet after `tail_ms` is held back until speech resumes."""

    pcm: bytes = field(repr=False)
    voiced_end: int
    """How far voice was judged by now."""


@dataclass(frozen=True, slots=True)
class SpeechPaused:
    """It has been quiet for `pause_ms`; `utterance` is the clip so far. Speech may resume."""

    at: int
    since: int
    """Just past the last voiced sample."""
    utterance: Utterance


@dataclass(frozen=True, slots=True)
class SpeechResumed:
    """Voice again after a `SpeechPaused`, from the sample `at` on."""

    at: int


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """The utterance is complete."""

    utterance: Utterance
    reason: EndReason = EndReason.HANGOVER


@dataclass(frozen=True, slots=True)
class SpeechDropped:
    """What had started held less voice than `min_speech_ms`: a noise. It counts as silence."""

    start: int
    samples: int


SpeechEvent = SpeechStarted | SpeechAudio | SpeechPaused | SpeechResumed | SpeechEnded | SpeechDropped


@dataclass(slots=True)
class _Open:
    """The utterance under way."""

    start: int
    voiced_end: int
    streamed: int
    """How far it was handed out."""
    valley: Valley
    continuation: bool = False
    """The one before was cut for length: this is speech, however little of it."""
    paused: bool = False


class Segmenter:
    """Turns verdicts into onset, pause, resume and end; hands out each utterance as it comes and when it is whole.

    Every sample fed is exactly one of sent (in one utterance), silence, or held; after `flush` none is held. All
    deadlines are sample indices and verdicts are taken one by one, so how the audio was cut into frames changes
    nothing. `hangover_ms` is the quiet that ends a turn unless the endpointer knows better; never less than `tail_ms`.
    """

    def __init__(self, segment: Segment, *, hangover_ms: float, endpointer: Endpointer | None = None) -> None:
        self._spans = Spans.of(segment)
        self._hangover = samples(hangover_ms)
        self._endpointer = endpointer or Endpointer()
        self._tape = Tape()
        self._voice = VoiceMap()
        self._judged = 0
        self._noticed = 0
        self._open: _Open | None = None
        self._received = self._sent = self._silence = 0

    @property
    def speaking(self) -> bool:
        """Whether an utterance is under way."""
        return self._open is not None

    @property
    def sent(self) -> int:
        return self._sent

    @property
    def silence(self) -> int:
        return self._silence

    @property
    def held(self) -> int:
        return self._tape.end - self._tape.start

    @property
    def ledger(self) -> Ledger:
        return Ledger(received=self._received, sent=self._sent, silence=self._silence)

    def feed(self, frame: Frame, verdicts: Sequence[Verdict]) -> list[SpeechEvent]:
        """Take the next frame, and the verdicts that became possible with it.

        A frame that doesn't follow on the last ends what is open, as `flush(EndReason.GAP)` does.
        """
        events: list[SpeechEvent] = []
        tape = self._tape
        if frame.index != tape.end:
            events = self.flush(EndReason.GAP)
            tape = self._restart(frame.index)
        tape.append(frame.pcm)
        self._received += tape.end - frame.index
        for verdict in verdicts:
            self._take(verdict, events)
        if self._open is None:
            self._silence += tape.forget_before(tape.end - self._spans.keep)
            self._voice.forget_before(tape.start)
        else:
            self._stream(self._open, self._certain(self._open), events)
        return events

    def flush(self, reason: EndReason = EndReason.END) -> list[SpeechEvent]:
        """End what is open now, and count the rest as silence: a gap, the end of the input, or going deaf.

        What comes next may have any index.
        """
        events: list[SpeechEvent] = []
        if self._open is not None:
            self._close(self._open, reason, events)
        self._silence += self._tape.forget_before(self._tape.end)
        self._restart(self._tape.end)
        return events

    def _restart(self, index: int) -> Tape:
        self._tape = Tape(index)
        self._voice = VoiceMap()
        self._judged = self._noticed = index
        return self._tape

    def _take(self, verdict: Verdict, events: list[SpeechEvent]) -> None:
        start = max(verdict.start, self._tape.start)
        if verdict.end <= start:
            return
        if not verdict.voiced:
            self._voice.mark(start, verdict.end, voiced=False)
            self._quiet(verdict.end, events)
        else:
            if start > self._judged:
                self._quiet(start, events)
            start = max(start, self._tape.start)
            self._voice.mark(start, verdict.end, voiced=True)
            self._pass(verdict.end)
            if self._open is None:
                self._notice_onset(verdict.end, events)
            else:
                self._go_on(self._open, start, verdict.end, events)
            self._cut_what_is_too_long(events)

    def _pass(self, index: int) -> None:
        self._judged = index
        self._noticed = max(self._noticed, index)

    def _quiet(self, until: int, events: list[SpeechEvent]) -> None:
        """No voice up to `until`: a pause or the end, each at its own sample."""
        before = self._judged
        self._pass(until)
        spoken = self._open
        if spoken is None:
            return
        pause_at = spoken.voiced_end + self._spans.pause
        if not spoken.paused and until >= pause_at and self._is_speech(spoken):
            spoken.paused = True
            end = min(self._end(spoken), pause_at)
            self._stream(spoken, min(end, self._certain(spoken)), events)
            paused = self._utterance(spoken, end)
            events.append(SpeechPaused(at=pause_at, since=spoken.voiced_end, utterance=paused))
        voice = self._voice.voiced(spoken.start, spoken.voiced_end)
        pause = Pause(start=spoken.voiced_end, hangover=self._hangover, voice=voice)
        self._endpointer.consider(pause)
        lasting = max(self._endpointer.hangover(pause), self._spans.tail)
        if until >= max(spoken.voiced_end + lasting, before):
            self._close(spoken, EndReason.HANGOVER, events)

    def _notice_onset(self, now: int, events: list[SpeechEvent]) -> None:
        window = now - self._spans.window
        if self._voice.voiced(window, now) < self._spans.onset:
            return
        onset = self._voice.first(max(window, self._tape.start))
        assert onset is not None
        start = max(onset - self._spans.preroll, self._tape.start)
        self._silence += self._tape.forget_before(start)
        self._begin(start, onset, events)

    def _begin(self, start: int, onset: int, events: list[SpeechEvent], *, continuation: bool = False) -> None:
        self._voice.forget_before(start)
        end = self._voice.end
        assert end is not None
        valley = Valley(start + self._spans.longest - self._spans.look_back)
        spoken = _Open(start, voiced_end=end, streamed=start, valley=valley, continuation=continuation)
        self._open = spoken
        spoken.streamed = self._certain(spoken)
        pcm = self._tape.between(start, spoken.streamed)
        events.append(SpeechStarted(start=start, onset=onset, noticed=self._noticed, pcm=pcm))

    def _go_on(self, spoken: _Open, start: int, end: int, events: list[SpeechEvent]) -> None:
        if spoken.paused:
            self._endpointer.resumed(spoken.voiced_end, start)
            spoken.paused = False
            events.append(SpeechResumed(at=start))
        spoken.voiced_end = max(spoken.voiced_end, end)

    def _cut_what_is_too_long(self, events: list[SpeechEvent]) -> None:
        # Only voice past the limit forces a cut: quiet isn't sent beyond the tail.
        while (spoken := self._open) and spoken.voiced_end > (limit := spoken.start + self._spans.longest):
            spoken.valley.follow(self._tape, limit)
            cut = spoken.valley.cut
            self._stream(spoken, cut, events)
            self._send(spoken, cut, EndReason.LENGTH, events, continues=True)
            onset = self._voice.first(cut)
            assert onset is not None
            self._begin(cut, onset, events, continuation=True)

    def _certain(self, spoken: _Open) -> int:
        """How far the tape is certain to belong to this utterance, and not to the next."""
        end = self._end(spoken)
        if end <= spoken.start + self._spans.longest - self._spans.look_back:
            return end
        spoken.valley.follow(self._tape, min(self._tape.end, spoken.start + self._spans.longest))
        return max(spoken.streamed, min(end, spoken.valley.cut))

    def _end(self, spoken: _Open) -> int:
        """Where the utterance would end if it were over."""
        return min(spoken.voiced_end + self._spans.tail, spoken.start + self._spans.longest, self._tape.end)

    def _is_speech(self, spoken: _Open) -> bool:
        voice = self._voice.voiced(spoken.start, spoken.voiced_end)
        return spoken.continuation or voice >= self._spans.min_speech

    def _utterance(self, spoken: _Open, end: int, *, continues: bool = False) -> Utterance:
        voiced_end = self._voice.last(end) or spoken.start
        pcm = self._tape.between(spoken.start, end)
        return Utterance(pcm, start=spoken.start, voiced_end=voiced_end, continues=continues)

    def _stream(self, spoken: _Open, end: int, events: list[SpeechEvent]) -> None:
        if end > spoken.streamed:
            events.append(SpeechAudio(self._tape.between(spoken.streamed, end), spoken.voiced_end))
            spoken.streamed = end

    def _close(self, spoken: _Open, reason: EndReason, events: list[SpeechEvent]) -> None:
        end = self._end(spoken)
        if self._is_speech(spoken):
            self._stream(spoken, end, events)
            self._send(spoken, end, reason, events)
            return
        self._silence += self._tape.forget_before(end)
        self._voice.forget_before(end)
        self._open = None
        events.append(SpeechDropped(spoken.start, end - spoken.start))

    def _send(
        self, spoken: _Open, end: int, reason: EndReason, events: list[SpeechEvent], *, continues: bool = False
    ) -> None:
        utterance = self._utterance(spoken, end, continues=continues)
        self._sent += self._tape.forget_before(end)
        self._voice.forget_before(end)
        self._open = None
        events.append(SpeechEnded(utterance, reason))
