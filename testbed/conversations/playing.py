"""Plays a random conversation in virtual time: a user acts in any order, and parts are slow or fail at random."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence
from typing import Any, cast

import trio

from testbed.conversations.journal import FakeJournal
from testbed.conversations.parts import Answerer, Detector, Recogniser, Voice
from testbed.conversations.scene import ECHO, FRAME, MHM, NOISE, RATE_HZ, REPLY, Act, Behaviour, Scene, values
from voiceloop.capture.endpointing.endpointer import Endpointer
from voiceloop.capture.listener import HalfDuplexMute, Listener
from voiceloop.capture.segmenter import Segmenter
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

BLOCK = RATE_HZ // 50
LONGEST_S = 600
"""The conversation must be over by then, in virtual seconds."""


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
            context = _turn_context(scene, speaker, preemptive)
            async with open_conversation(context, segmenter.tell) as conversation:
                nursery.start_soon(_pull, speaker, scene, segmenter, conversation)
                _record_turns(conversation, scene)
                _record_steps(conversation, scene)
                conversation.own_voice = _Hearing(context)
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
                await trio.sleep(FRAME / CAPTURE_RATE_HZ)
                stalled -= 1
                if stalled <= 0:
                    for frame in late:
                        listener.hear(frame)
                    late.clear()
    listener.end()


async def _pull(speaker: Speaker, scene: Scene, segmenter: Segmenter, conversation: Conversation) -> None:
    """Play as the output device does, and record any sound that is played while the user speaks."""
    block = bytearray(BLOCK * 2)
    was_speaking = False
    while True:
        before = speaker.ring.played
        speaker.ring.read_into(memoryview(block))
        taken = array("h", speaker.ring.recent(speaker.ring.played - before))
        if taken:
            scene.played.append((trio.current_time(), Counter(value - REPLY for value in taken)))
        speaking = segmenter.speaking and not conversation._arbiter.hears_reply
        if any(block) and was_speaking and speaking:
            scene.sounded_over_speech.append(trio.current_time())
        was_speaking = speaking
        speaker.pulled()
        await trio.sleep(0.02)
