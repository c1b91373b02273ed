"""The listener: passes the microphone's frames to the VAD and the segmenter, and their results to the conversation.

    frames -> cleaner (echo) -> enhancer (noise) -> chimes -> half-duplex mute
           -> VAD -> early voice -> segmenter -> SpeechReceiver

It makes no decision of its own except when not to listen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

import trio

from voiceloop.capture.early_voice import EarlyVoice, EarlyVoiceDetector
from voiceloop.capture.endpointing.sound_judge import SoundJudge
from voiceloop.capture.enhancer import Enhancer
from voiceloop.capture.ledger import Ledger
from voiceloop.capture.second_opinion import SecondOpinion
from voiceloop.capture.segmenter import Segmenter
from voiceloop.capture.speech_events import EndReason, SpeechEvent, SpeechPaused
from voiceloop.plugins import Vad, Verdict, hints
from voiceloop.types import CAPTURE_RATE_HZ, Frame, Gap

RELAX_AFTER = CAPTURE_RATE_HZ
"""After this many samples (1 s) without voice, frames may be delivered late. That does no harm: an onset is back-dated,
however late it is noticed."""


_DISCARD_QUIET = CAPTURE_RATE_HZ // 2
_DISCARD_LIMIT = 10 * CAPTURE_RATE_HZ


class Watch(Protocol):
    """A trace's view of the listener: called with each frame or gap and the VAD's verdicts on it."""

    def __call__(self, item: Frame | Gap, verdicts: Sequence[Verdict], *, muted: bool) -> None: ...


class SpeechReceiver(Protocol):
    """The receiver of the listener's results, such as the conversation."""

    def on(self, event: SpeechEvent) -> None: ...

    def early_voice(self, early_voice: EarlyVoice) -> None:
        """Early voice has changed to this value."""
        ...


@dataclass(slots=True)
class HalfDuplexMute:
    """Half-duplex mute: ignores the microphone while the loudspeaker sounds, and for `tail_s` seconds after that.

    The tail covers the room's reverberation and frames that are still on their way.
    """

    audible: Callable[[], bool]
    now: Callable[[], float]
    tail_s: float
    half_duplex: bool
    _until: float = 0.0

    @property
    def active(self) -> bool:
        """Whether the microphone is ignored now."""
        return self.half_duplex and (self.audible() or self.now() < self._until)

    def switch(self, half_duplex: bool) -> None:
        """Turn the mute on or off."""
        self.half_duplex = half_duplex

    def follow(self) -> None:
        """Update for the present time: while the loudspeaker sounds, the tail begins anew."""
        if self.half_duplex and self.audible():
            self._until = self.now() + self.tail_s


@dataclass(slots=True)
class DiscardWindow:
    """The time in which speech is discarded: the rest of an utterance that was cancelled while the user spoke.

    It lasts until half a second passes without voice, and at most 10 s, because a VAD may report some noises as voice
    without end. All positions are sample indices.
    """

    _until: int = 0
    _latest_end: int = 0

    def open(self, index: int) -> None:
        """Discard the speech under way at the sample `index`."""
        self._until, self._latest_end = index + _DISCARD_QUIET, index + _DISCARD_LIMIT

    def close(self) -> None:
        """Discard nothing from now on."""
        self._until = 0

    def extend(self, end: int, verdicts: Sequence[Verdict]) -> None:
        """Take the verdicts on a frame that ends at `end`: voice in it prolongs an open window."""
        if end <= self._until:
            voiced = max((verdict.end for verdict in verdicts if verdict.voiced), default=0)
            self._until = min(max(self._until, voiced + _DISCARD_QUIET), self._latest_end)

    def contains(self, end: int) -> bool:
        """Whether a frame that ends at `end` is to be discarded."""
        return end <= self._until


class Cleaner(Protocol):
    """Removes the reply's echo from the microphone's frames. May delay them."""

    def take(self, item: Frame | Gap) -> Iterable[Frame | Gap]:
        """Take a frame or gap; return the cleaned frames and gaps that are ready."""
        ...

    def flush(self) -> Iterable[Frame | Gap]:
        """Return everything that is still delayed."""
        ...

    def is_residual_echo(self, pcm: bytes) -> bool:
        """Whether a cleaned frame holds only residual echo of the reply."""
        ...

    @property
    def echo_only(self) -> bool:
        """Whether all that the microphone hears now is the reply's echo."""
        ...


