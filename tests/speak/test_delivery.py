"""Delivery of replies in virtual time: silences are cut, marks are set at audible sound, and every sample is accounted
for. The splitter, the trimmer, the ring and the speaker are real; the synthesizer and the device are fakes.
"""

from __future__ import annotations

from array import array
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import pytest
import trio
from trio.testing import MockClock

from voiceloop.audio.audible import first_audible
from voiceloop.errors import EngineError
from voiceloop.playback.ring import Ring
from voiceloop.playback.speaker import Speaker
from voiceloop.plugins import Synthesizer
from voiceloop.speak.aloud import say_aloud
from voiceloop.speak.delivery import Delivery
from voiceloop.types import Heard, Speech, Usage

RATE_HZ = 8_000
BLOCK = RATE_HZ // 100
REQUEST_S = 0.1


def sound(seconds: float) -> bytes:
    return array("h", [3_000] * round(seconds * RATE_HZ)).tobytes()


def silence(seconds: float) -> bytes:
    return bytes(2 * round(seconds * RATE_HZ))


@dataclass
class Voice:
    """A synthesizer with a recording for each chunk, sent `pace` times faster than it plays, in pieces of `piece_s`."""

    speaks: Callable[[str], bytes]
    pace: float = 8.0
    piece_s: float = 0.05
    description: str = "made up"
    sent: int = 0
    """Samples that were taken so far."""

    async def warm(self) -> None:
        await trio.lowlevel.checkpoint()

    @asynccontextmanager
    async def speech(self, text: str) -> AsyncIterator[trio.MemoryReceiveChannel[Speech]]:
        send, receive = trio.open_memory_channel[Speech](2)
        await trio.sleep(REQUEST_S)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._send, text, send)
            yield receive
            nursery.cancel_scope.cancel()

    async def _send(self, text: str, send: trio.MemorySendChannel[Speech]) -> None:
        pcm, size = self.speaks(text), 2 * round(self.piece_s * RATE_HZ)
        with send:
            for at in range(0, len(pcm), size):
                piece = pcm[at : at + size]
                await trio.sleep(len(piece) / 2 / RATE_HZ / self.pace)
                usage = None if at else Usage(characters=len(text))
                await send.send(Speech(piece, RATE_HZ, usage))
                self.sent += len(piece) // 2


@dataclass
class Owner:
    """A turn that is certain at the time `certain_s`."""

    certain_s: float = 0.0
    marks: dict[str, float] = field(default_factory=dict)
    sounded: list[tuple[float, str]] = field(default_factory=list)
    usage: list[int | None] = field(default_factory=list)
    asked: int = 0
    """How many chunks were requested."""

    async def committed(self) -> None:
        await trio.sleep_until(self.certain_s)

    def mark(self, name: str) -> None:
        self.marks.setdefault(name, trio.current_time())

    def sounds(self, text: str) -> None:
        self.sounded.append((trio.current_time(), text))

    def asking(self, kind: Literal["speak"]) -> None:
        self.asked += 1

    def spent(self, kind: Literal["speak"], usage: Usage) -> None:
        self.usage.append(usage.characters)


@dataclass
class Played:
    """What came of a reply: the loudspeaker's sound from the first text on, and what was reported."""

    pcm: bytes
    owner: Owner
    heard: Heard
    heard_s: float
    ring: Ring
    errors: list[str]
    ended_s: float

    @property
    def lengths(self) -> list[tuple[str, int]]:
        """The silences and sounds after the first sound, with their lengths in ms."""
        found: list[tuple[str, int]] = []
        for at in range(0, len(self.pcm), 16):
            kind = "sound" if any(self.pcm[at : at + 16]) else "quiet"
            if found and found[-1][0] == kind:
                found[-1] = (kind, found[-1][1] + 1)
            else:
                found.append((kind, 1))
        return found[1:] if found[:1] and found[0][0] == "quiet" else found


Step = str | tuple[bytes, str]
"""Text to say, or sound to play and its text."""


