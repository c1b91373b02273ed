"""Asks the acoustic judge about each pause, once, in a thread of its own, and tells the endpointer what it says.

    SpeechPaused -> window of sound -> thread (50 ms) -> SoundKnown

Knows no words and decides nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Protocol

import trio

from voiceloop.capture.endpointing.messages import SoundAwaited, SoundKnown, SoundLost
from voiceloop.capture.endpointing.recent_sound import RecentSound
from voiceloop.errors import EngineError
from voiceloop.events import Publish
from voiceloop.nursery import private_nursery
from voiceloop.types import Frame

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Network(Protocol):
    """Judges a window of sound. Blocking; called by one thread at a time."""

    def log_odds(self, window: NDArray[np.float32]) -> float:
        """The log-odds that the turn is over. Raises `EngineError`."""
        ...


class SoundJudge:
    """Holds the recent sound, and judges it when a pause begins."""

    def __init__(
        self,
        network: Network,
        tell: Callable[[SoundAwaited | SoundKnown | SoundLost], None],
        publish: Publish,
        nursery: trio.Nursery,
    ) -> None:
        self._network, self._tell, self._publish, self._nursery = network, tell, publish, nursery
        self._recent = RecentSound()
        self._latest = -1
        """The start of the pause that was asked about last."""
        self._failed = False
        # One call at a time. Of the pauses that wait, only the latest is judged: the others are over.
        self._limiter = trio.CapacityLimiter(1)

    def hear(self, frame: Frame, *, muted: bool = False) -> None:
        """Take the next frame of the microphone. What is `muted` counts as silence."""
        self._recent.hear(frame, muted=muted)

    def paused(self, since: int) -> None:
        """Judge the pause that began at the sample `since`. Doesn't wait."""
        if self._failed or since == self._latest:
            return
        self._latest = since
        self._tell(SoundAwaited(since))
        self._nursery.start_soon(self._judge, since, self._recent.before(since), name="judging the sound of a pause")

    async def _judge(self, since: int, window: NDArray[np.float32]) -> None:
        async with self._limiter:
            if since != self._latest:
                return
            if self._failed:
                self._tell(SoundKnown(None, since))
                return
            log_odds = None
            try:
                log_odds = await trio.to_thread.run_sync(partial(self._network.log_odds, window))
            except EngineError as error:
                self._fail(error)
        self._tell(SoundKnown(log_odds, since))

    def _fail(self, error: EngineError) -> None:
        """Ask no more: the next pause would fail, too."""
        self._failed = True
        self._tell(SoundLost())
        self._publish("notice", text=f"From now on turns are not judged by their sound. {error}")


@asynccontextmanager
async def open_sound_judge(
    network: Network, tell: Callable[[SoundAwaited | SoundKnown | SoundLost], None], publish: Publish
) -> AsyncIterator[SoundJudge]:
    """A judge with a nursery for its calls; leaving it waits for the call under way, for some 50 ms."""
    async with private_nursery() as nursery:
        yield SoundJudge(network, tell, publish, nursery)
