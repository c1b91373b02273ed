"""The turn context: the parts, the loudspeaker, the settings and the clocks that all turns share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import trio

from voiceloop.config.turn_tables import Conversation as Settings
from voiceloop.echo.text_echo import Audible
from voiceloop.events import Publish
from voiceloop.journal.no_journal import NO_JOURNAL
from voiceloop.playback.speaker import Speaker
from voiceloop.playback.tap import Tap
from voiceloop.plugins import Handler, Journal, Synthesizer, Transcriber
from voiceloop.turns.preemptive import PreemptiveGeneration


class RawMicrophone(Protocol):
    """What is known of the microphone's sound as it was before the reply was removed from it."""

    @property
    def other_share(self) -> float:
        """The share, from 0 to 1, of its energy just now that can't be the reply's echo. 0 while nothing is played."""
        ...

    def recent(self, samples: int) -> bytes:
        """The last samples (int16, mono, 16 kHz; at most 2 s), as far as the reply sounded."""
        ...


@dataclass(frozen=True, slots=True)
class TurnContext:
    """What all turns of a conversation share."""

    transcriber: Transcriber
    handler: Handler
    synthesizer: Synthesizer
    speaker: Speaker
    publish: Publish
    settings: Settings
    preemptive: PreemptiveGeneration
    now: Callable[[], float]
    """The clock of all times: seconds."""
    captured: Callable[[int], float]
    """When a sample, given by its index, was at the microphone; by the clock of `now`."""
    posts: trio.CapacityLimiter
    """How many transcriptions may be under way at once."""
    language: str | None = None
    """The spoken language, if the config names one."""
    reply_language: str | None = None
    """The language of all replies, if the config names one."""
    journal: Journal = NO_JOURNAL
    """Keeps speech until it is delivered."""
    asleep: Callable[[], bool] = lambda: False
    """Whether the loop is asleep, so that only words that wake it count."""
    played: Tap | None = None
    """What the loudspeaker played lately; None where the microphone can't hear it."""
    raw: RawMicrophone | None = None
    """The raw microphone, where the echo is removed or judged."""
    half_duplex: Callable[[bool], None] = lambda _: None
    """Called with True to have the microphone ignored while a reply plays, and with False to listen again."""
    audible: Audible = field(default_factory=Audible)
    """Which words of the replies were audible, and when."""
