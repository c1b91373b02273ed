"""Plays a random conversation in virtual time: a user acts in any order, and parts are slow or fail at random."""

from __future__ import annotations

import random
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, cast

import trio
from trio.testing import MockClock

from testbed.conversations.journal import FakeJournal
from testbed.conversations.parts import Answerer, Detector, Recogniser, Voice
from testbed.conversations.scene import ECHO, FRAME, MHM, NOISE, RATE_HZ, REPLY, Act, Behaviour, Scene, values
from voiceloop.capture.endpointing.endpointer import Endpointer
from voiceloop.capture.endpointing.messages import SoundAwaited, SoundKnown, SoundLost
from voiceloop.capture.endpointing.sound_judge import SoundJudge
from voiceloop.capture.listener import HalfDuplexMute, Listener
from voiceloop.capture.segmenter import Segmenter
from voiceloop.capture.speech_events import SpeechEnded, SpeechEvent
from voiceloop.config.tables import Conversation as Settings
from voiceloop.config.tables import Segment
from voiceloop.playback.ring import Ring
from voiceloop.playback.speaker import Speaker
from voiceloop.plugins import Handler, Synthesizer, Transcriber
from voiceloop.turns.arbiter import Action, Event
from voiceloop.turns.context import TurnContext
from voiceloop.turns.conversation import Conversation, open_conversation
from voiceloop.turns.own_voice import OwnVoice
from voiceloop.turns.preemptive import PreemptiveGeneration
from voiceloop.turns.turn import Turn
from voiceloop.types import CAPTURE_RATE_HZ, CancelReason, Frame, Transcript

PULL_S = 0.02
BLOCK = round(RATE_HZ * PULL_S)
CALM_FRAMES = 100
"""Longer than any pause is waited for."""
LONGEST_S = 600
"""The conversation must be over by then, in virtual seconds."""


class _Judge(SoundJudge):
    """Judges the sound of each pause at random, in virtual time; sometimes too late, sometimes not at all."""

    def __init__(
        self, tell: Callable[[SoundAwaited | SoundKnown | SoundLost], None], nursery: trio.Nursery, seed: int
    ) -> None:
        self._tell, self._nursery, self._random = tell, nursery, random.Random(seed)

    def hear(self, frame: Frame, *, muted: bool = False) -> None: ...

    def paused(self, since: int) -> None:
        self._tell(SoundAwaited(since))
        if self._random.random() < 0.9:
            self._nursery.start_soon(self._answer, since, self._random.choice((0.02, 0.05, 0.3, 1.0)))

    async def _answer(self, since: int, after_s: float) -> None:
        await trio.sleep(after_s)
        self._tell(SoundKnown(self._random.choice((None, -4.6, -1.0, 1.0, 4.6)), since))


class _Hearing(OwnVoice):
    """Knows an echo by its samples, and by its words."""

    def copies(self) -> bool:
        heard = values(bytes(self._speech))
        return bool(heard) and min(heard) >= ECHO

    def repeats(self, transcript: Transcript) -> bool:
        words = transcript.text.split()
        return bool(words) and all(word.startswith("echo") for word in words)


def _record_turns(conversation: Conversation, scene: Scene) -> None:
    """Record every turn that the conversation opens."""
    running = conversation._running
    original = running.open

    def open_turn() -> Turn | None:
        turn = original()
        if turn is not None:
            scene.all_turns.append(turn)
        return turn

    vars(running)["open"] = open_turn


def _record_steps(conversation: Conversation, scene: Scene) -> None:
    """Record what happens to the arbiter, and in which state."""
    arbiter = conversation._arbiter
    original = arbiter.feed

    def feed(event: Event) -> tuple[Action, ...]:
        scene.steps.add((arbiter.state, event))
        return original(event)

    vars(arbiter)["feed"] = feed


def _record_speech(conversation: Conversation, scene: Scene) -> None:
    """Record every utterance that the segmenter found."""
    original = conversation.on

    def on(event: SpeechEvent) -> None:
        if isinstance(event, SpeechEnded):
            scene.found.append(event.utterance)
        original(event)

    vars(conversation)["on"] = on


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
        scene.now,
        lambda index: began + index / CAPTURE_RATE_HZ,
        trio.CapacityLimiter(3),
        journal=FakeJournal(scene.pages, scene.saved),
    )