@dataclass(slots=True)
class Listener:
    """All steps between the microphone's frames and the conversation."""

    vad: Vad
    segmenter: Segmenter
    receiver: SpeechReceiver
    mute: HalfDuplexMute
    relax: Callable[[bool], None] = lambda _: None
    """Called with True when it has become calm, so that frames may come late, and with False when it no longer is."""
    watch: Watch | None = None
    accepts: Callable[[Frame], bool] = lambda _: True
    """Whether a frame is to be listened to: not while `voiceloop ctl` has stopped or muted the program. Frames that are
    not are counted as muted."""
    cleaner: Cleaner | None = None
    enhancer: Enhancer | None = None
    """Makes what the cleaner left clearer."""
    second: SecondOpinion | None = None
    """Asked where the cleaner may have taken the person away with the echo."""
    sound_judge: SoundJudge | None = None
    """Judges each pause by its sound."""
    without_chimes: Callable[[Frame], Frame] | None = None
    """Removes the chimes that tell of listening from a frame."""
    muted: int = 0
    """Samples that were not listened to."""
    _discard: DiscardWindow = field(default_factory=DiscardWindow)
    _end: int = 0
    """The index just past the last frame."""
    _was_muted: bool = False
    _voiced_end: int = 0
    """The end of the last frame with voice."""
    _calm: bool = False
    _second_voiced: bool = False
    """The second opinion heard a voice since the VAD's last verdicts."""
    _detector: EarlyVoiceDetector = field(default_factory=EarlyVoiceDetector)
    _early_voice: EarlyVoice = EarlyVoice.NONE

    @property
    def ledger(self) -> Ledger:
        """What became of every sample that reached the listener."""
        return self.segmenter.ledger + Ledger(received=self.muted, muted=self.muted)

    async def listen(self, frames: trio.MemoryReceiveChannel[Frame | Gap]) -> None:
        """Listen until the frames end; then end an open utterance, so that the last word is not lost."""
        with suppress(trio.EndOfChannel):
            while True:
                self._clean(await frames.receive())
                # Take all frames that are there before waiting again: a wait costs more than a frame.
                with suppress(trio.WouldBlock):
                    while True:
                        self._clean(frames.receive_nowait())
        self.end()

    def end(self) -> None:
        """End an open utterance here."""
        if self.cleaner is not None:
            for item in self.cleaner.flush():
                self._enhance(item)
        if self.enhancer is not None:
            for frame in self.enhancer.flush():
                self.hear(frame)
        self._interrupt(EndReason.END)

    def forget(self) -> None:
        """End an open utterance here, and discard the rest of what the speaker says."""
        self.end()
        self._discard.open(self._end)

    def _clean(self, item: Frame | Gap) -> None:
        for clean in (item,) if self.cleaner is None else self.cleaner.take(item):
            self._enhance(clean)

    def _enhance(self, item: Frame | Gap) -> None:
        for clear in (item,) if self.enhancer is None else self.enhancer.take(item):
            self.hear(clear)

    def hear(self, item: Frame | Gap) -> None:
        """Take one frame or gap, after echo cancellation."""
        verdicts: Sequence[Verdict] = ()
        muted = self._was_muted
        if isinstance(item, Gap):
            self._interrupt(EndReason.GAP)
        else:
            if self.without_chimes is not None:
                item = self.without_chimes(item)
            verdicts, muted = self._hear_frame(item)
        if self.watch is not None:
            self.watch(item, verdicts, muted=muted)

    def _hear_frame(self, frame: Frame) -> tuple[Sequence[Verdict], bool]:
        """Process one frame; return the verdicts, and whether the frame was muted or discarded."""
        self._end = frame.end
        self.mute.follow()
        if self.mute.active or not self.accepts(frame):
            if not self._was_muted:
                self._interrupt(EndReason.MUTED)
            self._was_muted = True
            self.muted += frame.samples
            if self.sound_judge is not None:
                self.sound_judge.hear(frame, muted=True)
            self._set_calm(calm=True)  # nothing that is heard now counts, so it may come late
            return (), True
        self._was_muted = False
        if self.sound_judge is not None:
            self.sound_judge.hear(frame)
        verdicts = self.vad.feed(frame.pcm, frame.index)
        verdicts = self._judged_with_echo(frame, verdicts)
        self._discard.extend(frame.end, verdicts)
        if self._discard.contains(frame.end):
            self.muted += frame.samples
            return verdicts, True
        # Before the segmenter, because its events overrule early voice.
        self._report_early_voice(self._detector.hear(frame.end, verdicts, hint=self._has_hint(frame)))
        for event in self.segmenter.feed(frame, verdicts):
            self.receiver.on(event)
            if self.sound_judge is not None and isinstance(event, SpeechPaused):
                self.sound_judge.paused(event.since)
        self._update_calm(frame, verdicts)
        return verdicts, False

    def _judged_with_echo(self, frame: Frame, verdicts: Sequence[Verdict]) -> Sequence[Verdict]:
        """The verdicts, less those on the reply's echo, and with those on a person who was taken away with it."""
        if self.cleaner is None:
            return verdicts
        if self.cleaner.echo_only:
            self._second_voiced = False
            if self.second is not None:
                self.second.skip(frame.samples)
            return [Verdict(verdict.start, verdict.end, voiced=False) for verdict in verdicts]
        if self.second is not None:
            self._second_voiced = self.second.voiced(frame.samples) or self._second_voiced
        if not (self._second_voiced and verdicts):
            return verdicts  # a VAD may give none for a frame
        self._second_voiced = False
        return [Verdict(verdict.start, verdict.end, voiced=True) for verdict in verdicts]

    def _has_hint(self, frame: Frame) -> bool:
        return hints(self.vad) and not (self.cleaner is not None and self.cleaner.is_residual_echo(frame.pcm))

    def _report_early_voice(self, early_voice: EarlyVoice) -> None:
        if early_voice is not self._early_voice:
            self._early_voice = early_voice
            self.receiver.early_voice(early_voice)

    def _update_calm(self, frame: Frame, verdicts: Sequence[Verdict]) -> None:
        """Report whether it is calm: no voice for a second, and no reply that voice could interrupt."""
        if any(verdict.voiced for verdict in verdicts):
            self._voiced_end = frame.end
        self._set_calm(calm=frame.end - self._voiced_end > RELAX_AFTER and not self.mute.audible())

    def _set_calm(self, *, calm: bool) -> None:
        if calm is not self._calm:
            self._calm = calm
            self.relax(calm)

    def _interrupt(self, reason: EndReason) -> None:
        """The next frame doesn't continue this one: end an open utterance, and reset all detectors."""
        self._discard.close()
        self.vad.reset()
        self._second_voiced = False
        if self.second is not None:
            self.second.reset()
        self._detector = EarlyVoiceDetector()
        self._report_early_voice(EarlyVoice.NONE)
        for event in self.segmenter.flush(reason):
            self.receiver.on(event)
