"""The shaped line of the uploads' benchmark: its rate, its delay, and that nothing is lost on it."""

from __future__ import annotations

import os

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from testbed.uplink import PACKET, Bucket, Uplink, open_uplink
from voiceloop.nursery import private_nursery


@given(st.lists(st.tuples(st.integers(1, PACKET), st.floats(0, 0.01)), min_size=1, max_size=50))
def test_nothing_leaves_faster_than_the_rate(packets: list[tuple[int, float]]) -> None:
    bucket, now, total = Bucket(5e6), 0.0, 0
    left_at = 0.0
    for count, gap_s in packets:
        now += gap_s
        left_at = bucket.leaves_at(count, now)
        total += count
        assert left_at >= max(total * 8 / 5e6, now) - 1e-9
        assert bucket.waits_s(now) == pytest.approx(left_at - now)
    assert left_at <= now + total * 8 / 5e6 + 1e-9


def test_an_idle_line_saves_up_nothing() -> None:
    bucket = Bucket(8_000)
    assert bucket.leaves_at(1_000, 0.0) == 1.0
    assert bucket.waits_s(100.0) == 0.0
    assert bucket.leaves_at(1_000, 100.0) == 101.0


async def test_what_is_sent_arrives_whole_at_the_rate_and_the_answer_one_round_trip_later() -> None:
    data = os.urandom(125_000)
    got = bytearray()

    async def serve(stream: trio.SocketStream) -> None:
        async for piece in stream:
            got.extend(piece)
            if len(got) == len(data):
                await stream.send_all(b"!")

    async with private_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        await nursery.start(trio.serve_listeners, serve, listeners)
        line = Uplink(listeners[0].socket.getsockname()[1])
        async with open_uplink(line), await trio.open_tcp_stream("127.0.0.1", line.port) as stream:
            began = trio.current_time()
            with trio.fail_after(10):
                await stream.send_all(data)
                assert await stream.receive_some(1) == b"!"
            took_s = trio.current_time() - began
    assert got == data
    # A round trip for the connection, 200 ms for a megabit at five a second, a round trip for the answer.
    assert 0.08 + 0.2 + 0.08 <= took_s < 0.08 + 0.2 + 0.08 + 0.15
    (flow,) = line.flows
    assert flow.up_bytes == len(data)
    assert 0.28 <= flow.left_at - began < 0.28 + 0.1


@pytest.mark.parametrize("closer", ["client", "server"])
async def test_a_side_that_closes_ends_the_other(closer: str) -> None:
    over = trio.Event()

    async def serve(stream: trio.SocketStream) -> None:
        if closer == "client":
            assert await stream.receive_some(1) == b""
        await stream.aclose()
        over.set()

    async with private_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        await nursery.start(trio.serve_listeners, serve, listeners)
        line = Uplink(listeners[0].socket.getsockname()[1], round_trip_s=0.01)
        with trio.fail_after(10):
            async with open_uplink(line), await trio.open_tcp_stream("127.0.0.1", line.port) as stream:
                if closer == "server":
                    assert await stream.receive_some(1) == b""
                await stream.aclose()
                await over.wait()