async def play(acts: Sequence[Act], behaviour: Behaviour) -> Scene:
    """Perform the user's `acts` until the conversation is over, and check that nothing is left under way."""
    scene = Scene(behaviour)
    speaker = Speaker(Ring(RATE_HZ * 4, RATE_HZ))
    preemptive = PreemptiveGeneration(
        enabled=behaviour.generation != "off", max_waste=0.05 if behaviour.generation == "resting" else 1.0
    )
    segment = Segment(max_utterance_s=behaviour.longest_s)
    endpointer = Endpointer.of(segment, half_duplex=behaviour.half_duplex, acoustic=behaviour.acoustic)
    segmenter = Segmenter(segment, hangover_ms=segment.hangover_ms, endpointer=endpointer)
    mute = HalfDuplexMute(lambda: speaker.audible, trio.current_time, 0.25, half_duplex=behaviour.half_duplex)
    detector = Detector()
    with trio.fail_after(LONGEST_S):
        async with trio.open_nursery() as nursery:
            context = _turn_context(scene, speaker, preemptive)
            async with open_conversation(context, segmenter.tell) as conversation:
                device = _Loudspeaker(speaker, scene, segmenter, conversation)
                scene.freeze = device.freeze
                _record_turns(conversation, scene)
                _record_steps(conversation, scene)
                _record_speech(conversation, scene)
                conversation.own_voice = _Hearing(context)
                listener = Listener(cast(Any, detector), segmenter, conversation, mute)
                if behaviour.acoustic:
                    listener.sound_judge = _Judge(segmenter.tell, nursery, behaviour.seed)
                await _speak(acts, listener, detector, conversation, scene, device)
                nursery.start_soon(device.run)
            nursery.cancel_scope.cancel()
    scene.history = list(conversation.history)
    assert conversation.working == 0
    assert not conversation.speaking
    assert (speaker.held, speaker.gain) == (False, 1.0)
    assert conversation._live is conversation._candidate is None
    counted = preemptive.used.requests + preemptive.wasted.requests
    assert counted == scene.posts + len(scene.asked) + scene.chunks, "each request is counted exactly once"
    return scene


async def _speak(  # noqa: PLR0913, PLR0917 - everything that goes on at once
    acts: Sequence[Act],
    listener: Listener,
    detector: Detector,
    conversation: Conversation,
    scene: Scene,
    device: _Loudspeaker,
) -> None:
    """Perform `acts` while the device plays, and be quiet until nothing goes on. One sleep lets both go on every 20 ms;
    which of them comes first differs."""
    index = stalled = calm = 0
    first = random.Random(len(acts))
    due = trio.current_time()
    late: list[Frame] = []
    for number, act in enumerate((*acts, Act("quiet", 400)), start=1):
        value = {"word": number, "mhm": MHM + number, "noise": NOISE + number, "echo": ECHO + number}.get(act.kind, 0)
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
                due += FRAME / CAPTURE_RATE_HZ
                await trio.sleep_until(due)
                if device_first := first.random() < 0.5:
                    device.tick()
                scene.at_seam("loop", scene.frames)
                scene.at_seam("clock", scene.frames)
                scene.frames += 1
                stalled -= 1
                if stalled <= 0:
                    for frame in late:
                        listener.hear(frame)
                    late.clear()
                if not device_first:
                    device.tick()
                if number > len(acts):
                    goes_on = late or conversation.working or conversation.speaking or listener.segmenter.speaking
                    calm = 0 if goes_on else calm + 1
                    if calm == CALM_FRAMES:
                        break
    listener.end()


class _Loudspeaker:
    """Plays as the output device does, and records any sound that is played while the user speaks."""

    def __init__(self, speaker: Speaker, scene: Scene, segmenter: Segmenter, conversation: Conversation) -> None:
        self._speaker, self._scene, self._segmenter, self._conversation = speaker, scene, segmenter, conversation
        self._block = bytearray(BLOCK * 2)
        self._was_speaking = False
        self._ahead = 0
        """Pulls that were made while everything else stood still."""

    async def run(self) -> None:
        """Pull every 20 ms."""
        due = trio.current_time()
        while True:
            due += PULL_S
            await trio.sleep_until(due)
            self.tick()

    def tick(self) -> None:
        """20 ms are over."""
        if self._ahead:
            self._ahead -= 1
        else:
            self._pull()
        self._speaker.pulled()

    def freeze(self, seconds: float) -> None:
        """Let time pass in which nothing but the device goes on."""
        clock = cast(MockClock, trio.lowlevel.current_clock())
        for _ in range(round(seconds / PULL_S)):
            clock.jump(PULL_S)
            self._pull()
            self._ahead += 1

    def _pull(self) -> None:
        ring = self._speaker.ring
        before = ring.played
        ring.read_into(memoryview(self._block))
        taken = array("h", ring.recent(ring.played - before))
        if taken:
            self._scene.played.append((trio.current_time(), Counter(value - REPLY for value in taken)))
        speaking = self._segmenter.speaking and not self._conversation._arbiter.hears_reply
        if any(self._block) and self._was_speaking and speaking:
            self._scene.sounded_over_speech.append(trio.current_time())
        self._was_speaking = speaking
