"""Records published events, and lets a test wait for the events it expects."""

from __future__ import annotations

from dataclasses import dataclass, field

import trio


@dataclass(frozen=True, slots=True)
class Published:
    """A published event."""

    name: str
    at: float
    """By Trio's clock."""
    fields: dict[str, object] = field(default_factory=dict)


class Recorder:
    """A `Publish` that records its events."""

    def __init__(self) -> None:
        self.events: list[Published] = []
        self._more = trio.lowlevel.ParkingLot()

    def __call__(self, name: str, /, **fields: object) -> None:
        self.events.append(Published(name, trio.current_time(), fields))
        self._more.unpark_all()

    @property
    def names(self) -> list[str]:
        return [event.name for event in self.events]

    async def more(self) -> None:
        """Wait for the next event."""
        await self._more.park()

    async def wait_for(self, name: str, *, within_s: float, **fields: object) -> Published:
        """The first event with that name and those fields; waits for it. Raises `trio.TooSlowError`."""
        with trio.fail_after(within_s):
            while True:
                for event in self.events:
                    if event.name == name and fields.items() <= event.fields.items():
                        return event
                await self._more.park()
