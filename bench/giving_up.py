"""Gives an embedded recogniser's calls up, or closes it, at random moments, and transcribes a clip right afterwards.

Counts wrong texts, and measures how much later the text comes than when nothing was given up. Each round gives up a
clip of 0.1 to 30 s of a reading; in every fourth round the recogniser is closed and loaded anew instead.

    scripts/bench giving-up [--engine moonshine] [--rounds 200] [--seed 1]
"""

from __future__ import annotations

import argparse
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import trio

from testbed.voices import prompt, two_cities, utterance
from voiceloop.config.load import load
from voiceloop.opening import open_part, open_services
from voiceloop.types import CAPTURE_RATE_HZ, SAMPLE_BYTES, Utterance

LENGTHS_S = (0.1, 1.0, 3.0, 5.0, 12.0, 30.0)
LAST = "please-try-again"
"""The prompt that is transcribed after each call that was given up."""


@dataclass(slots=True)
class Result:
    """`late_s`: how much later each text came than the median of undisturbed ones."""

    rounds: int = 0
    unfinished: int = 0
    """Calls that were really given up, not finished before."""
    wrong: int = 0
    late_s: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        late = sorted(self.late_s)
        return (
            f"{self.rounds} rounds, {self.unfinished} calls given up or closed before their end, {self.wrong} wrong "
            f"texts; the next text came later by {median(late) * 1000:.0f} ms (p50), "
            f"{late[int(0.95 * len(late))] * 1000:.0f} ms (p95), {late[-1] * 1000:.0f} ms (max)"
        )


@asynccontextmanager
async def opened(engine: str) -> AsyncIterator[Any]:
    """The engine's transcriber, as the program opens it."""
    async with AsyncExitStack() as stack:
        config = load(None, [f"transcribe.use={engine}", "handler.use=echo", "speak.use=none"])
        services, _ = await open_services(stack, config, lambda name, /, **fields: None)
        yield await open_part(stack, config.transcribe, services)


async def timed(transcriber: Any, clip: Utterance) -> tuple[str, float]:
    """The text of a clip, and the seconds that it took."""
    began = trio.current_time()
    async with transcriber.transcription() as transcription:
        text: str = (await transcription.finish(clip)).text
    return text, trio.current_time() - began


class Rounds:
    """The rounds with one engine. No clip is the same twice, since texts are remembered."""

    def __init__(self, engine: str, seed: int) -> None:
        self._engine, self._chance = engine, random.Random(seed)
        self._reading, self._last = two_cities(), prompt(LAST)
        self._count = 0
        self.result = Result()

    async def run(self, rounds: int) -> None:
        while self.result.rounds < rounds:
            async with opened(self._engine) as transcriber:
                await timed(transcriber, self._next())
                alone = [await timed(transcriber, self._next()) for _ in range(5)]
                usual_s, text = median(seconds for _, seconds in alone), alone[0][0]
                for _ in range(3):
                    await self._give_up(transcriber)
                    heard, seconds = await timed(transcriber, self._next())
                    self.result.wrong += heard != text
                    self.result.late_s.append(seconds - usual_s)
                    self.result.rounds += 1
                # The fourth round: the call is still running when the recogniser is closed.
                await self._give_up(transcriber)
                self.result.rounds += 1

    def _next(self) -> Utterance:
        self._count += 1
        return utterance(self._last.pcm + bytes(SAMPLE_BYTES * self._count))

    async def _give_up(self, transcriber: Any) -> None:
        length = round(self._chance.choice(LENGTHS_S) * CAPTURE_RATE_HZ) * SAMPLE_BYTES
        start = self._chance.randrange(0, len(self._reading.pcm) - length, SAMPLE_BYTES)
        clip = utterance(self._reading.pcm[start : start + length])
        with trio.move_on_after(self._chance.random() * (0.02 + 0.03 * clip.duration_s)) as scope:
            await timed(transcriber, clip)
        self.result.unfinished += scope.cancelled_caught


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench giving-up", description=__doc__.partition("\n")[0])
    parser.add_argument("--engine", default="moonshine")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rounds = Rounds(arguments.engine, arguments.seed)
    trio.run(rounds.run, arguments.rounds)
    print(f"{arguments.engine}: {rounds.result}")


if __name__ == "__main__":
    main()
