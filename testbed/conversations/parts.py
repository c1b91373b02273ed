"""The fake parts of a random conversation: they are slow, and fail, at random."""

from __future__ import annotations

from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import trio

from testbed.conversations.scene import RATE_HZ, REPLY, Scene, spelled
from voiceloop.events import TURN
from voiceloop.plugins import Reply, Turns, Verdict
from voiceloop.types import Speech, Transcript, Usage, Utterance


@dataclass
class Recogniser:
    """A recogniser that transcribes a clip without mistakes."""

    scene: Scene
    preemptive: bool
    description = "made up"

    async def warm(self) -> None:
        await trio.lowlevel.checkpoint()

    @asynccontextmanager
    async def transcription(self) -> AsyncIterator[Recogniser]:
        yield self

    async def feed(self, pcm: bytes) -> None:
        await trio.lowlevel.checkpoint()

    async def finish(self, utterance: Utterance) -> Transcript:
        self.scene.posts += 1
        await self.scene.takes(self.scene.behaviour.transcribing_s)
        return Transcript(spelled(utterance.pcm), utterance, Usage(cost_usd=0.001))


@dataclass
class Answerer:
    """A handler that says a few sentences or nothing, and sometimes does something that can't be undone."""

    scene: Scene
    turns: Turns
    preemptive: bool
    description = "made up"

    async def warm(self) -> None:
        await trio.lowlevel.checkpoint()

    async def handle(self, transcript: Transcript, reply: Reply) -> None:
        scene = self.scene
        turn = TURN.get()
        assert turn is not None
        number = len(scene.asked)
        scene.asked.append((turn, transcript.text))
        scene.replies.append("")
        await scene.takes(scene.behaviour.answering_s)
        if scene.behaviour.reply_words is not None:
            await self._say(number, reply, scene.behaviour.reply_words)
            return
        for _ in range(scene.random.randrange(4)):
            await self._say(number, reply)
        if not scene.random.randrange(3):
            await reply.committed()
            scene.effects.append((turn, transcript.text))
            await scene.takes(scene.behaviour.answering_s)
            await self._say(number, reply)

    async def _say(self, number: int, reply: Reply, words: int | None = None) -> None:
        scene = self.scene
        sentence = " ".join([f"r{number + 1}"] * (words or scene.random.choice((1, 3, 12, 40)))) + ". "
        scene.replies[number] += sentence
        await reply.say(sentence)
        await scene.takes((0.0, 0.1), may_fail=False)


@dataclass
class Voice:
    """A synthesizer that speaks 50 ms per character, in pieces of random length."""

    scene: Scene
    description = "made up"

    async def warm(self) -> None:
        await trio.lowlevel.checkpoint()

    @asynccontextmanager
    async def speech(self, text: str) -> AsyncIterator[trio.MemoryReceiveChannel[Speech]]:
        self.scene.chunks += 1
        await self.scene.takes(self.scene.behaviour.speaking_s)
        send, receive = trio.open_memory_channel[Speech](8)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._send, text, send)
            yield receive
            nursery.cancel_scope.cancel()

    async def _send(self, text: str, send: trio.MemorySendChannel[Speech]) -> None:
        value = int(text.split(maxsplit=1)[0].strip("r."))
        left = array("h", [REPLY + value]) * (len(text) * RATE_HZ // 20)
        with send:
            while left:
                piece, left = left[: (cut := self.scene.random.randrange(1, 4000))], left[cut:]
                await send.send(Speech(piece.tobytes(), RATE_HZ))


@dataclass
class Detector:
    """A VAD that takes samples other than 0 for voice."""

    description = "made up"
    hint: bool = False

    def feed(self, pcm: bytes, index: int) -> list[Verdict]:
        return [Verdict(index, index + len(pcm) // 2, voiced=any(pcm))]

    def reset(self) -> None:
        pass
