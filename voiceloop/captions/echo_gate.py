"""A gate before the microphone's captioner: lets speech through once somebody else than the loudspeaker is in it. Pure.

    utterance        |-- held back -->| evidence: passed on at once, with all that was held back
                     |-- held back ----------------| end without evidence: only echo, dropped and reported

Most of what the loudspeaker plays is no voice to begin with (`Listener`, by the canceller's verdict). This is about the
rest: before the canceller knows the room, after a change of the loudspeaker's volume, and where it distorts. While
nothing is played, speech passes at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Protocol

from voiceloop.capture.early_voice import EarlyVoice
from voiceloop.capture.listener import SpeechReceiver
from voiceloop.capture.speech_events import (
    SpeechAudio,
    SpeechDropped,
    SpeechEnded,
    SpeechEvent,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
)
from voiceloop.echo.correlation import OWN_VOICE, Played
from voiceloop.events import Publish
from voiceloop.plugins import Verdict
from voiceloop.types import CAPTURE_RATE_HZ, SAMPLE_BYTES, Frame, Gap

_OTHER = 0.5
"""The least share of somebody else. In simulated rooms it was 0.93 and more of a person, and at most 0.35 of a leak."""
_COPY_OF_RAW = 0.85
"""With a person in it who is as loud as the echo, the raw microphone correlates by 0.7 with what is played."""
_UNSETTLED_COPY, _UNSETTLED_COPY_OF_RAW = 0.35, 0.75
"""The same before the filter knows the room: what it leaves over is still like the echo."""
_LEAST = CAPTURE_RATE_HZ // 2
"""Shorter speech proves nothing until it has ended."""
_AGAIN = CAPTURE_RATE_HZ // 4
_CLIP = CAPTURE_RATE_HZ
"""How much of the latest speech is compared with what was played: 1 s."""
_EARLIER_S = 0.6
"""How much earlier than it is heard an echo may have been played, pairing included."""
_KEPT = 50
"""Frames whose share of somebody else is remembered: an onset is noticed late."""


class Hearing(Protocol):
    """What the gate asks of the echo canceller, as `WaitingCleaner` answers it."""

    @property
    def active(self) -> bool: ...
    @property
    def other_share(self) -> float: ...
    @property
    def settled(self) -> bool: ...
    @property
    def knows_echo(self) -> bool: ...
    def raw(self, start: int, end: int) -> bytes: ...
    def played(self, start: int, end: int, *, earlier_s: float) -> bytes: ...


class EchoGate:
    """A `SpeechReceiver` for the microphone's listener; call it as the listener's `watch`, too."""

    def __init__(self, source: str, receiver: SpeechReceiver, hearing: Hearing, publish: Publish) -> None:
        self._source, self._hearing, self._publish = source, hearing, publish
        self.receiver = receiver
        """What is let through goes there."""
        self._shares: deque[tuple[int, float, bool]] = deque(maxlen=_KEPT)
        self._held: list[SpeechEvent] | None = None
        """The events of the current utterance, oldest first; None when they are passed on."""
        self._onset = self._end = 0
        self._clean = bytearray()
        self._share = 0.0
        self._checked = 0
        self._settled = True
        self.dropped = 0
        """How many utterances were dropped because only the loudspeaker was heard."""

    def __call__(self, item: Frame | Gap, verdicts: Sequence[Verdict], *, muted: bool) -> None:
        """Note how much of a frame was somebody else. Called after the events that the frame caused."""
        if isinstance(item, Frame):
            self._note(item.end)

    @property
    def holding(self) -> bool:
        """Whether an utterance is held back, of which the receiver knows nothing yet."""
        return self._held is not None

    def early_voice(self, early_voice: EarlyVoice) -> None:
        """Pass it on."""
        self.receiver.early_voice(early_voice)

    def on(self, event: SpeechEvent) -> None:
        """Pass an event on, or hold it back."""
        if isinstance(event, SpeechStarted):
            self._begin(event)
        if self._held is None:
            self.receiver.on(event)
            return
        self._held.append(event)
        ended = isinstance(event, SpeechEnded | SpeechDropped)
        if isinstance(event, SpeechAudio):
            self._clean += event.pcm
            self._end = max(self._end, event.voiced_end)
        if isinstance(event, SpeechDropped):
            self._held = None
        elif self._is_other(certain=ended or isinstance(event, SpeechPaused)):
            self._release()
        elif ended:
            self._drop()

    # Evidence

    def _begin(self, event: SpeechStarted) -> None:
        since = [(share, active) for end, share, active in self._shares if end > event.onset]
        active = self._hearing.active or any(active for _, active in since)
        self._held = [] if active else None
        self._onset = self._checked = event.onset
        self._end = event.start + len(event.pcm) // SAMPLE_BYTES
        self._clean = bytearray(event.pcm[(event.onset - event.start) * SAMPLE_BYTES :])
        self._settled = self._hearing.settled
        self._share = max([self._hearing.other_share, *(share for share, _ in since)])

    def _note(self, end: int) -> None:
        hearing = self._hearing
        self._shares.append((end, hearing.other_share, hearing.active))
        self._share = max(self._share, hearing.other_share)

    def _is_other(self, *, certain: bool) -> bool:
        """Whether somebody else than the loudspeaker is heard in the utterance so far."""
        if not certain and (self._end - self._onset < _LEAST or self._end - self._checked < _AGAIN):
            return False
        self._checked = self._end
        start = max(self._onset, self._end - _CLIP)
        played = self._hearing.played(start, self._end, earlier_s=_EARLIER_S)
        if played.count(0) == len(played):
            return True
        residual = self._clean[(start - self._onset) * SAMPLE_BYTES : (self._end - self._onset) * SAMPLE_BYTES]
        if self._hearing.knows_echo and self._share < _OTHER:
            return False
        source = Played(played, longest=self._end - start)
        if source.correlation(bytes(residual)) >= (OWN_VOICE if self._settled else _UNSETTLED_COPY):
            return False
        likeness = source.correlation(self._hearing.raw(start, self._end))
        if self._settled:
            return likeness < (_COPY_OF_RAW if self._share >= _OTHER else OWN_VOICE)
        return likeness < _UNSETTLED_COPY_OF_RAW

    def _release(self) -> None:
        held, self._held = self._held or [], None
        for event in _without_past_pauses(held):
            self.receiver.on(event)

    def _drop(self) -> None:
        self._held = None
        self.dropped += 1
        seconds = round((self._end - self._onset) / CAPTURE_RATE_HZ, 2)
        self._publish("caption.dropped", source=self._source, reason="echo", seconds=seconds)


def _without_past_pauses(held: Sequence[SpeechEvent]) -> list[SpeechEvent]:
    """The events without the pauses after which speech has resumed: each of them would be transcribed for nothing."""
    out: list[SpeechEvent] = []
    paused: int | None = None
    for event in held:
        if isinstance(event, SpeechPaused):
            paused = len(out)
        elif isinstance(event, SpeechResumed) and paused is not None:
            del out[paused]
            paused = None
            continue
        out.append(event)
    return out
