"""A VAD that can't end the program: what another VAD raises is told once, and listening goes on.

While a VAD fails, its last verdict holds for a while: the sentence that is being said is kept, and silence stays
silence. It is reset after each failure, and asked again with the next samples.
"""

from __future__ import annotations

from collections.abc import Sequence

import trio

from voiceloop.errors import VoiceloopError
from voiceloop.events import Publish
from voiceloop.plugins import Vad, Verdict, hints
from voiceloop.text import clean_line
from voiceloop.types import CAPTURE_RATE_HZ, SAMPLE_BYTES

HELD = 2 * CAPTURE_RATE_HZ
"""How long the last verdict holds, in samples. What can't be judged after that is silence: else an utterance would
never end."""
_AGAIN = 60 * CAPTURE_RATE_HZ
"""A failure is told at most once in so many samples."""


class SteadyVad:
    """The VAD `inner`, of which no exception gets out."""

    def __init__(self, inner: Vad, publish: Publish) -> None:
        self._inner, self._publish = inner, publish
        self.failures = 0
        """How often it has failed."""
        self._voiced = False
        self._failed_for = 0
        """For how many samples it has failed without a break."""
        self._fed = 0
        """How many samples it was fed in all."""
        self._told_at: int | None = None

    @property
    def description(self) -> str:
        return self._inner.description

    @property
    def hint(self) -> bool:
        try:
            return not self._failed_for and hints(self._inner)
        except trio.Cancelled:
            raise
        except BaseException as error:  # noqa: BLE001
            self._tell(error)
            return False

    def feed(self, pcm: bytes, index: int) -> Sequence[Verdict]:
        """As the VAD: its verdicts, or one of ours for these samples if it fails."""
        samples = len(pcm) // SAMPLE_BYTES
        self._fed += samples
        try:
            verdicts = [verdict for verdict in self._inner.feed(pcm, index) if verdict.start <= verdict.end]
            self._voiced = bool(verdicts[-1].voiced) if verdicts else self._voiced
        except trio.Cancelled:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever a plug-in raises
            self.failures += 1
            self._failed_for += samples
            voiced = self._voiced and self._failed_for <= HELD
            self._tell(error)
            self.reset()
            self._voiced = voiced
            return [Verdict(index, index + samples, voiced=voiced)]
        self._failed_for = 0
        return verdicts

    def reset(self) -> None:
        """As the VAD."""
        self._voiced = False
        try:
            self._inner.reset()
        except trio.Cancelled:
            raise
        except BaseException as error:  # noqa: BLE001
            self._tell(error)

    def _tell(self, error: BaseException) -> None:
        if self._told_at is not None and self._fed < self._told_at + _AGAIN:
            return
        self._told_at = self._fed
        what = clean_line(str(error) if isinstance(error, VoiceloopError) else f"{type(error).__name__}: {error}")
        text = f"vad: '{self.description}' failed: {what}. What was being said is kept, and listening goes on"
        self._publish("notice", text=f"{text}. Mend it, or use another: vad.use")
