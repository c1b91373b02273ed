"""The last defence against printing a sentence twice: captions of the microphone that repeat the loudspeaker's. Pure.

What the microphone hears of the loudspeaker is removed from its sound (`both.py`). Of what gets through all the same,
the words are compared with those that the loudspeaker says at that time. Fewer than three words prove nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace

from voiceloop.captions.showing import Final, Live, Showing
from voiceloop.captions.words import Spoken
from voiceloop.echo.text_echo import repeats
from voiceloop.events import Publish

_AROUND_S = 1.0
"""An echo is heard at the same time; the times of words are estimates."""
_KEPT = 200


class WithoutCopies:
    """`Showing` that leaves out the microphone's captions that repeat the loudspeaker's words of the same time."""

    def __init__(self, showing: Showing, publish: Publish, echoes: Callable[[], bool] = lambda: True) -> None:
        """`echoes`: whether the microphone was found to hear the loudspeaker: not with headphones."""
        self._showing, self._publish, self._echoes = showing, publish, echoes
        self._played: deque[Spoken] = deque(maxlen=_KEPT)
        self._live = Live("speaker")
        self.dropped = 0
        """How many final captions were left out."""

    def live(self, live: Live) -> None:
        """Show unfinished speech; of a copy nothing."""
        if live.source == "speaker":
            self._live = live
        self._showing.live(self._without_copy(live))

    def final(self, final: Final, live: Live) -> None:
        """Show final words, unless they are a copy."""
        if final.source == "speaker":
            self._played += final.words
            self._live = live
        elif self._repeats(final.text, final.words[0].start_s, final.words[-1].end_s):
            self.dropped += 1
            seconds = round(final.words[-1].end_s - final.words[0].start_s, 2)
            self._publish("caption.dropped", source=final.source, reason="words", seconds=seconds)
            self._showing.live(self._without_copy(live))
            return
        self._showing.final(final, self._without_copy(live))

    def _without_copy(self, live: Live) -> Live:
        if live.source == "speaker" or live.since_s is None:
            return live
        text = f"{live.sure} {live.unsure}"
        return replace(live, sure="", unsure="") if self._repeats(text, live.since_s, float("inf")) else live

    def _repeats(self, text: str, start_s: float, end_s: float) -> bool:
        """Whether a text only repeats what the loudspeaker said between those times of the session."""
        if not self._echoes():
            return False
        around = [
            word.text for word in self._played if word.end_s > start_s - _AROUND_S and word.start_s < end_s + _AROUND_S
        ]
        if self._live.since_s is not None and self._live.since_s < end_s + _AROUND_S:
            around += [self._live.sure, self._live.unsure]
        return repeats(text, " ".join(around))
