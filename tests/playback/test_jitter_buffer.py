"""The jitter buffer's prefill: computed by hand, and for 100 replies over a bad network in virtual time."""

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
"""The arrival time of a piece and the length of its sound, in seconds."""


def jitter_buffer() -> JitterBuffer:
    return JitterBuffer(least_s=LEAST_S, most_s=MOST_S)


def feed(buffer: JitterBuffer, pieces: Sequence[Piece]) -> Stream:
    stream = buffer.stream()
    for at, sound_s in pieces:
        stream.came(at, sound_s)
    return stream


def evenly(count: int, sound_s: float = 0.02, speed: float = 4.0) -> list[Piece]:
    return [(n * sound_s / speed, sound_s) for n in range(count)]


def longest_gap_s(pieces: Sequence[Piece], prefill_s: float) -> float:
    """Return the longest silence when playing begins with this prefill, or with all of the sound."""
    held = 0.0
    until: float | None = None
    longest = 0.0
    for at, sound_s in pieces:
        if until is None:
            held += sound_s
            if held >= prefill_s:
                until = at + held
        else:
            longest = max(longest, at - until)
            until = max(until, at) + sound_s
    return longest


def test_an_even_stream_needs_only_the_smallest_prefill() -> None:
    buffer = jitter_buffer()
    for _ in range(20):
        feed(buffer, evenly(100))
        assert buffer.seconds == LEAST_S


def test_a_stream_that_stalls_raises_the_prefill_of_the_next() -> None:
    buffer = jitter_buffer()
    feed(buffer, [(0, 0.1), (0.3, 0.1)])
    assert buffer.seconds == MOST_S
    other = jitter_buffer()
    feed(other, [(0, 0.1), (0.15, 0.1)])
    assert other.seconds == pytest.approx(1.5 * 0.15)


def test_an_underrun_raises_the_prefill_at_once() -> None:
    buffer = jitter_buffer()
    stream = buffer.stream()
    stream.came(0.0, 0.05)
    stream.came(0.2, 0.05)
    assert buffer.seconds == pytest.approx(0.3)


def test_the_wait_for_the_first_piece_does_not_count() -> None:
    buffer = jitter_buffer()
    for began in (0.0, 5.0, 9.0):
        feed(buffer, [(began + 1.0 + at, sound_s) for at, sound_s in evenly(20)])
    assert buffer.seconds == LEAST_S


def test_time_without_a_request_does_not_count() -> None:
    buffer = jitter_buffer()
    stream = buffer.stream()
    for n in range(20):
        stream.came(n * 10.0, 0.02)
        stream.asked(n * 10.0 + 9.999)
    assert buffer.seconds == LEAST_S


def test_one_hiccup_is_forgotten_after_a_few_replies() -> None:
    buffer = jitter_buffer()
    feed(buffer, [(0, 0.1), (0.3, 0.1)])
    for _ in range(12):
        assert buffer.seconds > LEAST_S
        feed(buffer, evenly(20))
    assert buffer.seconds == LEAST_S


def test_a_stream_of_a_single_piece_changes_nothing() -> None:
    buffer = jitter_buffer()
    feed(buffer, [(0, 0.1), (0.15, 0.1)])
    for _ in range(50):
        feed(buffer, [(0, 2.0)])
    assert buffer.seconds == pytest.approx(1.5 * 0.15)


PIECES = st.lists(st.tuples(st.floats(0, 0.5), st.floats(0.001, 0.3)), min_size=1, max_size=40).map(
    lambda steps: [(sum(wait for wait, _ in steps[: n + 1]), sound_s) for n, (_, sound_s) in enumerate(steps)]
)


@given(st.lists(PIECES, max_size=20))
def test_the_prefill_stays_between_its_bounds(streams: list[list[Piece]]) -> None:
    buffer = jitter_buffer()
    for pieces in streams:
        feed(buffer, pieces)
        assert LEAST_S <= buffer.seconds <= MOST_S


@given(PIECES, st.floats(0, 5))
def test_with_the_prefill_that_a_stream_needed_it_has_no_gap(pieces: list[Piece], more: float) -> None:
    need_s = feed(jitter_buffer(), pieces).need_s
    assert longest_gap_s(pieces, need_s + more) <= 1e-9


# What follows runs the real ring, speaker and delivery.

RATE_HZ = 8_000
BLOCK_S = 0.01
TEXT = "Well, that is a long story indeed. It began a while ago. Then it went on. And then it came to its end."


@dataclass
class Service:
    """A synthesizer at four times real time; pieces of random length come in order, each up to `jitter_s` late."""

    random: Random
    jitter_s: float
    lengths_s: Callable[[], float]
    first_byte_s: float = 0.2
    sent: bytearray = field(default_factory=bytearray)

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
                self.sent += pcm
                await send.send(Speech(pcm, RATE_HZ))


