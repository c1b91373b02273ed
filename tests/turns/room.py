"""A room in virtual time: a user who speaks, fake services with fixed delays, and a fake loudspeaker.

The conversation, the turns, the splitter, the ring and the speaker are real. Only the parts that would need a device
or a service are fakes, which record what they were asked.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import trio

from voiceloop.capture.endpointing.messages import Message as PauseMessage
from voiceloop.capture.speech_events import (
    SpeechAudio,
    SpeechDropped,
    SpeechEnded,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
)
from voiceloop.config.tables import Conversation as Settings
from voiceloop.errors import VoiceloopError
from voiceloop.journal.no_journal import NO_JOURNAL
from voiceloop.playback.ring import Ring
from voiceloop.playback.speaker import Speaker
from voiceloop.playback.tap import Tap
from voiceloop.plugins import Handler, Journal, Reply, Synthesizer, Transcriber, Transcription, Turns
from voiceloop.turns.context import RawMicrophone, TurnContext
from voiceloop.turns.conversation import Conversation, open_conversation
from voiceloop.turns.preemptive import PreemptiveGeneration
from voiceloop.types import CAPTURE_RATE_HZ, Message, Speech, Transcript, Usage, Utterance

RATE_HZ = 8_000
SOUND = b"\x00\x04"
"""A sample of the reply: -30 dBFS, so that it is audible."""
SAMPLES_A_CHARACTER = 400
"""50 ms of sound for each character of the reply."""
HANGOVER_S = 0.6
PAUSE_S = 0.2


class Part:
    description = "made up"
    warmed = 0

    async def warm(self) -> None:
        self.warmed += 1
        await trio.lowlevel.checkpoint()


@dataclass
class Recogniser(Part):
    """A recogniser that returns the next of `texts` after `takes_s` (or raises it), and records the clips."""

    texts: list[str | VoiceloopError]
    takes_s: float = 0.3
    preemptive: bool = True
    punctuates: bool = True
    clips: list[Utterance] = field(default_factory=list)
    fed: list[int] = field(default_factory=list)
    heard: int = 0
    """Samples that were fed, those of noises included."""
    most_at_once: int = 0
    _under_way: int = 0

    @asynccontextmanager
    async def transcription(self) -> AsyncIterator[Transcription]:
        yield _Transcription(self)


class _Transcription:
    def __init__(self, recogniser: Recogniser) -> None:
        self.recogniser = recogniser
        self.fed = 0

    async def feed(self, pcm: bytes) -> None:
        self.fed += len(pcm) // 2
        self.recogniser.heard += len(pcm) // 2
        await trio.lowlevel.checkpoint()

    async def finish(self, utterance: Utterance) -> Transcript:
        recogniser = self.recogniser
        recogniser.clips.append(utterance)
        recogniser.fed.append(self.fed)
        text = recogniser.texts.pop(0)
        recogniser._under_way += 1
        recogniser.most_at_once = max(recogniser.most_at_once, recogniser._under_way)
        try:
            await trio.sleep(recogniser.takes_s)
        finally:
            recogniser._under_way -= 1
        if isinstance(text, VoiceloopError):
            raise text
        return Transcript(text, utterance, Usage(cost_usd=0.001))


@dataclass
class Answerer(Part):
    """A handler that answers with the next of `replies` after `takes_s`, and records each question and its history."""

    replies: list[str | Exception]
    turns: Turns = "replace"
    preemptive: bool = True
    takes_s: float = 0.2
    late_s: float | None = None
    asked: list[str] = field(default_factory=list)
    histories: list[tuple[Message, ...]] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)

    async def handle(self, transcript: Transcript, reply: Reply) -> None:
        self.asked.append(transcript.text)
        self.histories.append(tuple(reply.history))
        answer = self.replies.pop(0)
        try:
            await trio.sleep(self.takes_s)
            if isinstance(answer, Exception):
                await reply.say("I began. ")
                raise answer
            for word in answer.split(" "):
                await reply.say(word + " ")
        except trio.Cancelled:
            self.cancelled.append(transcript.text)
            raise


@dataclass
class Voice(Part):
    """A synthesizer: `SAMPLES_A_CHARACTER` for each character, the first after `takes_s`. Records the chunks."""

    takes_s: float = 0.1
    chunks: list[str] = field(default_factory=list)
    fails: dict[str, VoiceloopError] = field(default_factory=dict)

    @asynccontextmanager
    async def speech(self, text: str) -> AsyncIterator[trio.MemoryReceiveChannel[Speech]]:
        self.chunks.append(text)
        send, receive = trio.open_memory_channel[Speech](8)
        await trio.sleep(self.takes_s)
        if text in self.fails:
            raise self.fails[text]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._send, text, send)
            yield receive
            nursery.cancel_scope.cancel()

    async def _send(self, text: str, send: trio.MemorySendChannel[Speech]) -> None:
        with send:
            for _ in text:
                await send.send(Speech(SOUND * SAMPLES_A_CHARACTER, RATE_HZ))


@dataclass
class Room:
    """A conversation under test: `say` and `cough` speak to it; `events` and `sound` record its results."""

    recogniser: Recogniser
    answerer: Answerer
    voice: Voice
    speaker: Speaker
    conversation: Conversation
    events: list[tuple[str, dict[str, Any]]]
    sound: list[tuple[float, bool]]
    """For every 10 ms: the time, and whether anything sounded."""
    index: int = 0
    began: float = field(default_factory=trio.current_time)

    def published(self, name: str) -> list[dict[str, Any]]:
        """Return the fields of every event of this name."""
        return [fields for event, fields in self.events if event == name]

    def now(self) -> float:
        return trio.current_time() - self.began

    def sounding(self) -> bool:
        return bool(self.sound) and self.sound[-1][1]

    async def say(self, seconds: float, *, hangover_s: float = HANGOVER_S, continues: bool = False) -> None:
        """Let the user speak for `seconds`; return when the end was noticed."""
        await self.speak((seconds,), (hangover_s,), continues=continues)

    async def speak(self, stretches: Sequence[float], pauses: Sequence[float], *, continues: bool = False) -> None:
        """Let the user speak with pauses in between; the last pause ends the utterance."""
        start = await self._onset()
        spoken, began, voiced_end = bytearray(2 * (self.index - start)), start, start
        for number, (seconds, pause_s) in enumerate(zip(stretches, pauses, strict=True)):
            if number:
                began = self.index
                self.conversation.on(SpeechResumed(self.index))
                quiet = bytes(2 * (self.index - voiced_end))
                spoken += quiet
                self.conversation.on(SpeechAudio(quiet, self.index))
            while self.index - began < round(seconds * CAPTURE_RATE_HZ):
                await self._pass(320)
                spoken += bytes(640)
                self.conversation.on(SpeechAudio(bytes(640), self.index))
            voiced_end = self.index
            if not continues:
                await self._pass(round(min(pause_s, PAUSE_S) * CAPTURE_RATE_HZ))
                if pause_s >= PAUSE_S:
                    clip = Utterance(bytes(spoken), start, voiced_end)
                    self.conversation.on(SpeechPaused(self.index, voiced_end, clip))
                    await self._pass(round((pause_s - PAUSE_S) * CAPTURE_RATE_HZ))
        self.conversation.on(SpeechEnded(Utterance(bytes(spoken), start, voiced_end, continues=continues)))

    async def cough(self) -> None:
        """Make a noise that starts an utterance and is dropped."""
        start = await self._onset()
        await self._pass(3200)
        self.conversation.on(SpeechDropped(start, self.index - start))

    async def quiet(self, seconds: float) -> None:
        await self._pass(round(seconds * CAPTURE_RATE_HZ))

    async def _onset(self) -> int:
        """Pass 120 ms of voice, after which the onset is noticed and reported with the audio so far."""
        start = self.index
        await self._pass(1920)
        self.conversation.on(SpeechStarted(start, start, self.index, bytes(2 * 1920)))
        return start

    async def _pass(self, samples: int) -> None:
        self.index += samples
        await trio.sleep(samples / CAPTURE_RATE_HZ)


async def _pull(speaker: Speaker, sound: list[tuple[float, bool]]) -> None:
    """Act as the output device: take 10 ms every 10 ms."""
    block = bytearray(RATE_HZ // 100 * 2)
    while True:
        speaker.ring.read_into(memoryview(block))
        speaker.pulled()
        sound.append((trio.current_time(), any(block)))
        await trio.sleep(0.01)


@asynccontextmanager
async def open_room(  # noqa: PLR0913 - what a test may vary
    texts: Sequence[str | VoiceloopError],
    replies: Sequence[str | Exception],
    *,
    turns: Turns = "replace",
    handler_preemptive: bool = True,
    settings: Settings | None = None,
    takes_s: float = 0.3,
    preemptive: PreemptiveGeneration | None = None,
    clips: bool = True,
    punctuates: bool = True,
    journal: Journal = NO_JOURNAL,
    tell: Callable[[PauseMessage], None] = lambda _: None,
    asleep: Callable[[], bool] = lambda: False,
    played: Tap | None = None,
    raw: RawMicrophone | None = None,
    half_duplex: Callable[[bool], None] = lambda _: None,
) -> AsyncIterator[Room]:
    """Open a room in which the user's utterances are transcribed as `texts` and answered with `replies`, in order.

    `clips`: the recogniser takes complete clips, so that it can transcribe preemptively.
    """
    recogniser = Recogniser(list(texts), takes_s, preemptive=clips, punctuates=punctuates)
    answerer = Answerer(list(replies), turns, handler_preemptive)
    voice = Voice()
    speaker = Speaker(Ring(RATE_HZ * 4, RATE_HZ))
    events: list[tuple[str, dict[str, Any]]] = []
    sound: list[tuple[float, bool]] = []

    def publish(name: str, /, **fields: object) -> None:
        events.append((name, fields))

    began = trio.current_time()
    context = TurnContext(
        cast(Transcriber, recogniser),
        cast(Handler, answerer),
        cast(Synthesizer, voice),
        speaker,
        publish,
        settings or Settings(),
        preemptive or PreemptiveGeneration(enabled=False),
        trio.current_time,
        lambda index: began + index / CAPTURE_RATE_HZ,
        trio.CapacityLimiter(3),
        journal=journal,
        asleep=asleep,
        played=played,
        raw=raw,
        half_duplex=half_duplex,
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_pull, speaker, sound)
        async with open_conversation(context, tell) as conversation:
            yield Room(recogniser, answerer, voice, speaker, conversation, events, sound)
        nursery.cancel_scope.cancel()