async def deliver(
    steps: Sequence[Step],
    voice: Voice,
    *,
    owner: Owner | None = None,
    cancel_s: float = float("inf"),
    prefill_s: float = 0.04,
) -> Played:
    """Deliver a reply; with `cancel_s` it is cancelled at that time, as at a barge-in."""
    owner = owner or Owner()
    heard, errors = bytearray(), list[str]()
    speaker = Speaker(Ring(4 * RATE_HZ, RATE_HZ, prefill=round(prefill_s * RATE_HZ)))

    async def pull() -> None:
        block = memoryview(bytearray(2 * BLOCK))
        while True:
            speaker.ring.read_into(block)
            heard.extend(block)
            speaker.pulled()
            await trio.sleep(BLOCK / RATE_HZ)

    def publish(name: str, /, **fields: Any) -> None:
        errors.append(fields["error"])

    delivery = Delivery(cast(Synthesizer, voice), speaker, publish, owner)
    async with trio.open_nursery() as device:
        device.start_soon(pull)
        with trio.move_on_at(cancel_s) as scope, trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(delivery.run)
                for step in steps:
                    if isinstance(step, str):
                        await delivery.say(step)
                    else:
                        await delivery.play(Speech(step[0], RATE_HZ), step[1])
                await delivery.finish()
        if scope.cancelled_caught:
            speaker.cancel()
            speaker.ring.read_into(memoryview(bytearray(2)))
        ended_s = trio.current_time()
        device.cancel_scope.cancel()
    return Played(bytes(heard), owner, delivery.heard(), delivery.heard_s(), speaker.ring, errors, ended_s)


SENTENCES = "This is the first sentence. And here is the second one."


@pytest.mark.parametrize("leading_s", [0.0, 0.1, 0.3, 1.5])
async def test_a_voice_that_begins_with_silence_is_heard_as_soon_as_one_that_begins_at_once(
    autojump_clock: MockClock, leading_s: float
) -> None:
    owner = Owner(certain_s=2.0)
    played = await deliver(
        ["This is the first sentence."], Voice(lambda _: silence(leading_s) + sound(1.0)), owner=owner
    )
    first = first_audible(played.pcm, RATE_HZ)
    assert first is not None
    assert first / RATE_HZ == pytest.approx(2.0, abs=0.035)


async def test_thoughts_in_the_text_of_any_handler_are_neither_heard_nor_remembered(
    autojump_clock: MockClock,
) -> None:
    spoken: list[str] = []

    def speaks(text: str) -> bytes:
        spoken.append(text)
        return sound(0.5)

    said = "<think>They want a number. It is 3.</think>It is three.<|im_end|>"
    played = await deliver([*said, (sound(0.2), "And four.")], Voice(speaks))
    assert spoken == ["It is three."]
    assert played.heard == Heard("It is three. And four.", complete=True)
    assert (await deliver(["He said <"], Voice(speaks))).heard.text == "He said <"


async def test_the_marks_are_those_of_the_first_audible_sample(autojump_clock: MockClock) -> None:
    voice = Voice(lambda _: silence(0.8) + sound(1.0), pace=4)
    played = await deliver(["This is the first sentence."], voice)
    marks, first = played.owner.marks, first_audible(played.pcm, RATE_HZ)
    assert first is not None
    assert marks["first_pcm"] == marks["first_write"] == pytest.approx(REQUEST_S + 0.85 / 4, abs=0.015)
    assert marks["first_played"] == pytest.approx(first / RATE_HZ, abs=0.011)
    assert played.owner.sounded == [(marks["first_played"], "This is the first sentence.")]


async def test_a_chunk_is_reported_when_its_own_sound_begins(autojump_clock: MockClock) -> None:
    """Not in the pause before it."""
    played = await deliver([SENTENCES], Voice(lambda _: silence(0.5) + sound(1.0) + silence(0.5)))
    starts = [at for at, _ in played.owner.sounded]
    assert starts[1] - starts[0] == pytest.approx(1.3, abs=0.011)


async def test_silences_between_sentences_become_a_natural_pause(autojump_clock: MockClock) -> None:
    played = await deliver([SENTENCES], Voice(lambda _: silence(0.3) + sound(1.0) + silence(0.4)))
    assert played.lengths[:3] == [("sound", 1000), ("quiet", 300), ("sound", 1000)]


async def test_between_clauses_the_pause_is_shorter(autojump_clock: MockClock) -> None:
    clauses = ["When it had rained for a while, ", "the cat came into the house."]
    played = await deliver(clauses, Voice(lambda _: silence(0.3) + sound(1.0) + silence(0.4)))
    assert [text for _, text in played.owner.sounded] == [clause.strip() for clause in clauses]
    assert played.lengths[:3] == [("sound", 1000), ("quiet", 120), ("sound", 1000)]


@pytest.mark.parametrize("length_ms", [1, 9, 10, 555])
async def test_the_last_sound_of_a_reply_is_played_however_short(autojump_clock: MockClock, length_ms: int) -> None:
    played = await deliver(["This is the first sentence."], Voice(lambda _: sound(length_ms / 1000)))
    assert sum(sample != 0 for sample in array("h", played.pcm)) == length_ms * RATE_HZ // 1000
    assert played.heard == Heard("This is the first sentence.", complete=True)


