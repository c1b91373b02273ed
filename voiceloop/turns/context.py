"""What every turn works with: the parts, the loudspeaker, the settings and the clocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from voiceloop.config.tables import Conversation as Settings
from voiceloop.echo.text_echo import Audible
from voiceloop.events import Publish
from voiceloop.journal.no_journal import NO_JOURNAL
from voiceloop.playback.speaker import Speaker
from voiceloop.playback.tap import Tap
from voiceloop.plugins import Handler, Journal, Synthesizer, Transcriber
from voiceloop.turns.preemptive import PreemptiveGeneration


@dataclass(frozen=True, slots=True)
class TurnContext:
    """What every turn works with."""

    transcriber: Transcriber
    handler: Handler
    synthesizer: Synthesizer
    speaker: Speaker
    publish: Publish
    settings: Settings
    preemptive: PreemptiveGeneration
    now: Callable[[], float]
    captured: Callable[[int], float]
    """When a sample was at the microphone, by the clock of `now`."""
    posts: trio.CapacityLimiter
    """How many transcriptions may be under way at once."""
    language: str | None = None
    """What is spoken, where the config says it."""
    journal: Journal = NO_JOURNAL
    """Keeps what is said until it is delivered."""
    asleep: Callable[[], bool] = lambda: False
    """Whether only words that wake it count."""
    played: Tap | None = None
    """What the loudspeaker took lately, where the microphone may hear it."""
    audible: Audible = field(default_factory=Audible)
    """What of the replies could be heard when."""
