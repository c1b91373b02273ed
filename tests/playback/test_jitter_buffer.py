"""How much of a reply must be in hand: by hand, and 100 replies through a bad network in virtual time."""

from __future__ import annotations

from array import array
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import Literal, cast

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from voiceloop.playback.jitter_buffer import JitterBuffer, Stream
from voiceloop.playback.ring import Ring
from voiceloop.playback.speaker import Speaker
from voiceloop.plugins import Synthesizer
from voiceloop.speak.delivery import Delivery
from voiceloop.types import Speech, Usage

LEAST_S, MOST_S = 0.04, 0.4
Piece = tuple[float, float]
"""When it came and how much sound it held, in seconds."""


def jitter_buffer() -> JitterBuffer:
    return JitterBuffer(least_s=LEAST_S, most_s=MOST_S)


def show(learner: JitterBuffer, pieces: Sequence[Piece]) -> Stream:
    stream = learner.stream()
    for at, sound_s in pieces:
        stream.came(at, sound_s)
    return stream


def evenly(count: int, sound_s: float = 0.02, speed: float = 4.0) -> list[Piece]:
    return [(n * sound_s / speed, sound_s) for n in range(count)]


def gap_s(pieces: Sequence[Piece], in_hand_s: float) -> float:
    """The longest silence when playing begins with so much in hand, or with all."""
    held = 0.0
    until: float | None = None
    longest = 0.0
    for at, sound_s in pieces:
        if until is None:
            held += sound_s
            if held >= in_hand_s:
                until = at + held
        else:
            longest = max(longest, at - until)
            until = max(until, at) + sound_s
    return longest


def test_what_comes_evenly_needs_no_more_than_the_least() -> None:
    learner = jitter_buffer()
    for _ in range(20):
        show(learner, evenly(100))
        assert learner.seconds == LEAST_S


def test_a_stream_that_stalls_raises_what_the_next_one_gets() -> None:
    learner = jitter_buffer()
    show(learner, [(0, 0.1), (0.3, 0.1)])
    assert learner.seconds == MOST_S
    other = jitter_buffer()
    show(other, [(0, 0.1), (0.15, 0.1)])
    assert other.seconds == pytest.approx(1.5 * 0.15)


def test_it_is_known_at_once_for_a_reply_that_ran_dry() -> None:
    learner = jitter_buffer()
    stream = learner.stream()
    stream.came(0.0, 0.05)
    stream.came(0.2, 0.05)
    assert learner.seconds == pytest.approx(0.3)


def test_the_wait_for_the_first_piece_is_the_service_thinking() -> None:
    learner = jitter_buffer()
    for began in (0.0, 5.0, 9.0):
        show(learner, [(began + 1.0 + at, sound_s) for at, sound_s in evenly(20)])
    assert learner.seconds == LEAST_S


def test_the_time_when_nobody_asked_does_not_count() -> None:
    learner = jitter_buffer()
    stream = learner.stream()
    for n in range(20):
        stream.came(n * 10.0, 0.02)
        stream.asked(n * 10.0 + 9.999)
    assert learner.seconds == LEAST_S


def test_one_hiccup_is_forgotten_after_a_few_replies() -> None:
    learner = jitter_buffer()
    show(learner, [(0, 0.1), (0.3, 0.1)])
    for _ in range(12):
        assert learner.seconds > LEAST_S
        show(learner, evenly(20))
    assert learner.seconds == LEAST_S


def test_an_answer_in_one_piece_says_nothing() -> None:
    learner = jitter_buffer()
    show(learner, [(0, 0.1), (0.15, 0.1)])
    for _ in range(50):
        show(learner, [(0, 2.0)])
    assert learner.seconds == pytest.approx(1.5 * 0.15)


PIECES = st.lists(st.tuples(st.floats(0, 0.5), st.floats(0.001, 0.3)), min_size=1, max_size=40).map(
    lambda steps: [(sum(wait for wait, _ in steps[: n + 1]), sound_s) for n, (_, sound_s) in enumerate(steps)]
)


@given(st.lists(PIECES, max_size=20))
def test_it_stays_between_its_bounds(streams: list[list[Piece]]) -> None:
    learner = jitter_buffer()
    for pieces in streams:
        show(learner, pieces)
        assert LEAST_S <= learner.seconds <= MOST_S


@given(PIECES, st.floats(0, 5))
def test_with_what_a_stream_needed_in_hand_it_has_no_gap(pieces: list[Piece], more: float) -> None:
    need_s = show(jitter_buffer(), pieces).need_s
    assert gap_s(pieces, need_s + more) <= 1e-9


# What follows runs the real ring, speaker and delivery.

RATE_HZ = 8_000
BLOCK_S = 0.01
TEXT = "Well, that is a long story indeed. It began a while ago. Then it went on. And then it came to its end."


@dataclass
class Service:
    """Sound at four times real time, in pieces of any length, each held up by up to `jitter_s`, in order."""

    random: Random
    jitter_s: float
    lengths_s: Callable[[], float]
    first_byte_s: float = 0.2
    said: bytearray = field(default_factory=bytearray)

    @asynccontextmanager
    async def speech(self, text: str) -> AsyncIterator[trio.MemoryReceiveChannel[Speech]]:
        send, receive = trio.open_memory_channel[Speech](1_000)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._send, send)
            yield receive
            nursery.cancel_scope.cancel()

    async def _send(self, send: trio.MemorySendChannel[Speech]) -> None:
        async with send:
            rest, due = round(self.lengths_s() * RATE_HZ), trio.current_time() + self.first_byte_s
            while rest:
                samples = min(rest, self.random.randint(41, 479))
                rest -= samples
                due += samples / RATE_HZ / 4
                await trio.sleep_until(due + self.random.uniform(0, self.jitter_s))
                pcm = array("h", [self.random.randint(1_000, 9_999)] * samples).tobytes()
                self.said += pcm
                await send.send(Speech(pcm, RATE_HZ))


