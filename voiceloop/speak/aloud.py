"""One text spoken aloud, outside of a conversation."""

from __future__ import annotations

import trio

from voiceloop.events import Publish
from voiceloop.playback.speaker import Speaker
from voiceloop.plugins import Synthesizer
from voiceloop.speak.delivery import Delivery


async def say_aloud(text: str, synthesizer: Synthesizer, speaker: Speaker, publish: Publish) -> None:
    """Speak a text; returns when it has been heard."""
    delivery = Delivery(synthesizer, speaker, publish, _NoOwner(), written=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(delivery.run, name="speech delivery")
        await delivery.say(text)
        await delivery.finish()
    await speaker.silent()


class _NoOwner:
    """A `delivery.DeliveryOwner` that waits for nothing and records nothing."""

    async def committed(self) -> None:
        """Return at once: the text is never taken back."""

    def mark(self, name: str) -> None: ...

    def sounds(self, text: str) -> None: ...

    def asking(self, kind: object) -> None: ...

    def spent(self, kind: object, usage: object) -> None: ...