async def test_a_silence_inside_the_beginning_does_not_delay_it(autojump_clock: MockClock) -> None:
    """The jitter buffer waits for 400 ms of the reply, of which 300 ms are silence that would else be held back."""
    voice = Voice(lambda _: sound(0.1) + silence(0.6) + sound(0.5), pace=1.5)
    played = await deliver(["This is the first sentence."], voice, prefill_s=0.4)
    assert played.owner.marks["first_played"] == pytest.approx(REQUEST_S + 0.4 / 1.5, abs=0.05)
    assert played.lengths[:3] == [("sound", 100), ("quiet", 600), ("sound", 500)]


async def test_a_reply_ends_100_ms_after_its_last_sound(autojump_clock: MockClock) -> None:
    played = await deliver(["This is the first sentence."], Voice(lambda _: sound(1.0) + silence(1.5)))
    assert played.ended_s - played.owner.marks["first_played"] == pytest.approx(1.1, abs=0.03)
    assert played.heard == Heard("This is the first sentence.", complete=True)


@pytest.mark.parametrize("pace", [1.0, 1.05, 1.5, 8.0, 1_000.0])
@pytest.mark.parametrize("piece_s", [0.005, 0.05, 5.0])
async def test_pauses_inside_a_chunk_keep_their_length_at_any_pace(
    autojump_clock: MockClock, pace: float, piece_s: float
) -> None:
    """Silence that is held back too long would be played twice: once as an underrun, and then itself."""
    spoken = sound(0.5) + silence(0.6) + sound(0.3) + silence(0.25) + sound(0.5) + silence(0.8)
    played = await deliver(["This is the first sentence."], Voice(lambda _: spoken, pace=pace, piece_s=piece_s))
    assert played.lengths[:5] == [("sound", 500), ("quiet", 600), ("sound", 300), ("quiet", 250), ("sound", 500)]


@pytest.mark.parametrize("pace", [1.0, 1.05])
async def test_a_pause_between_chunks_that_come_in_real_time_is_not_longer_than_it_was(
    autojump_clock: MockClock, pace: float
) -> None:
    played = await deliver([SENTENCES], Voice(lambda _: silence(0.3) + sound(1.0) + silence(0.4), pace=pace))
    (_, first), (_, pause), (_, second) = played.lengths[:3]
    assert (first, second) == (1000, 1000)
    assert 300 <= pause <= 700


async def test_a_voice_that_sends_only_silence_is_accounted_for_and_does_not_hang(autojump_clock: MockClock) -> None:
    played = await deliver([SENTENCES], Voice(lambda _: silence(3.0)))
    assert played.owner.usage == [len("This is the first sentence."), len("And here is the second one.")]
    assert played.heard == Heard("", complete=True)
    assert not any(played.pcm)
    assert played.errors == []
    assert "first_played" not in played.owner.marks


async def test_text_whose_sound_is_silence_belongs_to_the_sound_beside_it(autojump_clock: MockClock) -> None:
    steps: list[Step] = [(silence(0.2), "Well,"), (sound(0.5), "hello"), (silence(0.2), "there."), (sound(0.5), "Bye.")]
    played = await deliver(steps, Voice(lambda _: b""))
    assert played.heard == Heard("Well, hello there. Bye.", complete=True)
    assert [text for _, text in played.owner.sounded] == ["Well, hello there.", "Bye."]
    assert played.lengths[:3] == [("sound", 500), ("quiet", 200), ("sound", 500)]


async def test_sound_from_a_voice_model_is_trimmed_at_both_ends_only(autojump_clock: MockClock) -> None:
    stream = silence(0.4) + sound(0.5) + silence(0.6) + sound(0.5) + silence(0.7)
    steps: list[Step] = [(stream[at : at + 1_234], "") for at in range(0, len(stream), 1_234)]
    played = await deliver(steps, Voice(lambda _: b""))
    assert played.lengths[:3] == [("sound", 500), ("quiet", 600), ("sound", 500)]
    assert played.ended_s == pytest.approx(1.7, abs=0.05)


async def test_after_sound_that_needed_no_synthesis_text_follows_after_a_natural_pause(
    autojump_clock: MockClock,
) -> None:
    """The sound ends in the middle of 10 ms."""
    steps: list[Step] = [(sound(0.505), "Here it comes."), "This is the first sentence."]
    played = await deliver(steps, Voice(lambda _: silence(0.5) + sound(0.5)))
    assert played.lengths[:3] == [("sound", 505), ("quiet", 300), ("sound", 500)]


async def test_what_was_heard_is_the_share_of_the_sound_not_of_the_silence(autojump_clock: MockClock) -> None:
    """Half of the sound was played. The silences of the recording would make it a third."""
    text = "One two three four five six seven eight nine ten."
    voice = Voice(lambda _: silence(1.0) + sound(2.0) + silence(1.0), pace=1_000)
    played = await deliver([text], voice, cancel_s=REQUEST_S + 0.03 + 1.0)
    assert not played.heard.complete
    assert text.startswith(played.heard.text)
    assert len(played.heard.text) == pytest.approx(len(text) / 2, abs=6)