class Unbooked:
    """A turn that is committed from the start."""

    async def committed(self) -> None:
        await trio.lowlevel.checkpoint()

    def mark(self, name: str) -> None: ...

    def sounds(self, text: str) -> None: ...

    def asking(self, kind: Literal["speak"]) -> None: ...

    def spent(self, kind: Literal["speak"], usage: Usage) -> None: ...


@dataclass
class Reply:
    """What was heard of one: the wait from its first byte to its first sound, and silences within, in seconds."""

    wait_s: float
    gaps_s: list[float]


def silences(heard: bytes) -> tuple[float, list[float]]:
    """How long it was quiet before the first sound, and each silence between sounds."""
    samples = array("h", heard)
    loud = [n for n, sample in enumerate(samples) if sample]
    gaps = [(b - a - 1) / RATE_HZ for a, b in pairwise(loud) if b - a > 1]
    return loud[0] / RATE_HZ, gaps


async def listen(speaker: Speaker, service: Service) -> Reply:
    """Have one reply said."""
    heard = bytearray()

    async def pull() -> None:
        block = memoryview(bytearray(round(2 * BLOCK_S * RATE_HZ)))
        due = trio.current_time()
        while True:
            speaker.ring.read_into(block)
            heard.extend(block)
            speaker.pulled()
            due += BLOCK_S
            await trio.sleep_until(due)

    delivery = Delivery(cast(Synthesizer, service), speaker, lambda *_, **__: None, Unbooked())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pull)
        async with trio.open_nursery() as replying:
            replying.start_soon(delivery.run)
            await delivery.say(TEXT)
            await delivery.finish()
        nursery.cancel_scope.cancel()
    quiet_s, gaps_s = silences(bytes(heard))
    return Reply(quiet_s - service.first_byte_s, gaps_s)


async def replies(count: int, jitter_s: float, seed: int, learner: JitterBuffer | None) -> list[Reply]:
    random = Random(seed)
    service = Service(random, jitter_s, lambda: random.uniform(0.5, 1.2))
    speaker = Speaker(Ring(4 * RATE_HZ, RATE_HZ, prefill=round(LEAST_S * RATE_HZ)), jitter_buffer=learner)
    return [await listen(speaker, service) for _ in range(count)]


def gaps(heard: Sequence[Reply]) -> int:
    """How many were longer than 20 ms."""
    return sum(gap_s > 0.02 for reply in heard for gap_s in reply.gaps_s)


async def test_a_hundred_replies_through_a_jittery_network_have_no_gap_after_the_first(
    autojump_clock: MockClock,
) -> None:
    learner = jitter_buffer()
    heard = await replies(101, 0.15, seed=1, learner=learner)
    assert gaps(heard[1:]) == 0
    assert sum(reply.wait_s for reply in heard[1:]) / 100 < 0.3
    fixed = await replies(20, 0.15, seed=1, learner=None)
    assert gaps(fixed) > 0  # the network is as bad as it is meant to be


async def test_an_even_network_is_not_waited_for(autojump_clock: MockClock) -> None:
    adaptive = await replies(8, 0, seed=2, learner=jitter_buffer())
    fixed = await replies(8, 0, seed=2, learner=None)
    assert [reply.wait_s for reply in adaptive] == [reply.wait_s for reply in fixed]
    assert gaps(adaptive) == 0


async def test_a_network_that_calms_down_is_soon_trusted_again(autojump_clock: MockClock) -> None:
    learner = jitter_buffer()
    await replies(5, 0.15, seed=3, learner=learner)
    assert learner.seconds > 0.1
    await replies(4, 0, seed=4, learner=learner)
    assert learner.seconds == LEAST_S


async def test_a_first_chunk_shorter_than_the_prefill_does_not_wait_for_the_next(autojump_clock: MockClock) -> None:
    learner = jitter_buffer()
    show(learner, [(0, 0.1), (0.5, 0.1)])
    assert learner.seconds == MOST_S
    lengths = iter([0.3, 3.0, 3.0, 3.0, 3.0])
    service = Service(Random(5), 0, lambda: next(lengths), first_byte_s=0.2)
    reply = await listen(Speaker(Ring(8 * RATE_HZ, RATE_HZ), jitter_buffer=learner), service)
    assert reply.wait_s < 0.3 / 4 + 2 * BLOCK_S


async def test_every_sample_is_played_whatever_the_prefill(autojump_clock: MockClock) -> None:
    random = Random(6)
    service = Service(random, 0.15, lambda: random.uniform(0.1, 0.4))
    speaker = Speaker(
        Ring(RATE_HZ // 5, RATE_HZ), jitter_buffer=jitter_buffer()
    )  # it holds less than the prefill may ask for
    for _ in range(5):
        await listen(speaker, service)
    assert speaker.ring.played == len(service.said) // 2
