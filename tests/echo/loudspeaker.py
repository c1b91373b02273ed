"""A loudspeaker whose blocks tests give to the far end."""

from __future__ import annotations

from array import array

from voiceloop.playback.tap import Played

RATE = 24_000


class Loudspeaker:
    """A fake tap: plays blocks of 10 ms, each at the time given by its sample index, or late."""

    def __init__(self, rate_hz: int = RATE) -> None:
        self.blocks: list[Played] = []
        self.rate_hz, self.stream, self.start, self.began = rate_hz, 1, 0, 0.0

    def open(self, at: float, *, rate_hz: int = RATE) -> None:
        self.stream, self.start, self.began, self.rate_hz = self.stream + 1, 0, at, rate_hz

    def play(self, pcm: bytes, *, late: float = 0.0) -> None:
        at = self.began + self.start / self.rate_hz + late
        self.blocks.append(Played(pcm, self.stream, self.start, self.rate_hz, at))
        self.start += len(pcm) // 2

    def take(self) -> list[Played]:
        blocks, self.blocks = self.blocks, []
        return blocks


def block(number: int, rate_hz: int = RATE) -> bytes:
    """Return 10 ms in which every sample is the block's number."""
    return array("h", [number] * (rate_hz // 100)).tobytes()
