"""The ears: takes the microphone's frames, gives them to the VAD and the segmenter, and tells the conversation.

Does not decide anything but when not to listen (`HalfDuplexMute`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

import trio

from voiceloop.capture.early_voice import EarlyVoice, EarlyVoiceDetector
from voiceloop.capture.ledger import Ledger
from voiceloop.capture.segmenter import EndReason, Segmenter, SpeechEvent
from voiceloop.plugins import Vad, Verdict, hints
from voiceloop.types import CAPTURE_RATE_HZ, Frame, Gap

CALM = CAPTURE_RATE_HZ
"""After a second without voice nothing is urgent: an onset is dated back, however late it is noticed."""


_OVER = CAPTURE_RATE_HZ // 2
_AT_MOST = 10 * CAPTURE_RATE_HZ


class Watch(Protocol):
    """Who sees, for a trace, what was heard and what the VAD made of it."""

    def __call__(self, item: Frame | Gap, verdicts: Sequence[Verdict], *, muted: bool) -> None: ...


class SpeechReceiver(Protocol):
    """Who is told what was heard."""

    def on(self, event: SpeechEvent) -> None: ...

    def early_voice(self, early_voice: EarlyVoice) -> None: ...


@dataclass(slots=True)
class HalfDuplexMute:
    """When half-duplex is deaf: while something sounds, and `tail_s` longer (the room; frames still on their way)."""

    audible: Callable[[], bool]
    now: Callable[[], float]
    tail_s: float
    half_duplex: bool
    _until: float = 0.0

    @property
    def active(self) -> bool:
        """Whether nothing is listened to now."""
        return self.half_duplex and (self.audible() or self.now() < self._until)

    def follow(self) -> None:
        """Time has passed: note whether something sounds."""
        if self.half_duplex and self.audible():
            self._until = self.now() + self.tail_s


@dataclass(slots=True)
class Unwanted:
    """The rest of what was called off while it was said: until half a second without voice, or for ten seconds, as
    there are noises that a VAD takes for a voice without end."""

    _until: int = 0
    _ends: int = 0

    def begin(self, index: int) -> None:
        """What is said at that sample is not wanted."""
        self._until, self._ends = index + _OVER, index + _AT_MOST

    def over(self) -> None:
        """Whatever is said from now on counts."""
        self._until = 0

    def follow(self, end: int, verdicts: Sequence[Verdict]) -> None:
        """A frame up to `end` was heard, with these verdicts: voice goes on with what is not wanted."""
        if end <= self._until:
            voiced = max((verdict.end for verdict in verdicts if verdict.voiced), default=0)
            self._until = min(max(self._until, voiced + _OVER), self._ends)

    def holds(self, end: int) -> bool:
        """Whether a frame up to `end` is of it."""
        return end <= self._until


class Cleaner(Protocol):
    """Who takes the reply out of what the microphone heard. May hold back some of it, for as long as it likes."""

    def take(self, item: Frame | Gap) -> Sequence[Frame | Gap]: ...

    def flush(self) -> Sequence[Frame | Gap]: ...

    def is_residual_echo(self, pcm: bytes) -> bool:
        """Whether that frame holds only what is left of the reply."""
        ...


@dataclass(slots=True)
class Listener:
    """Everything between the frames and the conversation."""

    vad: Vad
    segmenter: Segmenter
    receiver: SpeechReceiver
    mute: HalfDuplexMute
    relax: Callable[[bool], None] = lambda _: None
    """Told when it becomes calm, so that frames may come late, and when it no longer is."""
    watch: Watch | None = None
    heeds: Callable[[Frame], bool] = lambda _: True
    """Whether a frame is meant for us."""
    cleaner: Cleaner | None = None
    muted: int = 0
    """Samples that were not listened to."""
    _unwanted: Unwanted = field(default_factory=Unwanted)
    _heard: int = 0
    """How far the microphone was heard."""
    _was_muted: bool = False
    _voiced: int = 0
    _calm: bool = False
    _detector: EarlyVoiceDetector = field(default_factory=EarlyVoiceDetector)
    _early_voice: EarlyVoice = EarlyVoice.CALM

    @property
    def ledger(self) -> Ledger:
        """Where every sample went that came this far."""
        return self.segmenter.ledger + Ledger(received=self.muted, muted=self.muted)

    async def listen(self, frames: trio.MemoryReceiveChannel[Frame | Gap]) -> None:
        """Listen until the frames end; what is open then is ended, so that no last word is lost."""
        with suppress(trio.EndOfChannel):
            while True:
                self._take(await frames.receive())
                with suppress(trio.WouldBlock):  # what came together is heard together: a wait costs more than a frame
                    while True:
                        self._take(frames.receive_nowait())
        self.end()

    def end(self) -> None:
        """Nothing more is heard: what is being said ends here."""
        if self.cleaner is not None:
            for item in self.cleaner.flush():
                self.hear(item)
        self._break(EndReason.END)

    def forget(self) -> None:
        """What is being said is not wanted: it ends here, and nobody is told of its rest."""
        self.end()
        self._unwanted.begin(self._heard)

    def _take(self, item: Frame | Gap) -> None:
        for clean in (item,) if self.cleaner is None else self.cleaner.take(item):
            self.hear(clean)

    def hear(self, item: Frame | Gap) -> None:
        """Take one frame."""
        verdicts: Sequence[Verdict] = ()
        muted = self._was_muted
        if isinstance(item, Gap):
            self._break(EndReason.GAP)
        else:
            verdicts, muted = self._hear(item)
        if self.watch is not None:
            self.watch(item, verdicts, muted=muted)

    def _hear(self, frame: Frame) -> tuple[Sequence[Verdict], bool]:
        """The verdicts on a frame, and whether it counts for nothing."""
        self._heard = frame.end
        self.mute.follow()
        if self.mute.active or not self.heeds(frame):
            if not self._was_muted:
                self._break(EndReason.MUTED)
            self._was_muted = True
            self.muted += frame.samples
            return (), True
        self._was_muted = False
        verdicts = self.vad.feed(frame.pcm, frame.index)
        self._unwanted.follow(frame.end, verdicts)
        if self._unwanted.holds(frame.end):
            self.muted += frame.samples
            return verdicts, True
        # Before the segmenter: what it finds overrules these first signs.
        self._tell(self._detector.hear(frame.end, verdicts, hint=self._hints(frame)))
        for event in self.segmenter.feed(frame, verdicts):
            self.receiver.on(event)
        self._feel(frame, verdicts)
        return verdicts, False

    def _hints(self, frame: Frame) -> bool:
        return hints(self.vad) and not (self.cleaner is not None and self.cleaner.is_residual_echo(frame.pcm))

    def _tell(self, early_voice: EarlyVoice) -> None:
        if early_voice is not self._early_voice:
            self._early_voice = early_voice
            self.receiver.early_voice(early_voice)

    def _feel(self, frame: Frame, verdicts: Sequence[Verdict]) -> None:
        """Whether it is calm: no voice for a while, and no reply that voice could interrupt."""
        if any(verdict.voiced for verdict in verdicts):
            self._voiced = frame.end
        calm = frame.end - self._voiced > CALM and not self.mute.audible()
        if calm is not self._calm:
            self._calm = calm
            self.relax(calm)

    def _break(self, reason: EndReason) -> None:
        self._unwanted.over()
        self.vad.reset()
        self._detector = EarlyVoiceDetector()
        self._tell(EarlyVoice.CALM)
        for event in self.segmenter.flush(reason):
            self.receiver.on(event)
