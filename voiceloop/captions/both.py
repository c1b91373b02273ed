"""Keeps what the loudspeaker plays out of the microphone's captions, for `captions --source both`.

    speaker: monitor ------------> Listener --------------------------------> Captioner
                     frames |
                            v
                      CapturedFarEnd
                            |
    mic:     frames -> WaitingCleaner(Canceller) -> Listener -> EchoGate ---> Captioner -> WithoutCopies

Imported only where both are captioned and `audio.echo` is not `off`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from voiceloop.audio.devices import FILE_PREFIX
from voiceloop.captions.copies import WithoutCopies
from voiceloop.captions.echo_gate import EchoGate
from voiceloop.captions.showing import Showing
from voiceloop.capture.early_voice import EarlyVoice
from voiceloop.capture.listener import Listener
from voiceloop.capture.microphone import Microphone
from voiceloop.capture.speech_events import SpeechEvent
from voiceloop.config.tables import Audio
from voiceloop.echo.canceller import Canceller
from voiceloop.echo.captured_far_end import CapturedFarEnd
from voiceloop.echo.far_end import FarEnd
from voiceloop.echo.linear import LinearCanceller
from voiceloop.echo.tally import Pairing
from voiceloop.echo.waiting_cleaner import WaitingCleaner
from voiceloop.events import Publish
from voiceloop.plugins import Verdict
from voiceloop.types import Frame, Gap


def is_wanted(audio: Audio, inputs: Mapping[str, str]) -> bool:
    """Whether the microphone among `inputs` may hear the loudspeaker whose monitor is another of them, and that is to
    be removed: in every echo mode but `off`. None of them mutes the microphone here, where both are wanted."""
    microphone = inputs.get("mic", "none") or audio.input
    heard = microphone != "none" and not microphone.startswith(FILE_PREFIX)
    return audio.echo != "off" and heard and inputs.get("speaker") == "monitor"


@dataclass(slots=True)
class _Collected:
    """A `SpeechReceiver` that keeps the events."""

    events: list[SpeechEvent]

    def on(self, event: SpeechEvent) -> None:
        self.events.append(event)

    def early_voice(self, early_voice: EarlyVoice) -> None:
        """Do nothing."""


class Both:
    """The microphone and the loudspeaker's monitor, both captioned: keeps the one out of the other."""

    description = "the loudspeaker's sound is removed from the microphone's"

    def __init__(self, microphone: Microphone, monitor: Microphone, publish: Publish) -> None:
        self._publish = publish
        self._far = CapturedFarEnd(monitor.clock.counted)
        captured = microphone.clock.counted
        canceller = Canceller(LinearCanceller(), FarEnd(self._far), captured, judges_residual=True)
        self._canceller = canceller
        self._cleaner = WaitingCleaner(canceller, self._far, captured)
        self._gate: EchoGate | None = None
        self._copies: WithoutCopies | None = None

    @property
    def pairing(self) -> Pairing:
        """How the microphone is paired with what the loudspeaker plays."""
        return self._canceller.pairing

    @property
    def dropped(self) -> int:
        """How many utterances of the microphone were dropped because only the loudspeaker was heard."""
        return sum(part.dropped for part in (self._gate, self._copies) if part is not None)

    def showing(self, showing: Showing) -> Showing:
        """`showing` without captions of the microphone that repeat the loudspeaker's."""
        self._copies = WithoutCopies(showing, self._publish, lambda: self._cleaner.knows_echo)
        return self._copies

    def holds(self, listener: Listener) -> bool:
        """Whether speech of this listener is held back, of which its captioner knows nothing yet."""
        return self._gate is not None and listener.receiver is self._gate and self._gate.holding

    def holds_any(self, listeners: Sequence[Listener]) -> bool:
        """Whether speech of one of them is held back."""
        return any(map(self.holds, listeners))

    def attach(self, listeners: Mapping[str, Listener]) -> None:
        """Put the parts between the listeners and their captioners. Call it before they begin to listen."""
        microphone = listeners["mic"]
        self._gate = EchoGate("mic", microphone.receiver, self._cleaner, self._publish)
        microphone.cleaner, microphone.receiver, microphone.watch = self._cleaner, self._gate, self._gate
        listeners["speaker"].watch = self._hear_monitor

    def _hear_monitor(self, item: Frame | Gap, verdicts: Sequence[Verdict], *, muted: bool) -> None:
        self._far.add(item)

    def end(self, listener: Listener) -> Sequence[SpeechEvent]:
        """The captions end, and nothing can be transcribed any more: end the utterance that is open, and return the
        events that the listener's captioner was not told of."""
        if listener.receiver is not self._gate:
            return listener.segmenter.flush()
        collected = _Collected([])
        self._gate.receiver = collected
        listener.end()
        return collected.events