@pytest.mark.parametrize("cancel_s", [0.05, 0.5, 0.9, 1.4, 2.2, float("inf")])
async def test_every_sample_is_played_or_discarded(autojump_clock: MockClock, cancel_s: float) -> None:
    """At a barge-in, too. The samples of the spans are those that were written to the ring, no more and no less."""
    voice = Voice(lambda _: silence(0.3) + sound(1.0) + silence(0.4))
    played = await deliver([SENTENCES], voice, cancel_s=cancel_s)
    ring = played.ring
    assert ring.played_in(0, ring.written) == ring.played
    assert ring.position == ring.written
    assert round(played.heard_s * RATE_HZ) == ring.played
    assert ring.written <= voice.sent
    assert played.heard == Heard(SENTENCES, complete=True) or cancel_s < 3


async def test_while_a_chunk_plays_only_the_next_one_is_requested(autojump_clock: MockClock) -> None:
    """What is requested beyond that is paid for and thrown away at a barge-in."""
    sentences = " ".join(f"This is sentence number {number}." for number in range(9))
    played = await deliver([sentences], Voice(lambda _: sound(8.0)), cancel_s=2.0)
    assert played.owner.asked == 2


async def test_a_chunk_that_breaks_off_in_a_silence_counts_its_words(autojump_clock: MockClock) -> None:
    class Breaks(Voice):
        @asynccontextmanager
        async def speech(self, text: str) -> AsyncIterator[trio.MemoryReceiveChannel[Speech]]:
            send, receive = trio.open_memory_channel[Speech](2)
            send.send_nowait(Speech(silence(0.3) + sound(1.0) + silence(0.3), RATE_HZ))
            send.close()
            await trio.lowlevel.checkpoint()
            yield receive
            raise EngineError("it broke", place="speak", remedy="None")

    text = "This is one sentence of which one second can be heard."
    played = await deliver([text], Breaks(lambda _: b""))
    assert len(played.errors) == 1
    assert not played.heard.complete
    assert 8 <= len(played.heard.text) <= 16
    assert text.startswith(played.heard.text)


@pytest.mark.parametrize("back_s", [2.0, float("inf")])
async def test_for_a_device_that_is_gone_nothing_more_is_requested(autojump_clock: MockClock, back_s: float) -> None:
    """Not when it comes back either: what was to be said before is gone. The handler may go on meanwhile."""
    sentences = [f"This is sentence number {number}. " for number in range(9)]
    voice, owner = Voice(lambda _: sound(8.0)), Owner()
    speaker = Speaker(Ring(4 * RATE_HZ, RATE_HZ, prefill=RATE_HZ // 25))
    delivery = Delivery(cast(Synthesizer, voice), speaker, lambda name, /, **_: None, owner)
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(delivery.run)
            await delivery.say(sentences[0] + sentences[1])
            await trio.sleep(1.0)  # the ring is full: the writer waits
            asked, sent = owner.asked, voice.sent
            speaker.gone(away=True)
            await trio.sleep(1.0)
            speaker.gone(away=back_s > 2.0)
            for sentence in sentences[2:]:
                await delivery.say(sentence)
                await trio.sleep(0.1)
            await delivery.finish()
        assert owner.asked == asked > 0
        assert voice.sent == sent, "a request under way is given up"
        assert not delivery.heard().complete
        # The next reply, which begins while the device is still gone, requests nothing at all.
        later = Delivery(cast(Synthesizer, voice), speaker, lambda name, /, **_: None, owner)
        await later.say("Hello there. ")
        await later.finish()
        if speaker.away:
            await later.run()
            assert owner.asked == asked


async def test_a_text_that_somebody_has_written_may_begin_with_the_word_thought(autojump_clock: MockClock) -> None:
    spoken: list[str] = []

    def speaks(text: str) -> bytes:
        spoken.append(text)
        return sound(0.1)

    speaker = Speaker(Ring(4 * RATE_HZ, RATE_HZ, prefill=RATE_HZ // 25))

    async def pull() -> None:
        while True:
            speaker.ring.read_into(memoryview(bytearray(2 * BLOCK)))
            speaker.pulled()
            await trio.sleep(BLOCK / RATE_HZ)

    async with trio.open_nursery() as device:
        device.start_soon(pull)
        with trio.fail_after(60):
            await say_aloud("Thought: I am late.", cast(Synthesizer, Voice(speaks)), speaker, lambda name, /, **_: None)
        device.cancel_scope.cancel()
    assert spoken == ["Thought: I am late."]