class CommittedTurn:
    """A turn that is committed from the start."""

    async def committed(self) -> None:
        await trio.lowlevel.checkpoint()

    def mark(self, name: str) -> None: ...

    def sounds(self, text: str) -> None: ...

    def asking(self, kind: Literal["speak"]) -> None: ...

    def spent(self, kind: Literal["speak"], usage: Usage) -> None: ...


@dataclass
class Reply:
    """What was heard of a reply: the wait from its first byte to its first sound, and its gaps, in seconds."""

    wait_s: float
    gaps_s: list[float]


def silences(heard: bytes) -> tuple[float, list[float]]:
    """Return the silence before the first sound, and each silence between sounds, in seconds."""
    samples = array("h", heard)
    loud = [n for n, sample in enumerate(samples) if sample]
    gaps = [(b - a - 1) / RATE_HZ for a, b in pairwise(loud) if b - a > 1]
    return loud[0] / RATE_HZ, gaps


async def listen(speaker: Speaker, service: Service) -> Reply:
    """Play one reply; return what was heard."""
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

    delivery = Delivery(cast(Synthesizer, service), speaker, lambda *_, **__: None, CommittedTurn())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pull)
        async with trio.open_nursery() as replying:
            replying.start_soon(delivery.run)
            await delivery.say(TEXT)
            await delivery.finish()
        nursery.cancel_scope.cancel()
    quiet_s, gaps_s = silences(bytes(heard))
    return Reply(quiet_s - service.first_byte_s, gaps_s)


async def replies(count: int, jitter_s: float, seed: int, buffer: JitterBuffer | None) -> list[Reply]:
    random = Random(seed)
    service = Service(random, jitter_s, lambda: random.uniform(0.5, 1.2))
    speaker = Speaker(Ring(4 * RATE_HZ, RATE_HZ, prefill=round(LEAST_S * RATE_HZ)), jitter_buffer=buffer)
    return [await listen(speaker, service) for _ in range(count)]


def gaps(heard: Sequence[Reply]) -> int:
    """Return how many gaps are longer than 20 ms."""
    return sum(gap_s > 0.02 for reply in heard for gap_s in reply.gaps_s)


async def test_a_hundred_replies_through_a_jittery_network_have_no_gap_after_the_first(
    autojump_clock: MockClock,
) -> None:
    buffer = jitter_buffer()
    heard = await replies(101, 0.15, seed=1, buffer=buffer)
    assert gaps(heard[1:]) == 0
    assert sum(reply.wait_s for reply in heard[1:]) / 100 < 0.3
    fixed = await replies(20, 0.15, seed=1, buffer=None)
    assert gaps(fixed) > 0  # the network is bad enough to cause gaps


async def test_on_an_even_network_the_wait_is_no_longer_than_with_a_fixed_prefill(autojump_clock: MockClock) -> None:
    adaptive = await replies(8, 0, seed=2, buffer=jitter_buffer())
    fixed = await replies(8, 0, seed=2, buffer=None)
    assert [reply.wait_s for reply in adaptive] == [reply.wait_s for reply in fixed]
    assert gaps(adaptive) == 0


async def test_the_prefill_shrinks_soon_after_the_network_recovers(autojump_clock: MockClock) -> None:
    buffer = jitter_buffer()
    await replies(5, 0.15, seed=3, buffer=buffer)
    assert buffer.seconds > 0.1
    await replies(4, 0, seed=4, buffer=buffer)
    assert buffer.seconds == LEAST_S


async def test_a_first_chunk_shorter_than_the_prefill_does_not_wait_for_the_next(autojump_clock: MockClock) -> None:
    buffer = jitter_buffer()
    feed(buffer, [(0, 0.1), (0.5, 0.1)])
    assert buffer.seconds == MOST_S
    lengths = iter([0.3, 3.0, 3.0, 3.0, 3.0])
    service = Service(Random(5), 0, lambda: next(lengths), first_byte_s=0.2)
    reply = await listen(Speaker(Ring(8 * RATE_HZ, RATE_HZ), jitter_buffer=buffer), service)
    assert reply.wait_s < 0.3 / 4 + 2 * BLOCK_S


async def test_every_sample_is_played_whatever_the_prefill(autojump_clock: MockClock) -> None:
    random = Random(6)
    service = Service(random, 0.15, lambda: random.uniform(0.1, 0.4))
    small_ring = Ring(RATE_HZ // 5, RATE_HZ)  # its capacity is below the largest prefill
    speaker = Speaker(small_ring, jitter_buffer=jitter_buffer())
    for _ in range(5):
        await listen(speaker, service)
    assert speaker.ring.played == len(service.sent) // 2
