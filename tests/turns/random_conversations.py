"""A random conversation in virtual time: any user acts in any order, with parts that are slow or fail at random.

Speech can be read from its samples: word 7 is a stretch of samples with the value 7. So the fake recogniser knows
exactly which words a clip holds, however the clip was cut and joined, and a test can follow each word to its end.
The same holds for replies: reply 7 sounds as samples with the value 1,007, which is audible.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import Any, Literal, cast

import trio

from voiceloop.capture.endpointing.endpointer import Endpointer
from voiceloop.capture.listener import HalfDuplexMute, Listener
from voiceloop.capture.segmenter import Segmenter
from voiceloop.config.tables import Conversation as Settings
from voiceloop.config.tables import Segment
from voiceloop.errors import RateLimited
from voiceloop.events import TURN
from voiceloop.playback.ring import Ring
from voiceloop.playback.speaker import Speaker
from voiceloop.plugins import Handler, Reply, Synthesizer, Transcriber, Turns, Verdict
from voiceloop.turns.context import TurnContext
from voiceloop.turns.conversation import Conversation, open_conversation
from voiceloop.turns.preemptive import PreemptiveGeneration
from voiceloop.turns.turn import Turn
from voiceloop.types import CAPTURE_RATE_HZ, CancelReason, Frame, Message, Speech, Transcript, Usage, Utterance

RATE_HZ = 8_000
BLOCK = RATE_HZ // 100
FRAME = 320
LONGEST_S = 600
"""The conversation must be over by then, in virtual seconds."""
MHM, NOISE = 10_000, 20_000
"""Samples above these values are a backchannel, or a noise: voice to the VAD, but no words to the recogniser."""
REPLY = 1_000
"""Samples above this value are a reply."""

Kind = Literal["word", "mhm", "noise", "quiet", "hint", "gap", "stall", "stop"]


@dataclass(frozen=True, slots=True)
class Act:
    """`frames` (20 ms each) of a kind of sound. After a stall, that many frames arrive all at once."""

    kind: Kind
    frames: int


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How the parts behave. Delays are chosen at random from those given; one call in `fails` fails."""

    seed: int
    turns: Turns = "replace"
    generation: Literal["on", "off", "resting"] = "on"
    clips: bool = True
    preemptive: bool = True
    half_duplex: bool = False
    fails: int = 1000
    transcribing_s: tuple[float, ...] = (0.05, 0.3, 2.0)
    answering_s: tuple[float, ...] = (0.0, 0.2, 1.0)
    speaking_s: tuple[float, ...] = (0.0, 0.1)
    longest_s: float = 30.0
    waiting: int = 100


