"""What a random conversation is made of: what the user does, how the parts behave, and the record of it all.

Speech can be read from its samples: word 7 is a stretch of samples with the value 7. So the fake recogniser knows
exactly which words a clip holds, however the clip was cut and joined, and a test can follow each word to its end.
The same holds for replies: reply 7 sounds as samples with the value 1,007, which is audible.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import Any, Literal

import trio

from testbed.conversations.journal import FakePage
from voiceloop.errors import RateLimited
from voiceloop.plugins import Turns
from voiceloop.turns.arbiter import Event, State
from voiceloop.turns.turn import Turn
from voiceloop.types import Message, Utterance

RATE_HZ = 8_000
FRAME = 320
MHM, NOISE, ECHO = 10_000, 20_000, 30_000
"""Samples from these values on are a backchannel; a noise: voice to the VAD, but no words to the recogniser; an echo of
the reply."""
REPLY = 1_000
"""Samples above this value are a reply."""

Kind = Literal["word", "mhm", "noise", "echo", "quiet", "hint", "gap", "stall", "stop"]


@dataclass(frozen=True, slots=True)
class Act:
    """`frames` (20 ms each) of a kind of sound. After a stall, that many frames arrive all at once."""

    kind: Kind
    frames: int


@dataclass(frozen=True, slots=True)
class Seam:
    """Something outside that stands still once, for `seconds`.

    The loop or the terminal: everything but the sound devices waits. The disk: the journal's answer waits. The clock:
    it shows the same time, and then the right one again.
    """

    where: Literal["loop", "disk", "terminal", "clock"]
    at: int
    """Before which frame, call of the journal, or event."""
    seconds: float


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How the parts behave. Delays are chosen at random from those given; one call in `fails` fails."""

    seed: int
    turns: Turns = "replace"
    generation: Literal["on", "off", "resting"] = "on"
    clips: bool = True
    preemptive: bool = True
    half_duplex: bool = False
    acoustic: bool = False
    """Whether the sound of each pause is judged, at random and after 0.02 to 1 s, or never."""
    fails: int = 1000
    transcribing_s: tuple[float, ...] = (0.05, 0.3, 2.0, 5.0)
    answering_s: tuple[float, ...] = (0.0, 0.2, 1.0)
    speaking_s: tuple[float, ...] = (0.0, 0.1)
    longest_s: float = 30.0
    waiting: int = 100
    reply_words: int | None = None
    """The length of every reply, which has then no effects besides; None: at random."""
    seam: Seam | None = None


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
    return " ".join(_word(value) for value in values(pcm) if not NOISE <= value < ECHO)


def _word(value: int) -> str:
    return f"echo{value}" if value >= ECHO else "mhm" if value >= MHM else f"w{value}"


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
    found: list[Utterance] = field(default_factory=list)
    """The utterances that the segmenter found, and the pieces of long ones."""
    all_turns: list[Turn] = field(default_factory=list)
    played: list[tuple[float, Counter[int]]] = field(default_factory=list)
    """The samples that each pull of 20 ms took from the ring: the time, and how many of each reply."""
    sounded_over_speech: list[float] = field(default_factory=list)
    pages: dict[int, FakePage] = field(default_factory=dict)
    history: list[Message] = field(default_factory=list)
    steps: set[tuple[State, Event]] = field(default_factory=set)
    """What has happened in which state of the arbiter."""
    freeze: Callable[[float], None] = lambda _: None
    """Stands still for some seconds: only the loudspeaker goes on."""
    frames: int = 0
    """How many frames were heard."""
    saves: int = 0
    """How often the journal was asked to save."""
    _stopped_at: float | None = None
    """The time that the clock shows since it stood still."""

    def __post_init__(self) -> None:
        self.random = Random(self.behaviour.seed)

    def published(self, name: str) -> list[dict[str, Any]]:
        return [fields for event, fields in self.events if event == name]

    def publish(self, name: str, /, **fields: object) -> None:
        self.at_seam("terminal", len(self.events))
        self.events.append((name, {**fields, "now": trio.current_time()}))

    def at_seam(self, where: Literal["loop", "terminal", "clock"], at: int) -> None:
        """Stand still, if it is here."""
        seam = self.behaviour.seam
        if seam is None or (seam.where, seam.at) != (where, at):
            return
        if where == "clock":
            self._stopped_at = trio.current_time()
        else:
            self.freeze(seam.seconds)

    def now(self) -> float:
        """The time that the conversation's clock shows."""
        now, seam = trio.current_time(), self.behaviour.seam
        if seam is None or self._stopped_at is None or now > self._stopped_at + seam.seconds:
            return now
        return self._stopped_at

    async def saved(self) -> None:
        """The journal has saved the speech; the disk may take its time for that."""
        seam, number = self.behaviour.seam, self.saves
        self.saves += 1
        await trio.sleep(seam.seconds if seam is not None and (seam.where, seam.at) == ("disk", number) else 0)

    async def takes(self, choice: Sequence[float], *, may_fail: bool = True) -> None:
        await trio.sleep(self.random.choice(choice))
        if may_fail and not self.random.randrange(self.behaviour.fails):
            raise RateLimited("busy", status=429)
