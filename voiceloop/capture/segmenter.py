"""A segmenter that cuts frames into utterances, by the VAD's verdicts. Pure: its only time is the sample index.

    voice        ......########..#####............................
    quiet                             |- pause_ms -|
                                      |-------- hangover --------|
    events                SpeechStarted            SpeechPaused  SpeechEnded
    utterance      |---|--------------|---------|
                 pre-roll   speech      tail_ms

If voice comes back between `SpeechPaused` and `SpeechEnded`, a `SpeechResumed` follows and the utterance goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from voiceloop.audio.tape import Tape, VoiceMap
from voiceloop.capture.endpointing.endpointer import Endpointer, Pause
from voiceloop.capture.endpointing.messages import Message
from voiceloop.capture.ledger import Ledger
from voiceloop.capture.spans import Spans
from voiceloop.capture.speech_events import (
    EndReason,
    SpeechAudio,
    SpeechDropped,
    SpeechEnded,
    SpeechEvent,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
)
from voiceloop.capture.valley import Valley
from voiceloop.config.tables import Segment
from voiceloop.plugins import Verdict
from voiceloop.types import Frame, Utterance, samples


@dataclass(slots=True)
class _Open:
    """The open utterance."""

    start: int
    voiced_end: int
    streamed: int
    """The index up to which its samples were handed out."""
    valley: Valley
    continuation: bool = False
    """The utterance before it was cut at the maximum length. So this one is speech, even if it is shorter than
    `min_speech_ms`."""
    paused: bool = False


class Segmenter:
    """Turns verdicts into onset, pause, resume and end; hands out each utterance in pieces, and complete at its end.

    Every sample fed is counted as exactly one of sent (in one utterance), silence, or held; after `flush` none is held.
    All deadlines are sample indices and verdicts are taken one by one, so how the audio was cut into frames makes no
    difference.

    `hangover_ms`: the quiet that ends an utterance when the endpointer has no better value; at least `tail_ms`.
    """

    def __init__(self, segment: Segment, *, hangover_ms: float, endpointer: Endpointer | None = None) -> None:
        self._spans = Spans.of(segment)
        self._hangover = samples(hangover_ms)
        self._endpointer = endpointer or Endpointer()
        self._tape = Tape()
        self._voice = VoiceMap()
        self._judged = 0
        """The end of the VAD's latest verdict."""
        self._furthest_judged = 0
        """The largest `_judged` so far. (Back-dated verdicts move `_judged` back.)"""
        self._open: _Open | None = None
        self._received = self._sent = self._silence = 0

    @classmethod
    def of(cls, segment: Segment, *, half_duplex: bool = False, acoustic: bool = False) -> Segmenter:
        """Make a segmenter with an endpointer of its own, as configured. `acoustic`: it is told of the sound, too."""
        hangover_ms = segment.half_duplex_hangover_ms if half_duplex else segment.hangover_ms
        endpointer = Endpointer.of(segment, half_duplex=half_duplex, acoustic=acoustic)
        return cls(segment, hangover_ms=hangover_ms, endpointer=endpointer)

    def tell(self, message: Message) -> None:
        """Tell the endpointer, which only the segmenter has, what is known of the words before a pause."""
        self._endpointer.take(message)

    @property
    def speaking(self) -> bool:
        """Whether an utterance is open."""
        return self._open is not None

    @property
    def sent(self) -> int:
        """Samples in completed utterances."""
        return self._sent

    @property
    def silence(self) -> int:
        """Samples judged not to be speech."""
        return self._silence

    @property
    def held(self) -> int:
        """Samples not decided yet."""
        return self._tape.end - self._tape.start

    @property
    def ledger(self) -> Ledger:
        return Ledger(received=self._received, sent=self._sent, silence=self._silence)

    def feed(self, frame: Frame, verdicts: Sequence[Verdict]) -> list[SpeechEvent]:
        """Take the next frame and the new verdicts; return the events that follow from them.

        A frame that is not contiguous with the last one ends an open utterance, as `flush(EndReason.GAP)` does.
        """
        events: list[SpeechEvent] = []
        tape = self._tape
        if frame.index != tape.end:
            events = self.flush(EndReason.GAP)
            tape = self._restart(frame.index)
        tape.append(frame.pcm)
        self._received += tape.end - frame.index
        for verdict in verdicts:
            self._apply(verdict, events)
        if self._open is None:
            self._silence += tape.forget_before(tape.end - self._spans.keep)
            self._voice.forget_before(tape.start)
        else:
            self._stream(self._open, self._certain_end(self._open), events)
        return events

    def flush(self, reason: EndReason = EndReason.END) -> list[SpeechEvent]:
        """End an open utterance, and count the remaining samples as silence. The next frame may have any index."""
        events: list[SpeechEvent] = []
        if self._open is not None:
            self._close(self._open, reason, events)
        self._silence += self._tape.forget_before(self._tape.end)
        self._restart(self._tape.end)
        return events

    def _restart(self, index: int) -> Tape:
        self._tape = Tape(index)
        self._voice = VoiceMap()
        self._judged = self._furthest_judged = index
        return self._tape

    def _apply(self, verdict: Verdict, events: list[SpeechEvent]) -> None:
        start = max(verdict.start, self._tape.start)
        if verdict.end <= start:
            return
        if not verdict.voiced:
            self._voice.mark(start, verdict.end, voiced=False)
            self._note_quiet(verdict.end, events)
        else:
            if start > self._judged:
                self._note_quiet(start, events)
            start = max(start, self._tape.start)
            self._voice.mark(start, verdict.end, voiced=True)
            self._advance(verdict.end)
            if self._open is None:
                self._look_for_onset(verdict.end, events)
            else:
                self._extend(self._open, start=start, end=verdict.end, events=events)
            self._cut_at_maximum_length(events)

    def _advance(self, index: int) -> None:
        self._judged = index
        self._furthest_judged = max(self._furthest_judged, index)

    def _note_quiet(self, until: int, events: list[SpeechEvent]) -> None:
        """There was no voice up to `until`: report a pause or the end when its deadline has passed."""
        before = self._judged
        self._advance(until)
        spoken = self._open
        if spoken is None:
            return
        pause_at = spoken.voiced_end + self._spans.pause
        if not spoken.paused and until >= pause_at and self._is_speech(spoken):
            spoken.paused = True
            end = min(self._end(spoken), pause_at)
            self._stream(spoken, min(end, self._certain_end(spoken)), events)
            paused = self._utterance(spoken, end)
            events.append(SpeechPaused(at=pause_at, since=spoken.voiced_end, utterance=paused))
        pause = self._pause(spoken)
        self._endpointer.consider(pause)
        hangover = max(self._endpointer.hangover(pause), self._spans.tail)
        # A back-dated verdict, which ends before the one that came before it, ends no utterance.
        if until >= max(spoken.voiced_end + hangover, before):
            self._close(spoken, EndReason.HANGOVER, events)

    def _pause(self, spoken: _Open) -> Pause:
        """The pause after the open utterance's last voice."""
        voice = self._voice.voiced(spoken.start, spoken.voiced_end)
        return Pause(start=spoken.voiced_end, hangover=self._hangover, voice=voice)

    def _look_for_onset(self, now: int, events: list[SpeechEvent]) -> None:
        window_start = now - self._spans.window
        if self._voice.voiced(window_start, now) < self._spans.onset:
            return
        onset = self._voice.first(max(window_start, self._tape.start))
        assert onset is not None
        start = max(onset - self._spans.preroll, self._tape.start)
        self._silence += self._tape.forget_before(start)
        self._begin(start=start, onset=onset, events=events)

    def _begin(self, *, start: int, onset: int, events: list[SpeechEvent], continuation: bool = False) -> None:
        self._voice.forget_before(start)
        end = self._voice.end
        assert end is not None
        valley = Valley(start + self._spans.longest - self._spans.look_back)
        spoken = _Open(start, voiced_end=end, streamed=start, valley=valley, continuation=continuation)
        self._open = spoken
        spoken.streamed = self._certain_end(spoken)
        pcm = self._tape.between(start, spoken.streamed)
        events.append(SpeechStarted(start=start, onset=onset, noticed=self._furthest_judged, pcm=pcm))

    def _extend(self, spoken: _Open, *, start: int, end: int, events: list[SpeechEvent]) -> None:
        """Voice from `start` to `end` belongs to the open utterance."""
        if spoken.paused:
            decision = self._endpointer.decision(self._pause(spoken))
            self._endpointer.resumed(start=spoken.voiced_end, at=start)
            spoken.paused = False
            events.append(SpeechResumed(at=start, decision=decision))
        spoken.voiced_end = max(spoken.voiced_end, end)

    def _cut_at_maximum_length(self, events: list[SpeechEvent]) -> None:
        # Only voice beyond the limit forces a cut, because quiet isn't sent beyond the tail.
        while (spoken := self._open) and spoken.voiced_end > (limit := spoken.start + self._spans.longest):
            spoken.valley.follow(self._tape, limit)
            cut = spoken.valley.cut
            self._stream(spoken, cut, events)
            self._send(spoken, cut, EndReason.LENGTH, events, continues=True)
            onset = self._voice.first(cut)
            assert onset is not None
            self._begin(start=cut, onset=onset, events=events, continuation=True)

    def _certain_end(self, spoken: _Open) -> int:
        """The index up to which the tape certainly belongs to this utterance, and not to the next one."""
        end = self._end(spoken)
        if end <= spoken.start + self._spans.longest - self._spans.look_back:
            return end
        spoken.valley.follow(self._tape, min(self._tape.end, spoken.start + self._spans.longest))
        return max(spoken.streamed, min(end, spoken.valley.cut))

    def _end(self, spoken: _Open) -> int:
        """The index at which the utterance would end if it ended now."""
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
        decision = self._endpointer.decision(self._pause(spoken)) if reason is EndReason.HANGOVER else None
        self._sent += self._tape.forget_before(end)
        self._voice.forget_before(end)
        self._open = None
        events.append(SpeechEnded(utterance, reason, decision))