def values(pcm: bytes) -> list[int]:
    """Return the values of the sounds in `pcm`, in order."""
    samples = array("h", pcm)[:: FRAME // 4]
    found = [samples[0]] if samples else []
    found += [b for a, b in pairwise(samples) if a != b]
    return [value for value in found if value]


def words(pcm: bytes) -> list[int]:
    return [value for value in values(pcm) if value < MHM]


def spelled(pcm: bytes) -> str:
    """Return the transcript of a recogniser that makes no mistakes."""
    return " ".join("mhm" if v >= MHM else f"w{v}" for v in values(pcm) if v < NOISE)


def numbers(text: str) -> list[int]:
    return [int(word[1:].split(".")[0]) for word in text.split() if word[0] == "w"]


@dataclass
class Scene:
    """The fake parts, and a record of everything that they and the conversation did."""

    behaviour: Behaviour
    random: Random = field(init=False)
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    posts: int = 0
    chunks: int = 0
    asked: list[tuple[int, str]] = field(default_factory=list)
    """Turn and text of each call of the handler. The reply to call n is reply n + 1."""
    replies: list[str] = field(default_factory=list)
    effects: list[tuple[int, str]] = field(default_factory=list)
    all_turns: list[Turn] = field(default_factory=list)
    played: list[tuple[float, Counter[int]]] = field(default_factory=list)
    """The samples that each pull of 10 ms took from the ring: the time, and how many of each reply."""
    sounded_over_speech: list[float] = field(default_factory=list)
    pages: dict[int, FakePage] = field(default_factory=dict)
    history: list[Message] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = Random(self.behaviour.seed)

    def published(self, name: str) -> list[dict[str, Any]]:
        return [fields for event, fields in self.events if event == name]

    def publish(self, name: str, /, **fields: object) -> None:
        self.events.append((name, {**fields, "now": trio.current_time()}))

    async def _takes(self, choice: Sequence[float], *, may_fail: bool = True) -> None:
        await trio.sleep(self.random.choice(choice))
        if may_fail and not self.random.randrange(self.behaviour.fails):
            raise RateLimited("busy", status=429)


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
        await self.scene._takes(self.scene.behaviour.transcribing_s)
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
        await scene._takes(scene.behaviour.answering_s)
        for _ in range(scene.random.randrange(4)):
            await self._say(number, reply)
        if not scene.random.randrange(3):
            await reply.committed()
            scene.effects.append((turn, transcript.text))
            await scene._takes(scene.behaviour.answering_s)
            await self._say(number, reply)

    async def _say(self, number: int, reply: Reply) -> None:
        scene = self.scene
        sentence = " ".join([f"r{number + 1}"] * scene.random.choice((1, 3, 12, 40))) + ". "
        scene.replies[number] += sentence
        await reply.say(sentence)
        await scene._takes((0.0, 0.1), may_fail=False)


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
        await self.scene._takes(self.scene.behaviour.speaking_s)
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


@dataclass
class FakePage:
    """A journal page that records the calls it got, in order."""

    calls: list[str] = field(default_factory=list)
    utterances: list[Utterance] = field(default_factory=list)

    def paused(self, clip: Utterance) -> None:
        assert not {"over", "left"} & set(self.calls)

    def heard(self, utterance: Utterance) -> None:
        self.calls.append("heard")
        self.utterances.append(utterance)

    async def safe(self) -> None:
        await trio.lowlevel.checkpoint()

    def transcribed(self, transcript: Transcript) -> None:
        self.calls.append("transcribed")

    async def delivering(self) -> None:
        self.calls.append("delivering")
        await trio.lowlevel.checkpoint()

    def over(self) -> None:
        self.calls.append("over")

    def left(self, reason: str) -> None:
        self.calls.append("left")


@dataclass
class FakeJournal:
    pages: dict[int, FakePage]

    def turn(self, number: int) -> FakePage:
        assert number not in self.pages
        return self.pages.setdefault(number, FakePage())


def _record_turns(conversation: Conversation, scene: Scene) -> None:
    """Record every turn that the conversation opens."""
    original = conversation._open_turn

    def _open_turn() -> Turn | None:
        turn = original()
        if turn is not None:
            scene.all_turns.append(turn)
        return turn

    vars(conversation)["_open_turn"] = _open_turn


def _turn_context(scene: Scene, speaker: Speaker, preemptive: PreemptiveGeneration) -> TurnContext:
    behaviour, began = scene.behaviour, trio.current_time()
    return TurnContext(
        cast(Transcriber, Recogniser(scene, behaviour.clips)),
        cast(Handler, Answerer(scene, behaviour.turns, behaviour.preemptive)),
        cast(Synthesizer, Voice(scene)),
        speaker,
        scene.publish,
        Settings(waiting=behaviour.waiting, history_turns=10_000, earcon=False),
        preemptive,
        trio.current_time,
        lambda index: began + index / CAPTURE_RATE_HZ,
        trio.CapacityLimiter(3),
        journal=FakeJournal(scene.pages),
    )


async def play(acts: Sequence[Act], behaviour: Behaviour) -> Scene:
    """Perform the user's `acts` until the conversation is over, and check that nothing is left under way."""
    scene = Scene(behaviour)
    speaker = Speaker(Ring(RATE_HZ * 4, RATE_HZ))
    preemptive = PreemptiveGeneration(
        enabled=behaviour.generation != "off", max_waste=0.05 if behaviour.generation == "resting" else 1.0
    )
    segment = Segment(max_utterance_s=behaviour.longest_s)
    endpointer = Endpointer.of(segment, half_duplex=behaviour.half_duplex)
    segmenter = Segmenter(segment, hangover_ms=segment.hangover_ms, endpointer=endpointer)
    mute = HalfDuplexMute(lambda: speaker.audible, trio.current_time, 0.25, half_duplex=behaviour.half_duplex)
    detector = Detector()
    with trio.fail_after(LONGEST_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_pull, speaker, scene, segmenter)
            async with open_conversation(_turn_context(scene, speaker, preemptive), endpointer) as conversation:
                _record_turns(conversation, scene)
                await _speak(acts, Listener(cast(Any, detector), segmenter, conversation, mute), detector, conversation)
            nursery.cancel_scope.cancel()
    scene.history = list(conversation.history)
    assert conversation.working == 0
    assert not conversation.speaking
    assert (speaker.held, speaker.gain) == (False, 1.0)
    assert conversation._live is conversation._candidate is None
    counted = preemptive.used.requests + preemptive.wasted.requests
    assert counted == scene.posts + len(scene.asked) + scene.chunks, "each request is counted exactly once"
    return scene


async def _speak(acts: Sequence[Act], listener: Listener, detector: Detector, conversation: Conversation) -> None:
    index = stalled = 0
    late: list[Frame] = []
    for number, act in enumerate((*acts, Act("quiet", 400)), start=1):
        value = {"word": number, "mhm": MHM + number, "noise": NOISE + number}.get(act.kind, 0)
        detector.hint = act.kind == "hint"
        if act.kind == "stop":
            listener.end()
            conversation.stop(CancelReason.WITHDRAWN)
        elif act.kind == "stall":
            stalled = act.frames
        elif act.kind == "gap":
            index += act.frames * FRAME
        else:
            for _ in range(act.frames):
                late.append(Frame(array("h", [value]).tobytes() * FRAME, index))
                index += FRAME
                await trio.sleep(FRAME / CAPTURE_RATE_HZ)
                stalled -= 1
                if stalled <= 0:
                    for frame in late:
                        listener.hear(frame)
                    late.clear()
    listener.end()


async def _pull(speaker: Speaker, scene: Scene, segmenter: Segmenter) -> None:
    """Play as the output device does, and record any sound that is played while the user speaks."""
    block = bytearray(BLOCK * 2)
    was_speaking = False
    while True:
        before = speaker.ring.played
        speaker.ring.read_into(memoryview(block))
        taken = array("h", speaker.ring.recent(speaker.ring.played - before))
        if taken:
            scene.played.append((trio.current_time(), Counter(value - REPLY for value in taken)))
        if any(block) and was_speaking and segmenter.speaking:
            scene.sounded_over_speech.append(trio.current_time())
        was_speaking = segmenter.speaking
        speaker.pulled()
        await trio.sleep(0.01)
