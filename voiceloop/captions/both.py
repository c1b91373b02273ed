"""Keeps what the loudspeaker plays out of the microphone's captions, for `captions --source both`.

    speaker: monitor ------------> Listener --------------------------------> Captioner
                     frames |
                            v
                      CapturedFarEnd
                            |
    mic:     frames -> WaitingCleaner(Canceller) -> Listener -> EchoGate ---> Captioner

Imported only where both are captioned and `audio.echo` is not `off`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import trio

from voiceloop.audio.devices import FILE_PREFIX
from voiceloop.captions.echo_gate import EchoGate
from voiceloop.capture.early_voice import EarlyVoice
from voiceloop.capture.listener import Listener
from voiceloop.capture.microphone import Microphone
from voiceloop.capture.segmenter import SpeechEvent
from voiceloop.config.tables import Audio
from voiceloop.echo import webrtc_aec
from voiceloop.echo.canceller import Canceller, Nothing, Processor
from voiceloop.echo.captured_far_end import CapturedFarEnd
from voiceloop.echo.far_end import FarEnd
from voiceloop.echo.waiting_cleaner import WaitingCleaner
from voiceloop.events import Publish
from voiceloop.plugins import Verdict
from voiceloop.types import Frame, Gap

_JUDGED = (
    "audio.echo: the echo canceller is not installed. What only the loudspeaker says is still left out of the "
    "microphone's captions, but where you speak at the same time its words may get into yours. To change that: "
    "pip install 'voiceloop[echo]'. With headphones: --set audio.echo=off"
)


def is_wanted(audio: Audio, inputs: Mapping[str, str]) -> bool:
    """Whether the microphone among `inputs` may hear the loudspeaker whose monitor is another of them."""
    microphone = inputs.get("mic", "none") or audio.input
    heard = microphone != "none" and not microphone.startswith(FILE_PREFIX)
    return audio.echo != "off" and heard and inputs.get("speaker") == "monitor"


async def open_processor(audio: Audio, publish: Publish) -> Processor:
    """What removes the loudspeaker's sound; without the extra `echo`, and with `half-duplex`, which would lose the
    person's words, it is only judged. Raises MissingExtra or EngineError for `cancel`."""
    if audio.echo == "cancel" or (audio.echo == "auto" and webrtc_aec.installed()):
        return await trio.to_thread.run_sync(webrtc_aec.open_processor)
    if audio.echo == "auto":
        publish("notice", text=_JUDGED)
    return Nothing()


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

    def __init__(self, processor: Processor, microphone: Microphone, monitor: Microphone, publish: Publish) -> None:
        self.description = "judged" if isinstance(processor, Nothing) else "cancel"
        """What is done about the loudspeaker's sound at the microphone."""
        self._publish = publish
        self._far = CapturedFarEnd(monitor.clock.counted)
        captured = microphone.clock.counted
        self._cleaner = WaitingCleaner(Canceller(processor, FarEnd(self._far), captured), self._far, captured)
        self._gate: EchoGate | None = None

    @property
    def dropped(self) -> int:
        """How many utterances of the microphone were dropped because only the loudspeaker was heard."""
        return self._gate.dropped if self._gate is not None else 0

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
